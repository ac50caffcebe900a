//! Values as programs read them, and tables. How people read values is in `tally_text`.

use alloy_primitives::{Address, U256};
use comfy_table::{CellAlignment, Table};
use tally_engine::{Policy, REALISED_MRR_DECIMALS, SequencerId};
use tally_text::fraction;

/// A realised mining reward rate, exact to its last decimal.
pub(crate) fn mrr(value: U256) -> String {
    fraction(value, usize::from(REALISED_MRR_DECIMALS))
}

/// A realised mining reward rate as people read it; `-` where there was no stake.
pub(crate) fn mrr_percent(value: Option<U256>) -> String {
    value.map_or("-".into(), tally_text::percent)
}

/// An address in lower case, as JSON-RPC gives it.
pub(crate) fn address(address: Address) -> String {
    format!("{address:#x}")
}

/// Whether a row is asked for.
pub(crate) fn is_shown(only: Option<SequencerId>, id: SequencerId) -> bool {
    only.is_none_or(|only| only == id)
}

/// A value as people read it: a dash where there is none.
pub(crate) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".into(), |value| value.to_string())
}

/// A value as people read it in a sentence: `none` where there is none.
pub(crate) fn or_none<T: ToString>(value: Option<T>) -> String {
    value.map_or("none".into(), |value| value.to_string())
}

/// A value as CSV has it: nothing where there is none.
pub(crate) fn or_nothing<T: ToString>(value: Option<T>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// What tells a policy from all others: its name, version and digest.
pub(crate) fn policy_line(policy: &Policy) -> String {
    format!("policy {} {} ({})", policy.name(), policy.version(), policy.digest())
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
