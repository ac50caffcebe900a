//! A sum that grows by the same amount, block by block, as NUMERIC has it.
//!
//! PostgreSQL keeps the digits of a number to the base of 10,000. A ledger by block has a running total in each row, and to turn
//! each into such digits anew took longer than PostgreSQL takes for the row: here the digits themselves are added.

use alloy_primitives::U256;
use bytes::{BufMut, BytesMut};

/// The base of the digits.
const BASE: u16 = 10_000;

/// How many digits numbers below 2^256 have: 78 of ours, four in each.
const DIGITS: usize = 20;

type Digits = [u16; DIGITS];

/// A running total, and what it grows by.
pub(crate) struct Running {
    /// The lowest digit first.
    total: Digits,
    step: Digits,
}

impl Running {
    /// A total of `before`, which grows by `step`.
    pub(crate) fn new(before: U256, step: U256) -> Self {
        Self { total: digits(before), step: digits(step) }
    }

    /// Lets it grow. The caller knows that the sum is below 2^256.
    pub(crate) fn add(&mut self) {
        let mut carry = 0;
        for (digit, step) in self.total.iter_mut().zip(&self.step) {
            // Each is below 10,000, so that their sum has 16 bits.
            let sum = *digit + step + carry;
            carry = sum / BASE;
            *digit = sum % BASE;
        }
    }

    /// Adds the total to a row: its length, how many digits there are, the power of the first, no sign, no decimals, and the
    /// digits without the zeros at either end.
    pub(crate) fn put(&self, row: &mut BytesMut) {
        let end = self.total.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1);
        let start = self.total.iter().position(|digit| *digit != 0).unwrap_or(0);
        let count = u8::try_from(end - start).expect("there are 20 at most");
        let weight = u8::try_from(end).expect("there are 20 at most").saturating_sub(1);
        row.put_i32(8 + 2 * i32::from(count));
        row.put_u16(count.into());
        row.put_u16(weight.into());
        row.put_u32(0);
        for digit in self.total.get(start..end).into_iter().flatten().rev() {
            row.put_u16(*digit);
        }
    }
}

fn digits(mut value: U256) -> Digits {
    let mut digits = [0; DIGITS];
    let base = U256::from(BASE);
    for digit in &mut digits {
        let (rest, last) = value.div_rem(base);
        *digit = last.to();
        value = rest;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_postgres::types::{ToSql, Type};

    /// The library's own is the measure.
    #[test]
    fn a_total_is_written_as_the_library_writes_it_however_it_grew() {
        let ten = U256::from(10);
        let mut values =
            vec![U256::ZERO, U256::from(1), U256::from(9_999), U256::from(10_000), U256::MAX >> 1];
        values.extend((0..77).map(|zeros| ten.pow(U256::from(zeros)) - U256::from(1)));
        values.extend((0..77).map(|zeros| ten.pow(U256::from(zeros))));
        for before in &values {
            for step in &values {
                let Some(twice) = step.checked_mul(U256::from(2)).and_then(|both| before.checked_add(both))
                else {
                    continue;
                };
                let mut running = Running::new(*before, *step);
                for expected in [before + step, twice] {
                    running.add();
                    let (mut found, mut body) = (BytesMut::new(), BytesMut::new());
                    running.put(&mut found);
                    let _ = expected.to_sql(&Type::NUMERIC, &mut body).expect("it is a number");
                    assert_eq!(
                        found.get(..4),
                        Some(&u32::try_from(body.len()).expect("it is short").to_be_bytes()[..])
                    );
                    assert_eq!(found.get(4..), Some(&body[..]), "{before} and {step}, {expected}");
                }
            }
        }
        let mut last = Running::new(U256::MAX - U256::from(7), U256::from(7));
        last.add();
        let (mut found, mut body) = (BytesMut::new(), BytesMut::new());
        last.put(&mut found);
        let _ = U256::MAX.to_sql(&Type::NUMERIC, &mut body).expect("it is a number");
        assert_eq!(found.get(4..), Some(&body[..]));
    }
}
