//! Where customers may be sent back to: URLs of exact origins (B2).
//!
//! A URL that a client sends is looked at twice: as text, which must begin with an allowed origin and whatever ends
//! one, and as browsers read it. What only one of the two takes (`//evil`, `https://good@evil`, a tab in the
//! scheme, a backslash for a slash) is refused.

use reqwest::Url;

/// The longest URL that is taken, in bytes.
const MAX_LENGTH: usize = 2048;

/// Allowed origins: scheme, host and port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Takes origins with commas between, each as browsers write them: `https://app.example.com`,
    /// `http://localhost:3000`. `None` when any of them is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.split(',')
            .map(|origin| {
                let origin = origin.trim();
                let url = Url::parse(origin).ok()?;
                let exact = url.origin().ascii_serialization() == origin && !origin.contains('*');
                (exact && matches!(url.scheme(), "https" | "http")).then(|| origin.to_owned())
            })
            .collect::<Option<_>>()
            .map(Self)
    }

    /// Whether a customer may be sent there.
    #[must_use]
    pub fn allow(&self, text: &str) -> bool {
        let plain = text.len() <= MAX_LENGTH
            && text.bytes().all(|byte| byte.is_ascii_graphic())
            && !text.contains(['\\', '<', '>', '"', '{', '}']);
        let Some(url) = Url::parse(text).ok().filter(|_| plain) else {
            return false;
        };
        let origin = url.origin().ascii_serialization();
        let ends = |rest: &str| rest.is_empty() || rest.starts_with(['/', '?', '#']);
        self.0.iter().any(|allowed| {
            *allowed == origin && text.strip_prefix(allowed.as_str()).is_some_and(ends)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_origins_are_sent_back_to() {
        let origins = Origins::parse("https://good.com, http://localhost:3000").unwrap_or_default();
        for good in [
            "https://good.com",
            "https://good.com/",
            "https://good.com/billing?tab=1#top",
            "http://localhost:3000/x",
        ] {
            assert!(origins.allow(good), "{good}");
        }
        for bad in [
            "",
            "/billing",
            "//good.com",
            "//evil",
            "https:good.com",
            "https:///good.com",
            "https:\\\\good.com",
            "http://good.com",
            "https://good.com:444",
            "https://good.com:443@evil",
            "https://good.com.evil.com",
            "https://good.comevil",
            "https://good@evil",
            "https://good.com@evil",
            "https://good.com\\@evil",
            "https://good.com%2f@evil",
            "https://user@good.com/",
            "https://evil/https://good.com",
            "https://evil.com#https://good.com",
            "HTTPS://GOOD.COM/",
            "https://good.com/{CHECKOUT_SESSION_ID}",
            "javascript:alert(1)",
            "javascript://good.com/%0aalert(1)",
            "data:text/html,x",
            " https://good.com",
            "https://good.com/\u{e9}",
            "https://good.com\t/x",
            "ht\ntps://good.com/",
            "http://localhost",
            "http://localhost:3001",
            "http://127.0.0.1:3000",
        ] {
            assert!(!origins.allow(bad), "{bad:?}");
        }
        assert!(!Origins::default().allow("https://good.com"));
    }

    #[test]
    fn an_origin_is_configured_as_browsers_write_it() {
        for bad in [
            "",
            "good.com",
            "https://good.com/",
            "https://good.com/path",
            "https://good.com:443",
            "https://GOOD.com",
            "ftp://good.com",
            "*",
            "https://*.good.com",
            "https://good.com,",
            "null",
        ] {
            let parsed = Origins::parse(bad);
            assert!(parsed.is_none(), "{bad:?}");
        }
    }
}
