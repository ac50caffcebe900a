//! Values that hold from some time on.

use crate::ids::UnixTime;

/// A value that is in force from some time on, until the next of its kind is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dated<T> {
    /// The first second at which it is in force.
    pub from: UnixTime,
    /// Whether that second is known only about. It is in force from that very second all the same.
    pub is_approximate: bool,
    /// What is in force.
    pub value: T,
}

impl<T: Copy> Dated<T> {
    /// A value that is in force from the beginning of time.
    pub(super) const fn always(value: T) -> Self {
        Self { from: UnixTime(0), is_approximate: false, value }
    }

    /// The one of `values`, which are in order of time, that is in force at `time`; `None` before the first.
    pub(super) fn in_force(values: &[Self], time: UnixTime) -> Option<T> {
        values.iter().rev().find(|value| value.from <= time).map(|value| value.value)
    }
}
