//! The command line of members' calls.

use crate::WrongUsage;
use crate::claims_args::of_18_decimals;
use crate::given::{given_address, given_pubkey};
use crate::shared_args::{LogArg, PlainFormat, SEQUENCER_HELP};
use alloy_primitives::{Address, Bytes, keccak256};
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use tally_claims::{MemberAction, Sending};
use tally_engine::{SequencerId, Wei};

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
    #[arg(long, env = "TALLY_AMOUNT", value_name = "METIS", value_parser = of_18_decimals)]
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
    #[arg(long, env = "TALLY_BRIDGE_ETH", value_name = "ETH", value_parser = of_18_decimals)]
    pub(crate) eth: Option<Wei>,
    /// How much gas the bridge may take on L2 (claim, unlock, finish)
    #[arg(long, env = "TALLY_L2_GAS", value_name = "GAS", default_value_t = Sending::L2_GAS)]
    pub(crate) l2_gas: u32,
    /// Who is to send the call, to be judged [default: who has to]
    #[arg(long, env = "TALLY_SENDER", value_name = "ADDRESS", value_parser = given_address)]
    pub(crate) sender: Option<Address>,
    /// Also write the call, and an approval before it, as a file for the transaction builder of Safe wallets
    #[arg(long, env = "TALLY_SAFE_FILE", value_name = "FILE")]
    pub(crate) safe: Option<PathBuf>,
    /// How to print the call
    #[arg(long, env = "TALLY_CLAIMS_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
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

/// A flag that an action needs.
fn needed<T>(action: ActionArg, flag: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| WrongUsage(format!("{} needs {flag}", action.word())).into())
}

impl ActionArg {
    fn word(self) -> String {
        self.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
    }

    /// The flags that change what the action does, and whether it has them.
    const fn takes(self, flag: &str) -> bool {
        use ActionArg::{Increase, Join, Owner, Recipient, Signer, Withdraw};
        match flag.as_bytes() {
            b"--amount" => matches!(self, Increase | Withdraw | Join),
            b"--with-rewards" => matches!(self, Increase),
            b"--recipient" => matches!(self, Recipient | Join),
            b"--owner" => matches!(self, Owner | Join),
            b"--pubkey" => matches!(self, Signer | Join),
            _ => matches!(self, Join),
        }
    }
}

impl CallArgs {
    /// What is to be done. `find` finds the sequencer that is meant.
    pub(crate) fn action(&self, find: impl FnOnce(&str) -> Result<SequencerId>) -> Result<MemberAction> {
        let action = self.action;
        self.refuse_what_would_be_ignored()?;
        if action == ActionArg::Join {
            let owner = needed(action, "--owner", self.owner)?;
            let amount = needed(action, "--amount", self.amount)?;
            let pubkey = needed(action, "--pubkey", self.pubkey.clone())?;
            let signer = self.signer.unwrap_or_else(|| Address::from_word(keccak256(&pubkey)));
            return Ok(MemberAction::Join { owner, signer, pubkey, amount, recipient: self.recipient });
        }
        let sequencer = find(&needed(action, "--sequencer N|NAME|ADDRESS", self.sequencer.clone())?)?;
        Ok(match action {
            ActionArg::Increase => {
                let amount = match (self.amount, self.with_rewards) {
                    (None, true) => Wei::ZERO,
                    (amount, _) => needed(action, "--amount, or --with-rewards, or both", amount)?,
                };
                MemberAction::Increase { sequencer, amount, with_rewards: self.with_rewards }
            }
            ActionArg::Withdraw => {
                MemberAction::Withdraw { sequencer, amount: needed(action, "--amount", self.amount)? }
            }
            ActionArg::Claim => MemberAction::Claim { sequencer },
            ActionArg::Unlock => MemberAction::Unlock { sequencer },
            ActionArg::Finish => MemberAction::Finish { sequencer },
            ActionArg::Recipient => MemberAction::Recipient {
                sequencer,
                recipient: needed(action, "--recipient", self.recipient)?,
            },
            ActionArg::Owner => {
                MemberAction::Owner { sequencer, owner: needed(action, "--owner", self.owner)? }
            }
            ActionArg::Signer | ActionArg::Join => {
                MemberAction::Signer { sequencer, pubkey: needed(action, "--pubkey", self.pubkey.clone())? }
            }
        })
    }

    /// A flag that the call has no place for would be taken for something that it does.
    fn refuse_what_would_be_ignored(&self) -> Result<()> {
        let given = [
            ("--amount", self.amount.is_some()),
            ("--with-rewards", self.with_rewards),
            ("--recipient", self.recipient.is_some()),
            ("--owner", self.owner.is_some()),
            ("--pubkey", self.pubkey.is_some()),
            ("--signer", self.signer.is_some()),
        ];
        let ignored = given.into_iter().find(|(flag, is_given)| *is_given && !self.action.takes(flag));
        let Some((flag, _)) = ignored else { return Ok(()) };
        let action = self.action.word();
        let text = match flag {
            "--recipient" => format!(
                "{action} takes no --recipient: rewards go to the recipient that is set, so first make the call \
                 `tally claims call recipient --recipient ADDRESS`"
            ),
            _ => format!("{action} takes no {flag}"),
        };
        Err(WrongUsage(text).into())
    }

    /// How the call is to be sent.
    pub(crate) fn sending(&self) -> Sending {
        Sending { sender: self.sender, eth: self.eth, l2_gas: self.l2_gas }
    }
}
