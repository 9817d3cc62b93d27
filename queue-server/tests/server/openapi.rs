//! `GET /api/openapi.json` and `/docs`: the description says what the server does.

use std::collections::{BTreeMap, BTreeSet};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::money::{Shop, prepared};
use crate::support::{Installation, SECRET, Server, TOKEN};

const DESCRIPTION: &str = "/api/openapi.json";
const ERRORS: &str = include_str!("../../../docs/ERRORS.md");
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/openapi");
const CUSTOMER_SECRET: &str = "the-secret-of-tokens-of-customers";
const PROBLEM: &str = "application/problem+json";

async fn description(server: &Server) -> Value {
    let answer = server.get(DESCRIPTION).await;
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

/// Method, path and description of each operation.
fn operations(description: &Value) -> Vec<(Method, &str, &Value)> {
    let paths = description["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| {
            let method = method.to_uppercase().parse().unwrap();
            (method, path.as_str(), operation)
        })
    });
    each.collect()
}

fn request(server: &Server, method: Method, path: &str) -> RequestBuilder {
    let url = server.url(&path.replace("{id}", "evt_1"));
    server.client.request(method, url)
}

/// The status is described, and of a problem the code too.
async fn assert_described(operation: &Value, answer: Response) {
    let id = operation["operationId"].as_str().unwrap();
    let status = answer.status();
    let response = &operation["responses"][status.as_str()];
    let content_type = answer.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
    let content = &response["content"][&content_type];
    assert!(content.is_object(), "{id}: {status} {content_type}");
    if content_type == PROBLEM {
        let problem: Value = answer.json().await.unwrap();
        let code = problem["code"].as_str().unwrap();
        assert!(
            content["examples"][code].is_object(),
            "{id}: {status} {code}"
        );
    }
}

#[tokio::test]
async fn every_path_answers_as_it_is_described() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let description = description(&server).await;
    assert_eq!(description["openapi"], "3.1.0");
    let operations = operations(&description);
    assert_eq!(operations.len(), 24);
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations {
        assert!(ids.insert(operation["operationId"].as_str().unwrap()));
        let answer = request(&server, method.clone(), path)
            .bearer_auth(TOKEN)
            .header("x-queue-customer-id", "jenny")
            .send()
            .await
            .unwrap();
        assert_ne!(
            answer.status(),
            StatusCode::METHOD_NOT_ALLOWED,
            "{method} {path}"
        );
        // Codes that are described are none of a path that is not there.
        assert_described(operation, answer).await;
        let answer = request(&server, method, path).send().await.unwrap();
        let secured = operation.get("security").is_some();
        assert_eq!(
            answer.status() == StatusCode::UNAUTHORIZED,
            secured,
            "{path}"
        );
        assert_described(operation, answer).await;
    }
}

/// Whatever is served is described: `routes!` takes both, and there is no other way into the router.
#[test]
fn no_path_gets_into_the_router_without_its_description() {
    let map = include_str!("../../src/http.rs");
    assert_eq!(map.matches("routes!(").count(), 24);
    assert!(!map.contains(".route(") && !map.contains(".nest"));
}

#[tokio::test]
async fn requests_and_answers_are_described_to_the_last_field() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let description = description(&server).await;
    let schemas = &description["components"]["schemas"];
    for body in [
        "Subscribe",
        "Checkout",
        "CheckoutReturn",
        "Portal",
        "NewPlan",
        "MirrorSync",
    ] {
        assert_eq!(schemas[body]["additionalProperties"], false, "{body}");
    }
    // Answers have every field, but for one.
    for (name, schema) in schemas.as_object().unwrap() {
        let optional = match name.as_str() {
            "Subscribe" | "MirrorSync" | "PlanChange" => 1,
            _ => 0,
        };
        let fields = schema["properties"]
            .as_object()
            .map_or(0, serde_json::Map::len);
        let required = schema["required"].as_array().map_or(0, Vec::len);
        assert_eq!(fields - required, optional, "{name}");
    }
    let end = &schemas["Me"]["properties"]["current_period_end"];
    assert_eq!(end["type"], json!(["string", "null"]));
    assert_eq!(end["format"], "date-time");
    let limit = &description["paths"]["/internal/v1/mirror"]["get"]["parameters"][0];
    assert_eq!(
        limit["schema"],
        json!({"type": "integer", "format": "int32", "default": 100, "minimum": 1, "maximum": 500})
    );
}

/// Codes and statuses of the server, as the documentation has them.
fn documented() -> BTreeMap<String, u64> {
    let section = ERRORS
        .split("\n## ")
        .find(|part| part.starts_with("queue-server"));
    let rows = section
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("| `"));
    let codes = rows.flat_map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let status = cells[2].trim().parse().unwrap();
        let codes = cells[1].split('`').skip(1).step_by(2);
        codes.map(move |code| (code.to_owned(), status))
    });
    codes.collect()
}

