//! What members can do on a page.

use axum::http::StatusCode;
use tally_feed::Refusal;

/// Something that a member can do, or that makes one a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Claim,
    Recipient,
    Increase,
    Withdraw,
    Unlock,
    Finish,
    Join,
}

impl Action {
    const ALL: [Self; 7] = [
        Self::Claim,
        Self::Recipient,
        Self::Increase,
        Self::Withdraw,
        Self::Unlock,
        Self::Finish,
        Self::Join,
    ];

    /// The action of a sequencer that a word names.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if it names none.
    pub(crate) fn named(word: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.into_iter().find(|action| action.word() == word && *action != Self::Join);
        found.ok_or_else(|| {
            Refusal::new(
                StatusCode::NOT_FOUND,
                "unknown-action",
                "a sequencer's page has no such action below it",
            )
        })
    }

    /// The word for it, in addresses and in the API.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Recipient => "recipient",
            Self::Increase => "increase",
            Self::Withdraw => "withdraw",
            Self::Unlock => "unlock",
            Self::Finish => "finish",
            Self::Join => "join",
        }
    }

    /// What its page is called.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Claim => "Claim rewards",
            Self::Recipient => "Set the recipient",
            Self::Increase => "Increase the stake",
            Self::Withdraw => "Take out a part of the stake",
            Self::Unlock => "Begin the exit",
            Self::Finish => "End the exit",
            Self::Join => "Join the pool",
        }
    }

    /// What it does, in few words.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Claim => "pays all unclaimed rewards to the recipient on L2",
            Self::Recipient => "says who gets the rewards on L2",
            Self::Increase => "locks more METIS, or moves unclaimed rewards into the stake",
            Self::Withdraw => {
                "gives a part of the stake back to the owner, down to the least that has to stay"
            }
            Self::Unlock => "ends producing for good, and starts the delay after which the stake is free",
            Self::Finish => "gives the whole stake back once the delay is over",
            Self::Join => "locks a stake and makes its owner a sequencer",
        }
    }

    /// What to know before, in sentences.
    pub(crate) const fn lead(self) -> &'static str {
        match self {
            Self::Claim => {
                "A claim takes no address: it pays everything that is unclaimed to the recipient that is set. To have it paid \
                 to another address, set that as the recipient first, by a call of its own;
                 then claim. Some ETH goes along \
                 to pay the bridge to L2."
            }
            Self::Recipient => {
                "All later claims, and the end of an exit, pay to this address on L2 (Andromeda). Rewards that go to a wrong \
                 address, or to a contract that cannot move them, are lost. An address of an exchange may be one of these."
            }
            Self::Increase => {
                "The METIS come from the owner, who first approves exactly that amount to the escrow. The contract refuses a \
                 stake above the greatest it takes; it does not send an excess back."
            }
            Self::Withdraw => {
                "What is taken out goes to the owner on L1. What is left has to be the least stake or more."
            }
            Self::Unlock => {
                "An exit has two calls. This is the first: it pays the unclaimed rewards to the recipient on L2, and ends \
                 producing. Nothing takes it back. Once the delay is over, the second call returns the stake. Some ETH goes \
                 along to pay the bridge to L2."
            }
            Self::Finish => {
                "The second call of an exit: it returns the stake to the owner on L1, and what batches credited meanwhile to \
                 the recipient on L2. Some ETH goes along to pay the bridge to L2."
            }
            Self::Join => {
                "Locks METIS in the pool's escrow on L1, and names the key that will sign blocks. The owner has to be on the \
                 pool's white list. The owner first approves exactly that amount of METIS to the escrow."
            }
        }
    }

    /// What its page can be asked.
    pub(crate) const fn params(self) -> &'static [&'static str] {
        match self {
            Self::Claim | Self::Unlock | Self::Finish => &["eth", "l2_gas"],
            Self::Recipient => &["recipient", "again"],
            Self::Increase => &["amount", "with_rewards"],
            Self::Withdraw => &["amount"],
            Self::Join => &["owner", "pubkey", "signer", "amount", "recipient", "again"],
        }
    }

    /// Whether ETH goes along for the bridge.
    pub(crate) const fn pays_bridge(self) -> bool {
        matches!(self, Self::Claim | Self::Unlock | Self::Finish)
    }
}
