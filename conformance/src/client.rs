//! The HTTP client of everything in here that asks something over HTTP.

/// A client of plain HTTP that goes by no proxy.
pub fn client() -> reqwest::ClientBuilder {
    // The server's client needs TLS, and cargo gives all clients of a build the same features. Only
    // the first call of a process installs what they need for it.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().tls_certs_only([])
}
