//! Why a block, or a sequencer in an epoch, earned what it did: every number on the way, and the event that each
//! comes from.

mod block;
mod epoch;
mod places;
mod reason;

pub use block::{BlockExplanation, explain_block};
pub use epoch::{EpochExplanation, Paid, Segment, explain_epoch};
pub use places::{Place, RewardSource, SpanPlace, StakeFacts};
pub use reason::RateReason;
