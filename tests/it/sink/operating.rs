//! What an operator has of a sink: metrics, alerts, dashboards, a compose file, and word of each commit.

use super::cluster::Cluster;
use super::{sink, write_log};
use crate::process;
use crate::serve::{Served, http, log_of};
use crate::support::{Tool, in_tests, tally, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

fn operating(name: &str) -> PathBuf {
    in_tests("../docs/operating").join(name)
}

/// The words of a text that begin so.
fn words(text: &str, prefix: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_word(c)).filter(|word| word.starts_with(prefix)).map(String::from).collect()
}

fn json(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(operating(name)).unwrap()).unwrap()
}

/// A YAML file as Python reads it.
fn yaml(path: &Path) -> Value {
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    let out = Tool::Payer.command().args(["-c", script]).arg(path).stderr(Stdio::inherit()).output().unwrap();
    assert!(out.status.success(), "{}", path.display());
    serde_json::from_slice(&out.stdout).unwrap()
}

/// A sink that follows a server, with metrics: those that alerts and dashboards ask for are there and right.
#[test]
fn what_alerts_and_dashboards_ask_for_is_there() {
    if !Tool::Payer.is_there() {
        return;
    }
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    let served = Served::start(&log, &["--policy", "guide", "--policy", "locking-pool"]);
    let (database, from) = (cluster.url(), served.url());
    let mut sunk = process::start(
        &[
            "sink",
            "postgres",
            "--database",
            &database,
            "--from",
            &from,
            "--follow",
            "--policy",
            "guide,locking-pool",
            "--metrics-listen",
            "127.0.0.1:0",
            "--compare-secs",
            "1",
        ],
        &[],
    );
    let line = sunk.line_with("metrics at http://");
    let address = line.trim().split("http://").nth(1).unwrap().strip_suffix("/metrics").unwrap().to_owned();
    let value = |text: &str, name: &str| -> Option<String> {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(String::from))
    };
    let guide = "{policy=\"guide\",version=\"1\"}";
    let text = wait_for("the metrics", || {
        let text = http::get(&address, "/metrics").map_err(|error| error.to_string())?.body;
        let is_there = value(&text, &format!("tally_sink_facts_total{guide}")).as_deref() == Some("310")
            && value(&text, "tally_sink_lag_seconds").as_deref() == Some("0.0")
            && value(&text, &format!("tally_sink_comparisons_total{guide}"))
                .is_some_and(|count| count.parse::<u64>().unwrap() >= 2);
        if is_there { Ok(text) } else { Err(text) }
    });
    for (name, expected) in [
        (format!("tally_sink_rollbacks_total{guide}"), "0"),
        (format!("tally_sink_lag_facts{guide}"), "0"),
        (format!("tally_sink_sequence{guide}"), "310"),
        ("tally_sink_retries_total".into(), "0"),
    ] {
        assert_eq!(value(&text, &name).as_deref(), Some(expected), "{name}: {text}");
    }
    // While the server is away the tables are behind, for all that is known.
    drop(served);
    wait_for("the lag", || {
        let text = http::get(&address, "/metrics").map_err(|error| error.to_string())?.body;
        let lag: f64 = value(&text, "tally_sink_lag_seconds").unwrap().parse().unwrap();
        let retries = value(&text, "tally_sink_retries_total").unwrap();
        if lag > 0.0 && retries != "0" { Ok(()) } else { Err(text) }
    });
    sunk.terminate();
    assert!(sunk.end().0.success());
    let alerts = std::fs::read_to_string(operating("sink-alerts.yml")).unwrap();
    let dashboard = std::fs::read_to_string(operating("sink-dashboard.json")).unwrap();
    let there = words(&text, "tally_sink_");
    for asked in words(&alerts, "tally_sink_").union(&words(&dashboard, "tally_sink_")) {
        assert!(there.contains(asked), "nothing tells {asked}");
    }
    // Every one that is told is asked for somewhere, but for the parts of the histogram.
    let asked = format!("{alerts}{dashboard}");
    for told in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = told.split(' ').next().unwrap();
        assert!(asked.contains(name), "nobody asks for {name}");
    }
    let groups = yaml(&operating("sink-alerts.yml"));
    let page = std::fs::read_to_string(in_tests("../docs/sink.md")).unwrap();
    for rule in groups["groups"][0]["rules"].as_array().unwrap() {
        let name = rule["alert"].as_str().unwrap();
        assert!(rule["expr"].is_string() && rule["annotations"]["summary"].is_string(), "{name}");
        assert!(page.contains(&format!("`{name}`")), "the page does not say what {name} means");
    }
    // An address that others can reach takes a token, or somebody who says that it is public.
    let args = ["sink", "postgres", "--database", &database, "--log", log.to_str().unwrap()];
    let (status, _, err) = tally(&[&args[..], &["--metrics-listen", "0.0.0.0:0"]].concat());
    assert!(status == 2 && err.contains("can be reached by others"), "{err}");
}

