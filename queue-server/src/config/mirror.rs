//! Which mirror (M4).

use billing_core::signature::{MAX_SIGNATURES, SigningKeys};
use reqwest::Url;

use super::{DATABASE_REMEDY, Environment, database_url};

/// The shortest push secret. This one is made by people, not by Stripe.
const MIN_SECRET_LENGTH: usize = 16;

/// Where the mirror is.
#[derive(Clone)]
pub enum MirrorConfig {
    /// In Queue's own database.
    Own,
    /// In the database of this URL.
    Database(String),
    /// Behind a receiver.
    Receiver(ReceiverConfig),
}

/// A receiver of signed pushes.
#[derive(Clone)]
pub struct ReceiverConfig {
    /// Where it listens.
    pub url: Url,
    /// What pushes are signed with: with all of them.
    pub signing_keys: SigningKeys,
}

impl MirrorConfig {
    /// `None` when it is refused.
    pub(super) fn take(env: &mut Environment) -> Option<Self> {
        let is_set = |name| env.raw(name).is_some_and(|text| !text.trim().is_empty());
        let (database, receiver) = (is_set("MIRROR_DATABASE_URL"), is_set("MIRROR_PUSH_URL"));
        if is_set("MIRROR_PUSH_SECRET") && !receiver {
            let remedy =
                "set MIRROR_PUSH_URL too, or take it away: nothing is pushed without a URL";
            env.refuse("MIRROR_PUSH_SECRET", remedy);
            return None;
        }
        if receiver {
            if database {
                let remedy = "take it or MIRROR_DATABASE_URL away: rows go to one mirror";
                env.refuse("MIRROR_PUSH_URL", remedy);
                return None;
            }
            return ReceiverConfig::take(env).map(Self::Receiver);
        }
        if database {
            let url = env.required("MIRROR_DATABASE_URL", DATABASE_REMEDY, database_url);
            return url.map(Self::Database);
        }
        Some(Self::Own)
    }
}

impl ReceiverConfig {
    fn take(env: &mut Environment) -> Option<Self> {
        let url = env.required(
            "MIRROR_PUSH_URL",
            "set it to https://HOST/PATH, without a user or password (http:// for tests)",
            receiver_url,
        );
        let webhook_secrets = env.raw("STRIPE_WEBHOOK_SECRET").map(str::to_owned);
        let signing_keys = env.required(
            "MIRROR_PUSH_SECRET",
            "set it to at least 16 characters, openssl rand -hex 32, and not to Stripe's (up to 8 with commas between)",
            |text| push_keys(text, &webhook_secrets.unwrap_or_default()),
        );
        Some(Self {
            url: url?,
            signing_keys: signing_keys?,
        })
    }
}

/// Passwords in a URL end up in logs; the signature is what the receiver should believe.
fn receiver_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "https" | "http")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    plain.then_some(url)
}

/// A receiver that knew a secret of Stripe's could write events of Stripe's. One that got more
/// signatures than are looked at would refuse them all.
fn push_keys(text: &str, webhook_secrets: &str) -> Option<SigningKeys> {
    let secrets = || text.split(',').map(str::trim);
    let stripes = |secret| {
        webhook_secrets
            .split(',')
            .any(|known| known.trim() == secret)
    };
    let strong = secrets().count() <= MAX_SIGNATURES
        && secrets().all(|secret| secret.len() >= MIN_SECRET_LENGTH && !stripes(secret));
    strong.then(|| SigningKeys::parse(text).ok()).flatten()
}
