//! `/3ds/:client_secret`: the customer's bank asks whether it was them.

use super::Page;
use crate::simulator::form::Params;
use crate::simulator::world::World;

const QUESTION: &str = "<p>Your bank wants to know whether this payment is yours.</p>\n\
    <form method=\"post\">\n\
    <button name=\"outcome\" value=\"complete\">Complete authentication</button>\n\
    <button name=\"outcome\" value=\"fail\">Fail authentication</button>\n\
    </form>";

/// The question, or what became of the payment. Without an address to return to the outcome is shown.
pub(super) fn page(world: &mut World, client_secret: &str, form: Option<&Params>) -> Page {
    let Some(challenge) = world.challenge(client_secret) else {
        return Page::not_found();
    };
    let passed = match form.map(|form| form.text("outcome")) {
        None => return Page::html(200, "3-D Secure", QUESTION),
        Some(Some("complete")) => true,
        Some(Some("fail")) => false,
        Some(_) => return Page::html(400, "3-D Secure", QUESTION),
    };
    if let Err(error) = world.end_challenge(&challenge, passed) {
        tracing::info!(?error, "the payment failed after authentication");
    }
    let Some(return_url) = challenge.return_url else {
        let outcome = if passed { "complete" } else { "failed" };
        return Page::html(
            200,
            "3-D Secure",
            &format!("<p>Authentication {outcome}.</p>"),
        );
    };
    let status = if passed { "succeeded" } else { "failed" };
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("payment_intent", &challenge.intent)
        .append_pair("payment_intent_client_secret", client_secret)
        .append_pair("redirect_status", status)
        .finish();
    let glue = if return_url.contains('?') { '&' } else { '?' };
    Page::see_other(format!("{return_url}{glue}{query}"))
}