#[test]
fn the_dashboard_on_the_tables_asks_what_readers_may() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    write_log(&cluster, "tally", &log_of("pool-a", dir.path()), &["--policy", "guide,locking-pool"]);
    cluster.sql(&tally(&["sink", "roles"]).1);
    cluster.sql("CREATE ROLE grafana LOGIN; GRANT pg_read_all_data TO grafana; CREATE ROLE reader LOGIN; GRANT tally_reader TO reader");
    let dashboard = json("sink-sql-dashboard.json");
    let ids: BTreeSet<u64> =
        dashboard["panels"].as_array().unwrap().iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), dashboard["panels"].as_array().unwrap().len());
    let mut found = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let sql = panel["targets"][0]["rawSql"].as_str().unwrap();
        let of_all = sql.replace("$__timeFilter(ends_utc)", "true").replace("$__timeFilter(utc)", "true");
        assert!(!of_all.contains("$__"), "{sql}");
        for user in ["grafana", "reader"] {
            let rows = cluster.ask(user, &of_all.replace("$policy", "guide")).unwrap();
            if !rows.is_empty() {
                found.insert(panel["title"].as_str().unwrap().to_owned());
            }
        }
    }
    for title in ["How far", "Earned in each epoch", "Reward per block", "Balances", "Claimable", "Due"] {
        assert!(found.contains(title), "{found:?}");
    }
    let query = dashboard["templating"]["list"][1]["query"].as_str().unwrap();
    assert_eq!(cluster.ask("reader", query).unwrap(), "guide\nlocking-pool");
}

/// What the compose file and the unit set, there is; what is mounted, too.
#[test]
fn the_compose_file_and_the_unit_name_what_there_is() {
    if !Tool::Payer.is_there() {
        return;
    }
    let root = in_tests("..");
    let compose = yaml(&root.join("compose.yml"));
    let services = compose["services"].as_object().unwrap();
    for name in ["tally", "database", "sink", "prometheus", "grafana"] {
        assert!(services.contains_key(name), "{name}");
    }
    for service in services.values() {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let source = volume.as_str().unwrap().split(':').next().unwrap();
            if let Some(path) = source.strip_prefix("./") {
                assert!(root.join(path).is_file(), "{source}");
            } else {
                assert!(compose["volumes"].as_object().unwrap().contains_key(source), "{source}");
            }
        }
        for secret in service["secrets"].as_array().into_iter().flatten() {
            assert!(
                compose["secrets"].as_object().unwrap().contains_key(secret.as_str().unwrap()),
                "{secret}"
            );
        }
    }
    let help = tally(&["sink", "postgres", "--help"]).1;
    let of_sink = services["sink"]["environment"].as_object().unwrap().keys().cloned();
    let unit = std::fs::read_to_string(operating("tally-sink.service")).unwrap();
    for variable in of_sink.chain(words(&unit, "TALLY_")) {
        assert!(help.contains(&format!("[env: {variable}")), "{variable} is no variable of the sink");
    }
    for file in ["prometheus.yml", "datasources.yml", "dashboards.yml"] {
        assert!(yaml(&operating("grafana").join(file)).is_object(), "{file}");
    }
}

