//! Columns of amounts, and of numbers that stay the same over many rows, encoded here rather than by the library: that
//! takes every single value of 16 bytes as an allocation that is counted, handed on and let go, which was half of an
//! export's time, and looks at each number of a run. The pages are the library's, and tests read them back with it and
//! with `DuckDB`.
//!
//! A page begins with the runs of definition levels. Then come either indices into a dictionary, as runs, for values
//! that stay the same over many rows, or the values themselves. All is packed with LZ4.

use crate::columns::Levels;
use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use std::collections::BTreeMap;
use std::io::Write;

/// How many bytes an amount takes: `DECIMAL(38, 0)` fits in 16.
pub(crate) const AMOUNT_BYTES: usize = 16;

/// How many values are put into their bytes at a time.
const VALUES_TOGETHER: usize = 64;

/// More than the headers of two pages take.
const HEADERS_BYTES: usize = 256;

/// A value of a column, as its plain encoding has it.
pub(crate) trait Plain: Copy + Ord {
    /// The bytes of one value.
    type Bytes: AsRef<[u8]> + Copy + Default;

    fn plain(self) -> Self::Bytes;

    /// The bytes of several.
    fn flat(values: &[Self::Bytes]) -> &[u8];
}

impl Plain for u128 {
    type Bytes = [u8; AMOUNT_BYTES];

    #[inline]
    fn plain(self) -> Self::Bytes {
        self.to_be_bytes()
    }

    fn flat(values: &[Self::Bytes]) -> &[u8] {
        values.as_flattened()
    }
}

impl Plain for i64 {
    type Bytes = [u8; 8];

    #[inline]
    fn plain(self) -> Self::Bytes {
        self.to_le_bytes()
    }

    fn flat(values: &[Self::Bytes]) -> &[u8] {
        values.as_flattened()
    }
}

/// How the values of a column follow one another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The same over many rows.
    Repeated,
    /// Another in each row.
    Distinct,
}

/// Writes the next column: `values` are those of the rows whose level is 1; `levels` are these, in runs.
pub(crate) fn append<T: Plain, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    column: ColumnDescPtr,
    order: Order,
    values: &[T],
    levels: &Levels,
) -> Result<(), ParquetError> {
    let mut body = levels_of(levels)?;
    let rows = levels.0.iter().fold(0_usize, |rows, (_, run)| rows.saturating_add(*run));
    let (encoding, dictionary) = match order {
        Order::Distinct => {
            body.reserve(size_of_val(values));
            // A few at a time, so that they are copied together.
            for values in values.chunks(VALUES_TOGETHER) {
                let mut bytes = [T::Bytes::default(); VALUES_TOGETHER];
                for (place, value) in bytes.iter_mut().zip(values) {
                    *place = value.plain();
                }
                body.extend_from_slice(T::flat(&bytes[..values.len()]));
            }
            (Encoding::PLAIN, None)
        }
        Order::Repeated => {
            let (indices, dictionary) = index(values)?;
            body.extend_from_slice(&indices);
            (Encoding::RLE_DICTIONARY, Some(dictionary))
        }
    };
    let packed = pack(&body);
    let dictionary_bytes = dictionary.as_ref().map_or(0, Vec::len);
    let room = packed.len().saturating_add(dictionary_bytes).saturating_add(HEADERS_BYTES);
    let mut sink = TrackedWrite::new(Vec::with_capacity(room));
    let mut pages = SerializedPageWriter::new(&mut sink);
    let mut sizes = Sizes::default();
    if let Some(dictionary) = &dictionary {
        let num_values = count(dictionary.len() / size_of::<T::Bytes>())?;
        let buf = pack(dictionary);
        let page = Page::DictionaryPage { buf, num_values, encoding: Encoding::PLAIN, is_sorted: false };
        sizes.write(&mut pages, page, dictionary.len())?;
    }
    let data_offset = sizes.compressed;
    let page = Page::DataPage {
        buf: packed,
        num_values: count(rows)?,
        encoding,
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    };
    sizes.write(&mut pages, page, body.len())?;
    pages.close()?;
    let metadata = ColumnChunkMetaData::builder(column)
        .set_compression(Compression::LZ4_RAW)
        .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, encoding])
        .set_num_values(signed(rows)?)
        .set_total_compressed_size(sizes.compressed)
        .set_total_uncompressed_size(sizes.uncompressed)
        .set_data_page_offset(data_offset)
        .set_dictionary_page_offset(dictionary.map(|_| 0))
        .build()?;
    let close = ColumnCloseResult {
        bytes_written: u64::try_from(sizes.compressed).map_err(too_many)?,
        rows_written: u64::try_from(rows).map_err(too_many)?,
        metadata,
        bloom_filter: None,
        column_index: None,
        offset_index: None,
    };
    group.append_column(&Bytes::from(sink.into_inner()?), close)
}

/// The bytes of a column's pages so far, headers included.
#[derive(Default)]
struct Sizes {
    compressed: i64,
    uncompressed: i64,
}

impl Sizes {
    fn write<P: PageWriter>(&mut self, pages: &mut P, page: Page, bytes: usize) -> Result<(), ParquetError> {
        let written = pages.write_page(CompressedPage::new(page, bytes))?;
        self.compressed = self.compressed.saturating_add(signed(written.compressed_size)?);
        self.uncompressed = self.uncompressed.saturating_add(signed(written.uncompressed_size)?);
        Ok(())
    }
}

