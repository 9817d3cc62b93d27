//! `${name:path|default}` in a fixture's path and parameters.

use std::collections::HashMap;

use anyhow::{Context, bail};
use indexmap::IndexMap;
use serde_json::Value;

/// Where the values come from.
pub(super) struct Source<'a> {
    pub(super) responses: &'a IndexMap<String, Value>,
    pub(super) variables: &'a HashMap<String, String>,
}

impl Source<'_> {
    /// The text with every `${…}` replaced.
    pub(super) fn fill(&self, text: &str) -> anyhow::Result<String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (query, after) = after
                .split_once('}')
                .with_context(|| format!("no closing brace in {text:?}"))?;
            filled.push_str(before);
            filled.push_str(&self.look_up(query)?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn look_up(&self, query: &str) -> anyhow::Result<String> {
        let (query, default) = match query.split_once('|') {
            Some((query, default)) => (query, Some(default)),
            None => (query, None),
        };
        let (name, path) = query
            .split_once(':')
            .with_context(|| format!("no colon in ${{{query}}}"))?;
        let found = match name {
            ".env" => self
                .variables
                .get(path)
                .cloned()
                .or_else(|| std::env::var(path).ok()),
            _ => self
                .responses
                .get(name)
                .and_then(|response| field(response, path)),
        };
        match found.or_else(|| default.map(str::to_owned)) {
            Some(value) => Ok(value),
            None => bail!("nothing to put in place of ${{{query}}}"),
        }
    }
}

/// A field by its path: `latest_invoice`, `items.data.0.id` or `items.data.[0].id`.
fn field(response: &Value, path: &str) -> Option<String> {
    let step = |value: &Value, step: &str| match value {
        Value::Array(elements) => elements
            .get(step.trim_matches(['[', ']']).parse::<usize>().ok()?)
            .cloned(),
        _ => value.get(step).cloned(),
    };
    let found = path
        .split('.')
        .try_fold(response.clone(), |value, name| step(&value, name))?;
    match found {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}
