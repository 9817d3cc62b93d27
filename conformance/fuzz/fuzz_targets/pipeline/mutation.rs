//! Mutation of events as documents: bytes changed at random are seldom still JSON, let alone an event that meets another.

use bstr::ByteSlice;
use libfuzzer_sys::fuzzer_mutate;
use rand::rngs::StdRng;
use rand::seq::{IndexedMutRandom, IndexedRandom};
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

const STEPS: [i64; 6] = [-86_400, -60, -1, 1, 60, 86_400];

/// Changes the input in place and tells its new size: half of the time as bytes, else as documents.
pub(crate) fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = StdRng::seed_from_u64(seed.into());
    if random.random_bool(0.5)
        && let Some(changed) = changed(&data[..size], &mut random)
        && changed.len() <= max_size
    {
        data[..changed.len()].copy_from_slice(changed.as_bytes());
        return changed.len();
    }
    fuzzer_mutate(data, size, max_size)
}

/// One scalar of one event changed; sometimes of a copy of it under another id.
fn changed(data: &[u8], random: &mut StdRng) -> Option<String> {
    let lines = data.split_str("\n");
    let mut events: Vec<Value> = lines
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    let pool: Vec<Value> = events
        .iter_mut()
        .flat_map(scalars)
        .map(|scalar| scalar.clone())
        .collect();
    if random.random_bool(0.3) {
        let mut copy = events.choose(random)?.clone();
        *copy.get_mut("id")? = json!(format!("evt_{}", random.random_range(0..100)));
        events.push(copy);
    }
    let mut scalars = scalars(events.choose_mut(random)?);
    let scalar = scalars.choose_mut(random)?;
    let step = STEPS.choose(random)?;
    match scalar.as_i64() {
        Some(number) if random.random_bool(0.5) => **scalar = json!(number.saturating_add(*step)),
        _ => {
            let kind = std::mem::discriminant(*scalar);
            let alike: Vec<&Value> = pool
                .iter()
                .filter(|other| std::mem::discriminant(*other) == kind)
                .collect();
            **scalar = (*alike.choose(random)?).clone();
        }
    }
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    Some(lines.join("\n"))
}

/// The values in a document that hold no others.
fn scalars(document: &mut Value) -> Vec<&mut Value> {
    match document {
        Value::Array(elements) => elements.iter_mut().flat_map(scalars).collect(),
        Value::Object(fields) => fields.values_mut().flat_map(scalars).collect(),
        scalar => vec![scalar],
    }
}
