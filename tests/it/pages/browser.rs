//! What only a browser can tell: each script there visits a server, and ends with a line for each thing that is wrong.

use crate::serve::{Served, log_of};
use crate::support::{Tool, fixture, in_tests, tally};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// Runs a script of `tests/browser/` to its end, which has to be a good one. Returns what it printed.
fn run(script: &str, args: &[&str]) -> String {
    let done = browser(script, args).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let failed = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{script} {}:\n{said}\n{failed}", args.join(" "));
    said
}

fn browser(script: &str, args: &[&str]) -> Command {
    let mut command = Tool::Browser.command();
    command.arg(in_tests("browser").join(script)).args(args);
    command
}

/// A page of each kind that `recording` has.
fn pages(recording: &str) -> Vec<&'static str> {
    let mut pages = vec![
        "/",
        "/sequencers/1",
        "/sequencers/1/statement",
        "/sequencers/1/blocks",
        "/sequencers/1/claim?eth=0.005",
        "/sequencers/1/increase?amount=100",
        "/sequencers/1/withdraw?amount=0.5",
        "/sequencers/1/unlock",
        "/sequencers/1/recipient?recipient=0x00000000000000000000000000000000000000aa",
        "/join",
        "/epochs",
        "/epochs/0",
        "/batches",
        "/batches/2",
        "/rates",
        "/audit",
        "/policies",
        "/what-if?mrr=15%25&cap=80k",
        "/check",
        "/?policy=locking-pool",
        "/sequencers/99",
        "/sequencers/1/increase?amount=much",
    ];
    if recording == "pool-a" {
        // Sequencer 10 is in the middle of its exit, and sequencer 3 has left.
        pages.extend([
            "/sequencers/10",
            "/sequencers/10/finish",
            "/sequencers/3",
            "/blocks/15222407",
            "/batches/10",
        ]);
    }
    pages
}

fn served(recording: &str, more: &[&str]) -> (tempfile::TempDir, Served) {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of(recording, dir.path());
    let args: Vec<&str> =
        ["--policy", "guide", "--policy", "locking-pool"].iter().chain(more).copied().collect();
    let served = Served::start(&log, &args);
    (dir, served)
}

/// Every value of every page is the API's, exactly and as it is shown, and all of it is there without scripts.
#[test]
fn every_value_of_every_page_is_the_apis() {
    if !Tool::Browser.is_there() {
        return;
    }
    for recording in ["small-a", "pool-a"] {
        let (_dir, served) = served(recording, &[]);
        let said = run("crawl.mjs", &[&served.url()]);
        let values: u64 = said.split(' ').next().unwrap().parse().unwrap();
        assert!(values > 5_000, "{recording}: {said}");
    }
}

/// With scripts, on small and large screens, light and dark: nothing goes wrong in the console, nothing is asked of another
/// host, no barrier is found, the keyboard reaches everything, and no page weighs too much.
#[test]
fn pages_are_for_everyone() {
    if !Tool::Browser.is_there() {
        return;
    }
    for recording in ["small-a", "pool-a"] {
        let (_dir, served) = served(recording, &[]);
        let pages = pages(recording);
        if recording == "pool-a" {
            assert!(served.get("/sequencers/10").body.contains("its stake is free from"), "it is leaving");
        }
        let url = served.url();
        let looks = if recording == "pool-a" { "all" } else { "two" };
        let args: Vec<&str> = [url.as_str(), looks].into_iter().chain(pages.iter().copied()).collect();
        run("look.mjs", &args);
    }
}

/// Names of a registry and questions that are markup never become any.
#[test]
fn what_others_write_is_text() {
    if !Tool::Browser.is_there() {
        return;
    }
    let log = tempfile::tempdir().unwrap();
    let log_dir = log_of("small-a", log.path());
    let (_, list, _) = tally(&["sequencers", "--log", log_dir.to_str().unwrap(), "--format", "json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let hostile = [
        "<script>window.taken=1</script>",
        "\u{202e}\u{2066}desrever\u{2069}",
        "\"><img src=x onerror=window.taken=1>",
        "&lt;b&gt; <b>bold</b>",
    ];
    let names = list["sequencers"].as_array().unwrap().iter().zip(hostile.iter().cycle());
    let names: Vec<_> = names
        .map(|(one, name)| serde_json::json!({ "name": name, "address": one["owner"], "seq_addr": one["signer"] }))
        .collect();
    let registry = log.path().join("registry.json");
    std::fs::write(&registry, serde_json::to_vec(&names).unwrap()).unwrap();
    let served = Served::with_args(&[
        "--registry",
        registry.to_str().unwrap(),
        "serve",
        "--log",
        log_dir.to_str().unwrap(),
        "--requests-per-sec",
        "0",
    ]);
    served.wait_for("/readyz", |answer| answer.status == 200);
    let page = served.get("/").body;
    assert!(page.contains("&lt;script&gt;window.taken=1"), "the names are shown");
    run("hostile.mjs", &[&served.url()]);
}

/// A browser logs in with a token, and out again.
#[test]
fn a_browser_logs_in_and_out() {
    if !Tool::Browser.is_there() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("small-a", dir.path());
    let (_, line, told) = tally(&["token", "browser"]);
    let token = told.lines().nth(1).unwrap();
    let file = dir.path().join("tokens");
    std::fs::write(&file, line).unwrap();
    let args =
        ["serve", "--log", log.to_str().unwrap(), "--token-file", file.to_str().unwrap(), "--public-readyz"];
    let served = Served::with_args(&args);
    served.wait_for("/readyz", |answer| answer.status == 200);
    run("session.mjs", &[&served.url(), token]);
}

/// A page that is open shows what comes into the log, by itself, and says so when the server is gone.
#[test]
fn an_open_page_follows_the_log() {
    if !Tool::Browser.is_there() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let recording = fixture("pool-a");
    let ingest = |more: &[&str]| {
        let args = ["ingest", "--recording", recording.to_str().unwrap(), "--log", log.to_str().unwrap()];
        let (status, _, told) = tally(&args.into_iter().chain(more.iter().copied()).collect::<Vec<_>>());
        assert_eq!(status, 0, "{told}");
    };
    ingest(&["--l2-to", "15230000"]);
    let served = Served::start(&log, &["--poll-secs", "1"]);
    let mut script = browser("live.mjs", &[&served.url()]);
    let mut child =
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut lines = BufReader::new(output).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "open");
    ingest(&[]);
    writeln!(input, "the log has more").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "swapped");
    drop(served);
    writeln!(input, "the server is gone").unwrap();
    let told: Vec<String> = lines.map(Result::unwrap).collect();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}\n{}", told.join("\n"), String::from_utf8_lossy(&done.stderr));
}
