//! Calls as a file of the transaction builder of `Safe` wallets.
//!
//! The format is that app's `BatchFile`: it reads `data` where there is some, shows the method and its arguments, and
//! warns where the checksum does not fit.

use crate::call::PreparedCall;
use crate::error::ClaimsError;
use alloy_primitives::keccak256;
use serde_json::{Map, Value, json};
use tally_engine::UnixTime;

/// The version of the app whose files these are like.
const TX_BUILDER_VERSION: &str = "1.18.0";

/// `calls`, all of the first one's chain and sender, as such a file: a wallet makes them together, in order. It is dated
/// `at`, so that the same log gives the same bytes.
///
/// # Errors
///
/// [`ClaimsError::HeadTime`] if `at` does not fit in milliseconds, and [`ClaimsError::NoValue`] if it is not known how much
/// ETH goes along.
pub fn safe_file(
    calls: &[&PreparedCall],
    name: &str,
    description: &str,
    at: UnixTime,
) -> Result<Value, ClaimsError> {
    let created_at = at.0.checked_mul(1_000).ok_or(ClaimsError::HeadTime { l1_time: at })?;
    let transactions = calls.iter().map(|call| transaction(call)).collect::<Result<Vec<Value>, _>>()?;
    let chain_id = calls.first().map_or(String::new(), |call| call.chain_id.to_string());
    let sender = calls.first().and_then(|call| call.sender);
    let mut file = json!({
        "version": "1.0",
        "chainId": chain_id,
        "createdAt": created_at,
        "meta": {
            "name": name,
            "description": description,
            "txBuilderVersion": TX_BUILDER_VERSION,
            "createdFromSafeAddress": sender.map_or(String::new(), |sender| sender.to_string()),
            "createdFromOwnerAddress": "",
        },
        "transactions": transactions,
    });
    let checksum = checksum(&file);
    if let Some(meta) = file.get_mut("meta").and_then(Value::as_object_mut) {
        meta.insert("checksum".into(), checksum.into());
    }
    Ok(file)
}

/// A call as one of the transactions of such a file.
fn transaction(call: &PreparedCall) -> Result<Value, ClaimsError> {
    let value = call.value.ok_or(ClaimsError::NoValue { function: call.function })?;
    let inputs: Vec<Value> = call
        .arguments
        .iter()
        .map(
            |argument| json!({ "internalType": argument.kind, "name": argument.name, "type": argument.kind }),
        )
        .collect();
    let values: Map<String, Value> =
        call.arguments.iter().map(|argument| (argument.name.into(), argument.value.clone().into())).collect();
    Ok(json!({
        "to": call.contract.to_string(),
        "value": value.to_string(),
        "data": call.calldata.to_string(),
        "contractMethod": { "inputs": inputs, "name": call.function, "payable": call.is_payable },
        "contractInputsValues": values,
    }))
}

/// The app's own digest of a file without its checksum: Keccak-256 over its serialization, in which a file has no name.
fn checksum(file: &Value) -> String {
    let mut unnamed = file.clone();
    if let Some(name) = unnamed.pointer_mut("/meta/name") {
        *name = Value::Null;
    }
    let mut text = String::new();
    serialize(&unnamed, &mut text);
    keccak256(text).to_string()
}

/// The app's own serialization: an object is the list of its names, sorted, and then its values, each with a comma.
fn serialize(value: &Value, text: &mut String) {
    match value {
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                serialize(value, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            text.push('{');
            text.push_str(&json!(names).to_string());
            for name in names {
                serialize(&members[name], text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file and the checksum of the app's own test.
    #[test]
    fn the_checksum_is_that_of_the_app() {
        let address = "0x49d4450977E2c95362C13D3a31a09311E0Ea26A6";
        let method = |kind: &str, parameter: &str, name: &str| {
            json!({
                "inputs": [{ "internalType": kind, "name": parameter, "type": kind }],
                "name": name,
                "payable": false,
            })
        };
        let file = json!({
            "version": "1.0",
            "chainId": "4",
            "createdAt": 1_646_321_521_061_u64,
            "meta": {
                "name": "test batch file",
                "txBuilderVersion": "1.4.0",
                "checksum": "",
                "createdFromSafeAddress": "0xDF8a1Ce35c9a6ACE153B4e0767942f1E2291a1Aa",
                "createdFromOwnerAddress": address,
            },
            "transactions": [
                {
                    "to": address,
                    "value": "0",
                    "contractMethod": method("address", "paramAddress", "testAddress"),
                    "contractInputsValues": { "paramAddress": address },
                },
                {
                    "to": address,
                    "value": "0",
                    "contractMethod": method("bool", "paramBool", "testBool"),
                    "contractInputsValues": { "paramAddress": "", "paramBool": "false" },
                },
                {
                    "to": address,
                    "value": "2000000000000000000",
                    "data": "0x42f4579000000000000000000000000049d4450977e2c95362c13d3a31a09311e0ea26a6",
                },
            ],
        });
        assert_eq!(checksum(&file), "0x4ecbfd364aa6759983915644e73f8bd411e85a2dc306f252a387c2728c4db64c");
    }
}
