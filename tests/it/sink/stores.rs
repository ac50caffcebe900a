//! What a store does with facts, in memory and in PostgreSQL.

use super::cluster::Cluster;
use crate::serve::log_of;
use alloy_primitives::{Address, U256};
use engine::Policy;
use tally_feed::{Cursor, Link, LogFeed, link};
use tally_sink::{Database, MemoryStore, Password, PostgresStore, Schema, SinkError, Standing, Store, apply};
use tally_wire::{At, Fact, FactKind, FeedAnswer, NumberedFact};

/// A feed that tells what a test wants.
struct Teller {
    at: At,
    /// What a log tells.
    told: Vec<NumberedFact>,
    sequence: u64,
    /// The sequence numbers and links of the facts that hold.
    holds: Vec<(u64, Link)>,
}

impl Teller {
    /// One whose answers are of a moment that there was.
    fn new() -> Self {
        Self::of("small-a")
    }

    /// The same, with all facts of a recorded log.
    fn of(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let policies = vec![Policy::built_in("guide").unwrap()];
        let mut feed = LogFeed::new(log_of(name, dir.path()), None, policies);
        assert!(feed.advance().unwrap());
        let page = feed.page(0, Cursor::default(), 1_000).unwrap().unwrap();
        Self { at: page.at, told: page.facts, sequence: 0, holds: Vec::new() }
    }

    fn cursor(&self) -> Cursor {
        let facts = u64::try_from(self.holds.len()).unwrap();
        self.holds.last().map_or_else(Cursor::default, |(_, link)| Cursor::after(facts, link))
    }

    /// The next fact, which says this and has this id.
    fn tell(&mut self, id: &str, kind: FactKind) -> NumberedFact {
        let fact = Fact {
            id: id.into(),
            time: Some(1_700_000_000),
            l1_block: Some(7),
            transaction: None,
            log_index: None,
            kind,
        };
        let before = self.holds.last().map_or(Link::default(), |(_, link)| *link);
        let text = serde_json::to_string(&fact).unwrap();
        self.sequence += 1;
        self.holds.push((self.sequence, link(&before, text.as_bytes())));
        NumberedFact { sequence: self.sequence, cursor: self.cursor().to_string(), fact }
    }

    /// A rollback after which so many facts hold.
    fn roll_back(&mut self, facts: usize) -> NumberedFact {
        self.holds.truncate(facts);
        self.sequence += 1;
        let cursor = Cursor { rollback: Some(self.sequence), ..self.cursor() };
        let to_sequence = self.holds.last().map_or(0, |(sequence, _)| *sequence);
        let kind = FactKind::Rollback { to_sequence };
        let id = format!("rollback:{}", self.sequence);
        let fact = Fact { id, time: None, l1_block: None, transaction: None, log_index: None, kind };
        NumberedFact { sequence: self.sequence, cursor: cursor.to_string(), fact }
    }

    fn page(&self, facts: Vec<NumberedFact>) -> FeedAnswer {
        let cursor = facts.last().map_or_else(|| "0".into(), |fact| fact.cursor.clone());
        FeedAnswer { at: self.at.clone(), cursor, is_end: true, facts }
    }
}

fn withdrawn(amount: U256) -> FactKind {
    FactKind::Withdrawn { sequencer: 1, amount_wei: amount.into(), stake_wei: U256::MAX.into() }
}

fn claimed(amount: u64) -> FactKind {
    FactKind::Claimed {
        sequencer: 1,
        recipient: Address::repeat_byte(0xab).into(),
        amount_wei: U256::from(amount).into(),
        unclaimed_wei: U256::ZERO.into(),
    }
}

/// Runs what takes a database.
fn block_on<T>(run: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run)
}

