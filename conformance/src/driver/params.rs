//! Parameters as a form: `{"items": [{"price": "p"}]}` is `items[0][price]=p`.

use serde_json::{Map, Value};

use super::substitution::Source;

pub(super) fn flatten(
    params: &Map<String, Value>,
    source: &Source<'_>,
) -> anyhow::Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for (key, value) in params {
        collect(key.clone(), value, source, &mut pairs)?;
    }
    Ok(pairs)
}

fn collect(
    name: String,
    value: &Value,
    source: &Source<'_>,
    into: &mut Vec<(String, String)>,
) -> anyhow::Result<()> {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                collect(format!("{name}[{key}]"), value, source, into)?;
            }
        }
        Value::Array(elements) => {
            for (at, value) in elements.iter().enumerate() {
                collect(format!("{name}[{at}]"), value, source, into)?;
            }
        }
        Value::Null => into.push((name, String::new())),
        Value::String(text) => into.push((name, source.fill(text)?)),
        Value::Bool(_) | Value::Number(_) => into.push((name, value.to_string())),
    }
    Ok(())
}
