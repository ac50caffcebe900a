//! What a fold reads.

use crate::batch::Batches;
use crate::grid::{Counts, FirstPayable, Grid};
use crate::spans::Spans;
use crate::timeline::Timeline;

/// What a fold reads. The counts reach over the whole grid; each policy takes what lies up to its
/// own horizon.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// Stakes, signers and statuses over time, from the first on.
    pub timeline: &'a Timeline,
    /// Who was to produce what, from the first span on.
    pub spans: &'a Spans,
    /// What the contract paid.
    pub batches: &'a Batches,
    /// The first block that a batch can pay, if the log has one. Only a policy whose epochs begin with it
    /// ([`crate::Genesis::FirstPayable`]) needs it.
    pub first_payable: Option<FirstPayable>,
    /// The stretches of blocks, cut at every policy's horizon. For a fold that is continued, those
    /// after its last horizon are enough, and so are the boundaries of later instants.
    pub grid: &'a Grid,
    /// The blocks of each stretch by producer.
    pub counts: &'a Counts,
}
