//! `/p/session/:secret`: a customer's subscriptions, and the forms to change them.

use jiff::Timestamp;

use super::checkout::money;
use super::{Page, escape};
use crate::simulator::card::TestCard;
use crate::simulator::form::Params;
use crate::simulator::invoice::Invoice;
use crate::simulator::object::Object;
use crate::simulator::portal::{Act, Features, PortalSession};
use crate::simulator::price::Price;
use crate::simulator::subscription::Subscription;
use crate::simulator::world::World;

const TITLE: &str = "Your subscriptions";

pub(super) fn page(world: &mut World, secret: &str, form: Option<&Params>) -> Page {
    let Some(session) = world.portal_session(secret) else {
        return Page::not_found();
    };
    let Some(form) = form else {
        return show(world, &session, 200, None);
    };
    let done = Act::parse(form).and_then(|act| world.act_in_portal(&session, act));
    match done {
        // Shown again by a GET, so that a reload sends nothing twice.
        Ok(()) => Page::see_other(format!("/p/session/{secret}")),
        Err(error) => show(world, &session, error.status, Some(error.message())),
    }
}

fn show(world: &World, session: &PortalSession, status: u16, problem: Option<&str>) -> Page {
    let Ok(configuration) = world.configurations.find(&session.configuration) else {
        return Page::not_found();
    };
    let features = &configuration.features;
    let mut main = String::new();
    if let Some(problem) = problem {
        main += &format!("<p role=\"alert\">{}</p>\n", escape(problem));
    }
    let own = world
        .subscriptions
        .iter()
        .filter(|subscription| subscription.customer == session.customer);
    for subscription in own {
        main += &one(world, features, subscription);
    }
    if features.changes_card {
        main += &cards(world, session);
    }
    if features.shows_invoices {
        main += &invoices(world, session);
    }
    if let Some(url) = &session.return_url {
        main += &format!("<p><a href=\"{}\">Return</a></p>", escape(url));
    }
    Page::html(status, TITLE, &main)
}

/// A subscription with its forms.
fn one(world: &World, features: &Features, subscription: &Subscription) -> String {
    let id = subscription.id();
    let plans: Vec<String> = subscription
        .items
        .iter()
        .map(|item| plan(world, &item.price))
        .collect();
    let mut section = format!(
        "<section id=\"{id}\">\n<h2>{}</h2>\n<p>Status: {}</p>\n",
        plans.join(", "),
        subscription.status.name()
    );
    if subscription.status.is_over() {
        return section + "</section>\n";
    }
    let ends = date(subscription.period_end);
    let cancels = subscription.cancels_at_period_end();
    section += &match (cancels, &subscription.scheduled) {
        (true, _) => format!("<p>Ends on {ends}.</p>\n"),
        (false, Some(scheduled)) => format!(
            "<p>Changes to {} on {ends}.</p>\n{}",
            scheduled
                .items
                .iter()
                .map(|item| plan(world, &item.price))
                .collect::<Vec<_>>()
                .join(", "),
            form(id, "keep_plan", "", "Keep the present plan")
        ),
        (false, None) => format!("<p>Renews on {ends}.</p>\n"),
    };
    if features.changes {
        section += &change_form(world, features, subscription);
    }
    if features.cancels && cancels {
        section += &form(id, "keep", "", "Don't cancel");
    } else if features.cancels {
        section += &form(id, "cancel", &reasons(features), "Cancel");
    }
    section + "</section>\n"
}

fn change_form(world: &World, features: &Features, subscription: &Subscription) -> String {
    let current = |id: &str| {
        let mut items = subscription.items.iter();
        items.any(|item| item.price.id() == id)
    };
    let prices = features.offers.iter().flat_map(|offer| &offer.prices);
    let offered = prices.filter(|id| !current(id));
    let options: String = offered
        .filter_map(|id| world.prices.find(id).ok())
        .map(|price| {
            let id = escape(price.id());
            format!("<option value=\"{id}\">{}</option>", plan(world, price))
        })
        .collect();
    let select = format!("<label>Plan <select name=\"price\">{options}</select></label>\n");
    form(subscription.id(), "change", &select, "Change plan")
}

fn reasons(features: &Features) -> String {
    if !features.asks_reason {
        return String::new();
    }
    let option = |reason: &String| {
        let reason = escape(reason);
        format!("<option value=\"{reason}\">{reason}</option>")
    };
    let options: String = features.reasons.iter().map(option).collect();
    format!(
        "<label>Why? <select name=\"feedback\"><option value=\"\"></option>{options}</select></label>\n\
         <label>Comment <input name=\"comment\"></label>\n"
    )
}

fn cards(world: &World, session: &PortalSession) -> String {
    let own = world
        .payment_methods
        .iter()
        .filter(|method| method.customer() == Some(&session.customer));
    let list: String = own
        .map(|method| {
            format!(
                "<li>{} •••• {}</li>",
                method.card.brand,
                method.card.last4()
            )
        })
        .collect();
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
    format!(
        "<h2>Payment methods</h2>\n<ul>{list}</ul>\n<form method=\"post\">\n\
         <input type=\"hidden\" name=\"action\" value=\"card\">\n\
         <label>Card <select name=\"card\">{options}</select></label>\n<button>Use this card</button>\n</form>\n"
    )
}

fn invoices(world: &World, session: &PortalSession) -> String {
    let own = world.invoices.iter().rev();
    let own = own.filter(|invoice| invoice.customer() == Some(&session.customer));
    let row = |invoice: &Invoice| {
        format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            date(invoice.created()),
            escape(&money(invoice.total(), invoice.currency())),
            invoice.status_name()
        )
    };
    let rows: String = own.map(row).collect();
    format!("<h2>Invoices</h2>\n<table>{rows}</table>\n")
}

/// A form about one subscription; `inner` is HTML already.
fn form(subscription: &str, action: &str, inner: &str, button: &str) -> String {
    let button = escape(button);
    format!(
        "<form method=\"post\">\n<input type=\"hidden\" name=\"action\" value=\"{action}\">\n\
         <input type=\"hidden\" name=\"subscription\" value=\"{subscription}\">\n\
         {inner}<button>{button}</button>\n</form>\n"
    )
}

/// `Pro (29.00 USD per month)`, safe in HTML.
fn plan(world: &World, price: &Price) -> String {
    let product = world.products.find(&price.product);
    let name = product.map_or("?", |product| product.name.as_str());
    let amount = money(price.unit_amount, &price.currency);
    let text = format!("{name} ({amount} {})", price.rhythm());
    escape(&text)
}

fn date(at: i64) -> String {
    let time = Timestamp::from_second(at);
    time.map_or_else(
        |_| "?".to_owned(),
        |time| time.strftime("%-d %B %Y").to_string(),
    )
}