/// NUMERIC has digits of base 10,000 without the zeros at its end, so that powers of ten are the odd ones.
#[test]
fn amounts_up_to_the_last_of_256_bits_come_back_as_they_were() {
    let Some(cluster) = Cluster::start() else { return };
    let mut teller = Teller::new();
    let ten = U256::from(10);
    let mut amounts = vec![U256::ZERO, U256::from(1), U256::MAX - U256::from(1), U256::MAX];
    amounts.extend((0..78).map(|zeros| ten.pow(U256::from(zeros))));
    amounts.extend((0..77).map(|zeros| ten.pow(U256::from(zeros)) - U256::from(1)));
    let facts = amounts.iter().enumerate();
    let facts = facts.map(|(index, amount)| teller.tell(&format!("{index}"), withdrawn(*amount))).collect();
    let page = teller.page(facts);
    let database = Database::new(&cluster.url(), &Password::OfUrl, None).unwrap();
    block_on(async {
        let mut store = PostgresStore::open(&database, &Schema::new("tally").unwrap()).await.unwrap();
        apply(&mut store, &Standing::default(), &page).await.unwrap();
    });
    let found = cluster.sql("SELECT amount_wei FROM tally.stake_change ORDER BY entry");
    let expected: Vec<String> = amounts.iter().map(ToString::to_string).collect();
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
    // The domain has the same bounds, and METIS are exact.
    let beyond = cluster.ask("postgres", &format!("SELECT ({} + 1)::tally.wei", U256::MAX)).unwrap_err();
    assert!(beyond.contains("violates check constraint"), "{beyond}");
    for none in ["-1", "1.5", "0.4", "'NaN'", "'Infinity'"] {
        let error = cluster.ask("postgres", &format!("SELECT ({none})::tally.wei")).unwrap_err();
        assert!(error.contains("violates check constraint"), "{none}: {error}");
    }
    let metis = cluster.sql(&format!("SELECT tally.metis({})", U256::MAX));
    assert_eq!(metis, "115792089237316195423570985008687907853269984665640564039457.584007913129639935");
}

/// The same pages for both stores: what holds, what is void and by what, and where the feed stands.
#[test]
fn a_rollback_makes_void_what_it_says_and_nothing_is_lost() {
    let Some(cluster) = Cluster::start() else { return };
    let mut teller = Teller::new();
    let pages = [
        vec![teller.tell("a", claimed(1)), teller.tell("b", claimed(2)), teller.tell("c", claimed(3))],
        vec![],
        // What is void and what is told in its place, in one page.
        vec![teller.roll_back(1), teller.tell("x", claimed(20)), teller.tell("c", claimed(3))],
        vec![teller.roll_back(3)],
        vec![teller.roll_back(0)],
        vec![teller.tell("z", claimed(9)), teller.tell("b", claimed(2)), teller.roll_back(1)],
    ];
    let pages = pages.map(|facts| teller.page(facts));
    let database = Database::new(&cluster.url(), &Password::OfUrl, None).unwrap();
    let mut memory = MemoryStore::default();
    block_on(async {
        let schema = Schema::new("tally").unwrap();
        let mut postgres = PostgresStore::open(&database, &schema).await.unwrap();
        let mut at = Standing::default();
        for page in &pages {
            assert_eq!(memory.standing(&page.at.policy).await.unwrap(), at);
            assert_eq!(postgres.standing(&page.at.policy).await.unwrap(), at);
            let after = apply(&mut memory, &at, page).await.unwrap();
            assert_eq!(apply(&mut postgres, &at, page).await.unwrap(), after);
            // Who stood elsewhere by then writes nothing.
            if after != at {
                let late = apply(&mut memory, &at, page).await.unwrap_err();
                assert!(!matches!(late, SinkError::Database(_)), "{late}");
                let late = apply(&mut postgres, &at, page).await;
                assert!(late.is_err(), "the same page came twice");
                // The connection is as before.
                assert_eq!(postgres.standing(&page.at.policy).await.unwrap(), after);
            }
            at = after;
        }
    });
    let kept = memory.kept(&teller.at.policy).unwrap();
    let shown = |(entry, void_by): &(tally_sink::Entry, Option<u64>)| {
        let position = entry.place.map_or(String::new(), |(position, _)| position.to_string());
        let void_by = void_by.map_or(String::new(), |by| by.to_string());
        format!("{}|{position}|{}|{void_by}", entry.entry, entry.fact.fact.id)
    };
    let expected: Vec<String> = kept.entries.iter().map(shown).collect();
    let found = cluster.sql("SELECT entry, position, id, void_by FROM tally.fact ORDER BY entry");
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
    assert_eq!(
        expected,
        [
            "1|1|a|8",
            "2|2|b|4",
            "3|3|c|4",
            "4||rollback:4|",
            "5|2|x|8",
            "6|3|c|8",
            "7||rollback:7|",
            "8||rollback:8|",
            "9|1|z|",
            "10|2|b|11",
            "11||rollback:11|",
        ]
    );
    // The rows go with their facts, and the views leave out what is void.
    let claims = cluster.sql("SELECT entry, amount_wei, void_by FROM tally.claim ORDER BY entry");
    let expected = ["1|1|8", "2|2|4", "3|3|4", "5|20|8", "6|3|8", "9|9|", "10|2|11"];
    assert_eq!(claims.lines().collect::<Vec<_>>(), expected);
    assert_eq!(
        cluster.sql("SELECT entry, amount_wei, recipient FROM tally.claims"),
        format!("9|9|0x{}", "ab".repeat(20))
    );
    assert_eq!(
        cluster.sql("SELECT entry, voided_facts FROM tally.rollbacks ORDER BY entry"),
        "4|2\n7|0\n8|3\n11|1"
    );
    // It is told since when nothing of it holds.
    let not_before = "SELECT count(*) FROM tally.rollbacks r JOIN tally.fact v ON v.void_by = r.entry \
        WHERE r.committed_at >= v.committed_at AND r.committed_at <= now()";
    assert_eq!(cluster.sql(not_before), "6");
}

