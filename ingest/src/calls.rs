//! Finding a call in the input of a transaction, also where the pool was called through another
//! contract: then the call is somewhere within the outer call's data.

use crate::decode_fault::DecodeFault;
use alloy::sol_types::{SolCall, SolType};
use std::collections::BTreeSet;

/// How many bytes may be decoded in search of a call, all places together. A place where the arguments have no fixed size
/// counts with everything behind it; a transaction of 128 KiB, the most that nodes pass on, has room for 2,000 of them.
const SEARCHED_BYTES_MAX: usize = 256 << 20;

/// The call of `C` in `input` that was made, of those that fit its event; `Err` with how many fit if that does not decide.
/// One at the very beginning is what the transaction called, whatever stands behind it; of those further in only one may
/// fit.
///
/// # Errors
///
/// As [`calls_in`].
pub(crate) fn call_made<C: SolCall>(
    input: &[u8],
    fits: impl Fn(&C) -> bool,
) -> Result<Result<C, usize>, DecodeFault> {
    let mut calls = calls_in::<C>(input)?;
    calls.retain(|(_, call)| fits(call));
    let found = calls.len();
    let is_clear = found == 1 || calls.first().is_some_and(|(position, _)| *position == 0);
    Ok(calls.into_iter().next().filter(|_| is_clear).map(|(_, call)| call).ok_or(found))
}

/// Every call of `C` that `input` may hold, with its place, in order and without repetitions.
///
/// A call at the very beginning is taken however it is encoded, as the contract would take it. One
/// further in has to be in the standard encoding, so that not every chance repetition of the selector
/// counts. Which of them was really made only its event can tell.
///
/// # Errors
///
/// [`DecodeFault::CallEverywhere`] if it looks like the call in more places than can be tried.
fn calls_in<C: SolCall>(input: &[u8]) -> Result<Vec<(usize, C)>, DecodeFault> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    let (mut places, mut left) = (0_usize, SEARCHED_BYTES_MAX);
    for (position, window) in input.windows(4).enumerate() {
        if window != C::SELECTOR {
            continue;
        }
        let rest = &input[position..];
        places = places.saturating_add(1);
        let cost = <C::Parameters<'_> as SolType>::ENCODED_SIZE.unwrap_or(rest.len());
        left = left.checked_sub(cost).ok_or(DecodeFault::CallEverywhere {
            function: C::SIGNATURE,
            bytes: input.len(),
            places,
        })?;
        let Ok(call) = C::abi_decode_raw(&rest[4..]) else {
            continue;
        };
        let encoded = call.abi_encode();
        let stands_as_is = position == 0 || rest.starts_with(&encoded);
        if stands_as_is && seen.insert(encoded) {
            found.push((position, call));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::LockingPool::{batchSubmitRewardsCall, relockCall};
    use alloy::primitives::U256;

    fn relock(id: u64) -> relockCall {
        relockCall { _seqId: U256::from(id), _amount: U256::from(7), _lockReward: true }
    }

    fn ids(input: &[u8]) -> Vec<U256> {
        calls_in::<relockCall>(input).expect("few places").into_iter().map(|(_, call)| call._seqId).collect()
    }

    #[test]
    fn calls_are_found_at_the_beginning_and_within_another_call() {
        let call = relock(3).abi_encode();
        assert_eq!(ids(&call), [U256::from(3)]);
        let mut nested = vec![0xaa; 68];
        nested.extend(&call);
        nested.extend([0; 28]);
        assert_eq!(ids(&nested), [U256::from(3)]);
        nested.extend(relock(4).abi_encode());
        nested.extend(&call);
        assert_eq!(ids(&nested), [U256::from(3), U256::from(4)], "a repetition is one call");
    }

    #[test]
    fn what_only_looks_like_a_call_is_none() {
        let call = relock(3).abi_encode();
        assert!(ids(&call[1..]).is_empty());
        assert!(ids(&call[..call.len() - 1]).is_empty(), "cut short");
        assert!(ids(&[]).is_empty());
        let mut not_bool = vec![0xaa];
        not_bool.extend(&call);
        *not_bool.last_mut().expect("not empty") = 2;
        assert!(ids(&not_bool).is_empty(), "2 is no bool");
    }

    /// 2 MB of selectors: tried everywhere, each place decodes all that is behind it.
    #[test]
    fn a_call_that_may_stand_everywhere_is_an_error() {
        let head = [&batchSubmitRewardsCall::SELECTOR[..], &[0; 28]].concat();
        let error = calls_in::<batchSubmitRewardsCall>(&head.repeat(1 << 16)).err().expect("too many");
        assert!(
            matches!(error, DecodeFault::CallEverywhere { bytes: 2_097_152, places: 129, .. }),
            "{error}"
        );
        // One whose arguments have a fixed size is looked for in all of them; only that at the beginning is one.
        let everywhere = [&relockCall::SELECTOR[..], &[0xff; 28]].concat().repeat(1 << 16);
        assert_eq!(ids(&everywhere).len(), 1);
    }
}
