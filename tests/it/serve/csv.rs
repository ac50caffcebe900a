//! Lists as CSV have what they have as JSON.

use super::{Served, http, log_of};
use serde_json::Value;
use std::collections::BTreeSet;

fn csv(served: &Served, path: &str) -> http::Answer {
    let text = format!("GET {path} HTTP/1.1\r\nHost: tally\r\nAccept: text/csv\r\nConnection: close\r\n\r\n");
    let answer = http::request(&served.address, &text).unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    answer
}

/// The cells of a row of JSON, by the names that columns have.
fn flat(row: &Value, name: &str, cells: &mut Vec<(String, String)>) {
    match row {
        Value::Object(members) => {
            for (member, value) in members {
                let name = if name.is_empty() { member.clone() } else { format!("{name}_{member}") };
                flat(value, &name, cells);
            }
        }
        Value::Array(parts) => {
            let parts: Option<Vec<&str>> = parts.iter().map(Value::as_str).collect();
            cells.push((name.to_owned(), parts.map_or("(rows)".into(), |parts| parts.join(" "))));
        }
        Value::Null => cells.push((name.to_owned(), String::new())),
        Value::String(text) => cells.push((name.to_owned(), text.clone())),
        other => cells.push((name.to_owned(), other.to_string())),
    }
}

/// Fields of rows that are no columns: lists of their own, and what follows from others.
const NOT_THERE: [&str; 6] = ["signers", "rows", "others", "operators", "makers", "rate_"];

#[test]
fn every_list_has_the_fields_of_its_rows_as_columns() {
    let dir = tempfile::tempdir().unwrap();
    let served =
        Served::start(&log_of("pool-a", dir.path()), &["--policy", "guide", "--policy", "locking-pool"]);
    for (path, list) in [
        ("/v1/sequencers", "sequencers"),
        ("/v1/sequencers?policy=locking-pool&status=Active", "sequencers"),
        ("/v1/sequencers/3/epochs", "epochs"),
        ("/v1/sequencers/3/ledger", "blocks"),
        ("/v1/sequencers/3/statement", "movements"),
        ("/v1/sequencers/3/production?last_blocks=20000", "spans"),
        ("/v1/production", "spans"),
        ("/v1/production/epochs", "epochs"),
        ("/v1/sequencers/3/production/epochs", "epochs"),
        ("/v1/epochs", "epochs"),
        ("/v1/epochs/2", "rows"),
        ("/v1/batches", "batches"),
        ("/v1/batches/5", "rows"),
        ("/v1/distributions", "distributions"),
        ("/v1/distributions/4/leaves", "leaves"),
    ] {
        let json = served.json(path);
        let rows = json.get(list).or_else(|| json["batch"].get(list)).unwrap().as_array().unwrap();
        assert!(!rows.is_empty(), "{path}");
        let answer = csv(&served, path);
        let mut lines = answer.body.lines();
        let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
        let mut told = BTreeSet::new();
        for row in rows {
            let cells: Vec<&str> = lines.next().unwrap().split(',').collect();
            assert_eq!(cells.len(), columns.len(), "{path}");
            let mut expected = Vec::new();
            flat(row, "", &mut expected);
            for (column, cell) in columns.iter().zip(cells) {
                // Of an object that is null, nothing is there.
                let found = expected.iter().find(|(name, _)| name == column).map_or("", |(_, cell)| cell);
                assert_eq!(found, cell, "{path}: {column}");
            }
            told.extend(expected.into_iter().map(|(name, _)| name));
        }
        assert_eq!(lines.next(), None, "{path}");
        for name in told {
            let is_object = columns.iter().any(|column| column.starts_with(&format!("{name}_")));
            let is_left_out =
                NOT_THERE.iter().any(|left| name == *left || name.starts_with("rate_")) || is_object;
            let is_policy_sum =
                ["policy_claimable_wei", "contract_stake_wei", "contract_exit_delay_secs"].contains(&&*name);
            assert!(columns.contains(&&*name) || is_left_out || is_policy_sum, "{path}: no column {name}");
        }
        assert_eq!(answer.header("vary"), Some("accept"), "{path}");
        assert!(answer.header("etag").is_none_or(|tag| tag.ends_with("-csv\"")), "{path}");
    }
}

/// The pages of a list as CSV are found by the link of each, and are the list.
#[test]
fn the_pages_of_a_list_as_csv_follow_from_their_links() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(&log_of("pool-a", dir.path()), &[]);
    for path in ["/v1/batches?", "/v1/sequencers/3/ledger?from=15214503&", "/v1/epochs?policy=guide&"] {
        let whole = csv(&served, &format!("{path}limit=1000")).body;
        let (mut rows, mut next) = (Vec::new(), format!("{path}limit=3"));
        loop {
            let page = csv(&served, &next);
            let mut lines = page.body.lines().map(str::to_owned);
            let header = lines.next().unwrap();
            if rows.is_empty() {
                rows.push(header);
            }
            rows.extend(lines);
            let Some(link) = page.header("link") else { break };
            let target = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
            next = target.unwrap().to_owned();
        }
        assert_eq!(rows, whole.lines().collect::<Vec<_>>(), "{path}");
        assert!(rows.len() > 7, "{path}");
    }
}
