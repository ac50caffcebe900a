//! `--unit metis` and `--time utc`: JSON and CSV with amounts in METIS and times in UTC, all digits kept.
//!
//! What programs read is exact as it is: wei and Unix seconds. A spreadsheet or a tax office wants METIS and dates, so what a
//! command prints is rewritten on its way out, by the names of its fields.

use alloy_primitives::U256;
use clap::ValueEnum;
use csv::{ReaderBuilder, StringRecord, WriterBuilder};
use serde_json::{Map, Value};
use std::io::{Error, Result, Write};
use tally_engine::UnixTime;
use tally_text::trimmed;

/// In what JSON and CSV give amounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unit {
    /// As whole numbers of wei: fields end with `_wei`
    #[default]
    Wei,
    /// As decimal numbers of METIS with all their digits: fields end with `_metis`
    Metis,
}

/// How JSON and CSV give times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimeForm {
    /// As Unix seconds
    #[default]
    Unix,
    /// As 2024-05-26T23:54:28Z
    Utc,
}

/// The fields that are times; `start` and `end` are, too, except of a span, where they are blocks.
const TIMES: [&str; 13] = [
    "epoch_end",
    "from",
    "genesis",
    "holds_from",
    "last_made_timestamp",
    "leaving_since",
    "since",
    "stake_free_at",
    "start",
    "time",
    "timestamp",
    "to",
    "until",
];

/// The amounts of ETH, which are no METIS: what goes along with a call.
const OF_ETH: [&str; 1] = ["value_wei"];

/// The units of values that are told with theirs, and what they are called in METIS and in UTC.
const UNIT_OF_METIS: (&str, &str) = ("metis_wei", "metis");
const UNIT_OF_TIME: (&str, &str) = ("unix_secs", "utc");

/// How a field ends that is an amount, and how it ends in METIS.
const WEI: &str = "_wei";
const METIS: &str = "_metis";

/// Rewrites what goes through it. What is neither JSON nor CSV, such as a table, stays as it is.
pub(crate) struct Units<'a> {
    out: &'a mut dyn Write,
    unit: Unit,
    time: TimeForm,
    form: Form,
    /// What is not written yet: a part of a line, or all of a JSON document.
    held: Vec<u8>,
}

/// What the output is taken for, by its first bytes.
enum Form {
    Unknown,
    Plain,
    Json,
    /// With what each column is.
    Csv(Vec<Column>),
}

#[derive(Clone, Copy)]
enum Column {
    Amount,
    Time,
    Other,
}

