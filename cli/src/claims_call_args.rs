//! The command line of members' calls.

use crate::WrongUsage;
use crate::claims_args::{eth_amount, metis_amount};
use crate::shared_args::{LogArg, PlainFormat, SEQUENCER_HELP};
use alloy_primitives::{Address, Bytes};
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use tally_claims::{ActionAsked, ActionFault, ActionWord, MemberAction, Sending};
use tally_engine::{SequencerId, Wei};
use tally_text::{given_address, given_pubkey};

#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    /// What to do
    // One command with a value, not one for each: completions for fish go no deeper than two words.
    #[arg(value_enum, value_name = "ACTION")]
    pub(crate) action: ActionArg,
    #[command(flatten)]
    pub(crate) log: LogArg,
    #[arg(long, env = "TALLY_SEQUENCER", value_name = "N|NAME|ADDRESS", help = SEQUENCER_HELP)]
    pub(crate) sequencer: Option<String>,
    /// How much METIS (increase, withdraw, join)
    #[arg(long, env = "TALLY_AMOUNT", value_name = "METIS", value_parser = metis_amount)]
    pub(crate) amount: Option<Wei>,
    /// Also move all unclaimed rewards into the stake (increase)
    #[arg(long, env = "TALLY_WITH_REWARDS")]
    pub(crate) with_rewards: bool,
    /// Who is to get the rewards: an address on L2 (recipient, join)
    #[arg(long, env = "TALLY_RECIPIENT", value_name = "ADDRESS", value_parser = given_address)]
    pub(crate) recipient: Option<Address>,
    /// Who is to control the stake (owner, join)
    #[arg(long, env = "TALLY_OWNER", value_name = "ADDRESS", value_parser = given_address)]
    pub(crate) owner: Option<Address>,
    /// The signer's public key: 0x and 128 hexadecimal digits, after 04 or without it (signer, join)
    #[arg(long, env = "TALLY_PUBKEY", value_name = "KEY", value_parser = given_pubkey)]
    pub(crate) pubkey: Option<Bytes>,
    /// The signer, to be compared with the public key (join) [default: that of the key]
    #[arg(long, env = "TALLY_SIGNER", value_name = "ADDRESS", value_parser = given_address)]
    pub(crate) signer: Option<Address>,
    /// How much ETH goes along for the bridge to L2, as 0.005: only a node can tell how much it takes (claim, unlock, finish)
    #[arg(long, env = "TALLY_BRIDGE_ETH", value_name = "ETH", value_parser = eth_amount)]
    pub(crate) eth: Option<Wei>,
    /// How much gas the bridge may take on L2 (claim, unlock, finish) [default: 200000]
    #[arg(long, env = "TALLY_L2_GAS", value_name = "GAS")]
    pub(crate) l2_gas: Option<u32>,
    /// Who is to send the call, to be judged [default: who has to]
    #[arg(long, env = "TALLY_SENDER", value_name = "ADDRESS", value_parser = given_address)]
    pub(crate) sender: Option<Address>,
    /// Also write the call, and an approval before it, as a file for the transaction builder of Safe wallets
    #[arg(long, env = "TALLY_SAFE_FILE", value_name = "FILE")]
    pub(crate) safe: Option<PathBuf>,
    /// How to print the call
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}

/// What a call is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ActionArg {
    /// Have all unclaimed rewards paid to the recipient on L2
    Claim,
    /// Name who gets the rewards on L2 (--recipient)
    Recipient,
    /// Raise the stake, by METIS of the owner (--amount) or by the unclaimed rewards (--with-rewards)
    Increase,
    /// Take a part of the stake out (--amount)
    Withdraw,
    /// Begin the exit
    Unlock,
    /// End the exit, when its delay is over, and take the stake out
    Finish,
    /// Lock a stake and become a sequencer (--owner, --amount, --pubkey)
    Join,
    /// Hand the sequencer over to another owner (--owner)
    Owner,
    /// Sign with another key, which the present signer has to send (--pubkey)
    Signer,
}

impl ActionArg {
    fn word(self) -> String {
        self.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
    }
}

impl CallArgs {
    /// What is to be done. `find` finds the sequencer that is meant.
    pub(crate) fn action(&self, find: impl FnOnce(&str) -> Result<SequencerId>) -> Result<MemberAction> {
        let asked = ActionAsked {
            sequencer: self
                .sequencer
                .as_deref()
                .filter(|_| self.action != ActionArg::Join)
                .map(find)
                .transpose()?,
            amount: self.amount,
            with_rewards: self.with_rewards,
            recipient: self.recipient,
            owner: self.owner,
            pubkey: self.pubkey.clone(),
            signer: self.signer,
        };
        let action = self.action.word();
        let is_increase = self.action == ActionArg::Increase;
        asked.action(&action).map_err(|fault| {
            let text = match fault {
                ActionFault::Needs(ActionWord::Amount) if is_increase => {
                    format!("{action} needs --amount, or --with-rewards, or both")
                }
                ActionFault::Needs(ActionWord::Sequencer) => {
                    format!("{action} needs --sequencer N|NAME|ADDRESS")
                }
                ActionFault::Needs(word) => format!("{action} needs --{word}"),
                ActionFault::TakesNo(ActionWord::Recipient) => format!(
                    "{action} takes no --recipient: rewards go to the recipient that is set, so first make the call \
                     `tally claims call recipient --recipient ADDRESS`"
                ),
                ActionFault::TakesNo(word) => format!("{action} takes no --{word}"),
                ActionFault::Unknown => format!("there is no call {action}"),
            };
            WrongUsage(text).into()
        })
    }

    /// How the call is to be sent.
    pub(crate) fn sending(&self) -> Sending {
        Sending { sender: self.sender, eth: self.eth, l2_gas: self.l2_gas.unwrap_or(Sending::L2_GAS) }
    }

    /// Refuses what is only for calls that pay through the bridge, beside one that does not.
    pub(crate) fn check_bridge(&self, is_payable: bool) -> Result<()> {
        let given = [("--eth", self.eth.is_some()), ("--l2-gas", self.l2_gas.is_some())];
        match given.into_iter().find(|(_, is_given)| *is_given && !is_payable) {
            None => Ok(()),
            Some((flag, _)) => {
                let action = self.action.word();
                let why = "only claim, unlock and finish pay through the bridge";
                Err(WrongUsage(format!("{action} takes no {flag}: {why}")).into())
            }
        }
    }
}
