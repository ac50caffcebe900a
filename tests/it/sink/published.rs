//! Another feed goes into a fresh schema, while readers stay on the old one until it has caught up.

use super::cluster::Cluster;
use super::{branch, check, write_log};
use crate::serve::log_of;
use crate::support::{in_tests, tally};

#[test]
fn readers_stay_on_the_old_tables_until_the_new_ones_have_caught_up() {
    let Some(cluster) = Cluster::start() else { return };
    // Another history, whose journals are lost: its cursors are none of the chain's.
    let live = branch();
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    write_log(&cluster, "tally", &live.log(), &[]);
    cluster.sql(&tally(&["sink", "roles"]).1);
    cluster.sql("CREATE ROLE reader LOGIN; GRANT tally_reader TO reader");
    let script = |more: &[&str]| {
        let (status, script, err) = tally(&[&["sink", "publish", "--as", "rewards"][..], more].concat());
        assert_eq!((status, err.as_str()), (0, ""));
        script
    };
    let publish = |schema: &str| cluster.sql(&script(&["--schema", schema]));
    publish("tally");
    // Whom the views are given by hand keeps them.
    cluster.sql("CREATE ROLE auditor LOGIN; GRANT SELECT ON rewards.payouts TO auditor");
    let read = || cluster.ask("reader", "SELECT facts, cursor FROM rewards.feed").unwrap();
    let of = |schema: &str| cluster.sql(&format!("SELECT facts, cursor FROM {schema}.feed"));
    let before = read();
    assert_eq!(before, of("tally"));
    // What is paid meanwhile.
    cluster.sql(
        "INSERT INTO tally.payout (policy, sequencer, cumulative_wei, previous_wei, recipient, epoch) \
         SELECT policy, sequencer, 5, NULL, decode(repeat('07', 20), 'hex'), 0 FROM tally.feed, generate_series(1, 3) AS sequencer; \
         INSERT INTO tally.payment (reference, policy, sequencer, cumulative_wei, recipient, amount_wei) \
         SELECT sequencer, policy, sequencer, cumulative_wei, recipient, amount_wei FROM tally.payout",
    );
    write_log(&cluster, "tally_next", &log, &["--blocks"]);
    assert_eq!(read(), before);
    assert_ne!(of("tally_next"), before);
    assert_eq!(check(&cluster, "tally_next", &log, "guide").0, 0);
    // What the page says: take over what was paid, and show the new one, in one transaction.
    let page = std::fs::read_to_string(in_tests("../docs/sink.md")).unwrap();
    assert!(page.contains("tally sink publish --schema tally_next --as rewards --take-over tally | psql"));
    cluster.sql(&tally(&["sink", "roles", "--schema", "tally_next"]).1);
    cluster.sql("CREATE ROLE cashier LOGIN; GRANT tally_payer TO cashier");
    let take_over = script(&["--schema", "tally_next", "--take-over", "tally"]);
    // By a policy that the new tables do not have something was paid: nothing is done.
    cluster.sql("UPDATE tally_next.feed SET policy_digest = decode(repeat('07', 32), 'hex')");
    let error = cluster.ask("postgres", &take_over).unwrap_err();
    assert!(error.contains("has no feed of policy guide@1, digest 0x"), "{error}");
    assert_eq!((read(), cluster.sql("SELECT count(*) FROM tally_next.payout")), (before.clone(), "0".into()));
    cluster.sql("UPDATE tally_next.feed n SET policy_digest = o.policy_digest::bytea FROM tally.feed o");
    let plan = "INSERT INTO tally.payout (policy, sequencer, cumulative_wei, recipient, epoch) \
        SELECT policy, {}, 9, decode(repeat('07', 20), 'hex'), 0 FROM tally.feed";
    cluster.ask("cashier", &plan.replace("{}", "4")).unwrap();
    cluster.sql(&take_over);
    // A service that still pays by the old tables is refused; and nothing is taken over twice.
    let error = cluster.ask("cashier", &plan.replace("{}", "5")).unwrap_err();
    assert!(error.contains("permission denied"), "{error}");
    assert!(cluster.ask("postgres", &take_over).unwrap_err().contains("duplicate key"));
    cluster.ask("auditor", "SELECT * FROM rewards.payouts").unwrap();
    cluster.sql("GRANT tally_next_reader TO reader");
    assert_eq!(read(), of("tally_next"));
    for (table, count) in [("payout", "4"), ("payment", "3")] {
        assert_eq!(cluster.sql(&format!("SELECT count(*) FROM tally_next.{table}")), count);
        assert_eq!(cluster.ask("reader", &format!("SELECT count(*) FROM rewards.{table}")).unwrap(), count);
    }
    // Each view says what the one that it shows says.
    let silent = cluster.sql(
        "SELECT c.relname, a.attname FROM pg_class c \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum >= 0 AND NOT a.attisdropped \
         WHERE c.relnamespace = 'rewards'::regnamespace AND (a.attnum <> 0) AND \
            (coalesce(col_description(c.oid, a.attnum), '') = '' OR coalesce(obj_description(c.oid), '') = '')",
    );
    assert_eq!(silent, "");
    // The old one may go.
    cluster.sql("DROP SCHEMA tally CASCADE");
    assert_eq!(read(), of("tally_next"));
    // Views of others are not dropped.
    cluster.sql("CREATE SCHEMA theirs; CREATE VIEW theirs.own AS SELECT 1");
    let theirs = tally(&["sink", "publish", "--schema", "tally_next", "--as", "theirs"]).1;
    let error = cluster.ask("postgres", &theirs).unwrap_err();
    assert!(error.contains("schema theirs was not made by this script"), "{error}");
    assert_eq!(cluster.sql("SELECT * FROM theirs.own"), "1");
}
