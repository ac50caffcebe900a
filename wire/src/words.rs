//! Words for programs: texts of which there are a few, so that the schema can name them all.

/// Defines a text that is one of some words. The words themselves are those of the type that knows the thing; here they are
/// listed for whoever reads the schema.
macro_rules! words {
    ($($(#[doc = $about:literal])+ $name:ident [$($word:literal),+ $(,)?])+) => {$(
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub struct $name(String);

        impl $name {
            /// All words that there are.
            pub const ALL: &'static [&'static str] = &[$($word),+];

            /// The word itself, as JSON has it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                debug_assert!(Self::ALL.contains(&word), "`{word}` is none of {:?}", Self::ALL);
                Self(word.into())
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let about = concat!($($about, "\n"),+);
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .description(Some(about.trim().replace("\n ", "\n")))
                    .enum_values(Some(Self::ALL.iter().copied()))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    )+};
}

words! {
    /// Where a sequencer is: `Active`, `Inactive` (it has begun its exit) or `Unlocked` (it has taken its stake out).
    SequencerStatus ["Active", "Inactive", "Unlocked"]

    /// Why the contracts let nothing be claimed: the first that holds.
    NotClaimable ["gone", "leaving", "no_recipient", "paused", "nothing_unclaimed"]

    /// Why a sequencer that is owed something has no leaf in a distribution.
    WithheldReason ["no_recipient"]

    /// Why a sequencer can claim nothing by a distribution: it has named no recipient, or nothing is owed to it.
    NoProofReason ["no_recipient", "nothing"]

    /// Why no further block is folded.
    StopReason ["log_end", "as_asked", "l1_behind", "unsettled"]

    /// What moved an amount from one account to another.
    MovementKind [
        "locked", "relocked", "relocked_reward", "withdrawn", "credited", "claimed", "unlocked", "accrued", "revalued",
    ]

    /// What an audit of the chain comes to.
    AuditVerdict ["verified", "different", "unverified"]

    /// How the blocks of a batch are counted.
    CountRule ["scheduled", "signed"]

    /// How much a finding matters.
    Severity ["error", "warning", "note"]

    /// What sets the reward of an epoch's blocks.
    RateSource ["initial", "window", "chain", "operators", "fixed"]

    /// Why a block earned nothing: the first that holds.
    UnrewardedReason ["before_genesis", "no_producer", "unknown_signer", "after_unlock"]

    /// Whom a batch credits for the blocks of a span.
    CreditRule ["span_signer", "present_signer"]

    /// Why the contract cannot credit a signer.
    Uncreditable ["unknown_signer", "sequencer_gone", "signer_replaced"]

    /// What a member's call is to do.
    MemberAction ["join", "increase", "withdraw", "claim", "unlock", "finish", "recipient", "owner", "signer"]

    /// Whether a condition of the contract holds.
    CallVerdict ["holds", "fails", "unknown"]

    /// A condition of the contract.
    ConditionKind [
        "sender_is_owner", "sender_is_signer", "on_white_list", "not_paused", "active", "leaving", "exit_delay_over",
        "recipient_is_set", "recipient_not_zero", "amount_not_zero", "stake_at_least_min", "stake_at_most_max",
        "later_batch", "signer_throttle", "owner_is_free", "new_owner_on_white_list", "new_owner_is_free",
        "signer_is_new", "key_length", "key_is_of_signer", "metis_balance", "metis_allowance", "bridge_eth",
        "unpublished_check",
    ]

    /// The unit of a value.
    ValueUnit ["metis_wei", "eth_wei", "unix_secs", "batch", "sequencer", "bytes", "address", "status"]

    /// What a call changes or moves.
    CallChangeKind [
        "status", "stake", "unclaimed", "taken", "returned", "paid_out", "recipient", "owner", "signer",
    ]

    /// What a warning before a call is about.
    CallWarningKind [
        "check_recipient", "new_recipient", "no_recipient", "nothing_unclaimed", "stake_above_cap", "amounts_grow",
        "leaves_for_good", "waits_for_batch", "replaced_signer",
    ]
}

impl NotClaimable {
    /// The reason for people.
    pub fn text(&self) -> &'static str {
        match self.as_str() {
            "gone" => "it has taken its stake out",
            "leaving" => "the exit has begun, and its end pays them",
            "no_recipient" => "no recipient is set (tally claims call recipient)",
            "paused" => "the pool is paused",
            _ => "there is nothing to claim",
        }
    }
}

impl StopReason {
    /// The reason for people.
    pub fn text(&self) -> &'static str {
        match self.as_str() {
            "log_end" => "the log has no more blocks",
            "as_asked" => "no later block was asked for",
            "l1_behind" => "the next block is later than the last L1 block in the log",
            _ => "no announced span tells who is to produce the next block",
        }
    }
}

impl UnrewardedReason {
    /// The reason for people.
    pub fn text(&self) -> &'static str {
        match self.as_str() {
            "before_genesis" => "it lies before epoch 0",
            "no_producer" => "nobody signed it, and no span covers it",
            "unknown_signer" => "no sequencer had introduced its signer by then",
            _ => "its sequencer was not active any more",
        }
    }
}

impl CallChangeKind {
    /// What changes or moves, for people.
    pub fn text(&self) -> &'static str {
        let kinds = tally_claims::CallChangeKind::ALL;
        kinds.iter().find(|kind| kind.code() == self.as_str()).map_or("", |kind| kind.text())
    }
}

impl MovementKind {
    /// What moved the amount, for people.
    pub fn text(&self) -> &'static str {
        match self.as_str() {
            "locked" => "stake locked",
            "relocked" => "stake added",
            "relocked_reward" => "rewards moved into the stake",
            "withdrawn" => "part of the stake taken out",
            "credited" => "credited by a batch",
            "claimed" => "claimed, to L2",
            "unlocked" => "stake taken out at the end",
            "accrued" => "earned under the policy",
            _ => "valued anew under the policy",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tally_audit::Severity as Of;
    use tally_claims::{CreditRule as Rule, NotClaimable as Why};
    use tally_engine::Status;

    /// Whether these are all words, in any order.
    fn are_all<const N: usize>(listed: &[&str], known: [&str; N]) -> bool {
        listed.len() == N && known.iter().all(|word| listed.contains(word))
    }

    #[test]
    fn the_words_are_those_of_the_types_that_know_the_things() {
        let known = [Why::Gone, Why::Leaving, Why::NoRecipient, Why::Paused, Why::NothingUnclaimed];
        assert!(are_all(NotClaimable::ALL, known.map(Why::code)));
        assert!(are_all(WithheldReason::ALL, [tally_claims::WithheldReason::NoRecipient.code()]));
        assert!(are_all(CreditRule::ALL, [Rule::SpanSigner, Rule::PresentSigner].map(Rule::code)));
        assert!(are_all(Severity::ALL, [Of::Note, Of::Warning, Of::Error].map(Of::as_str)));
        let conditions: Vec<&str> = tally_claims::ConditionKind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(ConditionKind::ALL, conditions);
        assert_eq!(
            CallChangeKind::ALL,
            tally_claims::CallChangeKind::ALL.map(tally_claims::CallChangeKind::code)
        );
        assert_eq!(
            CallWarningKind::ALL,
            tally_claims::CallWarningKind::ALL.map(tally_claims::CallWarningKind::code)
        );
        assert!(CallChangeKind::ALL.iter().all(|word| !CallChangeKind::from(*word).text().is_empty()));
        let statuses = [Status::Inactive, Status::Active, Status::Unlocked];
        assert!(are_all(SequencerStatus::ALL, statuses.map(crate::status_name)));
    }
}
