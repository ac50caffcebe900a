//! `tally network`: the networks that can be followed.

use crate::args::{NetworkCommand, NetworkFromRecordingArgs, NetworkShowArgs};
use crate::format::table;
use crate::{DONE, Output};
use anyhow::Result;
use tally_ingest::{Network, network_names, read_manifest};
use tally_text::address;

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