/// What is paid goes by the sums of epochs: each has to be that of before and what was earned.
#[test]
fn an_epoch_whose_sums_do_not_add_up_is_refused() {
    let Some(cluster) = Cluster::start() else { return };
    let of_log = Teller::of("pool-a");
    let is_epoch = |fact: &&NumberedFact| matches!(&fact.fact.kind, FactKind::EpochClosed { rows, .. } if !rows.is_empty());
    let epochs: Vec<FactKind> =
        of_log.told.iter().filter(is_epoch).map(|fact| fact.fact.kind.clone()).collect();
    assert!(epochs.len() > 1);
    let more =
        |amount: &tally_wire::Amount| (amount.as_str().parse::<U256>().unwrap() + U256::from(1)).into();
    let changed = |change: &dyn Fn(&mut FactKind)| {
        let mut epochs = epochs[..2].to_vec();
        change(&mut epochs[1]);
        epochs
    };
    let cases = [
        (changed(&|_| ()), None),
        (
            changed(&|fact| {
                let FactKind::EpochClosed { rows, .. } = fact else { return };
                rows[0].cumulative_wei = more(&rows[0].cumulative_wei);
            }),
            Some(" wei since the beginning after epoch "),
        ),
        (
            changed(&|fact| {
                let FactKind::EpochClosed { reward_wei, .. } = fact else { return };
                *reward_wei = more(reward_wei);
            }),
            Some(", and its rows come to "),
        ),
    ];
    let database = Database::new(&cluster.url(), &Password::OfUrl, None).unwrap();
    for (index, (epochs, expected)) in cases.into_iter().enumerate() {
        let mut teller = Teller::new();
        let facts = epochs.into_iter().enumerate();
        let facts = facts.map(|(index, kind)| teller.tell(&index.to_string(), kind)).collect();
        let page = teller.page(facts);
        let schema = Schema::new(&format!("of_{index}")).unwrap();
        let applied = block_on(async {
            let mut store = PostgresStore::open(&database, &schema).await.unwrap();
            apply(&mut store, &Standing::default(), &page).await
        });
        match (applied, expected) {
            (Ok(_), None) => {}
            (Err(error), Some(expected)) => {
                assert!(error.is_difference() && error.to_string().contains(expected), "{error}");
                assert_eq!(cluster.sql(&format!("SELECT count(*) FROM of_{index}.epoch_reward")), "0");
            }
            (applied, _) => panic!("{expected:?}: {applied:?}"),
        }
    }
}

