//! The pages that a customer sees at Stripe: plain HTML, whose forms work without JavaScript.
//!
//! They are no part of the API: no key is asked for, failures on purpose don't concern them, and the log of
//! requests doesn't show them.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::form::Params;
use super::world::World;

mod authentication;
mod checkout;
mod portal;

/// What a page's address is answered with.
pub(super) struct Page {
    status: u16,
    body: String,
    location: Option<String>,
}

impl Page {
    /// A whole page around the main part, which is HTML already.
    fn html(status: u16, title: &str, main: &str) -> Self {
        let title = escape(title);
        let body = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body>\n<h1>{title}</h1>\n{main}\n<p><small>A simulated page: no money moves.</small></p>\n</body>\n</html>\n"
        );
        Self {
            status,
            body,
            location: None,
        }
    }

    /// On to another address, after a form was taken.
    fn see_other(location: impl Into<String>) -> Self {
        Self {
            status: 303,
            body: String::new(),
            location: Some(location.into()),
        }
    }

    fn not_found() -> Self {
        Self::html(
            404,
            "Not found",
            "<p>There is nothing here, or no longer.</p>",
        )
    }

    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'"),
        );
        if let Some(location) = self.location {
            // What can't be a header's value was no address.
            if let Ok(location) = HeaderValue::from_str(&location) {
                headers.insert(header::LOCATION, location);
            }
        }
        response
    }
}

/// The page at this path; none where the path is the API's.
pub(super) fn answer(world: &mut World, method: &str, path: &str, form: &[u8]) -> Option<Page> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    // Browsers ask for it by themselves: no call that a program made.
    if path == "/favicon.ico" {
        return Some(Page::not_found());
    }
    if !matches!(segments.first(), Some(&("3ds" | "c" | "p"))) {
        return None;
    }
    let form = match method {
        "POST" => Some(Params::parse(form)),
        "GET" => None,
        _ => return None,
    };
    world.catch_up();
    match segments.as_slice() {
        ["c", "pay", id] => Some(checkout::page(world, id, form.as_ref())),
        ["p", "session", secret] => Some(portal::page(world, secret, form.as_ref())),
        ["3ds", secret] => Some(authentication::page(world, secret, form.as_ref())),
        _ => None,
    }
}

/// Text as it stands in HTML, within an attribute's quotes too.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_no_tag_and_no_attribute() {
        assert_eq!(escape("<b a='\"&'>"), "&lt;b a=&#39;&quot;&amp;&#39;&gt;");
    }
}
