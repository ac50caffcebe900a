//! Answers that could not be had.

use super::fault::FaultKind;
use tally_eventlog::Chain;

/// An answer that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The endpoints of a chain cannot be used.
    #[error("{chain}: {reason}")]
    Endpoints {
        /// The chain that was asked.
        chain: Chain,
        /// Why no endpoint can be used.
        reason: String,
    },
    /// An endpoint of another chain.
    #[error("{chain}: {endpoint} has chain id {found}, and the network {expected}")]
    OtherChain {
        /// The chain that was asked.
        chain: Chain,
        /// The endpoint, without what may be secret in its URL.
        endpoint: String,
        /// The chain id that the network has.
        expected: u64,
        /// The chain id that the endpoint told.
        found: u64,
    },
    /// Every attempt at every endpoint failed.
    #[error(
        "{chain}: {what} failed {attempts} times, the last time at {endpoint}: {reason} (tried: {rounds} rounds over \
         {endpoints} endpoints, with pauses between them)"
    )]
    GaveUp {
        /// The chain that was asked.
        chain: Chain,
        /// What was asked for, in words.
        what: String,
        /// How many attempts were made.
        attempts: u32,
        /// How many rounds over all endpoints these were.
        rounds: u32,
        /// How many endpoints there are.
        endpoints: usize,
        /// The endpoint that was asked last.
        endpoint: String,
        /// What kind of fault it was.
        kind: FaultKind,
        /// How it failed the last time.
        reason: String,
    },
    /// Every endpoint refused it, and would again.
    #[error("{chain}: {endpoint} refused {what}: {reason} (tried: all {endpoints} endpoints)")]
    Refused {
        /// The chain that was asked.
        chain: Chain,
        /// What was asked for, in words.
        what: String,
        /// The endpoint that was asked last.
        endpoint: String,
        /// How many endpoints there are.
        endpoints: usize,
        /// Why not, in its own words.
        reason: String,
    },
    /// No endpoint has a block that one told of.
    #[error("{chain}: {endpoint} does not give {what}: {reason}")]
    Behind {
        /// The chain that was asked.
        chain: Chain,
        /// What was asked for, in words.
        what: String,
        /// The endpoint that was asked last.
        endpoint: String,
        /// Why not, in its own words.
        reason: String,
    },
    /// No endpoint gave so much at once; less can be asked for.
    #[error("{chain}: {endpoint} does not give {what} at once: {reason}")]
    TooMuch {
        /// The chain that was asked.
        chain: Chain,
        /// What was asked for, in words.
        what: String,
        /// The endpoint that was asked last.
        endpoint: String,
        /// Why not, in its own words.
        reason: String,
    },
}
