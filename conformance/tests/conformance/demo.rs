//! The demonstration itself: it checks every row that it shows, and fails when one differs.

use tokio::process::Command;

/// Runs the demonstration with or without the official CLI; nothing when its programs are not built.
async fn run(test: &str, stripe_cli: Option<&str>, arguments: &[&str]) -> Option<String> {
    let Ok(bin_dir) = std::env::var("BILLING_BIN_DIR") else {
        eprintln!("SKIPPED {test}: BILLING_BIN_DIR does not name the folder with the programs");
        return None;
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command
        .env_remove("STRIPE_CLI_BIN")
        .args(["--bin-dir", &bin_dir])
        .args(arguments)
        .kill_on_drop(true);
    if let Some(path) = stripe_cli {
        command.args(["--stripe-cli", path]);
    }
    let output = command.output().await.unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(told)
}

#[tokio::test]
async fn the_demonstration_is_as_it_should_be_with_the_official_cli() {
    let test = "the_demonstration_is_as_it_should_be_with_the_official_cli";
    let Ok(stripe_cli) = std::env::var("STRIPE_CLI_BIN") else {
        eprintln!("SKIPPED {test}: STRIPE_CLI_BIN does not name the official Stripe CLI");
        return;
    };
    if let Some(told) = run(test, Some(&stripe_cli), &[]).await {
        assert!(
            told.contains("the official Stripe CLI")
                && told.contains("All of it is as it should be.")
        );
    }
}

#[tokio::test]
async fn the_demonstration_is_the_same_without_the_official_cli() {
    let test = "the_demonstration_is_the_same_without_the_official_cli";
    if let Some(told) = run(test, None, &[]).await {
        assert!(
            told.contains("the simulator's own driver")
                && told.contains("All of it is as it should be.")
        );
        assert!(told.contains("the audit chain is whole"));
    }
}

#[tokio::test]
async fn the_demonstration_is_the_same_on_postgresql() {
    let test = "the_demonstration_is_the_same_on_postgresql";
    let Ok(server) = std::env::var("TEST_POSTGRES_URL") else {
        eprintln!("SKIPPED {test}: TEST_POSTGRES_URL does not name a PostgreSQL server");
        return;
    };
    let database = format!("demo_{}", std::process::id());
    let pool = sqlx::PgPool::connect(&server).await.unwrap();
    for statement in ["drop database if exists", "create database"] {
        let statement = sqlx::AssertSqlSafe(format!("{statement} {database}"));
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    let url = format!("{}/{database}", server.rsplit_once('/').unwrap().0);
    if let Some(told) = run(test, None, &["--database-url", &url]).await {
        assert!(told.contains("All of it is as it should be."));
    }
    let statement = sqlx::AssertSqlSafe(format!("drop database {database} with (force)"));
    sqlx::query(statement).execute(&pool).await.unwrap();
}
