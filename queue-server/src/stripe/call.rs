//! One call: its parameters, its tries, its answer.

use std::time::{Duration, Instant};

use billing_core::id::ClaimId;
use metrics::{counter, histogram};
use reqwest::header::{AUTHORIZATION, HeaderMap, RETRY_AFTER};
use reqwest::{Method, Response, Url};
use serde::de::DeserializeOwned;

use super::answer::is_replayed;
use super::{Answer, Stripe, StripeError};

/// The largest answer that is read: a page of a hundred subscriptions stays far below.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// The key under which Stripe does a thing once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// The key of a step of a claim: the same for whoever takes that step, and whenever.
    #[must_use]
    pub fn of_claim(claim: &ClaimId, step: &str) -> Self {
        Self(format!("queue-{claim}-{step}"))
    }

    /// A key of its own: the tries of this one call share it.
    #[must_use]
    pub fn drawn() -> Self {
        Self(format!("queue-{:032x}", rand::random::<u128>()))
    }
}

/// A call that is yet to be made.
pub(super) struct Call {
    /// What metrics call it.
    name: &'static str,
    method: Method,
    path: Vec<String>,
    parameters: Vec<(String, String)>,
    key: Option<Key>,
}

impl Call {
    pub(super) fn get(name: &'static str, path: &[&str]) -> Self {
        Self::new(name, Method::GET, path)
    }

    pub(super) fn post(name: &'static str, path: &[&str], key: Key) -> Self {
        Self {
            key: Some(key),
            ..Self::new(name, Method::POST, path)
        }
    }

    fn new(name: &'static str, method: Method, path: &[&str]) -> Self {
        Self {
            name,
            method,
            path: path.iter().map(|segment| (*segment).to_owned()).collect(),
            parameters: Vec::new(),
            key: None,
        }
    }

    pub(super) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.parameters.push((name.to_owned(), value.to_string()));
        self
    }

    pub(super) fn with_some(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn url(&self, base: &Url) -> Result<Url, StripeError> {
        let mut url = base.clone();
        url.path_segments_mut()
            .map_err(|()| StripeError::NotReached)?
            .pop_if_empty()
            .push("v1")
            .extend(&self.path);
        Ok(url)
    }
}

/// A try that failed, and what Stripe says about another.
struct Failure {
    error: StripeError,
    should_retry: Option<bool>,
    retry_after: Option<Duration>,
}

impl Failure {
    fn of(error: StripeError) -> Self {
        Self {
            error,
            should_retry: None,
            retry_after: None,
        }
    }
}

impl Stripe {
    /// Makes a call, and makes it again where that may help.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        call: Call,
    ) -> Result<Answer<T>, StripeError> {
        let began = Instant::now();
        let mut tried = 0;
        let result = loop {
            let failure = match self.send_once(&call).await {
                Ok(answer) => break Ok(answer),
                Err(failure) => failure,
            };
            let retries = failure
                .should_retry
                .unwrap_or_else(|| failure.error.is_transient());
            let pause = self.config.pace.pause(tried, failure.retry_after);
            let Some(pause) = pause.filter(|_| retries) else {
                break Err(failure.error);
            };
            counter!("billing_stripe_retries_total", "call" => call.name).increment(1);
            tokio::time::sleep(pause).await;
            tried += 1;
        };
        let code = result.as_ref().map_or_else(|error| error.code(), |_| "ok");
        counter!("billing_stripe_calls_total", "call" => call.name, "result" => code).increment(1);
        histogram!("billing_stripe_seconds", "call" => call.name).record(began.elapsed());
        if let Err(error) = &result {
            tracing::warn!(
                call = call.name,
                code = error.code(),
                "a call to Stripe failed"
            );
        }
        result
    }

    async fn send_once<T: DeserializeOwned>(&self, call: &Call) -> Result<Answer<T>, Failure> {
        let began = Instant::now();
        let url = call.url(&self.config.base).map_err(Failure::of)?;
        let mut request = self
            .client
            .request(call.method.clone(), url)
            .header(AUTHORIZATION, self.config.key.clone())
            .header("Stripe-Version", &self.config.version);
        request = match &call.key {
            Some(key) => request
                .header("Idempotency-Key", &key.0)
                .form(&call.parameters),
            None => request.query(&call.parameters),
        };
        let response = request
            .send()
            .await
            .map_err(|error| Failure::of(StripeError::of_transport(&error)))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read(response).await.map_err(Failure::of)?;
        if !status.is_success() {
            return Err(Failure {
                error: StripeError::of_answer(status, is_replayed(&headers), &body),
                should_retry: should_retry(&headers),
                retry_after: retry_after(&headers),
            });
        }
        match serde_json::from_slice(&body) {
            Ok(object) => Ok(Answer::new(object, body, &headers, began.elapsed())),
            Err(_) => Err(Failure::of(StripeError::Unreadable)),
        }
    }
}

fn should_retry(headers: &HeaderMap) -> Option<bool> {
    headers
        .get("Stripe-Should-Retry")?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

async fn read(mut response: Response) -> Result<Vec<u8>, StripeError> {
    let mut gathered = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(gathered),
            Ok(Some(chunk)) if gathered.len() + chunk.len() <= MAX_ANSWER_BYTES => {
                gathered.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => return Err(StripeError::Unreadable),
            Err(error) => return Err(StripeError::of_transport(&error)),
        }
    }
}
