//! Who is asking (P4).

use billing_core::id::CustomerId;
use http::request::Parts;

/// Tells which customer a request is from.
///
/// The answer decides whose plan counts, so it must rest on something that the client can't choose:
/// a verified session or token. Where an earlier layer authenticates, let it leave the customer in
/// the request's extensions and take it from there. A header that any client can set is no
/// identity, unless a proxy in front overwrites it on every request.
///
/// `None` is answered with 401. If it panics the request is refused as where the mirror can't be
/// read, because it may well be from somebody who pays.
///
/// ```
/// use http::request::Parts;
/// use tower_paywall::{CustomerId, Identify};
///
/// /// Left in the extensions by the layer that checks sessions.
/// #[derive(Clone)]
/// struct Session {
///     user: String,
/// }
///
/// fn from_session(request: &Parts) -> Option<CustomerId> {
///     CustomerId::chosen(&request.extensions.get::<Session>()?.user).ok()
/// }
///
/// let (mut parts, ()) = http::Request::new(()).into_parts();
/// assert_eq!(from_session.identify(&parts), None);
/// parts.extensions.insert(Session { user: "user-17".to_owned() });
/// assert_eq!(from_session.identify(&parts), CustomerId::parse("user-17").ok());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not tell who is asking",
    note = "give the paywall an identity with `.identity(|request: &http::request::Parts| …)`"
)]
pub trait Identify: Send + Sync + 'static {
    /// The customer, or `None` when the request shows none.
    fn identify(&self, request: &Parts) -> Option<CustomerId>;
}

impl<F> Identify for F
where
    F: Fn(&Parts) -> Option<CustomerId> + Send + Sync + 'static,
{
    fn identify(&self, request: &Parts) -> Option<CustomerId> {
        self(request)
    }
}

/// The identity of a [`PaywallLayer`](crate::PaywallLayer) that was given none. It tells nothing,
/// so that such a layer can't be put on a service:
///
/// ```compile_fail,E0277
/// # use tower_paywall::{Gate, MirrorReader, PaywallLayer};
/// fn protect(reader: impl MirrorReader, gate: Gate) {
///     let paywall = PaywallLayer::new(reader, gate);
///     tower::Layer::layer(&paywall, ());
/// }
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct NoIdentity;
