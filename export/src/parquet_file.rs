//! The ledger by block as Parquet: amounts as exact decimals, what a block does not have as null.

use crate::columns::{Column, Columns};
use crate::error::ExportError;
use crate::pages::{AMOUNT_BYTES, Order, append};
use parquet::basic::{Compression, Encoding, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, SchemaDescriptor, Type};
use std::io::Write;
use std::ops::RangeInclusive;
use std::sync::Arc;
use tally_engine::L2Block;
use tally_eventlog::LogView;
use tally_replay::BlockLedger;

/// Rows of a group: readers read a group as a whole, and it is held in memory while it is written.
const GROUP_ROWS: usize = 1 << 16;

/// What each column holds, for its metadata: name, unit, meaning.
const COLUMNS: [(&str, &str, &str); 10] = [
    ("block", "L2 block number", "the block"),
    ("timestamp", "s since 1970-01-01 UTC", "the block's timestamp"),
    ("epoch", "index", "the epoch that it is in; null before epoch 0"),
    ("span", "id", "the span that covers it; null if none does"),
    ("sequencer", "id", "the sequencer that its producer stands for; null if it is not known"),
    (
        "effective_stake_wei",
        "wei (10^-18 METIS)",
        "that sequencer's capped stake; null if the block earned nothing",
    ),
    ("reward_wei", "wei (10^-18 METIS)", "what the block earned; null for nothing"),
    ("running_total_wei", "wei (10^-18 METIS)", "what the sequencer has earned up to this block, with it"),
    ("batch", "id", "under on-chain, the batch that paid it; null if none has"),
    ("unrewarded", "text", "why it earned nothing; null if it earned"),
];

/// Writes the blocks of `range`; returns how many there were.
pub(crate) fn write_parquet<L: LogView>(
    ledger: &BlockLedger<'_, L>,
    range: RangeInclusive<L2Block>,
    file: &mut (dyn Write + Send),
) -> Result<u64, ExportError> {
    let mut writer = SerializedFileWriter::new(file, schema()?, Arc::new(properties(ledger)))?;
    let schema = writer.schema_descr().clone();
    let mut columns = Columns::new();
    let mut rows = 0_u64;
    let mut reader = ledger.reader();
    let mut rest = Some(range);
    while let Some(range) = rest {
        let mut pushed = Ok(());
        rest = reader.next_chunk(&range, &mut |run| {
            if pushed.is_ok() {
                pushed = columns.push(run);
            }
        })?;
        pushed?;
        if columns.len() >= GROUP_ROWS || rest.is_none() {
            let mut group = writer.next_row_group()?;
            write_group(&mut group, &schema, &columns)?;
            group.close()?;
            rows = rows.saturating_add(u64::try_from(columns.len()).unwrap_or(u64::MAX));
            columns.clear();
        }
    }
    writer.close()?;
    Ok(rows)
}

fn schema() -> Result<Arc<Type>, ParquetError> {
    let mut fields = Vec::new();
    for (name, _, _) in COLUMNS {
        let is_required = name == "block" || name == "timestamp";
        let repetition = if is_required { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        let field = if name.ends_with("_wei") {
            Type::primitive_type_builder(name, Physical::FIXED_LEN_BYTE_ARRAY)
                .with_length(i32::try_from(AMOUNT_BYTES).unwrap_or(i32::MAX))
                .with_logical_type(Some(LogicalType::decimal(0, 38)))
                .with_precision(38)
                .with_scale(0)
        } else if name == "unrewarded" {
            Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
                .with_logical_type(Some(LogicalType::String))
        } else {
            Type::primitive_type_builder(name, Physical::INT64)
        };
        fields.push(Arc::new(field.with_repetition(repetition).build()?));
    }
    Ok(Arc::new(Type::group_type_builder("tally_ledger").with_fields(fields).build()?))
}

fn properties<L: LogView>(ledger: &BlockLedger<'_, L>) -> WriterProperties {
    let replayed = ledger.replayed();
    let pair = |key: &str, value: String| KeyValue::new(format!("tally.{key}"), value);
    let mut metadata = vec![
        pair("policy", format!("{} {}", replayed.policy.name(), replayed.policy.version())),
        pair("policy_digest", replayed.policy.digest().to_string()),
        pair("ledger_root", replayed.ledger.root.to_string()),
    ];
    metadata.extend(
        COLUMNS.map(|(name, unit, meaning)| pair(&format!("column.{name}"), format!("{unit}: {meaning}"))),
    );
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("tally ", env!("CARGO_PKG_VERSION")).into())
        .set_key_value_metadata(Some(metadata))
        .set_compression(Compression::LZ4_RAW)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(None);
    // From row to row these rise a little; a dictionary would be slower, and no smaller.
    for name in ["block", "timestamp"] {
        builder = builder
            .set_column_dictionary_enabled(ColumnPath::from(name), false)
            .set_column_encoding(ColumnPath::from(name), Encoding::DELTA_BINARY_PACKED);
    }
    builder.build()
}

fn write_group<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    schema: &SchemaDescriptor,
    columns: &Columns,
) -> Result<(), ParquetError> {
    write::<Int64Type, W>(group, &columns.blocks, None)?;
    write::<Int64Type, W>(group, &columns.timestamps, None)?;
    for (index, column) in [(2, &columns.epochs), (3, &columns.spans), (4, &columns.sequencers)] {
        append(group, schema.column(index), Order::Repeated, &column.values, &column.levels)?;
    }
    let amounts = [
        (5, Order::Repeated, &columns.effective),
        (6, Order::Repeated, &columns.rewards),
        (7, Order::Distinct, &columns.totals),
    ];
    for (index, order, amounts) in amounts {
        append(group, schema.column(index), order, amounts, &columns.rewarded)?;
    }
    append(group, schema.column(8), Order::Repeated, &columns.batches.values, &columns.batches.levels)?;
    let Column { values, levels } = &columns.unrewarded;
    let levels: Vec<i16> =
        levels.0.iter().flat_map(|(level, rows)| std::iter::repeat_n(*level, *rows)).collect();
    write::<ByteArrayType, W>(group, values, Some(&levels))
}

/// Writes the next column.
fn write<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let column = group.next_column()?;
    let mut column = column.ok_or_else(|| ParquetError::General("the schema has fewer columns".into()))?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}
