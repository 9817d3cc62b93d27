//! Answers requests as the tower layer does, for whoever compares another skin with it.
//!
//! The first line of standard input is the gate: `{"mirror": URL, "default_tier", "gate": [[pattern, tier]],
//! "exempt": [pattern]}`. Each further line is a request: `{"path", "raw_path", "mount", "customer",
//! "content_type"}`, all but the path may be null. Each gets a line: `{"status", "headers", "body"}`, or
//! `{"handled": true}` where it reached the handler.

use std::convert::Infallible;
use std::io::{BufRead, Write};

use anyhow::Context;
use http::{Request, Response, request::Parts};
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_paywall::{CustomerId, Gate, OriginalPath, PaywallLayer, Routes, SqlMirror, Tier};

#[derive(Deserialize)]
struct Settings {
    mirror: String,
    default_tier: Option<String>,
    gate: Vec<(String, String)>,
    exempt: Vec<String>,
}

impl Settings {
    fn routes(&self) -> anyhow::Result<Routes> {
        let mut routes = match &self.default_tier {
            Some(tier) => Routes::gated_by_default(Tier::parse(tier)?),
            None => Routes::open_by_default(),
        };
        for (pattern, tier) in &self.gate {
            routes = routes.gate(pattern, Tier::parse(tier)?)?;
        }
        for pattern in &self.exempt {
            routes = routes.exempt(pattern)?;
        }
        Ok(routes)
    }
}

#[derive(Deserialize)]
struct Asked {
    path: String,
    raw_path: Option<String>,
    mount: Option<String>,
    customer: Option<String>,
    content_type: Option<String>,
}

impl Asked {
    fn request(self) -> anyhow::Result<Request<()>> {
        let mut request = Request::get(&self.path);
        if let Some(content_type) = &self.content_type {
            request = request.header("content-type", content_type);
        }
        let mut request = request.body(())?;
        let original = OriginalPath::new(self.raw_path.unwrap_or(self.path));
        let original = match self.mount {
            Some(mount) => original.mounted_at(mount),
            None => original,
        };
        request.extensions_mut().insert(original);
        if let Some(customer) = self.customer.and_then(|id| CustomerId::parse(id).ok()) {
            request.extensions_mut().insert(customer);
        }
        Ok(request)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut lines = std::io::stdin().lock().lines();
    let settings = lines.next().context("no line says what the gate is")??;
    let settings: Settings = serde_json::from_str(&settings)?;
    let mirror = SqlMirror::open(&settings.mirror)?.coalescing(1);
    let paywall = PaywallLayer::new(
        mirror,
        Gate::new(Tier::parse("pro")?)?.with_upgrade_url("/pricing"),
    )
    .routes(settings.routes()?)?
    .identity(|request: &Parts| request.extensions.get().cloned());
    let service = paywall.layer(service_fn(async |_: Request<()>| {
        let mut response = Response::new(Full::<bytes::Bytes>::default());
        response.extensions_mut().insert(Handled);
        Ok::<_, Infallible>(response)
    }));
    let mut answers = std::io::BufWriter::new(std::io::stdout().lock());
    for line in lines {
        let asked: Asked = serde_json::from_str(&line?)?;
        let response = service.clone().oneshot(asked.request()?).await?;
        let answer = told(response).await?;
        writeln!(answers, "{answer}")?;
    }
    Ok(answers.flush()?)
}

/// Left by the handler.
#[derive(Clone)]
struct Handled;

async fn told<B>(response: Response<B>) -> anyhow::Result<Value>
where
    B: http_body::Body<Data = bytes::Bytes, Error: std::error::Error + Send + Sync + 'static>,
{
    if response.extensions().get::<Handled>().is_some() {
        return Ok(json!({ "handled": true }));
    }
    let (parts, body) = response.into_parts();
    let headers: Vec<_> = parts
        .headers
        .iter()
        .map(|(name, value)| anyhow::Ok((name.as_str().to_owned(), value.to_str()?.to_owned())))
        .collect::<Result<_, _>>()?;
    let body = body.collect().await?.to_bytes();
    Ok(json!({
        "status": parts.status.as_u16(),
        "headers": headers,
        "body": std::str::from_utf8(&body)?,
    }))
}
