//! What the owner of a sequencer asks first: one page, and whom the commands take it for.

use crate::support::{ingested, tally};
use serde_json::{Value, json};

fn said(args: &[&str]) -> String {
    let (status, out, err) = tally(args);
    assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
    out
}

fn json_of(args: &[&str]) -> Value {
    serde_json::from_str(&said(&[args, &["--format", "json"]].concat())).unwrap()
}

/// The story: the owner of sequencer 7 asks why it got 17 % where the target is 20 %. It was given fewer blocks than its
/// stake's part, while the pool as a whole reached more than the target, as it made more blocks than the rate assumed.
#[test]
fn the_page_says_why_the_rate_is_not_the_target() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let page = said(&["sequencer", "7", "--log", log, "--epoch", "12"]);
    let reason = "\
        realised           17.066 %; the target is 20.000 %\n  \
          of the blocks    12.771 %: 200 of 1566\n  \
          of the stake     19.579 % that counts\n  \
          pool's rate      26.164 %\n    \
            because        the rate assumed 1197 blocks of the pool, and 1566 were made\n  \
          so               x 0.652 of the pool's 26.164 % = 17.066 %\n";
    assert!(page.ends_with(reason), "{page}");
    let explained = said(&["explain", "--log", log, "--sequencer", "7", "--epoch", "12"]);
    assert!(explained.ends_with(reason), "explain ends with it, too: {explained}");
}

/// The same reason is in the JSON of both commands. Where blocks do not all earn the same, the number of blocks explains
/// nothing, and is not said to.
#[test]
fn the_reason_is_told_alike_and_only_where_it_holds() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    for (policy, is_flat) in [("guide", true), ("stake-weighted", false), ("locking-pool", false)] {
        let of_epoch = ["--epoch", "12", "--policy", policy, "--log", log];
        let explained = json_of(&[&["explain", "--sequencer", "7"], &of_epoch[..]].concat());
        let page = json_of(&[&["sequencer", "7"], &of_epoch[..]].concat());
        let reason = explained["reason"].as_object().unwrap();
        for (member, value) in reason {
            assert_eq!(&page["rate"][member], value, "{policy}: {member}");
        }
        assert_eq!(reason["realised_mrr"], explained["realised_mrr"], "{policy}");
        for member in ["assumed_blocks", "ratio"] {
            assert_eq!(reason[member].is_string(), is_flat, "{policy}: {member}");
        }
        let page = said(&[&["sequencer", "7"], &of_epoch[..]].concat());
        assert_eq!(page.contains("because"), is_flat, "{page}");
    }
}

/// A policy without a cap says so, and not the greatest number that there is.
#[test]
fn a_policy_without_a_cap_has_none() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let (_, built_in, _) = tally(&["policy", "show", "guide"]);
    let uncapped: String =
        built_in
            .lines()
            .map(|line| {
                if line.starts_with("cap_wei") { "cap_wei = \"none\"\n".into() } else { format!("{line}\n") }
            })
            .collect();
    let file = dir.path().join("uncapped.toml");
    std::fs::write(&file, uncapped).unwrap();
    let args = ["sequencer", "7", "--log", log, "--policy", file.to_str().unwrap()];
    let page = said(&args);
    assert!(page.contains("METIS: the policy has no cap\n") && !page.contains("115792089"), "{page}");
    let stake = &json_of(&args)["stake"];
    assert_eq!((&stake["cap_wei"], &stake["below_cap_wei"]), (&Value::Null, &stake["below_max_wei"]));
    assert_eq!(stake["above_cap_wei"], "0");
}

