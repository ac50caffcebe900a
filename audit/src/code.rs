//! What an audit can find, by codes that stay the same.

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing: the rules allow it, and it bears on somebody's money.
    Note,
    /// Somebody should look: money was not earned, not paid or not checked, by the rules.
    Warning,
    /// What the chain claims is not so.
    Error,
}

impl Severity {
    /// Its name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Declares the codes, each with its name, severity and meaning.
macro_rules! codes {
    ($($name:ident $text:literal $severity:ident $meaning:literal;)*) => {
        /// What kind of finding it is. Names never change; `docs/audit.md` says what to do about each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// All codes, in the order of this list.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name in reports.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// How much it matters.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$severity,)*
                }
            }

            /// What it means, in a few words.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)*
                }
            }
        }
    };
}

codes! {
    // What a batch pays.
    PostedBlocks "posted_blocks" Error "a batch credits another number of blocks than the rule counts";
    SignerLeftOut "signer_left_out" Error "a batch leaves out a sequencer whose blocks it could pay";
    BatchAmount "batch_amount" Error "a batch's amount is not its blocks times its reward per block";
    RewardPerBlock "reward_per_block" Error "a batch pays another reward per block than was in force";
    SpansNotContiguous "spans_not_contiguous" Error "a batch does not begin at the span after the last one paid";
    BatchTooShort "batch_too_short" Error "a batch does not have the two spans that the contract demands";
    BatchOutOfTurn "batch_out_of_turn" Error "a batch is not the next";
    StaleSigner "stale_signer" Error "a batch credits an address that is no sequencer's signer";
    UnfinishedSpanPaid "unfinished_span_paid" Error "a batch pays a span that was not over";
    RepeatedSigner "repeated_signer" Warning "a batch names a signer more than once";
    ZeroCountEntry "zero_count_entry" Note "a batch names a signer with no blocks";
    RotatedSigner "rotated_signer" Note "a span names a signer that was replaced before its batch was paid";
    CreditedForReplaced "credited_for_replaced" Warning "a batch credits a present signer for spans that name another: pay all spans of a signer before it is replaced";
    UnpayableBlocks "unpayable_blocks" Warning "blocks of a sequencer that was gone when its batch was paid";
    UnknownScheduled "unknown_scheduled" Warning "a span names a signer that no sequencer ever had";
    // What else the events claim.
    Nonce "nonce" Error "a sequencer's nonce does not follow the one before";
    RunningTotal "running_total" Error "a running total is not what the events add up to";
    StakeUpdate "stake_update" Error "a stake is not the one before, raised or lowered";
    ClaimAmount "claim_amount" Error "a claim pays less than was credited and not yet paid";
    ClaimOverCredit "claim_over_credit" Error "a claim or relock moves more than was credited";
    ClaimRecipient "claim_recipient" Error "a claim pays another address on L2 than the recipient that was set";
    RecipientMissing "recipient_missing" Warning "a claim pays nobody: the recipient is the zero address";
    UnlockTerms "unlock_terms" Error "an exit has other terms than the contract sets";
    UnlockTooEarly "unlock_too_early" Error "a stake was taken out before its exit delay was over";
    SignerPubkey "signer_pubkey" Error "a signer is not the address of its public key";
    Contradiction "contradiction" Error "an event says of the time before it what earlier events do not";
    IncompleteTransaction "incomplete_transaction" Error "an event lacks another that always comes with it";
    OwnerNotAllowed "owner_not_allowed" Warning "a sequencer's owner was not on the white list when it locked";
    StakeUnderMinimum "stake_under_minimum" Warning "a stake is below the least that the contract allows";
    StakeOverMaximum "stake_over_maximum" Warning "a stake is above the greatest that the contract allows";
    StakeOverCap "stake_over_cap" Note "a stake is above the cap up to which it counts for rewards";
    RewardRelocked "reward_relocked" Note "unclaimed rewards were moved into the stake";
    // Where the money is.
    TransferMismatch "transfer_mismatch" Error "a transaction moved another amount of METIS than its events say";
    TransferParty "transfer_party" Warning "METIS came from, or went to, another address than the events imply";
    RewardsIdentity "rewards_identity" Error "rewards distributed are not those paid out, relocked and open";
    EscrowIdentity "escrow_identity" Error "the escrow does not hold the stakes, the open rewards and the gifts";
    NoTransfers "no_transfers" Warning "the log has no METIS transfers: what the escrow holds cannot be checked";
    Donation "donation" Note "METIS came into the escrow that belongs to nobody";
    // Who made the blocks.
    SignedByOther "signed_by_other" Warning "blocks were signed by another sequencer than scheduled";
    ProducedAfterUnlock "produced_after_unlock" Warning "a sequencer made blocks after it began its exit: they earn nothing";
    UnknownProducer "unknown_producer" Warning "blocks were signed by nobody's signer";
    NoSpan "no_span" Warning "blocks lie in no span that the contract holds: no batch can pay them";
    LateCommit "late_commit" Note "a span was announced after it had begun";
    LateRecommit "late_recommit" Warning "a recommit came when the span it overwrites had begun";
    SpanExtended "span_extended" Note "a recommit gave blocks that no span covered to the span before them";
    // What no history of the contracts can contain.
    ImpossibleRecord "impossible_record" Error "no history of the contracts can contain this event here";
    RecordOrder "record_order" Error "an event does not come after the one before it";
}
