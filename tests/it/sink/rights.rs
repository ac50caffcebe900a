//! Who may write the tables: one sink, of a version that fits, in the role of a writer.

use super::cluster::{Cluster, TABLES};
use super::{check, sink, sink_as, write_log};
use crate::process;
use crate::serve::log_of;
use crate::support::{tally, wait_for};

#[test]
fn a_second_sink_is_refused_and_told_who_is_the_first() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("small-a", dir.path());
    let journals = dir.path().join("journals");
    let url = cluster.url();
    let of = ["sink", "postgres", "--database", &url, "--log", log.to_str().unwrap()];
    let mut first = process::start(&[&of[..], &["--follow", "--poll-millis", "20"]].concat(), &[]);
    wait_for("the first", || {
        let facts = cluster.ask("postgres", "SELECT facts FROM tally.feed")?;
        if facts.is_empty() || facts == "0" { Err(facts) } else { Ok(()) }
    });
    let more = ["--feed-dir", journals.to_str().unwrap()];
    let (status, _, err) = tally(&[&of[..], &more].concat());
    assert_eq!(status, 1);
    let said = "schema tally is written by another sink: tally sink, process ";
    assert!(err.contains(said) && err.contains("user postgres, connected since "), "{err}");
    let (status, _, err) = tally(&["sink", "migrate", "--database", &url]);
    assert!(status == 1 && err.contains(said), "{err}");
    // Other tables are nobody's yet, and reading is free.
    let (status, _, err) = tally(&[&of[..], &more, &["--schema", "other"]].concat());
    assert_eq!(status, 0, "{err}");
    assert_eq!(check(&cluster, "tally", &log, "guide").0, 0);
    assert!(!first.has_ended());
    first.terminate();
    let (status, out, err) = first.end();
    assert!(status.success(), "{err}");
    assert!(out.contains(" facts and 0 rollbacks written"), "{out}");
    write_log(&cluster, "tally", &log, &[]);
}

#[test]
fn an_older_schema_is_brought_up_and_a_newer_one_refused() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("small-a", dir.path());
    // The script that is printed is what a migration does.
    let (status, script, err) = tally(&["sink", "migrate", "--print", "--schema", "by_hand"]);
    assert_eq!((status, err.as_str()), (0, ""));
    cluster.sql(&script);
    let (status, out, err) = sink(&cluster, &["migrate"]);
    assert_eq!(
        (status, out.as_str(), err.as_str()),
        (0, "schema tally is of version 5 now, and was of 0\n", "")
    );
    let (_, out, _) = sink(&cluster, &["migrate", "--schema", "by_hand"]);
    assert_eq!(out, "schema by_hand is of version 5 already\n");
    let columns = |schema: &str| {
        cluster.sql(&format!(
            "SELECT table_name, column_name, domain_name, data_type, is_nullable FROM information_schema.columns \
             WHERE table_schema = '{schema}' ORDER BY table_name, ordinal_position"
        ))
    };
    assert_eq!(columns("tally"), columns("by_hand"));
    // One of the version before leaves, that has rows: what they lack is added.
    let more = tempfile::tempdir().unwrap();
    let full = log_of("pool-a", more.path());
    write_log(&cluster, "tally", &full, &[]);
    let leaves = cluster.sql("SELECT * FROM tally.leaves ORDER BY epoch, sequencer");
    assert!(!leaves.is_empty());
    cluster.sql("DELETE FROM tally.leaf");
    let (status, out, _) = check(&cluster, "tally", &full, "guide");
    assert!(status == 3 && out.contains("leaf, entry ") && out.contains("a row is missing"), "{out}");
    write_log(&cluster, "tally", &full, &[]);
    assert_eq!(cluster.sql("SELECT * FROM tally.leaves ORDER BY epoch, sequencer"), leaves);
    // One of the first version: without the views.
    let first = script.split_once("-- 0002_views").unwrap().0.replace("by_hand", "older");
    cluster.sql(&format!("{first}COMMIT;"));
    let (status, _, err) = check(&cluster, "older", &log, "guide");
    assert_eq!(status, 1);
    assert!(err.contains("schema older is of version 1, and version 5 is needed"), "{err}");
    write_log(&cluster, "older", &log, &[]);
    assert_eq!(columns("older"), columns("by_hand"));
    assert_eq!(check(&cluster, "older", &log, "guide").0, 0);
    // One of the second version, with rows: what they lack is there before anything is asked of the source.
    let second = script.split_once("-- 0003_leaves").unwrap().0.replace("by_hand", "second");
    let third = tally(&["sink", "migrate", "--print", "--schema", "second", "--from-version", "2"]);
    assert_eq!(third.0, 0, "{}", third.2);
    cluster.sql(&format!("{second}COMMIT;"));
    cluster.sql(&format!("{}COMMIT;", second.replace("second", "rows_too")));
    for schema in ["second", "rows_too"] {
        cluster.sql(&format!("INSERT INTO {schema}.feed OVERRIDING SYSTEM VALUE TABLE tally.feed"));
        for table in TABLES.iter().filter(|table| !["leaf", "ledger_epoch"].contains(table)) {
            cluster.sql(&format!("INSERT INTO {schema}.{table} TABLE tally.{table}"));
        }
    }
    // By hand, or by the sink, which has no server to ask.
    cluster.sql(&third.1);
    let url = cluster.url();
    for schema in ["second", "rows_too"] {
        let args = [
            "sink",
            "postgres",
            "--database",
            &url,
            "--schema",
            schema,
            "--from",
            "http://127.0.0.1:1",
            "--follow",
        ];
        let mut sunk = process::start(&args, &[]);
        sunk.line_with("the server: no connection");
        let found = cluster.sql(&format!("SELECT * FROM {schema}.leaves ORDER BY epoch, sequencer"));
        assert_eq!(found, leaves);
        sunk.terminate();
        sunk.end();
        assert_eq!(columns(schema), columns("by_hand"));
        assert_eq!(check(&cluster, schema, &full, "guide").0, 0);
    }
    let (status, _, err) = tally(&["sink", "migrate", "--print", "--from-version", "6"]);
    assert!(
        status == 2 && err.contains("--from-version 6: the versions that are known here are 0 to 5"),
        "{err}"
    );
    // One of the future.
    cluster.sql("INSERT INTO by_hand.schema_version (version, name) VALUES (6, '0006_unheard_of')");
    for words in [
        &["migrate"][..],
        &["postgres", "--log", log.to_str().unwrap()],
        &["check", "--log", log.to_str().unwrap()],
    ] {
        let (status, _, err) = sink(&cluster, &[words, &["--schema", "by_hand"]].concat());
        assert_eq!(status, 1, "{words:?}");
        assert!(err.contains("schema by_hand is of version 6, and this is a `tally` for version 5"), "{err}");
    }
    assert_eq!(cluster.sql("SELECT count(*) FROM by_hand.feed"), "0");
    for name in ["", "Tally", "a-b", "1a", "pg_tally", "a\"b", &"a".repeat(51)] {
        let (status, _, err) = tally(&["sink", "migrate", "--print", "--schema", name]);
        assert_eq!(status, 2, "{name}: {err}");
    }
}

