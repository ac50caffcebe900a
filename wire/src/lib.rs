//! The shapes of everything that Tally says to a program: the JSON of its commands, the answers of its server and the
//! facts of its feed.
//!
//! # Concepts
//!
//! - A **shape** is a type of this crate, and says the same wherever it is met: an [`Epoch`] is the same object in
//!   `tally replay --format json` and in the answer of `/v1/epochs`. What is said of one thing in addition lies in a shape
//!   around it, whose JSON holds the members of both ([`ServedEpoch`] adds whether the epoch is final).
//! - A shape is **made from** the type that knows the thing ([`From`], or [`TryFrom`] where a rate may not fit): that
//!   conversion has its one home here, beside the shape.
//! - **Amounts** are wei as decimal digits ([`Amount`]), and their names end with `_wei`. Rates are exact decimal fractions
//!   ([`Fraction`]). Times are Unix seconds. Addresses and hashes are `0x` text in lower case.
//! - Every member of a shape is always there. **`null`** stands for what is not there yet, is not known, or does not apply;
//!   it never stands for 0.
//! - An answer names what it is of: a command's the [`Log`], a server's the state [`At`] which it was computed.
//! - The **schema** of each command's JSON ([`schemas`]) and the page `docs/json.md` come from the shapes and what is
//!   written at their fields, and so does the server's `OpenAPI` file.
//!
//! # Example
//!
//! Any program in Rust can read what Tally says by the same types that wrote it:
//!
//! ```
//! # fn main() -> Result<(), serde_json::Error> {
//! let text = r#"{ "sequencer": 2, "blocks": 395, "reward_wei": "626453420000000000000", "stake_seconds": "120960000000",
//!     "realised_mrr": "0.200000000000000000" }"#;
//! let row: tally_wire::Row = serde_json::from_str(text)?;
//! assert_eq!((row.sequencer, row.blocks), (2, 395));
//! assert_eq!(row.reward_wei.as_str(), "626453420000000000000");
//! # Ok(())
//! # }
//! ```
//!
//! # Errors and panics
//!
//! Conversions that compute a rate return the engine's `AmountError` where it does not fit into 256 bits; those that read a
//! log return its `LogError`. Nothing here panics.

#[macro_use]
mod shape;

mod accounts;
mod answers;
mod audit;
mod claims;
mod compare;
mod explain;
mod facts;
mod flat;
mod ledger;
mod log;
mod member;
mod overview;
mod owners;
mod production;
mod recipients;
mod schema;
mod sequencers;
mod state;
mod text;
mod whatif;
mod words;

pub use accounts::{
    Account, Accounts, ContractAccount, ContractSums, Exit, Movement, PolicyAccount, PolicyAccounts,
    SequencerAccount, SequencerPolicyAccount, Statement, StatementHead, status_name,
};
pub use answers::{
    AccountsAnswer, AuditAnswer, BatchAnswer, BatchesAnswer, BlockAnswer, BlocksAnswer, ClaimAnswer,
    DistributionAnswer, DistributionsAnswer, EpochAnswer, EpochsAnswer, FactAnswer, Ingesting, LeavesAnswer,
    LedgerAnswer, MemberCallAnswer, NextBatchAnswer, NextRateAnswer, PageOf, PaidBatch, PolicyStatus,
    PoolAnswer, RatesAnswer, SequencerAnswer, SequencerEpoch, SequencerEpochsAnswer, SequencersAnswer,
    ServedBlock, ServedEpoch, StatementAnswer, StatusAnswer, WhatIfAnswer, next_cursor,
};
pub use audit::{
    AuditTotals, BatchAudit, BatchShare, BlockSample, BundleAudit, BundleDifference, ChainAudit,
    ChainAuditReport, ComparedDifference, ComparedResult, EngineVersions, Finding, FirstDifference,
    LiveAudit, ReceiptComparison, SampledDifference, StateDifference,
};
pub use claims::{
    BatchCheck, BatchCredit, BlockingSigner, Call, CheckDifference, Closed, Distribution, DistributionHead,
    DistributionLeaf, DistributionPart, EpochRates, NextBatch, NextBatchOfLog, NextRate, NextRateOfLog,
    OnChainRate, ProvenLeaf, RewardPerBlock, Rounded, Unpayable, Withheld,
};
pub use compare::{AccountsComparison, ComparedEpoch, ComparedRow, ComparedSequencer, ComparedSums};
pub use explain::{
    BlockExplanation, Division, EpochExplanation, EpochRate, ExplainBlock, ExplainEpoch, ExplanationHead,
    PaidBlocks, Place, RewardSource, Segment, Span, SpanEvent, Stake, Window,
};
pub use facts::{CaughtUp, Changed, ClosedRow, CreditedRow, Fact, FactKind, FeedAnswer, NumberedFact};
pub use flat::name_facts;
pub use ledger::{
    Batch, BlockEntry, Earned, Epoch, EpochWithRows, LedgerHead, LedgerShow, OperatorsRate, Rate, Replay,
    Row, SequencerEarned, SequencerSum, Unrewarded, rows,
};
pub use log::{
    At, ChainHead, Contracts, FeedPlace, Head, Horizon, L1Info, L2Info, Log, LogInfo, Policy, Stopped,
};
pub use member::{
    CallArgument, CallChange, CallCondition, CallQuestion, CallValue, CallWarning, CallWithValue, MemberCall,
    MemberCallOfLog,
};
pub use overview::{CreditedEpoch, EpochRateReason, MrrReason, SequencerOverview, StakeLimits, UnpaidBlocks};
pub use owners::{ContractOwners, OwnerChange};
pub use production::{
    AnnouncedSpan, BlockGap, BlockMaker, BlocksBy, EpochProduction, MadeBlock, Produced, Production,
    ProductionAnswer, ProductionEpochsAnswer, ProductionOfLog, ServedEpochProduction, SpanProduction,
};
pub use recipients::{L2Account, MissingRecipient, Recipient, Recipients};
pub use schema::{require_all, schema, schemas};
pub use sequencers::{Sequencer, SequencerWithAccounts, Sequencers, SettledAccount, Signer};
pub use state::{ContractState, CurrentBatch, SequencerTuple, SignerOf, StateAt, StatusCounts};
pub use text::{Address, Amount, Fraction, Hash, SignedAmount};
pub use whatif::{Base, Combination, SequencerDifference, WhatIf, WhatIfHead, WhatIfStake, sole_target};
pub use words::{
    AuditVerdict, CallChangeKind, CallVerdict, CallWarningKind, ConditionKind, CountRule, CreditRule,
    MemberAction, MovementKind, NoProofReason, NotClaimable, RateSource, SequencerStatus, Severity,
    StopReason, Uncreditable, UnrewardedReason, ValueUnit, WithheldReason,
};
