//! Rows pushed over HTTP to a receiver, signed (M4). What is pushed and answered is told in
//! [`billing_core::mirror::push`].

use std::time::Duration;

use anyhow::Context;
use billing_core::mirror::push::{self, MAX_ANSWER_BYTES, SIGNATURE_HEADER};
use billing_core::mirror::{MirrorRow, MirrorSink, SinkError};
use billing_core::signature::{self, SigningKeys};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, Url, redirect};

use crate::clock;
use crate::config::ReceiverConfig;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a push may take, the connection and its answer with it: less than a lease, so that no
/// other worker sends the same rows meanwhile.
const TIMEOUT: Duration = Duration::from_secs(4);
/// How long a connection is kept for the next push. Servers close theirs after two seconds and
/// more; rows sent into one that just closes would wait for another try.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// A receiver of rows beside the service that gates.
#[derive(Clone)]
pub(crate) struct PushSink {
    client: Client,
    url: Url,
    signing_keys: SigningKeys,
}

/// Why a push was not answered. The error itself may hold the URL, which stays with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unanswered {
    NotReached,
    TimedOut,
    BrokeOff,
    TooLong,
}

impl Unanswered {
    fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::TimedOut
        } else if error.is_connect() {
            Self::NotReached
        } else {
            Self::BrokeOff
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::NotReached => "not_reached",
            Self::TimedOut => "timed_out",
            Self::BrokeOff => "broke_off",
            Self::TooLong => "answer_too_long",
        }
    }
}

impl PushSink {
    pub(crate) fn new(config: &ReceiverConfig) -> anyhow::Result<Self> {
        let builder = if config.url.scheme() == "https" {
            Client::builder()
        } else {
            // Without TLS there need be no certificates on the machine.
            Client::builder().tls_certs_only([])
        };
        let client = builder
            // Whom a redirect names, nobody configured.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(1)
            .build()
            .context("no HTTP client can be made: are the system's root certificates there?")?;
        Ok(Self {
            client,
            url: config.url.clone(),
            signing_keys: config.signing_keys.clone(),
        })
    }

    async fn push(&self, rows: &[MirrorRow]) -> Result<(u16, Vec<u8>), Unanswered> {
        let body = push::encode(rows);
        let signature = signature::sign(&body, &self.signing_keys, clock::now());
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(SIGNATURE_HEADER, signature)
            .body(body);
        let response = request
            .send()
            .await
            .map_err(|error| Unanswered::of(&error))?;
        let status = response.status().as_u16();
        Ok((status, read_body(response).await?))
    }
}

/// Reads an answer that may not be ours, as far as one of ours could go.
async fn read_body(mut response: Response) -> Result<Vec<u8>, Unanswered> {
    let mut gathered = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(gathered),
            Ok(Some(chunk)) if gathered.len() + chunk.len() <= MAX_ANSWER_BYTES => {
                gathered.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => return Err(Unanswered::TooLong),
            Err(error) => return Err(Unanswered::of(&error)),
        }
    }
}

impl MirrorSink for PushSink {
    async fn apply(&self, rows: &[MirrorRow]) -> Result<(), SinkError> {
        match self.push(rows).await {
            Ok((status, body)) => push::read_answer(status, &body).inspect_err(|error| {
                tracing::warn!(status, code = error.code(), "a push was not taken");
            }),
            Err(unanswered) => {
                tracing::warn!(reason = unanswered.code(), "a push was not answered");
                Err(SinkError::Unavailable)
            }
        }
    }
}