#[tokio::test]
async fn every_code_of_the_documentation_is_described_and_no_other() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let description = description(&server).await;
    let examples = description["components"]["examples"].as_object().unwrap();
    let mut described: BTreeMap<String, u64> = examples
        .values()
        .map(|example| &example["value"])
        .map(|problem| {
            let code = problem["code"].as_str().unwrap().to_owned();
            (code, problem["status"].as_u64().unwrap())
        })
        .collect();
    // Of what is not there, there is no description.
    described.insert("not_found".to_owned(), 404);
    described.insert("method_not_allowed".to_owned(), 405);
    assert_eq!(described, documented());
}

#[tokio::test]
async fn it_is_public_and_comes_from_the_server_alone_also_while_billing_is_off() {
    let installation = Installation::new().without("FLAG_QUEUE_BILLING");
    let server = installation.serve().await;
    assert!(description(&server).await["paths"].is_object());
    let page = server.get("/docs").await;
    assert_eq!(page.url().path(), "/docs/");
    let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"));
    let page = page.text().await.unwrap();
    let settings = server.get("/docs/swagger-initializer.js").await;
    let settings = settings.text().await.unwrap();
    assert!(settings.contains(DESCRIPTION), "{settings}");
    assert!(settings.contains(r#""validatorUrl": "none""#), "{settings}");
    let named = page
        .split('"')
        .filter(|text| text.ends_with(".js") || text.ends_with(".css"));
    let named: Vec<&str> = named.collect();
    assert_eq!(named.len(), 5, "{page}");
    for file in named {
        let file = file.trim_start_matches("./");
        assert!(!file.contains('/'), "{file} is elsewhere");
        let answer = server.get(&format!("/docs/{file}")).await;
        assert_eq!(answer.status(), StatusCode::OK, "{file}");
    }
    for nothing in [
        "/docs/none.js",
        "/docs/..%2fmain.rs",
        "/docs/a/b",
        "/docs/%ff",
    ] {
        let answer = server.get(nothing).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{nothing}");
        assert_eq!(answer.headers().get(LOCATION), None);
        assert_eq!(answer.headers()[CONTENT_TYPE], PROBLEM, "{nothing}");
    }
}

/// What the developer command says of Python with schemathesis and a generator; a test is skipped without it.
fn python(test: &str) -> Option<Command> {
    let Some(python) = std::env::var_os("OPENAPI_PYTHON") else {
        eprintln!("SKIPPED {test}: OPENAPI_PYTHON does not name what reads the description");
        return None;
    };
    let mut command = Command::new(python);
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONPATH", SCRIPTS)
        .kill_on_drop(true);
    Some(command)
}

async fn assert_succeeds(command: &mut Command, shop: &Shop) {
    let folder = shop.installation.path("");
    let output = command.current_dir(folder).output().await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{complaints}");
    println!("{told}");
}

/// Sends what the description allows and what it does not, and looks at every answer.
async fn try_with(mut schemathesis: Command, headers: &[&str]) {
    let shop = prepared().await;
    // A machine that has much else to do must not look like a Stripe that can't be asked.
    let shop = shop
        .with("CUSTOMER_TOKEN_SECRET", CUSTOMER_SECRET)
        .with("STRIPE_TIMEOUT_SECONDS", "20");
    let server = shop.serve().await;
    let settings = format!("{SCRIPTS}/schemathesis.toml");
    schemathesis
        .args(["-m", "schemathesis.cli", "--config-file", &settings, "run"])
        .arg(server.url(DESCRIPTION))
        .arg("--no-color")
        .args(headers.iter().flat_map(|header| ["--header", header]))
        .env("STRIPE_WEBHOOK_SECRET", SECRET);
    assert_succeeds(&mut schemathesis, &shop).await;
}

#[tokio::test]
async fn schemathesis_finds_nothing_with_an_internal_token() {
    let test = "schemathesis_finds_nothing_with_an_internal_token";
    if let Some(schemathesis) = python(test) {
        let token = format!("Authorization: Bearer {TOKEN}");
        try_with(schemathesis, &[&token, "X-Queue-Customer-Id: jenny"]).await;
    }
}

#[tokio::test]
async fn schemathesis_finds_nothing_with_a_customers_token() {
    let test = "schemathesis_finds_nothing_with_a_customers_token";
    if let Some(schemathesis) = python(test) {
        let expires_at = jiff::Timestamp::now().as_second() + 300;
        let claims = json!({"sub": "jenny", "aud": "queue", "exp": expires_at});
        let key = EncodingKey::from_secret(CUSTOMER_SECRET.as_bytes());
        let token = encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
        try_with(schemathesis, &[&format!("Authorization: Bearer {token}")]).await;
    }
}

#[tokio::test]
async fn schemathesis_finds_nothing_without_a_token() {
    let test = "schemathesis_finds_nothing_without_a_token";
    if let Some(schemathesis) = python(test) {
        try_with(schemathesis, &[]).await;
    }
}

#[tokio::test]
async fn a_generated_client_works() {
    if let Some(mut python) = python("a_generated_client_works") {
        let shop = Shop::open().await;
        let server = shop.serve().await;
        let script = format!("{SCRIPTS}/generated_client.py");
        assert_succeeds(python.args([&script, &server.url, TOKEN]), &shop).await;
    }
}