/// Words of SQL are names of schemas like all others.
#[test]
fn a_schema_may_be_called_by_a_word_of_sql() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("small-a", dir.path());
    for name in ["user", "select", "default"] {
        write_log(&cluster, name, &log, &["--blocks"]);
        assert_eq!(check(&cluster, name, &log, "guide").0, 0);
        assert_eq!(cluster.sql(&format!("SELECT facts FROM \"{name}\".feed")), "116");
        for words in [
            &["roles", "--schema", name][..],
            &["publish", "--schema", name, "--as", "table"],
            &["migrate", "--print", "--schema", &format!("{name}_all")],
        ] {
            let (status, script, err) = tally(&[&["sink"][..], words].concat());
            assert_eq!(status, 0, "{err}");
            cluster.sql(&script);
        }
        let (status, script, _) = tally(&["sink", "migrate", "--print", "--schema", name]);
        assert!(status == 0 && script.contains(&format!("SET LOCAL search_path = \"{name}\";")), "{script}");
        assert_eq!(cluster.sql("SELECT facts FROM \"table\".feed"), "116");
    }
}

#[test]
fn every_table_view_and_column_says_what_it_is() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    write_log(&cluster, "tally", &log_of("small-a", dir.path()), &["--blocks"]);
    let silent = cluster.sql(
        "SELECT c.relname || coalesce('.' || a.attname, '') FROM pg_class c \
         LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum >= 0 AND NOT a.attisdropped \
         WHERE c.relnamespace = 'tally'::regnamespace AND c.relkind IN ('r', 'p', 'v') \
            AND (coalesce(col_description(c.oid, a.attnum), '') = '' OR coalesce(obj_description(c.oid), '') = '')",
    );
    assert_eq!(silent, "");
    let doubles = cluster.sql(
        "SELECT table_name, column_name FROM information_schema.columns \
         WHERE table_schema = 'tally' AND (data_type IN ('real', 'double precision', 'money') \
            OR (column_name LIKE '%\\_wei' AND data_type <> 'numeric'))",
    );
    assert_eq!(doubles, "");
}

