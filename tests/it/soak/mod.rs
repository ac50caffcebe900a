//! Long runs: both chains are followed from odd nodes, through reorgs, kills and full disks, while a server tells facts to
//! a reader. Each run is drawn from a seed, and has to end with the log of a perfect observer, the audit of that log, and
//! each of its facts once. `make soak SEED=n MINUTES=m` goes on for longer.
#![allow(
    clippy::disallowed_methods,
    reason = "for how long runs are begun is told by a clock; no result depends on it"
)]

mod compare;
mod disk;
mod faults;
mod figures;
mod plan;
mod reader;
mod run;
mod writer;

use figures::Figures;
use plan::Plan;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The first seed where none is given: a failure in `make test` is of the change at hand, and not of a draw.
const SEED_OF_EVERY_RUN: u64 = 26;

/// How many runs go on at once: most of a run is waiting.
const AT_ONCE: u64 = 2;

/// A number that the environment gives.
fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse().unwrap())
}

#[test]
fn each_run_ends_with_the_log_of_a_perfect_observer() {
    let minutes = given("TALLY_SOAK_MINUTES").unwrap_or(1);
    let first = given("TALLY_SOAK_SEED").unwrap_or(SEED_OF_EVERY_RUN);
    println!("`make soak SEED={first} MINUTES={minutes}` begins with the same runs");
    let (next, began) = (AtomicU64::new(first), Instant::now());
    let (figures, failures) = (Mutex::new(Figures::default()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let is_first = seed < first + AT_ONCE;
                    if !is_first && began.elapsed() >= Duration::from_mins(minutes) {
                        return;
                    }
                    let run_began = Instant::now();
                    match catch_unwind(AssertUnwindSafe(|| run::carry_out(&Plan::of(seed)))) {
                        Ok(of_run) => {
                            println!("seed {seed}: as it should be, after {:?}", run_began.elapsed());
                            figures.lock().unwrap().add(of_run);
                        }
                        Err(panic) => {
                            let told = format!("seed {seed}: {}\n{:?}", text_of(&*panic), Plan::of(seed));
                            println!("{told}");
                            failures.lock().unwrap().push(format!("seed {seed}"));
                        }
                    }
                }
            });
        }
    });
    let (figures, failures) = (figures.into_inner().unwrap(), failures.into_inner().unwrap());
    println!("{figures}");
    assert!(failures.is_empty(), "runs failed, as told above: {failures:?}");
    assert!(figures.played.values().sum::<u64>() > 0, "no fault was played");
}

/// What a panic said.
fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}

/// A seed is worth nothing if it does not say what happens.
#[test]
fn a_seed_gives_the_same_plan_each_time() {
    for seed in 0..40 {
        let plan = format!("{:?}", Plan::of(seed));
        assert_eq!(plan, format!("{:?}", Plan::of(seed)));
        assert_ne!(plan, format!("{:?}", Plan { seed, ..Plan::of(seed + 40) }));
    }
}
