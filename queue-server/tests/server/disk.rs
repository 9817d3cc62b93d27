//! A disk that is full: nothing is acknowledged that is not kept, nothing is damaged, and it goes on
//! by itself when there is room again.

use std::time::Duration;

use test_database::{Cluster, Engine, SmallDisk, TestDatabase};

use crate::kill::{deliver_all, events};
use crate::load::{Load, assert_alive, assert_nothing_lost};
use crate::outage::has_cluster;
use crate::support::{Installation, eventually};

/// How often it runs full.
const ROUNDS: usize = 3;

fn small_disk(mebibytes: u32) -> Option<SmallDisk> {
    let disk = SmallDisk::mount(mebibytes);
    if disk.is_none() {
        eprintln!("SKIPPED: no disk may be mounted here");
    }
    disk
}

/// Fills the disk under load, several times. `recover` does what its operator would once there is
/// room again.
async fn run_full(installation: &Installation, disk: &SmallDisk, mut recover: impl FnMut()) {
    let server = installation.serve().await;
    let events = events();
    let share = events.len() / (ROUNDS + 1);
    assert_eq!(deliver_all(&server, &events[..share]).await.len(), share);
    for round in 1..=ROUNDS {
        let events = &events[..share * (round + 1)];
        // What is known already needs no room. So some of the new events wait until there is none.
        let (early, late) = events.split_at(share * round + share / 4);
        let under_way = Load::start(&server, early);
        disk.fill();
        let arriving = Load::start(&server, late);
        eventually("new events are refused", async || arriving.was_refused()).await;
        assert_alive(&server).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        disk.free();
        eventually("it goes on", async || {
            recover();
            deliver_all(&server, late).await.len() == late.len()
        })
        .await;
        let mut sent = under_way.end().await;
        sent.add(arriving.end().await);
        assert_nothing_lost(installation, &server, events, &sent).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_sqlite_is_a_503_and_harms_nothing() {
    if Engine::chosen() != Engine::Sqlite {
        eprintln!("SKIPPED: this run is about PostgreSQL");
        return;
    }
    let Some(disk) = small_disk(64) else { return };
    let url = format!("sqlite://{}", disk.path().join("queue.db").display());
    let installation = Installation::on(TestDatabase::at(url));
    run_full(&installation, &disk, || {}).await;
    let whole = "select count(*) from pragma_integrity_check where integrity_check = 'ok'";
    assert_eq!(installation.count(whole).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_postgresql_is_a_503_and_harms_nothing() {
    if !has_cluster() {
        return;
    }
    let Some(disk) = small_disk(80) else { return };
    let mut cluster = Cluster::start_in(disk.path());
    let installation = Installation::on(TestDatabase::at(cluster.url()));
    // It may have died of it: its journal can't be written.
    run_full(&installation, &disk, || cluster.start_again_if_it_died()).await;
}