/// Each number of the page is that of the command that is about it.
#[test]
fn the_page_says_what_the_other_commands_say() {
    for (name, ids) in [("small-a", 1..=8), ("pool-a", 1..=12)] {
        let (dir, _) = ingested(name);
        let log = dir.path().to_str().unwrap();
        let state = json_of(&["state", "--log", log]);
        let accounts = json_of(&["accounts", "--log", log, "--policy", "guide,locking-pool"]);
        let sequencers = json_of(&["sequencers", "--log", log]);
        for id in ids {
            let index = usize::try_from(id - 1).unwrap();
            let page = json_of(&["sequencer", &id.to_string(), "--log", log]);
            let place = format!("{name}, sequencer {id}");
            for (member, value) in sequencers["sequencers"][index].as_object().unwrap() {
                assert_eq!(&page[member], value, "{place}: {member}");
            }
            let account = &accounts["sequencers"][index];
            for member in
                ["credited_wei", "claimed_wei", "relocked_wei", "unclaimed_wei", "claimable_wei", "exit"]
            {
                assert_eq!(page["contract"][member], account[member], "{place}: {member}");
            }
            let [guide, on_chain] = [0, 1].map(|policy| {
                let all = accounts["policies"][policy]["sequencers"].as_array().unwrap();
                all.iter().find(|own| own["sequencer"] == id).unwrap()
            });
            assert_eq!(page["under_policy"]["accrued_wei"], guide["accrued_wei"], "{place}");
            assert_eq!(page["unpaid"]["reward_wei"], on_chain["pending_wei"], "{place}");
            assert_eq!(page["unpaid"]["blocks"], on_chain["pending_blocks"], "{place}");
            let limits = &page["stake"];
            assert_eq!(
                (&limits["min_wei"], &limits["max_wei"]),
                (&state["minLock"], &state["maxLock"]),
                "{place}"
            );
            let action = match page["status"].as_str().unwrap() {
                "Active" => json!("unlock"),
                "Inactive" => json!("finish"),
                _ => Value::Null,
            };
            assert_eq!(page["way_out"]["action"], action, "{place}");
            if let Some(action) = action.as_str() {
                let call = json_of(&["claims", "call", action, "--log", log, "--sequencer", &id.to_string()]);
                assert_eq!(page["way_out"]["conditions"], call["conditions"], "{place}");
            }
            // What was credited since the epoch began is what the statement of that time says.
            let start = page["running_epoch"]["start"].to_string();
            let statement = json_of(&[
                "accounts",
                "statement",
                "--log",
                log,
                "--sequencer",
                &id.to_string(),
                "--from",
                &start,
            ]);
            let movements = statement["movements"].as_array().unwrap().iter();
            let credited = movements.filter(|movement| movement["kind"] == "credited");
            let sum: u128 = credited
                .map(|movement| movement["amount_wei"].as_str().unwrap().parse::<u128>().unwrap())
                .sum();
            assert_eq!(page["running_epoch"]["credited_wei"], sum.to_string(), "{place}");
        }
    }
}

/// Every command that is about one sequencer takes an id, a name or an address for it.
#[test]
fn a_sequencer_is_known_by_its_id_its_name_and_its_addresses() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let state = json_of(&["state", "--log", log]);
    let of = |member: &str| state["sequencers"]["7"][member].as_str().unwrap().to_owned();
    let registry = dir.path().join("names.json");
    let entry = json!([{ "name": "Seven Seas", "address": of("owner"), "seq_addr": of("signer") }]);
    std::fs::write(&registry, entry.to_string()).unwrap();
    let registry = registry.to_str().unwrap();
    for command in [
        &["accounts"][..],
        &["accounts", "statement"],
        &["accounts", "compare"],
        &["ledger", "show", "--blocks", ":+100"],
        &["explain", "--epoch", "12"],
        &["production"],
        &["claims", "call", "claim"],
    ] {
        let run = |who: &str| {
            json_of(&[command, &["--log", log, "--registry", registry, "--sequencer", who]].concat())
        };
        let by_id = run("7");
        for who in ["seven seas", &of("owner"), &of("signer"), &of("rewardRecipient")] {
            assert_eq!(run(who), by_id, "{command:?}: {who}");
        }
    }
    let page = |who: &str| json_of(&["sequencer", who, "--log", log, "--registry", registry]);
    assert_eq!(page("Seven Seas"), page("7"));
    assert_eq!(page("7")["name"], "Seven Seas");
    let (status, _, err) = tally(&["accounts", "--log", log, "--sequencer", "Eight Bells"]);
    assert!(status == 2 && err.contains("the log knows the ids 1 to 12, and no names"), "{err}");
}