/// The definition levels of a page: their length in bytes, and their runs.
fn levels_of(levels: &Levels) -> Result<Vec<u8>, ParquetError> {
    let mut bytes = vec![0; 4];
    for (level, rows) in &levels.0 {
        put_run(&mut bytes, *rows, u32::try_from(*level).map_err(too_many)?, 1)?;
    }
    let len = count(bytes.len().saturating_sub(4))?.to_le_bytes();
    bytes.splice(..4, len);
    Ok(bytes)
}

/// The width of the indices in bits, and their runs; and the dictionary, value after value.
fn index<T: Plain>(values: &[T]) -> Result<(Vec<u8>, Vec<u8>), ParquetError> {
    let mut places: BTreeMap<T, u32> = BTreeMap::new();
    let mut dictionary = Vec::new();
    let mut runs: Vec<(usize, u32)> = Vec::new();
    for run in values.chunk_by(|left, right| left == right) {
        let Some(value) = run.first() else { continue };
        let next = count(places.len())?;
        let place = *places.entry(*value).or_insert_with(|| {
            dictionary.extend_from_slice(value.plain().as_ref());
            next
        });
        runs.push((run.len(), place));
    }
    let width_bits = u32::BITS.saturating_sub(count(places.len())?.saturating_sub(1).leading_zeros());
    let width_bytes = usize::try_from(width_bits.div_ceil(8)).map_err(too_many)?;
    let mut bytes = vec![u8::try_from(width_bits).map_err(too_many)?];
    for (len, place) in runs {
        put_run(&mut bytes, len, place, width_bytes)?;
    }
    Ok((bytes, dictionary))
}

/// A run of the hybrid encoding: twice its length as a variable-length number, and its value, little-endian.
fn put_run(bytes: &mut Vec<u8>, len: usize, value: u32, value_bytes: usize) -> Result<(), ParquetError> {
    let mut header =
        u64::try_from(len).ok().and_then(|len| len.checked_mul(2)).ok_or_else(|| too_many(()))?;
    while header >= 0x80 {
        bytes.push(u8::try_from(header & 0x7f).map_err(too_many)? | 0x80);
        header >>= 7;
    }
    bytes.push(u8::try_from(header).map_err(too_many)?);
    bytes.extend_from_slice(value.to_le_bytes().get(..value_bytes).unwrap_or_default());
    Ok(())
}

fn pack(bytes: &[u8]) -> Bytes {
    lz4_flex::block::compress(bytes).into()
}

fn count(number: usize) -> Result<u32, ParquetError> {
    u32::try_from(number).map_err(too_many)
}

fn signed(number: usize) -> Result<i64, ParquetError> {
    i64::try_from(number).map_err(too_many)
}

fn too_many<E>(_: E) -> ParquetError {
    ParquetError::General("a page with more than 2^31 - 1 values or bytes".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::basic::{LogicalType, Repetition, Type as Physical};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::record::Field;
    use parquet::schema::types::Type;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn schema() -> Arc<Type> {
        let field = |name| {
            let builder = Type::primitive_type_builder(name, Physical::FIXED_LEN_BYTE_ARRAY).with_length(16);
            let decimal =
                builder.with_logical_type(Some(LogicalType::decimal(0, 38))).with_precision(38).with_scale(0);
            Arc::new(decimal.with_repetition(Repetition::OPTIONAL).build().expect("valid"))
        };
        Arc::new(
            Type::group_type_builder("amounts")
                .with_fields(vec![field("a"), field("b")])
                .build()
                .expect("valid"),
        )
    }

    proptest! {
        /// The library reads what was written here.
        #[test]
        fn amounts_read_back(rows in prop::collection::vec((prop_oneof![Just(None), (0_u128..5).prop_map(Some), (0..10_u128.pow(38)).prop_map(Some)], 1_usize..300), 1..30)) {
            let rows: Vec<Option<u128>> = rows.into_iter().flat_map(|(value, len)| vec![value; len]).collect();
            let runs = rows.chunk_by(|left, right| left.is_some() == right.is_some());
            let levels = Levels(runs.map(|run| (i16::from(run[0].is_some()), run.len())).collect());
            let amounts: Vec<u128> = rows.iter().flatten().copied().collect();
            let mut writer = SerializedFileWriter::new(Vec::new(), schema(), Arc::default())?;
            let columns = [0, 1].map(|index| writer.schema_descr().column(index));
            let mut group = writer.next_row_group()?;
            for (column, kind) in columns.into_iter().zip([Order::Repeated, Order::Distinct]) {
                append(&mut group, column, kind, &amounts, &levels)?;
            }
            group.close()?;
            let reader = SerializedFileReader::new(Bytes::from(writer.into_inner()?))?;
            let mut read = 0;
            for (found, expected) in reader.get_row_iter(None)?.zip(&rows) {
                for (_, field) in found?.get_column_iter() {
                    let decimal = if let Field::Decimal(decimal) = field { Some(decimal) } else { None };
                    let found = decimal.map(|decimal| decimal.data().try_into().map(u128::from_be_bytes));
                    let found = found.transpose()?;
                    prop_assert_eq!(&found, expected);
                }
                read += 1;
            }
            prop_assert_eq!(read, rows.len());
        }
    }
}
