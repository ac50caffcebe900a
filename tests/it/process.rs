//! The command as a process of its own, to be killed, signalled and read from: this very test binary, told
//! to be the command.

use std::fs::{File, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

/// Names the arguments, one a line.
const ARGS: &str = "TALLY_TEST_ARGS";

/// A running command. It is killed when dropped.
pub(crate) struct Process {
    child: Child,
    /// The lines of its standard error, read as they come: a full pipe would stop it.
    stderr: Receiver<String>,
}

/// Kills the command at so many moments, spread over the time that it takes when nobody does, and calls `check` after
/// each and when it came to its end. On a busy machine a moment may come later than it was meant to.
#[expect(clippy::disallowed_methods, reason = "no result depends on how long it takes")]
pub(crate) fn kill_at_moments(args: &[&str], moments: u32, mut check: impl FnMut()) {
    let began = Instant::now();
    let (status, _, err) = start(args, &[]).end();
    assert!(status.success(), "{err}");
    let whole = began.elapsed();
    check();
    for moment in 0..moments {
        let process = start(args, &[]);
        std::thread::sleep(whole * moment / moments);
        process.kill();
        check();
    }
}

/// Starts the command.
pub(crate) fn start(args: &[&str], variables: &[(&str, &str)]) -> Process {
    start_by(Command::new(std::env::current_exe().unwrap()), args, variables)
}

/// Starts the command where no file may grow beyond so many KiB: writing more fails, as on a disk that is full.
pub(crate) fn start_with_file_limit(args: &[&str], limit_kib: u64) -> Process {
    let mut shell = Command::new("sh");
    // A shell counts in blocks of 512 bytes; without the trap a signal would end it in the middle of a write.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", 2 * limit_kib);
    shell.args(["-c", &script]).arg(std::env::current_exe().unwrap());
    start_by(shell, args, &[])
}

/// A program in `dir` that is the command, for those that start it by themselves.
pub(crate) fn program(dir: &Path) -> PathBuf {
    let path = dir.join("tally");
    let exe = std::env::current_exe().unwrap();
    let script = format!(
        "#!/bin/sh\nexport {ARGS}=\"$(printf '%s\\n' \"$@\")\"\n\
         exec '{}' process::is_the_command --exact --nocapture --test-threads=1\n",
        exe.display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}

/// Runs the command to its end, with a file for its standard output.
pub(crate) fn run_into(file: File, args: &[&str]) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["process::is_the_command", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(ARGS, args.join("\n")).stdout(file).status().unwrap()
}

fn start_by(mut command: Command, args: &[&str], variables: &[(&str, &str)]) -> Process {
    command.args(["process::is_the_command", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(ARGS, args.join("\n")).envs(variables.iter().copied());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut read = BufReader::new(child.stderr.take().unwrap());
    let (lines, stderr) = channel();
    std::thread::spawn(move || {
        loop {
            let mut line = String::new();
            // Whoever started it may have dropped it.
            if read.read_line(&mut line).unwrap() == 0 || lines.send(line).is_err() {
                return;
            }
        }
    });
    Process { child, stderr }
}

impl Process {
    /// As `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        // By the shell's own: a small system has no other.
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The next line of its standard error that holds `text`.
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        let mut said = String::new();
        let found = self.stderr.iter().inspect(|line| said += line).find(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("it ended without a word of {text}: {said}"))
    }

    /// Waits for its end, and returns what it still said.
    pub(crate) fn end(mut self) -> (ExitStatus, String, String) {
        let mut out = String::new();
        let err: String = self.stderr.iter().collect();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        (self.child.wait().unwrap(), out, err)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Does nothing in a run of the tests; started by [`start`], it is the command.
#[test]
fn is_the_command() {
    let Some(args) = std::env::var_os(ARGS) else {
        return;
    };
    let args = args.into_string().unwrap();
    let args = std::iter::once("tally").chain(args.lines()).map(Into::into);
    let status = tally_cli::run(args, &mut std::io::stdout(), &mut std::io::stderr());
    std::process::exit(status.into());
}
