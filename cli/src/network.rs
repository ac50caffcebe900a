//! `tally network`: the networks that can be followed.

use crate::format::table;
use crate::{DONE, Output};
use anyhow::Result;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use tally_ingest::{Network, network_names, read_manifest};
use tally_text::address;

#[derive(Debug, Subcommand)]
pub(crate) enum NetworkCommand {
    /// The networks that are built in
    List,
    /// Print a network, as a file to start one's own from
    Show(NetworkShowArgs),
    /// Print the network that a recording is of
    FromRecording(NetworkFromRecordingArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NetworkShowArgs {
    /// A built-in network or a network file
    #[arg(value_name = "NAME|FILE")]
    pub(crate) network: String,
}

#[derive(Debug, Args)]
pub(crate) struct NetworkFromRecordingArgs {
    /// The directory of the recording
    #[arg(value_name = "DIR")]
    pub(crate) recording: PathBuf,
}

pub(crate) fn run(command: &NetworkCommand, output: &mut Output<'_>) -> Result<u8> {
    match command {
        NetworkCommand::List => list(output)?,
        NetworkCommand::Show(NetworkShowArgs { network }) => {
            write!(output.out, "{}", Network::load(network)?.to_toml())?;
        }
        NetworkCommand::FromRecording(NetworkFromRecordingArgs { recording }) => {
            let identity = read_manifest(recording)?.identity;
            let name = recording.canonicalize()?;
            let name = name.file_name().and_then(|name| name.to_str()).unwrap_or("recording");
            let is_plain = |char: &char| char.is_ascii_alphanumeric() || ['-', '_', '.'].contains(char);
            let name = name.chars().filter(is_plain).collect();
            write!(output.out, "{}", Network { name, identity }.to_toml())?;
        }
    }
    Ok(DONE)
}

fn list(output: &mut Output<'_>) -> Result<()> {
    let mut rows = table(&["network", "L1", "from L1 block", "L2", "from L2 block", "LockingPool"], 5);
    for name in network_names() {
        let Network { name, identity } = Network::load(name)?;
        rows.add_row([
            name,
            identity.l1_chain_id.to_string(),
            identity.l1_first_block.to_string(),
            identity.l2_chain_id.to_string(),
            identity.l2_first_block.to_string(),
            address(identity.locking_pool),
        ]);
    }
    writeln!(output.out, "{rows}")?;
    Ok(())
}
