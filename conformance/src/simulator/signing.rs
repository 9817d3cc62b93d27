//! Signs webhooks as Stripe does, on its own: nothing here is shared with the code that verifies them.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The `Stripe-Signature` header for a body sent at `timestamp`: `t=<unix>,v1=<hex HMAC-SHA256>`.
///
/// The key is the secret as it is shown, `whsec_` included; the message is `<t>.<body>`.
#[must_use]
pub fn signature_header(secret: &str, timestamp: i64, body: &[u8]) -> String {
    // HMAC takes keys of any length: `new_from_slice` has no case in which it fails.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(format!("{timestamp}.").as_bytes());
    mac.update(body);
    let signature = hex::encode(mac.finalize().into_bytes());
    format!("t={timestamp},v1={signature}")
}
