//! JSON Schema of what the commands print.

use crate::{
    Accounts, AccountsComparison, BundleAudit, ChainAuditReport, ContractOwners, Distribution, ExplainBlock,
    ExplainEpoch, LedgerShow, LiveAudit, LogInfo, MemberCallOfLog, NextBatchOfLog, NextRateOfLog,
    ProductionOfLog, ReceiptComparison, Recipients, Replay, RewardPerBlock, SequencerOverview, Sequencers,
    StateAt, Statement, WhatIf, WhatIfStake,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::schema::AnyOf;
use utoipa::openapi::{AllOf, OneOf, RefOr, Schema};

/// Where references of `OpenAPI` lead, and where those of JSON Schema do.
const COMPONENTS: &str = "#/components/schemas/";
const DEFINITIONS: &str = "#/$defs/";

/// What a command prints: its name as a word, its words, and its schema.
type Printed = (&'static str, &'static str, fn() -> Value);

/// Everything that commands print as JSON.
const PRINTED: [Printed; 25] = [
    ("replay", "tally replay --format json", listed::<Replay>),
    ("whatif", "tally whatif --format json", object::<WhatIf>),
    ("whatif-stake", "tally whatif --stake ID=+METIS --format json", object::<WhatIfStake>),
    ("ledger-show", "tally ledger show --format json", object::<LedgerShow>),
    ("explain-block", "tally explain --block BLOCK --format json", object::<ExplainBlock>),
    ("explain-epoch", "tally explain --sequencer ID --epoch EPOCH --format json", object::<ExplainEpoch>),
    ("sequencer", "tally sequencer SEQUENCER --format json", object::<SequencerOverview>),
    ("production", "tally production --format json", object::<ProductionOfLog>),
    ("sequencers", "tally sequencers --format json", object::<Sequencers>),
    ("accounts", "tally accounts --format json", object::<Accounts>),
    ("accounts-recipients", "tally accounts recipients --format json", object::<Recipients>),
    ("accounts-statement", "tally accounts statement --format json", object::<Statement>),
    ("accounts-compare", "tally accounts compare --format json", object::<AccountsComparison>),
    ("claims-next-batch", "tally claims next-batch --format json", object::<NextBatchOfLog>),
    ("claims-next-rate", "tally claims next-rate --format json", object::<NextRateOfLog>),
    ("claims-rate", "tally claims rate --format json", object::<RewardPerBlock>),
    ("claims-merkle", "tally claims merkle --format json", object::<Distribution>),
    ("claims-call", "tally claims call ACTION --format json", object::<MemberCallOfLog>),
    ("audit-chain", "tally audit chain --report-format json", object::<ChainAuditReport>),
    ("audit-live", "tally audit live --format json", object::<LiveAudit>),
    ("audit-bundle", "tally audit bundle --format json", object::<BundleAudit>),
    ("audit-compare", "tally audit compare --format json", object::<ReceiptComparison>),
    ("state", "tally state --format json", object::<StateAt>),
    ("owners", "tally owners --format json", object::<ContractOwners>),
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

/// Everything that commands print as JSON: its name, for [`schema`], and the command that prints it.
pub fn schemas() -> impl Iterator<Item = (&'static str, &'static str)> {
    PRINTED.iter().map(|(name, command, _)| (*name, *command))
}

/// The JSON Schema (2020-12) of what a command prints, as text; `None` if there is none of this name.
pub fn schema(name: &str) -> Option<String> {
    let (.., schema) = PRINTED.iter().find(|(known, ..)| *known == name)?;
    Some(format!("{:#}\n", schema()).replace(COMPONENTS, DEFINITIONS))
}
