//! JSON Schema of what the commands print, and the page that describes it to people.

use crate::{
    Accounts, BundleAudit, ChainAuditReport, Comparison, Distribution, ExplainBlock, ExplainEpoch,
    LedgerShow, LiveAudit, LogInfo, NextBatchOfLog, NextRateOfLog, Replay, RewardPerBlock, Sequencers,
    StateAt, Statement, WhatIf,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use utoipa::ToSchema;
use utoipa::openapi::schema::AnyOf;
use utoipa::openapi::{AllOf, OneOf, RefOr, Schema};

/// Where references of `OpenAPI` lead, and where those of JSON Schema do.
const COMPONENTS: &str = "#/components/schemas/";
const DEFINITIONS: &str = "#/$defs/";

/// What a command prints: its name as a word, its words, and its schema.
type Printed = (&'static str, &'static str, fn() -> Value);

/// Everything that commands print as JSON.
const PRINTED: [Printed; 18] = [
    ("replay", "tally replay --format json", listed::<Replay>),
    ("whatif", "tally whatif --format json", object::<WhatIf>),
    ("ledger-show", "tally ledger show --format json", object::<LedgerShow>),
    ("explain-block", "tally explain --block BLOCK --format json", object::<ExplainBlock>),
    ("explain-epoch", "tally explain --sequencer ID --epoch EPOCH --format json", object::<ExplainEpoch>),
    ("sequencers", "tally sequencers --format json", object::<Sequencers>),
    ("accounts", "tally accounts --format json", object::<Accounts>),
    ("accounts-statement", "tally accounts statement --format json", object::<Statement>),
    ("claims-next-batch", "tally claims next-batch --format json", object::<NextBatchOfLog>),
    ("claims-next-rate", "tally claims next-rate --format json", object::<NextRateOfLog>),
    ("claims-rate", "tally claims rate --format json", object::<RewardPerBlock>),
    ("claims-merkle", "tally claims merkle --format json", object::<Distribution>),
    ("audit-chain", "tally audit chain --report-format json", object::<ChainAuditReport>),
    ("audit-live", "tally audit live --format json", object::<LiveAudit>),
    ("audit-bundle", "tally audit bundle --format json", object::<BundleAudit>),
    ("audit-compare", "tally audit compare --format json", object::<Comparison>),
    ("state", "tally state --format json", object::<StateAt>),
    ("log-info", "tally log info --format json", object::<LogInfo>),
];

/// Every member of a shape is always there; what is not known is `null`.
pub fn require_all(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    if let Schema::Object(object) = schema {
        object.required = object.properties.keys().cloned().collect();
        object.properties.values_mut().for_each(require_all);
    } else if let Schema::OneOf(OneOf { items, .. })
    | Schema::AllOf(AllOf { items, .. })
    | Schema::AnyOf(AnyOf { items, .. }) = schema
    {
        items.iter_mut().for_each(require_all);
    }
}

/// The schema of an object of this shape, with the shapes in it as definitions.
fn object<T: ToSchema>() -> Value {
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    let mut parts: BTreeMap<String, RefOr<Schema>> = parts.into_iter().collect();
    parts.values_mut().for_each(require_all);
    let mut root = T::schema();
    require_all(&mut root);
    let mut schema = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "title": T::name() });
    if let (Some(schema), Value::Object(root)) = (schema.as_object_mut(), json!(root)) {
        schema.extend(root);
        schema.insert("$defs".into(), json!(parts));
    }
    schema
}

/// The schema of a list of objects of this shape.
fn listed<T: ToSchema>() -> Value {
    let mut schema = object::<T>();
    let (dialect, definitions) = (schema["$schema"].take(), schema["$defs"].take());
    if let Some(item) = schema.as_object_mut() {
        item.retain(|_, value| !value.is_null());
    }
    json!({ "$schema": dialect, "type": "array", "items": schema, "$defs": definitions })
}

/// The names of everything that commands print as JSON, for [`schema`].
pub fn schemas() -> impl Iterator<Item = &'static str> {
    PRINTED.iter().map(|(name, ..)| *name)
}