impl<'a> Units<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, unit: Unit, time: TimeForm) -> Self {
        let is_as_it_is = (unit, time) == (Unit::Wei, TimeForm::Unix);
        let form = if is_as_it_is { Form::Plain } else { Form::Unknown };
        Self { out, unit, time, form, held: Vec::new() }
    }

    /// Writes what is still held back.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        match &self.form {
            Form::Json => {
                let mut value: Value = serde_json::from_slice(&held)?;
                self.convert(&mut value);
                writeln!(self.out, "{}", serde_json::to_string_pretty(&value)?)?;
            }
            Form::Csv(_) if !held.is_empty() => self.row(&held)?,
            Form::Csv(_) | Form::Unknown | Form::Plain => self.out.write_all(&held)?,
        }
        self.out.flush()
    }

    /// Finds out by the first line what goes through.
    fn recognise(&mut self) -> Result<()> {
        if self.held.first().is_some_and(|byte| b"{[".contains(byte)) {
            self.form = Form::Json;
            return Ok(());
        }
        let Some(end) = self.held.iter().position(|byte| *byte == b'\n') else {
            return Ok(());
        };
        let rest = self.held.split_off(end + 1);
        let line = std::mem::replace(&mut self.held, rest);
        let header = String::from_utf8_lossy(&line);
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let is_csv =
            header.contains(',') && header.trim_end().bytes().all(|byte| byte == b',' || is_name(byte));
        if !is_csv {
            self.form = Form::Plain;
            self.out.write_all(&line)?;
            let held = std::mem::take(&mut self.held);
            return self.out.write_all(&held);
        }
        let names: Vec<&str> = header.trim_end().split(',').collect();
        let columns = names.iter().map(|name| match *name {
            name if self.is_metis(name) => Column::Amount,
            name if self.time == TimeForm::Utc && TIMES.contains(&name) => Column::Time,
            _ => Column::Other,
        });
        self.form = Form::Csv(columns.collect());
        let renamed: Vec<String> = names.iter().map(|name| self.name(name)).collect();
        writeln!(self.out, "{}", renamed.join(","))
    }

    /// Writes the whole lines that are held.
    fn rows(&mut self) -> Result<()> {
        while let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
            let rest = self.held.split_off(end + 1);
            let line = std::mem::replace(&mut self.held, rest);
            self.row(&line)?;
        }
        Ok(())
    }

    fn row(&mut self, line: &[u8]) -> Result<()> {
        let Form::Csv(columns) = &self.form else { return Ok(()) };
        let mut read = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line);
        let mut write = WriterBuilder::new().flexible(true).from_writer(&mut *self.out);
        for record in read.records() {
            let record: StringRecord = record.map_err(Error::other)?;
            let cells = record.iter().zip(columns).map(|(cell, column)| match column {
                Column::Amount => metis(cell).unwrap_or_else(|| cell.into()),
                Column::Time => cell.parse().map_or_else(|_| cell.into(), utc),
                Column::Other => cell.into(),
            });
            write.write_record(cells).map_err(Error::other)?;
        }
        write.flush()
    }

    /// What a field is called then.
    fn name(&self, name: &str) -> String {
        match name.strip_suffix(WEI) {
            Some(start) if self.is_metis(name) => format!("{start}{METIS}"),
            _ => name.into(),
        }
    }

    /// Whether a field is an amount of METIS that is to be rewritten.
    fn is_metis(&self, name: &str) -> bool {
        self.unit == Unit::Metis && name.ends_with(WEI) && !OF_ETH.contains(&name)
    }

    /// Rewrites a value that is told with its unit.
    fn convert_with_unit(&self, members: &mut Map<String, Value>) {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let (Some(unit), Some(value)) = (text("unit"), text("value")) else { return };
        let (name, value) = if self.unit == Unit::Metis && unit == UNIT_OF_METIS.0 {
            (UNIT_OF_METIS.1, metis(value))
        } else if self.time == TimeForm::Utc && unit == UNIT_OF_TIME.0 {
            (UNIT_OF_TIME.1, value.parse().ok().map(utc))
        } else {
            return;
        };
        if let Some(value) = value {
            members.insert("unit".into(), name.into());
            members.insert("value".into(), value.into());
        }
    }

    fn convert(&self, value: &mut Value) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(|value| self.convert(value)),
            Value::Object(members) => {
                self.convert_with_unit(members);
                let is_span = members.contains_key("signer");
                let old = std::mem::replace(members, Map::new());
                for (name, mut value) in old {
                    self.convert(&mut value);
                    if self.is_metis(&name)
                        && let Some(amount) = value.as_str().and_then(metis)
                    {
                        value = amount.into();
                    }
                    let is_time = TIMES.contains(&name.as_str()) || name == "end";
                    if self.time == TimeForm::Utc
                        && is_time
                        && !(is_span && ["start", "end"].contains(&name.as_str()))
                        && let Some(secs) = value.as_u64()
                    {
                        value = utc(secs).into();
                    }
                    members.insert(self.name(&name), value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

impl Write for Units<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if let Form::Plain = self.form {
            return self.out.write(bytes);
        }
        self.held.extend_from_slice(bytes);
        if let Form::Unknown = self.form {
            self.recognise()?;
        }
        if let Form::Csv(_) = self.form {
            self.rows()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        self.out.flush()
    }
}

/// Wei, which may be below 0, as METIS with all their digits; `None` if it is no whole number.
fn metis(wei: &str) -> Option<String> {
    let (sign, digits) = wei.strip_prefix('-').map_or(("", wei), |digits| ("-", digits));
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let units = U256::from_str_radix(digits, 10).ok().filter(|_| is_number)?;
    Some(format!("{sign}{}", trimmed(units)))
}

fn utc(secs: u64) -> String {
    tally_text::time(UnixTime(secs)).replacen(' ', "T", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(text: &str, unit: Unit, time: TimeForm) -> String {
        let mut out = Vec::new();
        let mut units = Units::new(&mut out, unit, time);
        // In pieces of every size: a line may be cut anywhere.
        for piece in text.as_bytes().chunks(7) {
            units.write_all(piece).expect("it goes into memory");
        }
        units.finish().expect("it goes into memory");
        String::from_utf8(out).expect("it is text")
    }

    #[test]
    fn csv_has_metis_and_dates_with_all_digits() {
        let csv = "time,kind,amount_wei,debit,l1_block\n\
                   1719792000,opening,,,\n\
                   1719792000,credited,284710935940271184801,\"a, b\",19430000\n\
                   ,closing,-1000000000000000000,,\n";
        let expected = "time,kind,amount_metis,debit,l1_block\n\
                        2024-07-01T00:00:00Z,opening,,,\n\
                        2024-07-01T00:00:00Z,credited,284.710935940271184801,\"a, b\",19430000\n\
                        ,closing,-1,,\n";
        assert_eq!(through(csv, Unit::Metis, TimeForm::Utc), expected);
        assert_eq!(through(csv, Unit::Wei, TimeForm::Unix), csv);
    }

    #[test]
    fn json_has_metis_and_dates_but_a_span_has_blocks() {
        let json = r#"{"since":1719792000,"x":[{"stake_wei":"1","difference_wei":null,"start":5,"end":6,"signer":"0x"}]}"#;
        let found: Value = serde_json::from_str(&through(json, Unit::Metis, TimeForm::Utc)).expect("JSON");
        let expected = serde_json::json!({
            "since": "2024-07-01T00:00:00Z",
            "x": [{
                "stake_metis": "0.000000000000000001", "difference_metis": null, "start": 5, "end": 6, "signer": "0x",
            }],
        });
        assert_eq!(found, expected);
    }

    /// ETH is no METIS, and a value that is told with its unit keeps both together.
    #[test]
    fn eth_stays_wei_and_units_follow_their_values() {
        let json = r#"{"value_wei":"5","found":{"unit":"metis_wei","value":"15","shown":"x"},
            "eth":{"unit":"eth_wei","value":"5"},"at":{"unit":"unix_secs","value":"1719792000"}}"#;
        let found: Value = serde_json::from_str(&through(json, Unit::Metis, TimeForm::Utc)).expect("JSON");
        let expected = serde_json::json!({
            "value_wei": "5",
            "found": { "unit": "metis", "value": "0.000000000000000015", "shown": "x" },
            "eth": { "unit": "eth_wei", "value": "5" },
            "at": { "unit": "utc", "value": "2024-07-01T00:00:00Z" },
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_for_people_stays() {
        let table = " sequencer  stake METIS\n 7          93,002.967257\n";
        assert_eq!(through(table, Unit::Metis, TimeForm::Utc), table);
        assert_eq!(through("one line", Unit::Metis, TimeForm::Utc), "one line");
    }
}
