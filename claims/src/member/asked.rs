//! An action as somebody asks for it, in single words: which of them it needs, and which it has no place for.

use super::MemberAction;
use alloy_primitives::{Address, Bytes, keccak256};
use std::fmt;
use tally_engine::{SequencerId, Wei};

/// What somebody says of an action. The command line and the server read it, each in its own form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionAsked {
    /// The sequencer that it is about; not for `join`.
    pub sequencer: Option<SequencerId>,
    /// An amount of METIS, in wei.
    pub amount: Option<Wei>,
    /// Whether the unclaimed rewards are moved into the stake.
    pub with_rewards: bool,
    /// Who is to get the rewards on L2.
    pub recipient: Option<Address>,
    /// Who is to control the stake.
    pub owner: Option<Address>,
    /// The public key of the signer: 64 bytes.
    pub pubkey: Option<Bytes>,
    /// The signer, to be compared with the key; that of the key, if none is given.
    pub signer: Option<Address>,
}

/// Why an action cannot be asked for like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionFault {
    /// There is no action of this name.
    Unknown,
    /// It needs something that is not given.
    Needs(ActionWord),
    /// It has no place for something that is given, which would be taken for something that it does.
    TakesNo(ActionWord),
}

/// Something that can be said of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionWord {
    /// The sequencer that it is about.
    Sequencer,
    /// An amount of METIS.
    Amount,
    /// Whether unclaimed rewards are moved into the stake.
    WithRewards,
    /// Who is to get the rewards on L2.
    Recipient,
    /// Who is to control the stake.
    Owner,
    /// The public key of the signer.
    Pubkey,
    /// The address of the signer.
    Signer,
}

impl fmt::Display for ActionWord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Sequencer => "sequencer",
            Self::Amount => "amount",
            Self::WithRewards => "with-rewards",
            Self::Recipient => "recipient",
            Self::Owner => "owner",
            Self::Pubkey => "pubkey",
            Self::Signer => "signer",
        })
    }
}

fn needed<T>(word: ActionWord, value: Option<T>) -> Result<T, ActionFault> {
    value.ok_or(ActionFault::Needs(word))
}

impl ActionAsked {
    /// The action of this name, as it is asked for.
    ///
    /// # Errors
    ///
    /// [`ActionFault`] if there is no such action, or it needs something else, or takes less.
    pub fn action(self, name: &str) -> Result<MemberAction, ActionFault> {
        self.refuse_what_would_be_ignored(name)?;
        let sequencer = || needed(ActionWord::Sequencer, self.sequencer);
        Ok(match name {
            "join" => {
                let pubkey = needed(ActionWord::Pubkey, self.pubkey)?;
                let signer = self.signer.unwrap_or_else(|| Address::from_word(keccak256(&pubkey)));
                let owner = needed(ActionWord::Owner, self.owner)?;
                let amount = needed(ActionWord::Amount, self.amount)?;
                MemberAction::Join { owner, signer, pubkey, amount, recipient: self.recipient }
            }
            "increase" => {
                let amount = match (self.amount, self.with_rewards) {
                    (None, true) => Wei::ZERO,
                    (amount, _) => needed(ActionWord::Amount, amount)?,
                };
                MemberAction::Increase { sequencer: sequencer()?, amount, with_rewards: self.with_rewards }
            }
            "withdraw" => {
                let amount = needed(ActionWord::Amount, self.amount)?;
                MemberAction::Withdraw { sequencer: sequencer()?, amount }
            }
            "claim" => MemberAction::Claim { sequencer: sequencer()? },
            "unlock" => MemberAction::Unlock { sequencer: sequencer()? },
            "finish" => MemberAction::Finish { sequencer: sequencer()? },
            "recipient" => {
                let recipient = needed(ActionWord::Recipient, self.recipient)?;
                MemberAction::Recipient { sequencer: sequencer()?, recipient }
            }
            "owner" => {
                let owner = needed(ActionWord::Owner, self.owner)?;
                MemberAction::Owner { sequencer: sequencer()?, owner }
            }
            "signer" => MemberAction::Signer {
                sequencer: sequencer()?,
                pubkey: needed(ActionWord::Pubkey, self.pubkey)?,
            },
            _ => return Err(ActionFault::Unknown),
        })
    }

    fn refuse_what_would_be_ignored(&self, name: &str) -> Result<(), ActionFault> {
        use ActionWord::{Amount, Owner, Pubkey, Recipient, Sequencer, Signer, WithRewards};
        let given = [
            (Sequencer, self.sequencer.is_some()),
            (Amount, self.amount.is_some()),
            (WithRewards, self.with_rewards),
            (Recipient, self.recipient.is_some()),
            (Owner, self.owner.is_some()),
            (Pubkey, self.pubkey.is_some()),
            (Signer, self.signer.is_some()),
        ];
        let taken: &[ActionWord] = match name {
            "join" => &[Amount, Recipient, Owner, Pubkey, Signer],
            "increase" => &[Sequencer, Amount, WithRewards],
            "withdraw" => &[Sequencer, Amount],
            "recipient" => &[Sequencer, Recipient],
            "owner" => &[Sequencer, Owner],
            "signer" => &[Sequencer, Pubkey],
            "claim" | "unlock" | "finish" => &[Sequencer],
            _ => return Err(ActionFault::Unknown),
        };
        let ignored = given.into_iter().find(|(word, is_given)| *is_given && !taken.contains(word));
        ignored.map_or(Ok(()), |(word, _)| Err(ActionFault::TakesNo(word)))
    }
}
