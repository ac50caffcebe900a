//! Numbers as people and programs read them.

use alloy_primitives::{Address, U256};
use comfy_table::{CellAlignment, Table};
use tally_engine::{Difference, REALISED_MRR_DECIMALS, Wei};
use tally_wire::decimal;

/// Wei as METIS, rounded down to 6 decimals.
pub(crate) fn metis(wei: Wei) -> String {
    let exact = decimal(wei.get(), 18);
    exact[..exact.len() - 12].into()
}

/// A difference in METIS, with its sign, cut to 6 decimals (towards 0).
pub(crate) fn metis_difference(difference: Difference) -> String {
    let sign = match (difference.is_negative(), difference.size().is_zero()) {
        (true, _) => "-",
        (false, false) => "+",
        (false, true) => "",
    };
    format!("{sign}{}", metis(difference.size()))
}

/// A balance in METIS, which may be below 0, cut to 6 decimals (towards 0).
pub(crate) fn signed_metis(balance: Difference) -> String {
    let sign = if balance.is_negative() { "-" } else { "" };
    format!("{sign}{}", metis(balance.size()))
}

/// `value` in units of 10^-18, as a decimal fraction with no more decimals than it needs: exact.
pub(crate) fn trimmed(value: U256) -> String {
    let exact = decimal(value, 18);
    exact.trim_end_matches('0').trim_end_matches('.').into()
}

/// A realised mining reward rate, exact to its last decimal.
pub(crate) fn mrr(value: U256) -> String {
    decimal(value, usize::from(REALISED_MRR_DECIMALS))
}

/// A realised mining reward rate in per cent, rounded down to 3 decimals.
pub(crate) fn mrr_percent(value: Option<U256>) -> String {
    let Some(value) = value else {
        return "-".into();
    };
    let exact = decimal(value, usize::from(REALISED_MRR_DECIMALS) - 2);
    format!("{} %", &exact[..exact.len() - 13])
}

/// An address in lower case, as JSON-RPC gives it.
pub(crate) fn address(address: Address) -> String {
    format!("{address:#x}")
}

/// A table without frame; all columns but the first `text` ones hold numbers.
pub(crate) fn table(header: &[&str], text: usize) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(header);
    for column in table.column_iter_mut().skip(text) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_cut_and_never_rounded_up() {
        let wei = |text: &str| Wei::new(text.parse().expect("a number"));
        assert_eq!(metis(wei("0")), "0.000000");
        assert_eq!(metis(wei("999999999999")), "0.000000");
        assert_eq!(metis(wei("1999999999999")), "0.000001");
        assert_eq!(metis(wei("489592026707194902745743")), "489592.026707");
        let difference = |amount, base| metis_difference(Difference::new(wei(amount), wei(base)));
        assert_eq!(difference("1999999999999", "0"), "+0.000001");
        assert_eq!(difference("0", "1999999999999"), "-0.000001");
        assert_eq!(difference("0", "1"), "-0.000000");
        assert_eq!(difference("1", "1"), "0.000000");
        assert_eq!(trimmed(U256::ZERO), "0");
        assert_eq!(trimmed(U256::from(100_000_000_000_000_000_000_u128)), "100");
        assert_eq!(trimmed(U256::from(1)), "0.000000000000000001");
        assert_eq!(mrr(U256::from(200_000_000_000_000_000_u64)), "0.200000000000000000");
        assert_eq!(mrr_percent(Some(U256::from(199_999_999_999_999_999_u64))), "19.999 %");
        assert_eq!(mrr_percent(None), "-");
        assert_eq!(decimal(U256::from(7), 0), "7");
    }
}