/// Times and amounts are taken as people write them, and mean the same.
#[test]
fn times_and_amounts_mean_what_they_say() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let at = |time: &str| json_of(&["accounts", "--log", log, "--at", time]);
    let by_secs = at("1719792000");
    for time in ["2024-07-01", "2024-07-01T00:00:00Z", "2024-07-01 02:00:00+02:00"] {
        assert_eq!(at(time), by_secs, "{time}");
    }
    let latest = at("latest");
    assert_ne!(at("-14d"), latest);
    let statement = |range: &[&str]| {
        json_of(&[&["accounts", "statement", "--log", log, "--sequencer", "7"], range].concat())
    };
    assert_eq!(
        statement(&["--from", "2024-07-01", "--to", "2024-08-01"]),
        statement(&["--from", "1719792000", "--to", "1722470400"])
    );
    assert_eq!(statement(&["--to", "latest"]), statement(&[]));
    let rate = |stake: &str, mrr: &str| {
        json_of(&["claims", "rate", "--block-secs", "2", "--stake", stake, "--mrr", mrr])
    };
    for (stake, mrr) in [("100k", "15%"), ("100_000", "15 %"), ("0.1M METIS", "0.15")] {
        assert_eq!(rate(stake, mrr), rate("100000", "0.15"), "{stake} {mrr}");
    }
    let (status, _, err) = tally(&["accounts", "--log", log, "--at", "yesterday"]);
    assert!(status == 2 && err.contains("write a day (2024-07-01"), "{err}");
}

/// A file for a tax office or a spreadsheet: METIS with all digits and dates, in CSV and JSON; what is for people stays.
#[test]
fn amounts_in_metis_and_times_in_utc_lose_nothing() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let statement = ["accounts", "statement", "--log", log, "--sequencer", "7", "--from", "2024-01-01"];
    let (exact, people) = (["--format", "csv"], ["--format", "csv", "--unit", "metis", "--time", "utc"]);
    let rows = |more: &[&str]| -> Vec<Vec<String>> {
        let text = said(&[&statement[..], more].concat());
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    };
    let (exact, people) = (rows(&exact), rows(&people));
    assert_eq!(exact.len(), people.len());
    let column = |name: &str| exact[0].iter().position(|column| column == name).unwrap();
    let (time, amount) = (column("time"), column("amount_wei"));
    assert_eq!(people[0][amount], "amount_metis");
    let mut seen = 0;
    for (exact, people) in exact.iter().zip(&people).skip(1) {
        if let Ok(wei) = exact[amount].parse::<u128>() {
            let (whole, fraction) = people[amount].split_once('.').unwrap_or((&people[amount], ""));
            let back: u128 = format!("{whole}{fraction:0<18}").parse().unwrap();
            assert_eq!(back, wei);
            seen += 1;
        }
        if let Ok(secs) = exact[time].parse::<u64>() {
            let at = said(&["accounts", "--log", log, "--at", &people[time], "--format", "json"]);
            assert_eq!(serde_json::from_str::<Value>(&at).unwrap()["time"], secs, "{}", people[time]);
        }
    }
    assert!(seen > 20);
    let accounts = ["accounts", "--log", log, "--unit", "metis", "--time", "utc"];
    let said_json: Value =
        serde_json::from_str(&said(&[&accounts[..], &["--format", "json"]].concat())).unwrap();
    assert_eq!(said_json["sequencers"][6]["claimable_metis"], "284.7109359402711848");
    assert_eq!(said_json["log"]["l1_head"]["timestamp"], "2024-09-12T23:25:00Z");
    assert_eq!(said(&accounts), said(&["accounts", "--log", log]), "a table is for people as it is");
}

