//! The claim feed.
