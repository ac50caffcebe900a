//! Values that JSON has as text: amounts in decimal digits, digests and addresses as `0x…`.
//!
//! Reading is lenient here (a leading zero, an upper-case digit): that a receipt is written in the one way there
//! is is checked for the file as a whole.

use serde::{Deserialize, Deserializer, Serializer};
use std::fmt::Display;
use std::str::FromStr;

pub(super) fn serialize<T: Display, S: Serializer>(value: &T, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(value)
}

pub(super) fn deserialize<'de, T, D>(input: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    parse(&String::deserialize(input)?)
}

fn parse<T: FromStr<Err: Display>, E: serde::de::Error>(text: &str) -> Result<T, E> {
    text.parse().map_err(|error| E::custom(format_args!("{text:?}: {error}")))
}

/// An address, in lower case.
pub(super) mod address {
    use alloy_primitives::Address;
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Address, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&format_args!("{value:#x}"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Address, D::Error> {
        super::deserialize(input)
    }
}

/// The same for an address that may be missing.
pub(super) mod optional_address {
    use alloy_primitives::Address;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(value: &Option<Address>, out: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(address) => super::address::serialize(address, out),
            None => out.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Address>, D::Error> {
        let text = Option::<String>::deserialize(input)?;
        text.map(|text| super::parse(&text)).transpose()
    }
}
