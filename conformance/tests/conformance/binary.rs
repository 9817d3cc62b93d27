//! The simulator as a program of its own.

use std::process::Stdio;
use std::time::Duration;

use conformance::driver::FixtureRunner;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::receiver::Receiver;

#[tokio::test]
async fn the_program_prints_its_address_delivers_and_stops_on_sigterm() {
    let receiver = Receiver::answering(&[]).await;
    let mut program = Command::new(env!("CARGO_BIN_EXE_stripe-simulator"))
        .args(["--seed", "3", "--api-version", "2024-06-20"])
        .args(["--webhook", &receiver.url, "--secret", "whsec_program"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let address = lines.next_line().await.unwrap().unwrap();
    FixtureRunner::new(address)
        .unwrap()
        .trigger("customer.created")
        .await
        .unwrap();
    while receiver.received().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(receiver.received()[0].event()["api_version"], "2024-06-20");
    let process = program.id().unwrap().to_string();
    Command::new("kill")
        .args(["-TERM", &process])
        .status()
        .await
        .unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(10), program.wait()).await;
    assert!(stopped.unwrap().unwrap().success());
}

#[tokio::test]
async fn a_webhook_without_a_secret_is_refused() {
    let program = Command::new(env!("CARGO_BIN_EXE_stripe-simulator"))
        .args(["--webhook", "http://127.0.0.1:1/"])
        .output();
    let output = program.await.unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("one --secret for each --webhook"));
}
