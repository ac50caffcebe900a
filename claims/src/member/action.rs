//! What members can do.

use alloy_primitives::{Address, Bytes};
use tally_engine::{SequencerId, SequencerState, Wei};

/// Something that a member of the pool can do by a call, or that makes one a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberAction {
    /// To lock a stake and become a sequencer: `lockFor`, or `lockWithRewardRecipient` where a recipient is named.
    Join {
        /// Who is to control the stake, and sends the call.
        owner: Address,
        /// Who is to sign the blocks.
        signer: Address,
        /// The signer's public key: 64 bytes, without the first one that says that it is not compressed.
        pubkey: Bytes,
        /// The stake to lock.
        amount: Wei,
        /// Who is to get the rewards on L2, if that is to be set at once.
        recipient: Option<Address>,
    },
    /// To raise the stake: `relock`.
    Increase {
        /// The sequencer whose stake it is.
        sequencer: SequencerId,
        /// How much METIS its owner adds; may be nothing where rewards are moved.
        amount: Wei,
        /// Whether all of the unclaimed rewards are moved into the stake, too.
        with_rewards: bool,
    },
    /// To take a part of the stake out: `withdraw`.
    Withdraw {
        /// The sequencer whose stake it is.
        sequencer: SequencerId,
        /// How much is taken out.
        amount: Wei,
    },
    /// To have all unclaimed rewards paid out: `withdrawRewards`.
    Claim {
        /// The sequencer whose rewards they are.
        sequencer: SequencerId,
    },
    /// To begin the exit: `unlock`.
    Unlock {
        /// The sequencer that leaves.
        sequencer: SequencerId,
    },
    /// To end the exit and take the stake out: `unlockClaim`.
    Finish {
        /// The sequencer that leaves.
        sequencer: SequencerId,
    },
    /// To name who gets the rewards on L2: `setSequencerRewardRecipient`.
    Recipient {
        /// The sequencer whose rewards they are.
        sequencer: SequencerId,
        /// Who is to get them.
        recipient: Address,
    },
    /// To hand the sequencer over: `setSequencerOwner`.
    Owner {
        /// The sequencer that changes hands.
        sequencer: SequencerId,
        /// Who is to control its stake.
        owner: Address,
    },
    /// To sign with another key: `updateSigner`, the only call that the signer sends.
    Signer {
        /// The sequencer that is to sign with another key.
        sequencer: SequencerId,
        /// The public key of the new signer: 64 bytes.
        pubkey: Bytes,
    },
}

/// How a call is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Who is to send it; `None` for who has to.
    pub sender: Option<Address>,
    /// The ETH for the bridge to L2, in wei; `None` while it is not known.
    pub eth: Option<Wei>,
    /// How much gas the bridge may take on L2.
    pub l2_gas: u32,
}

impl Sending {
    /// The gas on L2 that is asked for if nothing else is said: what the calls of the recordings asked for.
    pub const L2_GAS: u32 = 200_000;
}

impl Default for Sending {
    fn default() -> Self {
        Self { sender: None, eth: None, l2_gas: Self::L2_GAS }
    }
}

impl MemberAction {
    /// A word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Join { .. } => "join",
            Self::Increase { .. } => "increase",
            Self::Withdraw { .. } => "withdraw",
            Self::Claim { .. } => "claim",
            Self::Unlock { .. } => "unlock",
            Self::Finish { .. } => "finish",
            Self::Recipient { .. } => "recipient",
            Self::Owner { .. } => "owner",
            Self::Signer { .. } => "signer",
        }
    }

    /// The sequencer that it is about; `None` for one that is to join.
    pub const fn sequencer(&self) -> Option<SequencerId> {
        match self {
            Self::Join { .. } => None,
            Self::Increase { sequencer, .. }
            | Self::Withdraw { sequencer, .. }
            | Self::Claim { sequencer }
            | Self::Unlock { sequencer }
            | Self::Finish { sequencer }
            | Self::Recipient { sequencer, .. }
            | Self::Owner { sequencer, .. }
            | Self::Signer { sequencer, .. } => Some(*sequencer),
        }
    }

    /// Who has to send its call; `None` if nobody can.
    pub(super) fn sender_of(&self, state: Option<&SequencerState>) -> Option<Address> {
        let by = match self {
            Self::Join { owner, .. } => Some(*owner),
            Self::Signer { .. } => state.map(|state| state.signer),
            Self::Increase { .. }
            | Self::Withdraw { .. }
            | Self::Claim { .. }
            | Self::Unlock { .. }
            | Self::Finish { .. }
            | Self::Recipient { .. }
            | Self::Owner { .. } => state.map(|state| state.owner),
        };
        by.filter(|by| !by.is_zero())
    }
}
