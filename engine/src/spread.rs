//! Where a fold's independent parts are done: by default one after the other; a caller that has threads
//! can spread them. The ledger is the same either way.

use alloc::vec::Vec;

/// A way of doing the same to many items.
pub trait Spread {
    /// Maps the items with `each`, possibly in parallel; results keep the input's order.
    fn map<T: Send, R: Send>(&self, items: Vec<T>, each: impl Fn(T) -> R + Send + Sync) -> Vec<R>;
}

/// One item after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct InTurn;

impl Spread for InTurn {
    fn map<T: Send, R: Send>(&self, items: Vec<T>, each: impl Fn(T) -> R + Send + Sync) -> Vec<R> {
        items.into_iter().map(each).collect()
    }
}
