//! What addresses are on L2: contracts, plain accounts, or nothing yet.

use crate::error::IngestError;
use crate::fetch;
use crate::json::{Quantity, WideQuantity};
use crate::live::tip;
use crate::metrics::Metrics;
use crate::rpc::{Attempt, Call, Endpoints, Fault, Rpc, call};
use alloy::primitives::{Address, B256, Bytes};
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use tally_engine::{L2Block, UnixTime, Wei};
use tally_eventlog::{Chain, L2Head, LogIdentity};

/// What an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountKind {
    /// A contract: it has code.
    Contract,
    /// It has no code, and has sent a transaction or holds METIS.
    Account,
    /// It has no code, has sent nothing and holds nothing.
    Unused,
}

impl AccountKind {
    /// A word for programs and people.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Contract => "contract",
            Self::Account => "account",
            Self::Unused => "unused",
        }
    }
}

/// An address as L2 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L2Account {
    /// How many bytes of code it has.
    pub code_bytes: usize,
    /// How many transactions it has sent, or of a contract how many contracts it has made.
    pub nonce: u64,
    /// The METIS that it holds, which is what L2 pays its fees in.
    pub balance: Wei,
}

impl L2Account {
    /// What the address is.
    pub fn kind(&self) -> AccountKind {
        if self.code_bytes > 0 {
            AccountKind::Contract
        } else if self.nonce > 0 || !self.balance.is_zero() {
            AccountKind::Account
        } else {
            AccountKind::Unused
        }
    }
}

/// Addresses as L2 has them, all after the same block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L2Accounts {
    /// The block that it is after: the endpoint's latest.
    pub block: L2Block,
    /// The hash of that block.
    pub block_hash: B256,
    /// When the block was made.
    pub timestamp: UnixTime,
    /// What the chain has at the number of the log's head.
    pub log_head_hash: B256,
    /// What was asked for.
    pub accounts: BTreeMap<Address, L2Account>,
}

/// Asks L2 what some addresses are after its latest block. `head` is the log's, which the chain has to reach.
///
/// # Errors
///
/// [`IngestError`] if the endpoints cannot be used, or do not tell all of it.
pub fn l2_accounts<'a>(
    endpoints: &'a Endpoints,
    identity: &'a LogIdentity,
    head: L2Head,
    addresses: &'a BTreeSet<Address>,
) -> BoxFuture<'a, Result<L2Accounts, IngestError>> {
    // Behind a pointer for the same reason as `ingest_live`.
    Box::pin(async move {
        let rpc = Rpc::connect(Chain::L2, identity, endpoints, false, &Metrics::new()).await?;
        let attempt = |attempt: Attempt| async move { asked(&attempt, head, addresses).await };
        Ok(rpc.ask("what the recipients are", attempt).await?)
    })
}

async fn asked(attempt: &Attempt, head: L2Head, addresses: &BTreeSet<Address>) -> Result<L2Accounts, Fault> {
    let (latest, log_head_hash) = tip::look_beyond(attempt, head.into()).await?;
    let tag = fetch::quantity(latest.number.0);
    let codes: Vec<Bytes> = told(attempt, "eth_getCode", addresses, &tag).await?;
    let nonces: Vec<Quantity> = told(attempt, "eth_getTransactionCount", addresses, &tag).await?;
    let balances: Vec<WideQuantity> = told(attempt, "eth_getBalance", addresses, &tag).await?;
    fetch::check_stands(attempt, latest.number.0, latest.hash).await?;
    let found = codes.into_iter().zip(nonces).zip(balances).map(|((code, nonce), balance)| L2Account {
        code_bytes: code.len(),
        nonce: nonce.0,
        balance: Wei::new(balance.0),
    });
    Ok(L2Accounts {
        block: L2Block(latest.number.0),
        block_hash: latest.hash,
        timestamp: UnixTime(latest.timestamp.0),
        log_head_hash,
        accounts: addresses.iter().copied().zip(found).collect(),
    })
}

/// What a method says of each address after a block.
async fn told<T: DeserializeOwned>(
    attempt: &Attempt,
    method: &'static str,
    addresses: &BTreeSet<Address>,
    block: &str,
) -> Result<Vec<T>, Fault> {
    let calls: Vec<Call> = addresses.iter().map(|address| call(method, json!([address, block]))).collect();
    let found = attempt.all::<T>(method, &calls).await?;
    let missing = || Fault::inconsistent(format!("{method} gives null"));
    found.into_iter().map(|found| found.ok_or_else(missing)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::U256;

    #[test]
    fn an_address_is_what_it_has_and_did() {
        let kind = |code_bytes: usize, nonce: u64, balance: u64| {
            L2Account { code_bytes, nonce, balance: Wei::new(U256::from(balance)) }.kind()
        };
        assert_eq!(kind(0, 0, 0), AccountKind::Unused);
        assert_eq!(kind(0, 1, 0), AccountKind::Account);
        assert_eq!(kind(0, 0, 1), AccountKind::Account, "it was paid");
        assert_eq!(kind(1, 1, 0), AccountKind::Contract);
    }
}
