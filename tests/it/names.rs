//! Names of sequencers, from a registry: in tables for people, and nowhere else.

use crate::support::{expected, ingested, tally};
use serde_json::{Value, json};
use std::path::Path;

/// Writes a registry that names every second sequencer of a recording, by its present or else by its first signer.
fn write_registry(path: &Path, recording: &str) {
    let truth = expected(recording);
    let sequencers = truth["final"]["sequencers"].as_object().unwrap();
    let signers = truth["signers"].as_array().unwrap();
    let mut entries = Vec::new();
    for (id, state) in sequencers.iter().filter(|(id, _)| id.parse::<u64>().unwrap() % 2 == 1) {
        let first = signers.iter().find(|signer| signer["seq"] == id.parse::<u64>().unwrap());
        let signer = if id == "3" { &first.unwrap()["signer"] } else { &state["signer"] };
        entries.push(json!({
            "name": format!("Node\u{1b}[31m {id}"),
            "avatar": "{BASEDIR}/assets/node.svg",
            "desc": "A node",
            // Nobody's: names come by signers.
            "address": format!("0x{:040x}", 1_000 + id.parse::<u64>().unwrap()),
            "seq_addr": signer,
            "pubkey": "0x",
            "url": "https://example.com",
        }));
    }
    std::fs::write(path, Value::Array(entries).to_string()).unwrap();
}

fn output_of(args: &[&str]) -> String {
    let (status, out, err) = tally(args);
    assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
    out
}

#[test]
fn tables_have_names_and_programs_do_not() {
    let (dir, _) = ingested("small-a");
    let log = dir.path().to_str().unwrap();
    let registry = dir.path().join("registry.json");
    write_registry(&registry, "small-a");
    let registry = registry.to_str().unwrap();
    let label = "3 Node[31m 3";
    for (command, formats) in [
        (&["replay"][..], &["json", "csv"][..]),
        (&["whatif", "--by-sequencer"], &["json", "csv"]),
        (&["state"], &["json"]),
        (&["ledger", "show"], &["json", "csv"]),
        (&["explain", "--sequencer", "3", "--epoch", "0"], &["json"]),
        (&["accounts"], &["json", "csv"]),
        (&["accounts", "statement", "--sequencer", "3"], &["json", "csv"]),
        (&["sequencers"], &["csv"]),
    ] {
        let args = [command, &["--log", log]].concat();
        let with_names = |more: &[&str]| output_of(&[&args[..], &["--registry", registry], more].concat());
        let table = with_names(&[]);
        assert!(table.contains(label), "{command:?}\n{table}");
        assert!(!table.contains('\u{1b}'));
        assert!(!table.contains("4 Node"), "{command:?}");
        for format in formats {
            let format = ["--format", format];
            assert_eq!(with_names(&format), output_of(&[&args[..], &format].concat()), "{command:?}");
        }
    }
    let json: Value = serde_json::from_str(&output_of(&[
        "sequencers",
        "--log",
        log,
        "--registry",
        registry,
        "--format",
        "json",
    ]))
    .unwrap();
    let names: Vec<&Value> =
        json["sequencers"].as_array().unwrap().iter().map(|sequencer| &sequencer["name"]).collect();
    for (index, name) in names.iter().enumerate() {
        let id = index + 1;
        assert_eq!(**name, if id % 2 == 1 { json!(format!("Node[31m {id}")) } else { Value::Null });
    }
}

/// What `tally sequencers` says of each is what the contracts answered, and every signer is there.
#[test]
fn sequencers_are_those_of_the_contracts() {
    for recording in crate::support::RECORDINGS {
        let (dir, _) = ingested(recording);
        let log = dir.path().to_str().unwrap();
        let truth = expected(recording);
        let json: Value =
            serde_json::from_str(&output_of(&["sequencers", "--log", log, "--format", "json"])).unwrap();
        let sequencers = json["sequencers"].as_array().unwrap();
        let mut signers = 0;
        for own in sequencers {
            let id = own["sequencer"].to_string();
            let theirs = &truth["final"]["sequencers"][&id];
            for (field, their) in [
                ("owner", "owner"),
                ("signer", "signer"),
                ("status", "status"),
                ("stake_wei", "amount"),
                ("recipient", "rewardRecipient"),
            ] {
                assert_eq!(own[field], theirs[their], "{recording}, sequencer {id}: {field}");
            }
            for signer in own["signers"].as_array().unwrap() {
                let known =
                    truth["signers"].as_array().unwrap().iter().find(|it| it["signer"] == signer["signer"]);
                assert_eq!(known.unwrap()["seq"].to_string(), id);
                signers += 1;
            }
        }
        assert_eq!(sequencers.len(), truth["final"]["sequencers"].as_object().unwrap().len());
        assert_eq!(signers, truth["signers"].as_array().unwrap().len());
    }
}

#[test]
fn a_registry_that_cannot_be_read_is_named() {
    let (dir, _) = ingested("small-a");
    let log = dir.path().to_str().unwrap();
    let registry = dir.path().join("registry.json");
    for (text, expected) in [("{", "it is no JSON list: "), ("[1,", "it is no JSON list: ")] {
        std::fs::write(&registry, text).unwrap();
        let registry = registry.to_str().unwrap();
        let (status, out, err) = tally(&["sequencers", "--log", log, "--registry", registry]);
        assert_eq!((status, out.as_str()), (1, ""));
        assert!(err.starts_with(&format!("error: --registry {registry}: {expected}")), "{err}");
    }
}

/// The story: one wrong address of somebody else's made every table go without names.
#[test]
fn one_bad_entry_leaves_the_others_their_names() {
    let (dir, _) = ingested("small-a");
    let log = dir.path().to_str().unwrap();
    let registry = dir.path().join("registry.json");
    write_registry(&registry, "small-a");
    let path = registry.to_str().unwrap();
    let whole = output_of(&["sequencers", "--log", log, "--registry", path]);
    let mut entries: Vec<Value> = serde_json::from_slice(&std::fs::read(&registry).unwrap()).unwrap();
    // One digit too many.
    let wrong = "0x00112233445566778899aabbccddeeff001122334";
    entries.insert(1, json!({ "name": "Bad", "address": wrong, "seq_addr": wrong }));
    std::fs::write(&registry, Value::Array(entries).to_string()).unwrap();
    let (status, out, err) = tally(&["sequencers", "--log", log, "--registry", path]);
    assert_eq!((status, out), (0, whole));
    let expected = format!(
        "warning: --registry {path}: entry 1 (from 0) is left out: address is not 0x and 40 hexadecimal digits, but \
         \"{wrong}\"\n"
    );
    assert_eq!(err, expected);
}
