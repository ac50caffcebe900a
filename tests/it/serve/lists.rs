//! Lists by what their entries say, and single entries.

use super::{Served, log_of};
use serde_json::Value;

fn kind_of(answer: &super::Answer) -> (u16, String) {
    (answer.status, answer.json()["type"].as_str().unwrap_or_default().replace("urn:tally:problem:", ""))
}

/// The sequencers that are asked for are those of which everything that is asked holds, in pages as in one.
#[test]
fn sequencers_are_found_by_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let served =
        Served::start(&log_of("pool-a", dir.path()), &["--policy", "guide", "--policy", "locking-pool"]);
    let all = served.json("/v1/sequencers");
    let all = all["sequencers"].as_array().unwrap();
    assert!(all.len() > 5);
    let list = |query: &str| {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = served.json(&format!("/v1/sequencers?limit=2&{query}{cursor}"));
            let entries = page["sequencers"].as_array().unwrap();
            assert!(entries.len() <= 2);
            found.extend(entries.iter().cloned());
            let Some(next) = page["next"].as_str() else { return found };
            cursor = format!("&cursor={next}");
        }
    };
    let of = |is_one: &dyn Fn(&Value) -> bool| -> Vec<Value> {
        all.iter().filter(|sequencer| is_one(sequencer)).cloned().collect()
    };
    assert_eq!(list(""), *all);
    assert_eq!(list("policy=locking-pool").len(), all.len());
    assert_eq!(list("id=3,1,3,99"), of(&|of| of["sequencer"] == 1 || of["sequencer"] == 3));
    for status in ["Active", "Inactive", "Unlocked"] {
        assert_eq!(list(&format!("status={status}")), of(&|of| of["status"] == status), "{status}");
    }
    for sequencer in all {
        let alone = std::slice::from_ref(sequencer);
        let id = &sequencer["sequencer"];
        for field in ["owner", "recipient"] {
            let address = sequencer[field].as_str().unwrap();
            let expected = of(&|of| of[field] == address);
            assert_eq!(list(&format!("{field}={address}")), expected, "{field}");
            // In any case of letters.
            let upper = format!("0x{}", address[2..].to_uppercase());
            assert_eq!(list(&format!("{field}={upper}&id={id}")), alone);
        }
        // Also by a signer that it has no more.
        for signer in sequencer["signers"].as_array().unwrap() {
            let signer = signer["signer"].as_str().unwrap();
            assert_eq!(list(&format!("signer={signer}")), alone, "{signer}");
        }
    }
    let nobody = format!("owner=0x{}", "0".repeat(40));
    assert_eq!(list(&nobody), Vec::<Value>::new());
}

/// What each epoch gave a sequencer is what the epochs say, page by page.
#[test]
fn the_series_of_a_sequencer_is_what_the_epochs_say() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(&log_of("pool-a", dir.path()), &[]);
    let epochs = served.json("/v1/epochs");
    let epochs = epochs["epochs"].as_array().unwrap();
    for id in [1, 3, 10] {
        let (mut series, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = served.json(&format!("/v1/sequencers/{id}/epochs?limit=5{cursor}"));
            assert_eq!(page["sequencer"], id);
            series.extend(page["epochs"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(series.len(), epochs.len());
        let mut cumulative = 0_u128;
        for (own, epoch) in series.iter().zip(epochs) {
            for field in ["epoch", "start", "is_final"] {
                assert_eq!(own[field], epoch[field], "{field}");
            }
            let rows = served.json(&format!("/v1/epochs/{}", own["epoch"]))["rows"].clone();
            let row = rows.as_array().unwrap().iter().find(|row| row["sequencer"] == id);
            let wei = row.map_or("0", |row| row["reward_wei"].as_str().unwrap());
            cumulative += wei.parse::<u128>().unwrap();
            assert_eq!(
                (&own["reward_wei"], &own["cumulative_wei"]),
                (&wei.into(), &cumulative.to_string().into())
            );
            assert_eq!(own["blocks"], row.map_or(Value::from(0), |row| row["blocks"].clone()));
        }
        let total =
            served.json(&format!("/v1/sequencers/{id}"))["sequencer"]["policy"]["accrued_wei"].clone();
        assert_eq!(total, cumulative.to_string());
    }
}

/// A batch and a fact by themselves are what the lists have.
#[test]
fn a_batch_and_a_fact_are_found_by_number_and_id() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(&log_of("pool-a", dir.path()), &[]);
    let batches = served.json("/v1/batches?limit=1000");
    for batch in batches["batches"].as_array().unwrap() {
        let one = served.json(&format!("/v1/batches/{}", batch["batch"]));
        assert_eq!((&one["batch"], &one["at"]), (batch, &batches["at"]));
    }
    let facts = served.facts("guide", "0");
    for fact in facts.iter().step_by(17) {
        let one = served.json(&format!("/v1/facts/{}", fact["id"].as_str().unwrap()));
        assert_eq!((&one["fact"], &one["at"]), (fact, &batches["at"]));
    }
    let last = batches["batches"].as_array().unwrap().last().unwrap()["batch"].as_u64().unwrap();
    for (path, status, kind) in [
        (format!("/v1/batches/{}", last + 1), 409, "gap"),
        ("/v1/batches/0".into(), 404, "unknown-batch"),
        ("/v1/batches/x".into(), 400, "bad-path"),
        ("/v1/facts/event:0x0:1".into(), 404, "unknown-fact"),
        ("/v1/facts/%22".into(), 404, "unknown-fact"),
        ("/v1/sequencers/99/epochs".into(), 404, "unknown-sequencer"),
        ("/v1/sequencers?status=active".into(), 400, "bad-query"),
        ("/v1/sequencers?id=".into(), 400, "bad-query"),
        ("/v1/sequencers?id=1,".into(), 400, "bad-query"),
        ("/v1/sequencers?owner=0x12".into(), 400, "bad-query"),
    ] {
        assert_eq!(kind_of(&served.get(&path)), (status, kind.into()), "{path}");
    }
}
