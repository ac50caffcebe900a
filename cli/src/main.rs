//! The `tally` command; see the library of this crate.

use std::process::ExitCode;
// Says before `main` if the processor is too old.
use tally_processor as _;

fn main() -> ExitCode {
    let status = tally_cli::run(std::env::args_os(), &mut std::io::stdout(), &mut std::io::stderr());
    ExitCode::from(status)
}