#[test]
fn a_log_s_status_is_told_in_a_few_lines() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let status = said(&["status", "--log", log]);
    for line in [
        "L1           block 19436258, 2024-09-12 23:25:00Z",
        "L2           block 15234502, 2024-09-10 06:07:11Z",
        "last batch   44, spans 196 to 201, paid 2024-09-09 21:04:12Z",
        "sequencers   7 active, 1 leaving, 4 gone",
    ] {
        assert!(status.lines().any(|found| found == line), "{status}");
    }
}

/// Errors say what is expected, and what to do next, in words of those who made the mistake.
#[test]
fn errors_are_told_in_the_users_words() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let missing = dir.path().join("no/such/report.json");
    let missing = missing.to_str().unwrap();
    let config = dir.path().join("tally.toml");
    std::fs::write(&config, "at-time = 2024-07-01\n").unwrap();
    for (args, status, words) in [
        (
            &["ledger", "show", "--log", log, "--epoch", "twelve"][..],
            2,
            "a whole number is expected, such as 12",
        ),
        (
            &["explain", "--log", log, "--block", ""],
            2,
            "a whole number is expected, such as 12, and nothing is given",
        ),
        (&["explain", "--log", log, "--block", "99999999999999999999"], 2, "the number is too large"),
        (&["audit", "chain", "--log", log, "--report", missing], 1, "no/such: make it first"),
        (
            &["accounts", "statement", "--log", log, "--sequencer", "7", "--to", "2030-01-01"],
            1,
            "leave it out",
        ),
        (&["token"], 2, "<NAME>"),
    ] {
        let (found, out, err) = tally(args);
        assert!(found == status && out.is_empty() && err.contains(words), "{args:?}: {found} {err}");
    }
    let dated = said(&["accounts", "--log", log, "--config", config.to_str().unwrap()]);
    assert_eq!(
        dated,
        said(&["accounts", "--log", log, "--at", "2024-07-01"]),
        "a date in a file of settings is one"
    );
    let help = said(&["token", "--help"]);
    assert!(help.contains("letters, digits, dots, - and _"), "{help}");
}

/// The story: 15 % from the next epoch on is voted on. The rate that it takes is three quarters of that of 20 %.
#[test]
fn the_next_rate_can_be_tried_with_another_target() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let rate = |more: &[&str]| json_of(&[&["claims", "next-rate", "-l", log], more].concat());
    let reward = |rate: &Value| rate["reward_per_block_wei"].as_str().unwrap().parse::<u128>().unwrap();
    let (as_it_is, same, less) = (rate(&[]), rate(&["--mrr", "20%"]), rate(&["--mrr", "15%"]));
    assert_eq!(reward(&as_it_is), reward(&same));
    assert!((reward(&same) * 3 / 4..=reward(&same) * 3 / 4 + 1).contains(&reward(&less)));
    assert_eq!(less["target_mrr"], "0.15");
    let table = said(&["claims", "next-rate", "-l", log]);
    let sets = "sets the rate of epoch 12, for blocks from 2024-08-29 08:50:24Z on; a newer window is there on \
                2024-09-12 08:50:24Z";
    assert!(table.lines().any(|line| line == sets), "{table}");

    // A change that is voted on for later is told, and one above 1 is taken for a mistake.
    let policy = dir.path().join("voted.toml");
    let with = |mrr: &str| {
        let change = format!("\n[[target_mrr_change]]\nfrom = 1727740800\nmrr = \"{mrr}\"\n");
        std::fs::write(&policy, said(&["policy", "show", "guide"]) + &change).unwrap();
        tally(&["claims", "next-rate", "-l", log, "--policy", policy.to_str().unwrap()])
    };
    let (status, told, err) = with("0.15");
    assert_eq!(status, 0, "{err}");
    let later = "later target     0.15, for epochs that begin at 2024-10-01 00:00:00Z or after";
    assert!(told.lines().any(|line| line == later), "{told}");
    let (status, _, err) = with("15");
    assert!(status == 2 && err.contains("did you mean 15 % or 0.15?"), "{status}: {err}");
}

