//! Who may act for a customer (DESIGN's "customer" and "internal").

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::{Customer, Shop};
use crate::support::{Installation, Server, TOKEN};

const OLD: &str = "the-secret-before-of-customer-tokens";
const NEW: &str = "the-secret-of-today-of-customer-tokens";

fn token(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(algorithm), claims, &key).unwrap()
}

fn claims(customer: &str, lifetime: i64) -> Value {
    let now = Timestamp::now().as_second();
    json!({"sub": customer, "aud": "queue", "iat": now, "exp": now + lifetime})
}

fn me(server: &Server) -> RequestBuilder {
    server.client.get(server.url("/api/v1/billing/me"))
}

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn a_customer_token_acts_for_its_subject_and_for_nobody_else() {
    let secrets = format!("{NEW}, {OLD}");
    let installation = Installation::new().with("CUSTOMER_TOKEN_SECRET", &secrets);
    let server = installation.serve().await;
    for secret in [OLD, NEW] {
        let token = token(Algorithm::HS256, secret, &claims("jenny", 300));
        let response = me(&server).bearer_auth(&token).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let shown: Value = response.json().await.unwrap();
        assert_eq!(shown["queue_customer_id"], "jenny");
        let named = |name: &str| {
            me(&server)
                .bearer_auth(&token)
                .header("x-queue-customer-id", name)
        };
        assert_eq!(status(named("jenny")).await, StatusCode::OK);
        assert_eq!(status(named("mallory")).await, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn tokens_that_are_not_exactly_right_are_refused() {
    let installation = Installation::new().with("CUSTOMER_TOKEN_SECRET", NEW);
    let server = installation.serve().await;
    let good = token(Algorithm::HS256, NEW, &claims("jenny", 60));
    let (head, rest) = good.split_once('.').unwrap();
    let (payload, mac) = rest.split_once('.').unwrap();
    let none = base64url(r#"{"alg":"none","typ":"JWT"}"#);
    let without = |field: &str| {
        let mut claims = claims("jenny", 60);
        claims.as_object_mut().unwrap().remove(field);
        token(Algorithm::HS256, NEW, &claims)
    };
    let with = |field: &str, value: Value| {
        let mut claims = claims("jenny", 60);
        claims[field] = value;
        token(Algorithm::HS256, NEW, &claims)
    };
    let mallory = base64url(&claims("mallory", 60).to_string());
    let bad = [
        ("alg none", format!("{none}.{payload}.")),
        ("alg none with a MAC", format!("{none}.{payload}.{mac}")),
        ("no MAC", format!("{head}.{payload}.")),
        ("cut", good[..good.len() - 1].to_owned()),
        (
            "another subject under the MAC",
            format!("{head}.{mallory}.{mac}"),
        ),
        ("HS384", token(Algorithm::HS384, NEW, &claims("jenny", 60))),
        ("HS512", token(Algorithm::HS512, NEW, &claims("jenny", 60))),
        (
            "another secret",
            token(Algorithm::HS256, OLD, &claims("jenny", 60)),
        ),
        ("another audience", with("aud", json!("raptor"))),
        ("no audience", without("aud")),
        ("no expiry", without("exp")),
        ("no subject", without("sub")),
        (
            "expired",
            token(Algorithm::HS256, NEW, &claims("jenny", -10)),
        ),
        (
            "long-lived",
            token(Algorithm::HS256, NEW, &claims("jenny", 400)),
        ),
        ("good for ever", with("exp", json!(i64::MAX))),
        ("expiry as text", with("exp", json!("9999999999"))),
        ("a reserved subject", with("sub", json!("stripe:cus_1"))),
        ("an empty subject", with("sub", json!(""))),
        ("a subject of another type", with("sub", json!(["jenny"]))),
        ("a megabyte", "a".repeat(70_000)),
    ];
    for (what, token) in bad {
        assert_eq!(
            status(me(&server).bearer_auth(&token)).await,
            StatusCode::UNAUTHORIZED,
            "{what}"
        );
    }
    assert_eq!(status(me(&server).bearer_auth(&good)).await, StatusCode::OK);
    assert_eq!(status(me(&server)).await, StatusCode::UNAUTHORIZED);
    let twice = me(&server).bearer_auth(&good).bearer_auth(&good);
    assert_eq!(status(twice).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_internal_caller_names_exactly_one_customer() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    let internal = || me(&server).bearer_auth(TOKEN);
    let header = "x-queue-customer-id";
    assert_eq!(status(internal()).await, StatusCode::UNPROCESSABLE_ENTITY);
    for odd in ["", "stripe:cus_1", "a b", &"a".repeat(249)] {
        assert_eq!(
            status(internal().header(header, odd)).await,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{odd:?}"
        );
    }
    let twice = internal().header(header, "jenny").header(header, "mallory");
    assert_eq!(status(twice).await, StatusCode::UNPROCESSABLE_ENTITY);
    let long = "a".repeat(60_000);
    for token in [
        "",
        " ",
        "token-of-the-test",
        "token-of-the-testsx",
        "wrong",
        "t\u{f6}ken",
        &long,
    ] {
        let request = me(&server).header(header, "jenny");
        let request = request.header("authorization", format!("Bearer {token}"));
        assert_eq!(
            status(request).await,
            StatusCode::UNAUTHORIZED,
            "{}",
            token.len()
        );
    }
    // A head of a megabyte is cut off by the HTTP library: nobody reads what it says.
    let request = me(&server).header(header, "jenny");
    let megabyte = request.bearer_auth("a".repeat(1 << 20)).send().await;
    // Or the connection is gone before all of it is sent.
    assert!(megabyte.is_err() || megabyte.is_ok_and(|it| it.status() == 431));
    // Without CUSTOMER_TOKEN_SECRET nobody's token is good, whatever it was made with.
    for secret in ["", NEW] {
        let token = token(Algorithm::HS256, secret, &claims("jenny", 60));
        assert_eq!(
            status(me(&server).bearer_auth(&token)).await,
            StatusCode::UNAUTHORIZED
        );
    }
    assert_eq!(Customer("jenny").me(&server).await["plan_tier"], "free");
    assert_eq!(shop.calls().len(), 0);
}

fn base64url(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}
