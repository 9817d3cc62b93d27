//! Which path a request came with, where a layer in front has changed it.

/// The path that a request came with, for a paywall behind something that rewrites paths.
///
/// Whatever rewrites leaves it in the request's extensions. The paywall then looks at both paths,
/// with and without the mount prefix: gated if any is, exempt only if all are (P4). So it can close
/// more, never open.
///
/// ```
/// use tower_paywall::OriginalPath;
///
/// let mut request = http::Request::new(());
/// *request.uri_mut() = http::Uri::from_static("/daily"); // was /reports/daily
/// request.extensions_mut().insert(OriginalPath::new("/reports/daily").mounted_at("/reports"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalPath {
    path: String,
    mount: Option<String>,
}

impl OriginalPath {
    /// The path of the request line, still percent-encoded.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            mount: None,
        }
    }

    /// The same path to an application that is mounted under a prefix.
    #[must_use]
    pub fn mounted_at(self, prefix: impl Into<String>) -> Self {
        Self {
            mount: Some(prefix.into()),
            ..self
        }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn mount(&self) -> Option<&str> {
        self.mount.as_deref()
    }
}
