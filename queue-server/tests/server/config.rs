//! Configuration, as an operator meets it.

use crate::support::Installation;

#[tokio::test]
async fn all_bad_values_are_named_at_once_with_a_remedy_and_never_shown() {
    let installation = Installation::empty()
        .with("STRIPE_WEBHOOK_SECRET", "whsec_")
        .with("BILLING_AUDIT_KEY", "leaked-audit-key")
        .with("QUEUE_INTERNAL_TOKEN", "leaked")
        .with("PORT", "leaked-port")
        .with("HOST", "leaked-host")
        .with("DATABASE_URL", "mysql://leaked:leaked@db")
        .with("DATABASE_MAX_CONNECTIONS", "0")
        .with("MIRROR_PUSH_URL", "https://leaked:leaked@app")
        .with("MIRROR_PUSH_SECRET", "leaked")
        .with("STRIPE_PRICE_ID_PRO", "prod_leaked")
        .with("GRACE_PERIOD_DAYS", "0")
        .with("GRACE_FAILED_ATTEMPTS", "-1")
        .with("WEBHOOK_TOLERANCE_SECONDS", "0")
        .with("HTTP_MAX_CONNECTIONS", "0")
        .with("HTTP_IDLE_SECONDS", "leaked")
        .with("PAUSE_COLLECTION_CLOSES", "maybe-leaked")
        .with("STRIPE_LIVEMODE", "leaked")
        .with("STRIPE_ACCOUNT", "leaked")
        .without("STRIPE_PRICE_ID_PRO_PLUS");
    let output = installation.run(&["serve"]).await;
    assert_eq!(output.status.code(), Some(78));
    let told = String::from_utf8(output.stderr).unwrap();
    for variable in [
        "STRIPE_WEBHOOK_SECRET",
        "BILLING_AUDIT_KEY",
        "QUEUE_INTERNAL_TOKEN",
        "PORT",
        "HOST",
        "DATABASE_URL",
        "DATABASE_MAX_CONNECTIONS",
        "MIRROR_PUSH_URL",
        "MIRROR_PUSH_SECRET",
        "STRIPE_PRICE_ID_PRO",
        "STRIPE_PRICE_ID_PRO_PLUS",
        "GRACE_PERIOD_DAYS",
        "GRACE_FAILED_ATTEMPTS",
        "WEBHOOK_TOLERANCE_SECONDS",
        "HTTP_MAX_CONNECTIONS",
        "HTTP_IDLE_SECONDS",
        "PAUSE_COLLECTION_CLOSES",
        "STRIPE_LIVEMODE",
        "STRIPE_ACCOUNT",
    ] {
        let lines = told
            .lines()
            .filter(|line| line.starts_with(&format!("queue-server: {variable} ")));
        assert_eq!(lines.count(), 1, "{variable} in\n{told}");
    }
    assert!(
        !told.contains("leaked") && !told.contains("whsec_,"),
        "{told}"
    );
    assert!(!installation.path("queue.db").exists());
}

#[tokio::test]
async fn no_weak_webhook_secret_starts_a_server() {
    for secret in [
        "",
        " ",
        "whsec_",
        " whsec_ ",
        "whsec_good,",
        "whsec_good,whsec_",
        ",",
    ] {
        let output = Installation::new()
            .with("STRIPE_WEBHOOK_SECRET", secret)
            .run(&["serve"])
            .await;
        assert_eq!(output.status.code(), Some(78), "{secret:?}");
    }
}

#[tokio::test]
async fn one_price_that_buys_two_plans_is_refused() {
    let output = Installation::new()
        .with("STRIPE_PRICE_ID_PRO_PLUS", "price_pro")
        .run(&["serve"])
        .await;
    assert_eq!(output.status.code(), Some(78));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("STRIPE_PRICE_ID_PRO_PLUS")
    );
}

#[tokio::test]
async fn another_audit_key_does_not_continue_the_chain() {
    let installation = Installation::new();
    let server = installation.serve().await;
    server
        .outcome(&crate::support::customer_created(
            "evt_1", "cus_1", "user-1",
        ))
        .await;
    server.kill().await;
    let installation = installation.with("BILLING_AUDIT_KEY", &("0e".repeat(31) + "aa"));
    let output = installation.run(&["serve"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("BILLING_AUDIT_KEY")
    );
}

#[tokio::test]
async fn help_teaches_and_migrate_says_what_it_did() {
    let installation = Installation::empty();
    let help = String::from_utf8(installation.run(&["--help"]).await.stdout).unwrap();
    for word in [
        "serve",
        "migrate",
        "audit",
        "STRIPE_WEBHOOK_SECRET",
        "FLAG_QUEUE_BILLING",
    ] {
        assert!(help.contains(word), "{word} in\n{help}");
    }
    for _ in 0..2 {
        let output = installation.run(&["migrate"]).await;
        assert!(output.status.success());
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "the database is up to date and verified\n"
        );
    }
}

#[tokio::test]
async fn four_servers_that_start_at_once_on_no_database_all_serve() {
    for _ in 0..5 {
        let installation = Installation::empty();
        let servers = tokio::join!(
            installation.serve(),
            installation.serve(),
            installation.serve(),
            installation.serve()
        );
        let servers = [servers.0, servers.1, servers.2, servers.3];
        for (number, server) in servers.iter().enumerate() {
            let id = format!("evt_{number}");
            let created = crate::support::customer_created(&id, &format!("cus_{number}"), "user-1");
            assert_eq!(server.outcome(&created).await, "applied");
        }
        assert!(
            installation
                .run(&["audit", "verify"])
                .await
                .status
                .success()
        );
    }
}

#[tokio::test]
async fn a_database_that_would_forget_what_was_acknowledged_is_refused() {
    for url in [
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite:a?mode=memory",
    ] {
        let installation = Installation::new().with("DATABASE_URL", url);
        let output = installation.run(&["serve"]).await;
        assert_eq!(output.status.code(), Some(78), "{url}");
    }
}

#[tokio::test]
async fn of_two_servers_with_different_audit_keys_only_one_writes() {
    let installation = Installation::new();
    let first = installation.serve().await;
    let installation = installation.with("BILLING_AUDIT_KEY", &("0e".repeat(31) + "aa"));
    let second = installation.serve().await;
    let created = |n: u8| {
        crate::support::customer_created(&format!("evt_{n}"), &format!("cus_{n}"), "user-1")
    };
    assert_eq!(first.outcome(&created(1)).await, "applied");
    let refused = second.deliver(&created(2)).await;
    assert_eq!(refused.status().as_u16(), 503);
    assert_eq!(first.outcome(&created(2)).await, "applied");
}
