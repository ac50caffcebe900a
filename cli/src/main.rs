//! The `tally` command; see the library of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    let status = tally_cli::run(std::env::args_os(), &mut std::io::stdout(), &mut std::io::stderr());
    ExitCode::from(status)
}