/// Other rules under the same name would be paid beside those that are there, by whoever selects by name.
#[test]
fn other_rules_under_a_name_that_is_there_are_refused_unless_it_is_said() {
    let Some(cluster) = Cluster::start() else { return };
    let mut teller = Teller::new();
    let fact = teller.tell("a", claimed(1));
    let page = teller.page(vec![fact]);
    let mut other = page.clone();
    other.at.policy.digest = alloy_primitives::B256::repeat_byte(7).into();
    other.at.policy.version += 1;
    let database = Database::new(&cluster.url(), &Password::OfUrl, None).unwrap();
    let schema = Schema::new("tally").unwrap();
    block_on(async {
        let mut store = PostgresStore::open(&database, &schema).await.unwrap();
        apply(&mut store, &Standing::default(), &page).await.unwrap();
        let error = apply(&mut store, &Standing::default(), &other).await.unwrap_err();
        assert!(matches!(error, SinkError::SameName { .. }) && !error.is_passing(), "{error}");
        assert!(error.to_string().contains("--add-version"), "{error}");
        let mut store = store.with_versions();
        apply(&mut store, &Standing::default(), &other).await.unwrap();
    });
    let digest = page.at.policy.digest.as_str();
    let feeds = cluster.sql("SELECT version, tally.hex(policy_digest) FROM tally.feed ORDER BY policy");
    assert_eq!(feeds, format!("1|{digest}\n2|0x{}", "07".repeat(32)));
}

/// Rollbacks of facts that a reader never saw come before what holds. There is nothing to undo then.
#[test]
fn a_rollback_of_what_was_never_told_undoes_nothing() {
    let mut teller = Teller::new();
    teller.tell("a", claimed(1));
    teller.tell("b", claimed(2));
    let first = teller.roll_back(1);
    let second = teller.roll_back(0);
    let page = vec![first, second, teller.tell("z", claimed(9))];
    let page = teller.page(page);
    let mut store = MemoryStore::default();
    let at = block_on(apply(&mut store, &Standing::default(), &page)).unwrap();
    assert_eq!((at.entry, at.facts, at.cursor), (3, 1, teller.cursor()));
    // Between them it stands where it stands: another server, that never told these rollbacks, is to go on there.
    let part = teller.page(page.facts[..1].to_vec());
    let at = block_on(apply(&mut MemoryStore::default(), &Standing::default(), &part)).unwrap();
    assert_eq!((at.facts, at.cursor), (0, Cursor { rollback: Some(3), ..Cursor::default() }));
    assert!(store.kept(&page.at.policy).unwrap().entries.iter().all(|(_, void_by)| void_by.is_none()));
}

/// What does not go on from where a store stands is refused, whole, whatever it is.
#[test]
fn a_page_that_does_not_go_on_is_refused_and_leaves_nothing() {
    let mut teller = Teller::new();
    let facts = vec![teller.tell("a", claimed(1)), teller.tell("b", claimed(2))];
    let back = teller.roll_back(1);
    let sound = teller.page(facts);
    let change = |change: &dyn Fn(&mut Vec<NumberedFact>)| {
        let mut page = sound.clone();
        change(&mut page.facts);
        page
    };
    let cases: [(FeedAnswer, &str); 8] = [
        (change(&|facts| facts.truncate(0)), ""),
        (change(&|facts| facts[1].fact.time = Some(1)), "but what is kept here comes to 2-"),
        (change(&|facts| drop(facts.remove(0))), "but what is kept here comes to 1-"),
        (change(&|facts| facts.swap(0, 1)), "but what is kept here comes to 1-"),
        (change(&|facts| facts[1].sequence = 1), "it comes after one with number 1"),
        (change(&|facts| facts[1].cursor = "2".into()), "its cursor is none"),
        (
            change(&|facts| facts.push(NumberedFact { cursor: facts[0].cursor.clone(), ..back.clone() })),
            "is none of a rollback",
        ),
        (
            change(&|facts| {
                let cursor = "1-0123456789abcdef-0000000000000003".into();
                facts.push(NumberedFact { cursor, ..back.clone() });
            }),
            "but what is kept here comes to 1-",
        ),
    ];
    for (page, expected) in cases {
        let mut store = MemoryStore::default();
        let applied = block_on(apply(&mut store, &Standing::default(), &page));
        if expected.is_empty() {
            assert_eq!(applied.unwrap(), Standing::default());
            continue;
        }
        let error = applied.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(block_on(store.standing(&page.at.policy)).unwrap(), Standing::default());
        assert!(store.kept(&page.at.policy).is_none_or(|kept| kept.entries.is_empty()));
    }
}