/// A writer that is a login of its own writes, and a reader reads; neither does more.
#[test]
fn roles_may_do_what_they_are_for_and_nothing_else() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    cluster.sql("CREATE ROLE migrator LOGIN; CREATE ROLE sinker LOGIN; CREATE ROLE analyst LOGIN");
    let (status, _, err) = sink_as(&cluster.url_of("sinker"), &["migrate"]);
    assert_eq!(status, 1);
    assert!(err.contains("schema tally is of version 0, and version 5 is needed"), "{err}");
    assert_eq!(sink(&cluster, &["migrate"]).0, 0);
    let (status, script, err) = tally(&["sink", "roles"]);
    assert_eq!((status, err.as_str()), (0, ""));
    // Any number of times.
    cluster.sql(&script);
    cluster.sql(&script);
    cluster.sql(
        "GRANT tally_owner TO migrator; GRANT tally_writer TO sinker; GRANT tally_reader TO analyst; \
         CREATE ROLE cashier LOGIN; GRANT tally_payer TO cashier",
    );
    let (status, out, err) = sink_as(&cluster.url_of("migrator"), &["migrate"]);
    assert_eq!((status, out.as_str()), (0, "schema tally is of version 5 already\n"), "{err}");
    let log_words = ["postgres", "--log", log.to_str().unwrap()];
    let (status, _, err) = sink_as(&cluster.url_of("analyst"), &log_words);
    assert_eq!(status, 1);
    assert!(err.contains("permission denied"), "{err}");
    let (status, _, err) =
        sink_as(&cluster.url_of("sinker"), &[&log_words[..], &["--blocks", "--notify"]].concat());
    assert_eq!(status, 0, "{err}");
    // Nobody changes the ledger by block once it is there, and a table that is called the same deceives nobody.
    let part = cluster
        .sql("SELECT format('ledger_%s_%s', policy, max(entry)) FROM tally.ledger_epoch GROUP BY policy");
    for table in ["ledger", &part] {
        for sql in [
            "INSERT INTO tally.{} SELECT * FROM tally.{}",
            "UPDATE tally.{} SET reward_wei = 1",
            "DELETE FROM tally.{}",
        ] {
            let error = cluster.ask("sinker", &sql.replace("{}", table)).unwrap_err();
            assert!(error.contains("permission denied"), "{error}");
        }
    }
    let error = cluster.ask("analyst", "SELECT tally.ledger_begin(1, 999)").unwrap_err();
    assert!(error.contains("permission denied"), "{error}");
    let check = ["check", "--log", log.to_str().unwrap()];
    assert_eq!(sink_as(&cluster.url_of("analyst"), &check).0, 0);
    let views = cluster
        .sql("SELECT relname FROM pg_class WHERE relnamespace = 'tally'::regnamespace AND relkind = 'v'");
    assert!(views.lines().count() > 18, "{views}");
    for view in views.lines() {
        cluster.ask("analyst", &format!("SELECT * FROM tally.{view}")).unwrap();
    }
    let denied = |user: &str, sql: String| {
        let error = cluster.ask(user, &sql).unwrap_err();
        assert!(
            error.contains("permission denied") || error.contains("must be owner"),
            "{user}, {sql}: {error}"
        );
    };
    for table in TABLES.iter().chain(&["feed", "schema_version"]) {
        for user in ["analyst", "sinker"] {
            for sql in ["DELETE FROM", "TRUNCATE", "DROP TABLE"] {
                denied(user, format!("{sql} tally.{table}"));
            }
            denied(user, format!("ALTER TABLE tally.{table} ADD COLUMN more text"));
        }
        denied("analyst", format!("INSERT INTO tally.{table} DEFAULT VALUES"));
        let column = match *table {
            "feed" => "entry",
            "schema_version" => "version",
            _ => "void_by",
        };
        denied("analyst", format!("UPDATE tally.{table} SET {column} = 1"));
        if *table != "feed" {
            let column = if *table == "schema_version" { "version" } else { "entry" };
            denied("sinker", format!("UPDATE tally.{table} SET {column} = 1"));
        }
    }
    for user in ["analyst", "sinker"] {
        denied(user, "CREATE TABLE tally.more ()".into());
    }
    // The payer writes down what it pays, and changes nothing.
    let plan = "INSERT INTO tally.payout (policy, sequencer, cumulative_wei, previous_wei, recipient, epoch) \
        SELECT policy, sequencer, cumulative_wei, previous_wei, recipient_bytes, epoch FROM tally.due";
    cluster.ask("cashier", plan).unwrap();
    let pay = "INSERT INTO tally.payment (reference, policy, sequencer, cumulative_wei, recipient, amount_wei) \
        SELECT sequencer, policy, sequencer, cumulative_wei, recipient, amount_wei FROM tally.payout";
    cluster.ask("cashier", pay).unwrap();
    assert_ne!(cluster.sql("SELECT count(*) FROM tally.payment"), "0");
    for user in ["analyst", "sinker"] {
        denied(user, plan.into());
        denied(user, pay.into());
    }
    for table in ["payout", "payment"] {
        denied("cashier", format!("DELETE FROM tally.{table}"));
        denied("cashier", format!("UPDATE tally.{table} SET cumulative_wei = 1"));
    }
    denied("cashier", "UPDATE tally.payout SET accepted = 'so be it'".into());
    denied("cashier", "UPDATE tally.feed SET entry = 1".into());
    // Which rules pay is not the writer's to say, nor what is accepted the payer's.
    for column in [
        "name = 'other'",
        "version = 7",
        "policy_digest = decode(repeat('07', 32), 'hex')",
        "policy = DEFAULT",
    ] {
        denied("sinker", format!("UPDATE tally.feed SET {column}"));
    }
    denied("cashier", "INSERT INTO tally.payment SELECT * FROM tally.payment".into());
    denied("sinker", "SELECT tally.supersede(1)".into());
    assert_eq!(cluster.ask("cashier", "SELECT tally.supersede(policy) FROM tally.feed").unwrap(), "0");
    denied("cashier", "INSERT INTO tally.leaf SELECT * FROM tally.leaf".into());
}
