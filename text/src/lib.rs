//! How amounts, times and addresses look to people.
//!
//! Tables, warnings and pages show the same thing in the same way, so each way is written here once. Programs read
//! other forms of the same values, which are exact: wei as decimal integers, Unix seconds, addresses in lower case.
//!
//! | what | form | example |
//! |---|---|---|
//! | an amount | METIS in groups of three digits, rounded down to 6 decimals | `134,586.733804` |
//! | a brief amount | the same to 4 decimals, or to the first 4 digits that are not 0 | `134,586.7338`, `0.01247` |
//! | an exact amount | the same, with as many decimals as it has | `100,000` |
//! | a time | the second, in UTC | `2024-05-26 23:54:28Z` |
//! | a duration | its two largest units, rounded down | `13 d 4 h` |
//! | an address | 40 hexadecimal digits, whose case is the checksum of EIP-55 | `0xAb2E…C6Ba` where space is short |
//! | a rate of a year | per cent, rounded down to 3 decimals | `19.859 %` |
//!
//! ```
//! use tally_engine::{UnixTime, Wei};
//!
//! let stake = Wei::new("134586733804000000000000".parse().unwrap());
//! assert_eq!(tally_text::metis(stake), "134,586.733804");
//! assert_eq!(tally_text::time(UnixTime(1_716_767_668)), "2024-05-26 23:54:28Z");
//! assert_eq!(tally_text::duration(1_138_000), "13 d 4 h");
//! ```
//!
//! [`given_time`], [`given_amount`] and [`given_rate`] read what people write: `2024-07-01`, `-14d`, `100k`, `15%`; their errors
//! say what is accepted.
//!
//! Nothing else here fails: a time that has no date of four digits is shown as its number of seconds.

mod address;
mod amount;
mod given;
mod time;

pub use address::{address, given_address, given_pubkey, short_address};
pub use amount::{
    brief_difference, brief_metis, brief_signed_metis, exact_metis, fraction, grouped_number, metis,
    metis_difference, metis_to_the_wei, percent, signed_metis, trimmed,
};
pub use given::{AmountUnit, GivenTime, given_amount, given_rate, given_time};
pub use time::{date, duration, minute, time};
