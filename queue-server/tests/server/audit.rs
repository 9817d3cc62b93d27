//! `queue-server audit head | export | verify`.

use serde_json::Value;
use test_database::Engine;

use crate::support::{Installation, customer_created, subscription_created};

async fn with_a_chain() -> Installation {
    let installation = Installation::new();
    let server = installation.serve().await;
    server
        .outcome(&customer_created("evt_1", "cus_1", "user-1"))
        .await;
    server
        .outcome(&subscription_created("evt_2", "cus_1", "active"))
        .await;
    server.kill().await;
    installation
}

#[tokio::test]
async fn a_whole_chain_verifies_and_exports_row_by_row() {
    let installation = with_a_chain().await;
    let rows = installation
        .count("select count(*) from billing_action_log")
        .await;
    assert_eq!(rows, 4);
    let verify = installation.run(&["audit", "verify"]).await;
    assert!(verify.status.success(), "{verify:?}");
    let head: Value =
        serde_json::from_slice(&installation.run(&["audit", "head"]).await.stdout).unwrap();
    let export = String::from_utf8(installation.run(&["audit", "export"]).await.stdout).unwrap();
    let lines: Vec<Value> = export
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(
        (&head["seq"], &head["mac"]),
        (&lines[3]["seq"], &lines[3]["mac"])
    );
    assert!(!export.contains("jenny"), "personal data in the chain");
}

#[tokio::test]
async fn tampering_is_found_with_its_place_and_kind() {
    let cases = [
        (
            "update billing_action_log set subject = 'cus_2' where seq = 2",
            "seq 2: columns_differ",
        ),
        (
            "update billing_action_log set recorded_at = '2027-01-15 08:00:00.000000' where seq = 2",
            "seq 2: columns_differ",
        ),
        (
            // To what does not even read, where a column takes that.
            Engine::chosen().pick(
                "update billing_action_log set recorded_at = 'x' where seq = 2",
                "update billing_action_log set recorded_at = 'infinity' where seq = 2",
            ),
            "seq 2: columns_differ",
        ),
        (
            Engine::chosen().pick(
                "update billing_action_log
                 set preimage = unhex(replace(hex(preimage), '6375735F31', '6375735F32')) where seq = 1",
                "update billing_action_log
                 set preimage = decode(replace(encode(preimage, 'hex'), '6375735f31', '6375735f32'), 'hex')
                 where seq = 1",
            ),
            "seq 1: altered",
        ),
        ("delete from billing_action_log where seq = 2", "seq 2: gap"),
        (
            "delete from billing_action_log where seq = 4",
            "seq 4: head_differs",
        ),
        ("delete from billing_action_log", "seq 1: head_differs"),
        (
            "update billing_chain set seq = 3, mac = (select mac from billing_action_log where seq = 3)",
            "seq 4: head_differs",
        ),
    ];
    for (tampering, expected) in cases {
        let installation = with_a_chain().await;
        let triggers = installation.engine().pick(
            "drop trigger billing_action_log_no_update; drop trigger billing_action_log_no_delete",
            "drop trigger billing_action_log_no_update on billing_action_log;
             drop trigger billing_action_log_no_delete on billing_action_log",
        );
        installation.meddle(triggers).await.unwrap();
        installation.meddle(tampering).await.unwrap();
        let verify = installation.run(&["audit", "verify"]).await;
        assert_eq!(verify.status.code(), Some(1), "{tampering}");
        let told = String::from_utf8(verify.stderr).unwrap();
        assert!(told.contains(expected), "{tampering}: {told}");
    }
}

#[tokio::test]
async fn the_log_refuses_updates_and_deletes() {
    let installation = with_a_chain().await;
    for statement in [
        "update billing_action_log set subject = 'x'",
        "delete from billing_action_log",
    ] {
        let error = installation.meddle(statement).await.unwrap_err();
        assert!(error.to_string().contains("insert-only"), "{error}");
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_not_made() {
    let installation = Installation::new();
    let absent = installation.absent_database();
    let installation = installation.with("DATABASE_URL", &absent);
    for command in ["head", "export", "verify"] {
        let output = installation.run(&["audit", command]).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(
            String::from_utf8(output.stderr)
                .unwrap()
                .contains("DATABASE_URL")
        );
    }
    assert!(test_database::connect(&absent).await.is_err());
}