/// The JSON Schema (2020-12) of what a command prints, as text; `None` if there is none of this name.
pub fn schema(name: &str) -> Option<String> {
    let (.., schema) = PRINTED.iter().find(|(known, ..)| *known == name)?;
    Some(format!("{:#}\n", schema()).replace(COMPONENTS, DEFINITIONS))
}

/// The page that describes what the commands print, as Markdown: a table of fields for each command and each shape.
pub fn page() -> String {
    let mut page = String::new();
    let mut shapes = Map::new();
    for (name, command, schema) in PRINTED {
        let schema = schema();
        let (one, many) = (&schema, &schema["items"]);
        let (prefix, shape) =
            if many.is_null() { ("", one) } else { ("A list, of which each entry is: ", many) };
        let about = text_of(&shape["description"]);
        put(&mut page, format_args!("## `{command}`\n\n{prefix}{about} (`docs/schema/{name}.json`)\n"));
        let definitions = schema["$defs"].as_object().cloned().unwrap_or_default();
        put_fields(&mut page, shape, &definitions);
        shapes.extend(definitions);
    }
    put(&mut page, format_args!("## Shapes\n"));
    shapes.sort_keys();
    for (name, shape) in &shapes {
        put(&mut page, format_args!("### {name}\n\n{}\n", text_of(&shape["description"])));
        if let Some(pattern) = shape["pattern"].as_str() {
            put(
                &mut page,
                format_args!("Text of the pattern `{pattern}`, as `{}`.\n", text_of(&shape["example"])),
            );
        } else if shape["oneOf"].is_array() {
            put(&mut page, format_args!("{}.\n", kind_of(shape)));
        } else {
            put_fields(&mut page, shape, &shapes);
        }
    }
    page
}

fn put(page: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(page, "{line}").expect("a text can always grow");
}

/// A description as one line.
fn text_of(description: &Value) -> String {
    description.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A table of the fields of a shape.
fn put_fields(page: &mut String, shape: &Value, shapes: &Map<String, Value>) {
    put(page, format_args!("| field | is | |\n|---|---|---|"));
    for (name, field) in fields_of(shape, shapes) {
        let about = if field["description"].is_null() {
            &field["oneOf"][0]["description"]
        } else {
            &field["description"]
        };
        let about = text_of(about).replace('|', "\\|");
        put(page, format_args!("| `{name}` | {} | {about} |", kind_of(&field)));
    }
    put(page, format_args!(""));
}

/// The fields of a shape, with those of the shapes that it holds as its own.
fn fields_of(shape: &Value, shapes: &Map<String, Value>) -> Vec<(String, Value)> {
    if let Some(name) = shape["$ref"].as_str().and_then(|to| to.strip_prefix(COMPONENTS)) {
        return shapes.get(name).map_or_else(Vec::new, |shape| fields_of(shape, shapes));
    }
    if let Some(parts) = shape["allOf"].as_array() {
        return parts.iter().flat_map(|part| fields_of(part, shapes)).collect();
    }
    let fields = shape["properties"].as_object().cloned().unwrap_or_default();
    fields.into_iter().collect()
}

/// What a value is, in words.
fn kind_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|to| to.strip_prefix(COMPONENTS)) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(kinds) = schema["oneOf"].as_array() {
        return kinds.iter().map(kind_of).collect::<Vec<_>>().join(" or ");
    }
    let words = |kind: &str| match kind {
        "integer" => "number".into(),
        "string" => "text".into(),
        "boolean" => "`true` or `false`".into(),
        "null" => "`null`".into(),
        "array" => format!("list of {}", kind_of(&schema["items"])),
        "object" => format!("{} by key", kind_of(&schema["additionalProperties"])),
        other => other.into(),
    };
    match &schema["type"] {
        Value::String(kind) => words(kind),
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).map(words).collect::<Vec<_>>().join(" or ")
        }
        _ => "any value".into(),
    }
}
