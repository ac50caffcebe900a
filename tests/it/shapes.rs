//! What programs read, against the shapes that describe it: `docs/json.md` and `docs/schema` are what the shapes give, and
//! what each command prints is of its shape, field by field.

use crate::bundles::bundle_of;
use crate::support::{ingested, tally};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What of the page is written by hand ends with this line.
const GENERATED: &str = "<!-- What follows is made from the shapes: `TALLY_BLESS=1` writes it anew. -->\n";

/// Where references of a schema lead.
const DEFINITIONS: &str = "#/$defs/";

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// What is kept in a file is `expected`; `TALLY_BLESS=1` writes it.
fn check(path: &Path, expected: &str) {
    if std::env::var_os("TALLY_BLESS").is_some() {
        std::fs::write(path, expected).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == expected, "{} is not what the shapes give", path.display());
}

#[test]
fn the_page_has_every_field_of_every_shape() {
    let path = docs("json.md");
    let kept = std::fs::read_to_string(&path).unwrap();
    let (by_hand, _) = kept.split_once(GENERATED).unwrap();
    check(&path, &format!("{by_hand}{GENERATED}\n{}", page().trim_end_matches('\n').to_owned() + "\n"));
}

#[test]
fn the_schemas_are_those_of_the_shapes() {
    let mut expected = BTreeSet::new();
    for (name, _) in tally_wire::schemas() {
        let (status, schema, err) = tally(&["schema", name]);
        assert_eq!((status, err.as_str()), (0, ""), "{name}");
        check(&docs("schema").join(format!("{name}.json")), &schema);
        expected.insert(format!("{name}.json"));
    }
    let kept = std::fs::read_dir(docs("schema")).unwrap();
    let kept: BTreeSet<String> =
        kept.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(kept, expected);
    let (status, list, _) = tally(&["schema"]);
    assert!(status == 0 && expected.iter().all(|name| list.contains(name.trim_end_matches(".json"))));
    assert_eq!(tally(&["schema", "nonesuch"]).0, 2);
}

/// What a command prints, read as its shape and written again.
fn check_shape<T: serde::Serialize + serde::de::DeserializeOwned>(args: &str) {
    let (status, out, err) = tally(&args.split(' ').collect::<Vec<_>>());
    assert!([0, 3].contains(&status), "{args}: {err}");
    let said: Value = serde_json::from_str(&out).unwrap();
    let shape: T = serde_json::from_value(said.clone()).unwrap_or_else(|error| panic!("{args}: {error}"));
    let again = serde_json::to_value(shape).unwrap();
    assert!(again == said, "{args}: {said:#}\n{again:#}");
}

/// A field that a command prints and its shape lacks, or the other way round, would be lost or missing.
#[test]
fn what_each_command_prints_is_of_its_shape() {
    for (recording, sequencer, block) in [("pool-a", 10, 15_228_449), ("small-a", 1, 2_000)] {
        let (dir, _) = ingested(recording);
        let log = format!("--log {} --format json", dir.path().display());
        for policy in ["guide", "stake-weighted", "locking-pool", "operators", "fixed-reward"] {
            let of = format!("{log} --policy {policy}");
            check_shape::<Vec<tally_wire::Replay>>(&format!("replay {of}"));
            check_shape::<tally_wire::LedgerShow>(&format!("ledger show {of}"));
            check_shape::<tally_wire::Accounts>(&format!("accounts {of}"));
            check_shape::<tally_wire::Statement>(&format!("accounts statement {of} --sequencer {sequencer}"));
            check_shape::<tally_wire::ExplainBlock>(&format!("explain {of} --block {block}"));
            check_shape::<tally_wire::ExplainEpoch>(&format!(
                "explain {of} --sequencer {sequencer} --epoch 0"
            ));
        }
        check_shape::<tally_wire::WhatIf>(&format!("whatif {log} --mrr 0.1,0.2"));
        check_shape::<tally_wire::Accounts>(&format!("accounts {log} --sequencer {sequencer}"));
        check_shape::<tally_wire::Recipients>(&format!("accounts recipients {log}"));
        for against in ["guide", "guide,operators"] {
            check_shape::<tally_wire::AccountsComparison>(&format!(
                "accounts compare {log} --policy {against}"
            ));
        }
        let call = format!("--sequencer {sequencer} {log}");
        check_shape::<tally_wire::MemberCallOfLog>(&format!("claims call claim {call}"));
        check_shape::<tally_wire::MemberCallOfLog>(&format!("claims call increase --amount 1 {call}"));
        check_shape::<tally_wire::SequencerOverview>(&format!("sequencer {sequencer} {log}"));
        check_shape::<tally_wire::WhatIfStake>(&format!("whatif {log} --stake {sequencer}=+1"));
        for by in ["sequencer", "span", "epoch"] {
            check_shape::<tally_wire::ProductionOfLog>(&format!("production --by {by} {log}"));
        }
        check_shape::<tally_wire::Sequencers>(&format!("sequencers {log}"));
        check_shape::<tally_wire::StateAt>(&format!("state {log}"));
        check_shape::<tally_wire::ContractOwners>(&format!("owners {log}"));
        check_shape::<tally_wire::LogInfo>(&format!("log info {log}"));
        check_shape::<tally_wire::ChainAuditReport>(&format!(
            "audit chain {}",
            log.replace("--f", "--report-f")
        ));
        if recording == "pool-a" {
            check_shape::<tally_wire::NextBatchOfLog>(&format!("claims next-batch {log}"));
            check_shape::<tally_wire::NextRateOfLog>(&format!("claims next-rate {log} --decimals 9"));
            let out = dir.path().join("tree.json");
            check_shape::<tally_wire::Distribution>(&format!("claims merkle {log} --out {}", out.display()));
        }
    }
    let rate = "claims rate --stake 499338 --block-secs 13 --mrr 0.20 --decimals 9 --format json";
    check_shape::<tally_wire::RewardPerBlock>(rate);
    let ((_a, a), (_b, b)) =
        (bundle_of("small-a", "guide", &[]), bundle_of("small-a", "stake-weighted", &[]));
    check_shape::<tally_wire::BundleAudit>(&format!("audit bundle {} --format json", a.display()));
    for other in [&a, &b] {
        let args = format!("audit compare {} {} --format json", a.display(), other.display());
        check_shape::<tally_wire::ReceiptComparison>(&args);
    }
}

/// The page that describes what the commands print: a table of fields for each command and each shape.
fn page() -> String {
    let mut page = String::new();
    let mut shapes = Map::new();
    for (name, command) in tally_wire::schemas() {
        let schema: Value = serde_json::from_str(&tally_wire::schema(name).unwrap()).unwrap();
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
        } else if let Some(words) = shape["enum"].as_array() {
            let words: Vec<String> = words.iter().map(|word| format!("`{}`", text_of(word))).collect();
            put(&mut page, format_args!("One of {}.\n", words.join(", ")));
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
    if let Some(name) = shape["$ref"].as_str().and_then(|to| to.strip_prefix(DEFINITIONS)) {
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
    if let Some(name) = schema["$ref"].as_str().and_then(|to| to.strip_prefix(DEFINITIONS)) {
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
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => "any value".into(),
    }
}