/// What a command would not look at is refused where somebody writes it, and nothing is damaged where a variable has it.
#[test]
fn what_would_be_ignored_is_refused() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let out = dir.path().join("out");
    let out = out.to_str().unwrap();
    for (args, why) in [
        (&["state", "--format", "json", "--unit", "metis"][..], "--unit does nothing for `tally state`"),
        (
            &["ledger", "export", "--out", out, "--time", "utc"],
            "--time does nothing for `tally ledger export`",
        ),
        (
            &["claims", "merkle", "--out", out, "--unit", "metis"],
            "--unit does nothing for `tally claims merkle`",
        ),
        (&["audit", "chain", "--report", out, "--unit", "metis"], "`tally audit chain` with --report"),
        (&["production", "--policy", "guide"], "it needs --epoch or --by epoch"),
        (&["claims", "call", "join", "--sequencer", "7"], "join takes no --sequencer"),
    ] {
        let (status, said, err) = tally(&[args, &["--log", log]].concat());
        assert!(status == 2 && said.is_empty() && err.contains(why), "{args:?}: {err}");
    }
    assert_eq!(tally(&["schema", "state", "--unit", "metis"]).0, 2);
    assert_eq!(tally(&["openapi", "--time", "utc"]).0, 2);
    let config = dir.path().join("tally.toml");
    std::fs::write(&config, "unit = \"metis\"\ntime = \"utc\"\npolicy = \"guide\"\n").unwrap();
    let config = ["--config", config.to_str().unwrap()];
    for args in [&["schema", "claims-call"][..], &["openapi"], &["state", "--format", "json", "--log", log]] {
        assert_eq!(said(&[args, &config].concat()), said(args), "{args:?}");
    }
    said(&[&["production", "--log", log], &config[..]].concat());
    let call = ["claims", "call", "claim", "--log", log, "--sequencer", "7", "--eth", "0.005"];
    let call = json_of(&[&call[..], &config].concat());
    assert_eq!(call["call"]["value_wei"], "5000000000000000", "ETH is no METIS");
    let claimed = &call["changes"].as_array().unwrap()[0]["after"];
    assert_eq!((&claimed["unit"], &claimed["value"]), (&json!("metis"), &json!("284.7109359402711848")));
}

/// A sequencer without a block in a range is told, and is no empty table; and a flag is named by its name.
#[test]
fn nothing_is_told_as_nothing() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let made = said(&["production", "--log", log, "--sequencer", "7", "--last-blocks", "1000"]);
    assert!(
        made.ends_with("\nsequencer 7: no block of these was scheduled for it, and it made none\n"),
        "{made}"
    );
    for (args, start) in [
        (&["whatif", "--stake", "nobody=+1"][..], "error: --stake: no sequencer is"),
        (&["whatif", "--stake", "no=body=+1"], "error: --stake: no sequencer is \"no=body\""),
        (&["sequencer", "nobody"], "error: the sequencer: no sequencer is"),
        (&["accounts", "--sequencer", "nobody"], "error: --sequencer: no sequencer is"),
        (&["accounts", "--at", "20240701"], "error: invalid value '20240701' for '--at"),
        (&["accounts", "--at", "-99999d"], "error: --at: 8639913600 s before the latest, 2024-09-"),
    ] {
        let (status, said, err) = tally(&[args, &["--log", log]].concat());
        assert!(status == 2 && said.is_empty() && err.starts_with(start), "{args:?}: {err}");
    }
}
