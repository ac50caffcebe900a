//! Documents drift from code; what they name has to be there.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Markdown files of the project: those at the top, in `docs/` and in `fixtures/`.
fn documents() -> Vec<PathBuf> {
    let mut documents = Vec::new();
    for dir in ["", "docs", "fixtures", "benches"] {
        for entry in std::fs::read_dir(root().join(dir)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                documents.push(path);
            }
        }
    }
    documents
}

/// What of a text looks like the path of a file of this project: in backticks and with a known ending,
/// or the target of a link.
fn paths_in(text: &str) -> Vec<String> {
    let endings = [".rs", ".md", ".toml", ".py", ".sh", ".txt", ".json"];
    let in_ticks = text.split('`').skip(1).step_by(2).map(str::to_owned);
    let named =
        in_ticks.filter(|path| path.contains('/') && endings.iter().any(|ending| path.ends_with(ending)));
    // What is in somebody's home is not of this project.
    let named = named.filter(|path| !path.starts_with('~'));
    let links =
        text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link.to_owned());
    named.chain(links.filter(|link| !link.contains("://"))).collect()
}

#[test]
fn every_path_that_a_document_names_exists() {
    let mut checked = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        let headings: Vec<String> =
            text.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_lowercase).collect();
        for path in paths_in(&text) {
            if let Some(heading) = path.strip_prefix('#') {
                let is_there = headings.iter().any(|other| other == heading);
                assert!(is_there, "{} has no heading {heading}", document.display());
                continue;
            }
            let beside = document.parent().unwrap().join(&path);
            assert!(root().join(&path).exists() || beside.exists(), "{} names {path}", document.display());
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} paths were found");
}

#[test]
fn the_worked_example_of_the_readme_is_what_the_command_prints() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (dir, _) = crate::support::ingested("pool-a");
    let (_, csv, _) =
        crate::support::tally(&["replay", "--log", dir.path().to_str().unwrap(), "--format", "csv"]);
    let row = csv.lines().find(|line| line.starts_with("guide,1,1,") && line.contains(",1,397,")).unwrap();
    assert!(readme.contains(&format!("\n{row}\n")), "{row}");
}

/// How many commands of the cookbook have their output beside them.
const COOKBOOK_EXAMPLES: usize = 15;

/// What the examples of a document print is what the commands print, of a log of `pool-a`.
fn check_examples(document: &str, examples: usize) {
    let text = std::fs::read_to_string(root().join(document)).unwrap();
    let (dir, _) = crate::support::ingested("pool-a");
    let out = dir.path().join("ledger");
    let mut checked = 0;
    for example in text.split("```console\n$ tally ").skip(1) {
        let (args, printed) = example.split("```").next().unwrap().split_once('\n').unwrap();
        let args = args.replace("pool.log", dir.path().to_str().unwrap());
        let args = args.replace("fixtures/", &format!("{}/", root().join("fixtures").display()));
        let args = args.replace("--out ledger", &format!("--out {}", out.display()));
        let (status, found, err) = crate::support::tally(&args.split(' ').collect::<Vec<_>>());
        // An audit that finds something says so by its status.
        assert!(status == 0 || (status == 3 && args.starts_with("audit ")), "{args}: {status}");
        assert_eq!(err, "", "{args}");
        assert_eq!(found.replace(out.to_str().unwrap(), "ledger"), printed, "{args}");
        checked += 1;
    }
    assert_eq!(checked, examples, "{document}");
}

#[test]
fn the_examples_of_the_ledger_are_what_the_commands_print() {
    check_examples("docs/ledger.md", 3);
}

#[test]
fn the_examples_of_the_accounts_are_what_the_commands_print() {
    check_examples("docs/accounts.md", 4);
}

#[test]
fn the_examples_of_the_claims_are_what_the_commands_print() {
    check_examples("docs/claims.md", 6);
}

#[test]
fn the_examples_of_the_production_are_what_the_commands_print() {
    check_examples("docs/production.md", 2);
}

/// The page that answers everyday questions: each has a command, whose output has the answer.
#[test]
fn the_examples_of_the_cookbook_are_what_the_commands_print() {
    check_examples("docs/cookbook.md", COOKBOOK_EXAMPLES);
}

#[test]
fn the_examples_of_the_policies_are_what_the_commands_print() {
    check_examples("docs/policies.md", 2);
}

/// The command lines of a document's blocks of shell, without what a shell does with them.
fn command_lines(text: &str) -> Vec<String> {
    let blocks = text.split("\n```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let joined: Vec<String> = blocks.map(|block| block.replace("\\\n", " ")).collect();
    let lines = joined.iter().flat_map(|block| block.lines());
    let commands = lines.map(str::trim).filter(|line| line.starts_with("tally "));
    let ends = [" > ", " >> ", " 2> ", " 2>> ", " | ", " && ", " # ", " < ", "; "];
    commands
        .map(|line| ends.iter().fold(line, |line, end| line.split(end).next().unwrap()).to_owned())
        .collect()
}

/// What a reader copies has the flags that there are. It is parsed, and not run.
#[test]
fn the_command_lines_of_the_documents_are_command_lines() {
    assert_eq!(
        command_lines("a\n```sh\ntally a \\\n  b > c\nls\ntally d | e\n```\n"),
        ["tally a    b".to_owned(), "tally d".into()]
    );
    let mut checked = 0;
    for document in documents() {
        for line in command_lines(&std::fs::read_to_string(&document).unwrap()) {
            let words = line.split_whitespace().map(|word| word.trim_matches(['"', '\'']).into());
            let wrong = tally_cli::usage_error(words);
            assert_eq!(wrong, None, "{}: {line}", document.display());
            checked += 1;
        }
    }
    assert!(checked > 8, "only {checked} were found");
    let wrong = tally_cli::usage_error(["tally", "serve", "--log", "a", "--tokens", "b"].map(Into::into));
    assert!(wrong.is_some_and(|wrong| wrong.contains("unexpected argument '--tokens'")));
}

/// What each policy gives on each recording, as the page has it.
#[test]
fn the_figures_of_the_policies_are_what_they_give() {
    let logs = crate::support::RECORDINGS.map(crate::support::ingested);
    let page = std::fs::read_to_string(root().join("docs/policies.md")).unwrap();
    for (name, _) in engine::BUILT_IN {
        let mut line = format!("| `{name}` |");
        for (_, log) in &logs {
            let policy = engine::Policy::built_in(name).unwrap();
            let replayed =
                tally_replay::replay(log, &[policy], tally_replay::ReplayOptions::default()).unwrap();
            let blocks: u64 = replayed[0].ledger.epochs.iter().map(|epoch| epoch.earned.blocks).sum();
            line += &format!(" {blocks} | {} |", tally_text::metis(replayed[0].ledger.total));
        }
        assert!(page.contains(&format!("\n{line}\n")), "docs/policies.md has to have the line\n{line}");
    }
}

#[test]
fn the_picture_of_the_rate_is_what_the_command_draws() {
    let (dir, _) = crate::support::ingested("pool-a");
    let (log, plot) = (dir.path().to_str().unwrap(), dir.path().join("plot.svg"));
    let (status, ..) =
        crate::support::tally(&["claims", "next-rate", "--log", log, "--plot", plot.to_str().unwrap()]);
    assert_eq!(status, 0);
    let shown = std::fs::read_to_string(root().join("docs/rate-history.svg")).unwrap();
    assert!(std::fs::read_to_string(plot).unwrap() == shown, "docs/rate-history.svg is another picture");
}
