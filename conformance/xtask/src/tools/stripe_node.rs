//! The official Stripe client for Node.js, from npm.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use super::{Patience, npm};
use crate::{
    process::{self, Advice},
    workspace::Workspace,
};

const ADVICE: Advice = Advice {
    missing: "Node.js 20 or newer (https://nodejs.org; Debian and Ubuntu: apt install npm; macOS: brew install node)",
    failed: "npm must reach its registry once, and Node.js must be 20 or newer. Without network, set \
             STRIPE_NODE_LIBRARY to the package `stripe`'s file cjs/stripe.cjs.node.js",
};

/// Makes sure that the pinned client is there and gives the path of what a program requires.
pub(super) fn install(workspace: &Workspace) -> Result<PathBuf> {
    let library = Path::new("node_modules/stripe/cjs/stripe.cjs.node.js");
    let patience = Patience::Full;
    npm::install(
        workspace,
        "stripe-node",
        library,
        patience,
        &ADVICE,
        |library| {
            let mut node = Command::new("node");
            process::capture(
                node.arg("--eval")
                    .arg("require(process.argv[1])")
                    .arg(library),
                &ADVICE,
            )
            .map(drop)
        },
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_client_is_pinned_with_its_digest() {
        let lock = include_str!("../../tools/stripe-node/package-lock.json");
        let lock: serde_json::Value = serde_json::from_str(lock).unwrap();
        let package = &lock["packages"]["node_modules/stripe"];
        let asked = &lock["packages"][""]["dependencies"]["stripe"];
        assert_eq!(&package["version"], asked);
        let integrity = package["integrity"].as_str().unwrap();
        assert!(integrity.starts_with("sha512-"), "{integrity}");
    }
}
