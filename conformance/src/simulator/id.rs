//! Ids in Stripe's form, all of which follow from the seed.
//!
//! The n-th id with a prefix is a hash of (seed, prefix, n): reading an object or making one of
//! another kind doesn't shift the ids of the rest.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

#[derive(Debug)]
pub(super) struct IdMaker {
    seed: u64,
    made: HashMap<&'static str, u64>,
}

impl IdMaker {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            made: HashMap::new(),
        }
    }

    /// The next id: the prefix and as many letters and digits as Stripe's have.
    pub(super) fn make(&mut self, prefix: &'static str) -> String {
        let length = match prefix {
            "cus_" | "prod_" | "si_" | "req_" => 14,
            "cs_test_" | "cs_live_" => 58,
            "whsec_" => 32,
            "acct_" => 16,
            "" => 8,
            _ => 24,
        };
        let count = self.made.entry(prefix).or_default();
        *count += 1;
        format!("{prefix}{}", characters(self.seed, prefix, *count, length))
    }

    /// What only those know who were told.
    pub(super) fn make_secret(&mut self) -> String {
        let count = self.made.entry("secret").or_default();
        *count += 1;
        characters(self.seed, "secret", *count, 32)
    }
}

fn characters(seed: u64, prefix: &str, count: u64, length: usize) -> String {
    let mut text = String::with_capacity(length);
    for block in 0u64.. {
        let hash = Sha256::new()
            .chain_update(seed.to_be_bytes())
            .chain_update(count.to_be_bytes())
            .chain_update(block.to_be_bytes())
            .chain_update(prefix)
            .finalize();
        for byte in hash {
            if text.len() == length {
                return text;
            }
            text.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
        }
    }
    text
}
