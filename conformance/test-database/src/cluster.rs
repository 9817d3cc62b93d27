//! A PostgreSQL server of a test's own, to be stopped, frozen and filled.
//!
//! `TEST_POSTGRES_BIN` is the folder of its programs and `TEST_POSTGRES_USER` whom they run as
//! (`UID:GID`), where that is not whoever runs the tests: PostgreSQL refuses to be root. `cargo
//! xtask test` sets both.

use std::fs::{self, File};
use std::io::PipeWriter;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const PROGRAMS: &str = "TEST_POSTGRES_BIN";
const USER: &str = "TEST_POSTGRES_USER";
const PATIENCE: Duration = Duration::from_secs(60);
/// Runs the server for as long as standard input is open, so that it ends with the test, however
/// that ends.
const KEEPER: &str = r#"trap '' INT TERM HUP
"$@" &
read -r _
kill -QUIT $! 2>/dev/null
wait"#;

/// A server. What it says is durable is so, as in production.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    user: Option<(u32, u32)>,
    /// Ours, unless the data is on a disk of the test's.
    folder: Option<TempDir>,
    data: PathBuf,
    port: u16,
    keeper: Option<Keeper>,
}

#[derive(Debug)]
struct Keeper {
    shell: Child,
    leash: Option<PipeWriter>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.leash.take());
        // How it ended is of no consequence.
        let _ = self.shell.wait();
    }
}

impl Cluster {
    /// Whether there are programs to run one with.
    #[must_use]
    pub fn is_at_hand() -> bool {
        std::env::var_os(PROGRAMS).is_some()
    }

    /// One that answers.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        // Root's own temporary folder may be closed to others.
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let path = folder.path().to_owned();
        Self::make(&path, Some(folder), &[])
    }

    /// One with its data in a folder that is there. Its journal is made of small files, so that a
    /// small disk has room for it.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_in(folder: &Path) -> Self {
        Self::make(folder, None, &["--wal-segsize=1"])
    }

    fn make(path: &Path, folder: Option<TempDir>, options: &[&str]) -> Self {
        let programs = std::env::var_os(PROGRAMS).expect("TEST_POSTGRES_BIN is set");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut cluster = Self {
            programs: programs.into(),
            user: std::env::var(USER).ok().as_deref().and_then(ids),
            folder,
            data: path.join("data"),
            port: port.local_addr().unwrap().port(),
            keeper: None,
        };
        if let Some((user, group)) = cluster.user {
            std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
        }
        let mut initdb = cluster.as_user("initdb");
        initdb
            .args(["--auth=trust", "--no-sync", "--username=postgres"])
            .args(["--encoding=UTF8", "--locale=C"])
            .args(options)
            .arg("-D")
            .arg(&cluster.data);
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "{made:?}");
        drop(port);
        cluster.start_again();
        cluster
    }

    fn as_user(&self, program: &str) -> Command {
        let mut command = match program {
            "sh" => Command::new(program),
            _ => Command::new(self.programs.join(program)),
        };
        command.current_dir("/");
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    /// Starts it after it was stopped.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        let log_path = std::env::temp_dir().join(format!("cluster-{}.log", self.port));
        let log = File::create(&log_path).unwrap();
        // Nobody needs its name any more.
        fs::remove_file(&log_path).unwrap();
        let (ours, leash) = std::io::pipe().unwrap();
        let mut shell = self.as_user("sh");
        shell
            .args(["-c", KEEPER, "keeper"])
            .arg(self.programs.join("postgres"))
            .arg("-D")
            .arg(&self.data)
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories="])
            .args(["-c", &format!("port={}", self.port)])
            .stdin(ours)
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.keeper = Some(Keeper {
            shell: shell.spawn().unwrap(),
            leash: Some(leash),
        });
        drop(shell);
        self.wait("it answers", |lines| {
            lines.get(7).map(|state| state.trim()) == Some("ready")
        });
    }

    /// Starts it if it has ended by itself.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again_if_it_died(&mut self) {
        if self.pid_file().is_empty() {
            eprintln!("PostgreSQL has ended, and is started again");
            self.keeper = None;
            self.start_again();
        }
    }

    /// The URL of its first database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops it without any good order, as `pg_ctl stop -m immediate` does.
    ///
    /// # Panics
    /// When it does not stop.
    pub fn stop_immediately(&mut self) {
        signal("-QUIT", &[self.first_process()]);
        self.wait("it stops", |lines| lines.is_empty());
        self.keeper = None;
    }

    /// Stops all of its processes where they are: its connections stay, and nobody answers.
    pub fn freeze(&self) {
        // The first one first, so that it makes no more of them.
        let first = self.first_process();
        signal("-STOP", std::slice::from_ref(&first));
        signal("-STOP", &children(&first));
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        let first = self.first_process();
        signal("-CONT", &children(&first));
        signal("-CONT", &[first]);
    }

    fn pid_file(&self) -> Vec<String> {
        let text = fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn first_process(&self) -> String {
        self.pid_file().swap_remove(0)
    }

    fn wait(&self, what: &str, holds: impl Fn(Vec<String>) -> bool) {
        let began = Instant::now();
        while !holds(self.pid_file()) {
            assert!(
                began.elapsed() < PATIENCE,
                "PostgreSQL: not in time: {what}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What is frozen does not hear that it should stop.
        if !self.pid_file().is_empty() {
            self.thaw();
        }
        self.keeper = None;
        // Its files are its user's: whoever may become that user may remove them.
        drop(self.folder.take());
    }
}

fn ids(text: &str) -> Option<(u32, u32)> {
    let (user, group) = text.split_once(':')?;
    Some((user.parse().ok()?, group.parse().ok()?))
}

fn children(parent: &str) -> Vec<String> {
    let all = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
    let all = String::from_utf8(all.unwrap().stdout).unwrap();
    let pairs = all.lines().filter_map(|line| line.trim().split_once(' '));
    pairs
        .filter(|(_, of)| of.trim() == parent)
        .map(|(child, _)| child.to_owned())
        .collect()
}

/// That a process has ended meanwhile is no matter.
fn signal(signal: &str, processes: &[String]) {
    let _ = Command::new("kill").arg(signal).args(processes).output();
}