/// The sink of the compose file starts with what the image and the file set, and gets as far as its database.
#[test]
fn the_sink_of_the_compose_file_starts() {
    if !Tool::Payer.is_there() {
        return;
    }
    let root = in_tests("..");
    let image = std::fs::read_to_string(root.join("Dockerfile")).unwrap();
    let of_image =
        image.lines().filter_map(|line| line.strip_prefix("ENV ")).flat_map(|line| line.split(' '));
    let of_image = of_image.map(|set| set.split_once('=').unwrap());
    let of_image = of_image.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let services = &yaml(&root.join("compose.yml"))["services"];
    let of_file = |service: &str| -> Vec<(String, String)> {
        let set = services[service]["environment"].as_object().unwrap().iter();
        set.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
    };
    assert!(
        of_file("tally")
            .iter()
            .any(|(name, value)| name == "TALLY_LOG" && value == "/var/lib/tally/pool.log")
    );
    let secrets = tempfile::tempdir().unwrap();
    let (_, line, token) = tally(&["token", "reader"]);
    std::fs::write(secrets.path().join("tokens"), line).unwrap();
    std::fs::write(secrets.path().join("reader"), token.lines().nth(1).unwrap()).unwrap();
    std::fs::write(secrets.path().join("database_password"), "secret").unwrap();
    let secrets = format!("{}/", secrets.path().display());
    let variables: Vec<(String, String)> = of_image
        .filter(|(name, _)| name.starts_with("TALLY_"))
        .chain(of_file("sink"))
        .map(|(name, value)| match name.as_str() {
            "TALLY_DATABASE" => (name, "host=/tmp/nowhere user=tally dbname=rewards".into()),
            "TALLY_METRICS_LISTEN" => (name, value.rsplit_once(':').unwrap().0.to_owned() + ":0"),
            _ => (name, value.replace("/run/secrets/", &secrets)),
        })
        .collect();
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let words = services["sink"]["command"].as_array().unwrap();
    let words: Vec<&str> = words.iter().map(|word| word.as_str().unwrap()).collect();
    let mut sunk = process::start(&words, &variables);
    // Inside of the network of the images the token is not encrypted, and it says so.
    sunk.line_with("the token goes to tally without encryption");
    sunk.line_with("the database: ");
    assert!(!sunk.has_ended());
    sunk.terminate();
    assert!(sunk.end().0.success());
}

/// Those who listen hear of each commit that brings facts, after it, and of no other.
#[test]
fn who_listens_hears_of_each_commit_that_brings_facts() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    let mut args = vec!["postgres", "--log", log.to_str().unwrap(), "--schema", "rewards"];
    // One who listens is told when it next says something.
    let heard = |cluster: &Cluster, words: &[&str]| {
        let mut psql = std::process::Command::new("psql");
        psql.args(["-X", "-A", "-t", "-d", &cluster.url(), "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = psql.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut input, b"LISTEN rewards; SELECT 'listens';\n").unwrap();
        wait_for("the listener", || {
            let count = cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'psql' AND query LIKE '%listens%' AND state = 'idle'");
            if count == "1" { Ok(()) } else { Err(count) }
        });
        let (status, _, err) = sink(cluster, words);
        assert_eq!(status, 0, "{err}");
        std::io::Write::write_all(&mut input, b"SELECT 'done';\n").unwrap();
        drop(input);
        let out = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        out.lines().filter(|line| line.contains("notification")).map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(heard(&cluster, &[&args[..], &["--policy", "locking-pool"]].concat()), [""; 0]);
    args.push("--notify");
    let told = heard(&cluster, &args);
    assert!(!told.is_empty());
    let last = told.last().unwrap();
    assert!(
        last.contains("\"rewards\" with payload \"{\"policy\":\"guide\",\"version\":1,\"sequence\":310}\""),
        "{last}"
    );
    // Once everything is there, nothing comes with it.
    assert_eq!(heard(&cluster, &args), [""; 0]);
}
