//! `/c/pay/:session`: choose a test card and pay.

use super::{Page, escape};
use crate::simulator::card::{Charge, TestCard};
use crate::simulator::checkout::{LineItem, Session, Status};
use crate::simulator::form::Params;
use crate::simulator::object::Object;
use crate::simulator::shape::Shape;
use crate::simulator::world::World;

const TITLE: &str = "Checkout";

pub(super) fn page(world: &mut World, id: &str, form: Option<&Params>) -> Page {
    let Ok(session) = world.sessions.find(id).cloned() else {
        return Page::not_found();
    };
    match (session.status, form) {
        (Status::Expired, _) => Page::html(410, TITLE, "<p>This session has expired.</p>"),
        // Whoever pays twice, or goes back, gets where the first payment led.
        (Status::Complete, Some(_)) => thanks(&session),
        (Status::Complete, None) => Page::html(200, TITLE, "<p>This is paid. Thank you.</p>"),
        (Status::Open, None) => Page::html(200, TITLE, &offer(&session, None)),
        (Status::Open, Some(form)) => pay(world, session, form),
    }
}

fn thanks(session: &Session) -> Page {
    match session.after_success() {
        Some(url) => Page::see_other(url),
        None => Page::html(200, TITLE, "<p>This is paid. Thank you.</p>"),
    }
}

fn pay(world: &mut World, mut session: Session, form: &Params) -> Page {
    let Some(card) = form.text("card").and_then(TestCard::by_payment_method) else {
        return Page::html(400, TITLE, &offer(&session, Some("Choose a card.")));
    };
    let passed = form.text("outcome") == Some("complete");
    if card.charge() == Charge::Challenged && !passed {
        return match form.text("outcome") {
            None => Page::html(200, TITLE, &challenge(&card)),
            Some(_) => {
                let offer = offer(&session, Some("Authentication failed."));
                Page::html(402, TITLE, &offer)
            }
        };
    }
    if session.customer.is_none()
        && let Some(email) = form.text("email")
    {
        session.customer_email = Some(email.to_owned());
        world.sessions.put(session.clone());
    }
    let method = world.present_card(card, passed);
    match world.complete_session(session.id(), &method, Shape::Basil) {
        Ok(session) => thanks(&session),
        Err(error) => {
            let offer = offer(&session, Some(error.message()));
            Page::html(error.status, TITLE, &offer)
        }
    }
}

/// What is for sale, and the form to buy it with.
fn offer(session: &Session, problem: Option<&str>) -> String {
    let row = |item: &LineItem| {
        format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&item.description),
            item.quantity,
            escape(&money(item.amount(), &session.currency))
        )
    };
    let rows: String = session.items.iter().map(row).collect();
    let option = |card: &TestCard| {
        format!(
            "<option value=\"{}\">{} •••• {} ({})</option>",
            card.id(),
            card.brand,
            card.last4(),
            card.describe()
        )
    };
    let options: String = TestCard::all().iter().map(option).collect();
    let problem = problem.map_or(String::new(), |problem| {
        format!("<p role=\"alert\">{}</p>\n", escape(problem))
    });
    let email = match session.customer {
        Some(_) => String::new(),
        None => format!(
            "<label>Email <input type=\"email\" name=\"email\" value=\"{}\"></label>\n",
            escape(session.customer_email.as_deref().unwrap_or_default())
        ),
    };
    let back = session.cancel_url.as_ref().map_or(String::new(), |url| {
        format!("\n<p><a href=\"{}\">Back</a></p>", escape(url))
    });
    format!(
        "{problem}<table>{rows}</table>\n<p>Due today: {}</p>\n<form method=\"post\">\n{email}\
         <label>Card <select name=\"card\">{options}</select></label>\n\
         <button>Pay</button>\n</form>{back}",
        escape(&money(session.amount_total, &session.currency))
    )
}

fn challenge(card: &TestCard) -> String {
    format!(
        "<p>Your bank wants to know whether this payment is yours.</p>\n<form method=\"post\">\n\
         <input type=\"hidden\" name=\"card\" value=\"{}\">\n\
         <button name=\"outcome\" value=\"complete\">Complete authentication</button>\n\
         <button name=\"outcome\" value=\"fail\">Fail authentication</button>\n</form>",
        card.id()
    )
}

/// As a person reads it. Every currency is taken to have hundredths.
pub(super) fn money(amount: i64, currency: &str) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let amount = amount.unsigned_abs();
    let currency = currency.to_ascii_uppercase();
    format!("{sign}{}.{:02} {currency}", amount / 100, amount % 100)
}
