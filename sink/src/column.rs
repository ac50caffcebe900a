//! Columns of rows, as arrays that a statement takes.

use crate::rows::{Cell, Kind};
use alloy_primitives::U256;
use tokio_postgres::types::ToSql;

/// Values of one column, as the database takes them.
pub(crate) enum Column {
    Numbers(Vec<Option<i64>>),
    Wide(Vec<Option<U256>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Texts(Vec<Option<String>>),
    Flags(Vec<Option<bool>>),
}

impl Column {
    /// What PostgreSQL calls the values of a kind.
    pub(crate) const fn type_of(kind: Kind) -> &'static str {
        match kind {
            Kind::Number => "bigint",
            Kind::Wide => "numeric",
            Kind::Bytes => "bytea",
            Kind::Text => "text",
            Kind::Flag => "boolean",
        }
    }

    pub(crate) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Number => Self::Numbers(Vec::new()),
            Kind::Wide => Self::Wide(Vec::new()),
            Kind::Bytes => Self::Bytes(Vec::new()),
            Kind::Text => Self::Texts(Vec::new()),
            Kind::Flag => Self::Flags(Vec::new()),
        }
    }

    pub(crate) fn push(&mut self, cell: Cell) {
        match (self, cell) {
            (Self::Numbers(values), Cell::Null) => values.push(None),
            (Self::Numbers(values), Cell::Number(value)) => values.push(Some(value)),
            (Self::Wide(values), Cell::Null) => values.push(None),
            (Self::Wide(values), Cell::Wide(value)) => values.push(Some(value)),
            (Self::Bytes(values), Cell::Null) => values.push(None),
            (Self::Bytes(values), Cell::Bytes(value)) => values.push(Some(value)),
            (Self::Texts(values), Cell::Null) => values.push(None),
            (Self::Texts(values), Cell::Text(value)) => values.push(Some(value)),
            (Self::Flags(values), Cell::Null) => values.push(None),
            (Self::Flags(values), Cell::Flag(value)) => values.push(Some(value)),
            (_, cell) => unreachable!("{cell:?} is of another column"),
        }
    }

    pub(crate) fn as_parameter(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Numbers(values) => values,
            Self::Wide(values) => values,
            Self::Bytes(values) => values,
            Self::Texts(values) => values,
            Self::Flags(values) => values,
        }
    }
}
