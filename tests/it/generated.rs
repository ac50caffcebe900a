//! What is generated of the command line: completions for shells, and manual pages.

use crate::support::tally;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

/// Each command that help tells of, as the words that it is called by, and whether there are commands below it.
fn commands() -> Vec<(Vec<String>, bool)> {
    let mut commands = vec![];
    below(&[], &mut commands);
    assert!(commands.len() > 30, "only {} commands were found", commands.len());
    commands
}

fn below(words: &[String], commands: &mut Vec<(Vec<String>, bool)>) {
    for name in names_below(words) {
        let mut words = words.to_vec();
        words.push(name);
        commands.push((words.clone(), !names_below(&words).is_empty()));
        below(&words, commands);
    }
}

/// The commands that the help of a command lists.
fn names_below(words: &[String]) -> Vec<String> {
    let help = help_of(words);
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return vec![] };
    let list = list.split("\n\n").next().unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

fn help_of(words: &[String]) -> String {
    let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
    args.push("--help");
    let (status, help, err) = tally(&args);
    assert_eq!((status, err.as_str()), (0, ""), "{words:?}");
    help
}

/// The long flags of a help.
fn flags_of(help: &str) -> BTreeSet<String> {
    let without_short = |line: &str| match line.split_once(", ") {
        Some((short, long)) if short.len() == 2 && short.starts_with('-') => long.to_owned(),
        _ => line.to_owned(),
    };
    let lines = help.lines().map(|line| without_short(line.trim_start()));
    let named = lines.filter_map(|line| line.strip_prefix("--").map(str::to_owned));
    named.map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect()).collect()
}

fn completions(shell: &str) -> String {
    let (status, script, err) = tally(&["completions", shell]);
    assert_eq!((status, err.as_str()), (0, ""), "{shell}");
    script
}

fn run(program: &str, args: &[&str]) -> std::io::Result<Output> {
    Command::new(program).args(args).output()
}

/// Bash itself, asked what may follow, offers each command, and each flag of those that have no commands below.
#[test]
fn bash_completes_every_command_and_every_flag() {
    let mut script = completions("bash");
    let mut expected = vec![];
    for (words, has_commands) in commands() {
        let (last, before) = words.split_last().unwrap();
        ask(&mut script, before, "");
        expected.push(BTreeSet::from([last.clone()]));
        if !has_commands {
            ask(&mut script, &words, "--");
            expected.push(flags_of(&help_of(&words)).iter().map(|flag| format!("--{flag}")).collect());
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ask");
    std::fs::write(&path, script).unwrap();
    let answer = run("bash", &["-eu", path.to_str().unwrap()]).unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let answer = String::from_utf8(answer.stdout).unwrap();
    let offered: Vec<BTreeSet<String>> =
        answer.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect();
    assert_eq!(offered.len(), expected.len());
    for (offered, expected) in offered.iter().zip(&expected) {
        assert!(!expected.is_empty());
        assert!(expected.is_subset(offered), "{expected:?} are expected among {offered:?}");
    }
}

/// Lets the script print what it offers, in a line, after `tally` and the words, to go on with `begun`.
fn ask(script: &mut String, words: &[String], begun: &str) {
    let before = words.last().map_or("tally", String::as_str);
    script.push_str(&format!(
        "\nCOMP_WORDS=(tally {} '{begun}'); COMP_CWORD={}; _tally tally '{begun}' '{before}'; echo \"${{COMPREPLY[*]}}\"\n",
        words.join(" "),
        words.len() + 1,
    ));
}

/// The other shells' scripts name each command and flag, and are read by the shell where it is there.
#[test]
fn zsh_and_fish_read_their_completions() {
    let dir = tempfile::tempdir().unwrap();
    for (shell, check) in [("zsh", "-n"), ("fish", "--no-execute")] {
        let script = completions(shell);
        for (words, _) in commands() {
            assert!(script.contains(words.last().unwrap()), "{shell}: {words:?}");
            for flag in flags_of(&help_of(&words)) {
                let named = if shell == "zsh" { format!("--{flag}") } else { format!("-l {flag}") };
                assert!(script.contains(&named), "{shell}: {named} of {words:?}");
            }
        }
        let path = dir.path().join(shell);
        std::fs::write(&path, &script).unwrap();
        match run(shell, &[check, path.to_str().unwrap()]) {
            Ok(read) => assert!(read.status.success(), "{shell}: {}", String::from_utf8_lossy(&read.stderr)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("not read by {shell}, which is not installed");
            }
            Err(error) => panic!("{shell}: {error}"),
        }
    }
}

/// Where a directory or a file is asked for, shells offer some.
#[test]
fn shells_offer_files_and_directories_for_paths() {
    let zsh = completions("zsh");
    for offered in [
        "'--log=[The directory of the log]:DIR:_files -/'",
        "'--receipt=[Also write a receipt, by which others can compare their result (of one policy)]:FILE:_files'",
        "recording -- The directory of the recording:_files -/",
    ] {
        assert!(zsh.contains(offered), "{offered}");
    }
}

/// Each command has a page that names each of its flags with its variable, and nothing else has one.
#[test]
fn every_command_has_a_manual_page() {
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("man1");
    let (status, _, err) = tally(&["man", pages.to_str().unwrap()]);
    assert_eq!((status, err.as_str()), (0, ""));
    let mut expected = BTreeSet::from(["tally.1".to_owned()]);
    check_page(&pages.join("tally.1"), &[]);
    for (words, _) in commands() {
        let name = format!("tally-{}.1", words.join("-"));
        check_page(&pages.join(&name), &words);
        expected.insert(name);
    }
    let found: BTreeSet<String> = std::fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, expected);
}

fn check_page(path: &Path, words: &[String]) {
    let page = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(page.contains("\n.TH tally"), "{}", path.display());
    // In a page a dash is written so, to be none that breaks a line.
    let page = page.replace("\\-", "-");
    let help = help_of(words);
    for flag in flags_of(&help) {
        assert!(page.contains(&format!("--{flag}")), "{}: --{flag}", path.display());
    }
    for variable in help.split("[env: ").skip(1).filter_map(|rest| rest.split(['=', ']']).next()) {
        assert!(page.contains(variable), "{}: {variable}", path.display());
    }
}
