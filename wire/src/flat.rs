//! The facts of the feed as a generated client wants them: each a flat shape with a name of its own.
//!
//! In Rust a fact is what all facts have, around what one kind has. A schema that says so in parts gives clients that cannot
//! read the parts of one kind. So the parts are put together here, from the schemas of the shapes themselves.

use std::collections::BTreeMap;
use utoipa::openapi::schema::{AllOf, Discriminator, Object, OneOf, OneOfBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};

/// Where the facts are among the schemas, and what they are told apart by.
const FACT: &str = "NumberedFact";
const KINDS: &str = "FactKind";
const TYPE: &str = "type";

/// Replaces the schema of a fact in `schemas`, if it is there, by one for each kind of fact and a choice among them. A kind
/// is named as its `type`, in other letters: `EpochClosed` for `epoch_closed`.
pub fn name_facts(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let (Some(fact), Some(RefOr::T(Schema::OneOf(kinds)))) = (schemas.remove(FACT), schemas.remove(KINDS))
    else {
        return;
    };
    let mut of_all = Vec::new();
    members(&fact, &mut of_all);
    // The sequence number and the cursor come before the rest, as in the feed.
    of_all.sort_by_key(|(name, _)| !matches!(name.as_str(), "sequence" | "cursor"));
    let mut choice = OneOfBuilder::new().description(Some("A fact and its place in the feed."));
    let mut mapping = BTreeMap::new();
    for kind in kinds.items {
        let RefOr::T(Schema::Object(kind)) = kind else { continue };
        let Some(word) = word(&kind) else { continue };
        let name = name(&word);
        let mut flat = Object::with_type(Type::Object);
        flat.description = kind.description;
        flat.properties.extend(of_all.iter().cloned());
        flat.properties.extend(kind.properties);
        flat.required = flat.properties.keys().cloned().collect();
        let reference = Ref::from_schema_name(name.clone());
        mapping.insert(word, reference.ref_location.clone());
        choice = choice.item(reference);
        schemas.insert(name, RefOr::T(Schema::Object(flat)));
    }
    let mut choice: OneOf = choice.build();
    let mut discriminator = Discriminator::new(TYPE);
    discriminator.mapping = mapping;
    choice.discriminator = Some(discriminator);
    schemas.insert(FACT.into(), RefOr::T(Schema::OneOf(choice)));
}

/// The members of an object that is put together of parts, but for those of a part that has a name.
fn members(schema: &RefOr<Schema>, found: &mut Vec<(String, RefOr<Schema>)>) {
    let RefOr::T(schema) = schema else { return };
    if let Schema::AllOf(AllOf { items, .. }) = schema {
        for part in items {
            members(part, found);
        }
    } else if let Schema::Object(object) = schema {
        found.extend(object.properties.iter().map(|(name, member)| (name.clone(), member.clone())));
    }
}

/// The `type` of a kind of facts.
fn word(kind: &Object) -> Option<String> {
    let Some(RefOr::T(Schema::Object(member))) = kind.properties.get(TYPE) else { return None };
    let words = member.enum_values.as_ref()?;
    words.first()?.as_str().map(Into::into)
}

/// A word with a capital at the beginning of each part, and nothing between.
fn name(word: &str) -> String {
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    word.split('_').map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FactKind, FeedAnswer};
    use utoipa::ToSchema;

    #[test]
    fn each_kind_of_fact_has_a_flat_schema_of_its_own() {
        let mut parts = Vec::new();
        FeedAnswer::schemas(&mut parts);
        let parts: BTreeMap<String, RefOr<Schema>> = parts.into_iter().collect();
        let mut named = parts.clone();
        name_facts(&mut named);
        // No kind is named like something else, and the parts themselves are gone.
        assert_eq!(named.len(), parts.len() - 1 + FactKind::NAMES.len());
        let Some(RefOr::T(Schema::OneOf(choice))) = named.get(FACT) else {
            panic!("a fact is one of several")
        };
        let mapping = &choice.discriminator.as_ref().expect("they are told apart").mapping;
        assert_eq!(mapping.len(), FactKind::NAMES.len());
        for word in FactKind::NAMES {
            assert_eq!(mapping[word], format!("#/components/schemas/{}", name(word)));
            let Some(RefOr::T(Schema::Object(fact))) = named.get(&name(word)) else {
                panic!("{word} is no object")
            };
            let members = ["sequence", "cursor", "id", "time", "l1_block", "transaction", "log_index", TYPE];
            assert!(members.iter().all(|member| fact.properties.contains_key(*member)), "{word}");
            assert_eq!(fact.required.len(), fact.properties.len(), "{word}");
        }
        assert_eq!(name("epoch_closed"), "EpochClosed");
    }
}
