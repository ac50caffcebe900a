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
    let publish = |schema: &str| {
        let (status, script, err) = tally(&["sink", "publish", "--schema", schema, "--as", "rewards"]);
        assert_eq!((status, err.as_str()), (0, ""));
        cluster.sql(&script);
    };
    publish("tally");
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
    // What the page says: take over what was paid, and show the new one.
    let page = std::fs::read_to_string(in_tests("../docs/sink.md")).unwrap();
    let carry = page.split("```sql\n").map(|rest| rest.split_once("```").map_or("", |(sql, _)| sql));
    let carry: Vec<&str> = carry.filter(|sql| sql.contains("tally_next.payout")).collect();
    assert_eq!(carry.len(), 1);
    cluster.sql(&tally(&["sink", "roles", "--schema", "tally_next"]).1);
    cluster.sql(carry[0]);
    publish("tally_next");
    cluster.sql("GRANT tally_next_reader TO reader");
    assert_eq!(read(), of("tally_next"));
    for (table, count) in [("payout", "3"), ("payment", "3")] {
        assert_eq!(cluster.sql(&format!("SELECT count(*) FROM tally_next.{table}")), count);
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
}
