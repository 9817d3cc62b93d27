//! A PostgreSQL server for the tests: started on a free port, in a temporary folder, and gone with xtask. The programs
//! are the machine's own, or else fetched.
//!
//! `TEST_POSTGRES_URL` wins where it is set: the tests use that server then, and none is started. Tests that stop, freeze
//! or fill a server start one of their own, with the programs in `TEST_POSTGRES_BIN`, as `TEST_POSTGRES_USER`.

use std::{
    env, fs,
    io::PipeWriter,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    process,
    tools::{POSTGRES, Tools},
    workspace::Workspace,
};

const URL: &str = "TEST_POSTGRES_URL";
const PROGRAMS: &str = "TEST_POSTGRES_BIN";
const USER: &str = "TEST_POSTGRES_USER";
/// How long the server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(30);
/// Runs the server for as long as standard input is open. So it ends with xtask, however that ends: on ctrl-c, which
/// reaches all of them, it is this shell that stays to clean up.
const KEEPER: &str = r#"trap '' INT TERM HUP
"$@" &
server=$!
read -r _
kill -INT "$server" 2>/dev/null
wait "$server"
rm -rf -- "$0""#;

/// What a server does for its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// Nothing: no data outlives the tests.
    None,
    /// What it does in production: that takes its time, which is what is measured.
    AsInProduction,
}

/// A server that answers.
pub(crate) struct Server {
    url: String,
    /// What it is run with, where it is known.
    programs: Option<PathBuf>,
    user: User,
    /// What keeps it; none when it is somebody else's.
    #[expect(dead_code, reason = "keeps it by being there")]
    keeper: Option<Keeper>,
}

struct Keeper {
    process: Child,
    /// Open for as long as the server is wanted.
    leash: Option<PipeWriter>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.leash.take());
        // That it did not end well is of no consequence: the folder is temporary.
        let _ = self.process.wait();
    }
}

impl Server {
    /// The server that the environment names, or else one of our own.
    pub(crate) fn start(workspace: &Workspace, tools: &Tools, care: Care) -> Result<Self> {
        let user = User::of_server()?;
        if let Some(url) = env::var(URL).ok().filter(|url| !url.is_empty()) {
            eprintln!("    {URL} is set: using that server");
            return Ok(Self {
                url,
                programs: programs(),
                user,
                keeper: None,
            });
        }
        let folder = user.make_folder()?;
        let start = || {
            let programs = match programs() {
                Some(programs) => {
                    eprintln!("    {}", programs.join("postgres").display());
                    programs
                }
                None => user.bring(tools.postgres(workspace)?, &folder)?,
            };
            start_in(&folder, programs, user, care)
        };
        start().inspect_err(|_| drop(fs::remove_dir_all(&folder)))
    }

    /// Tells the tests where it is.
    pub(crate) fn export(&self, command: &mut Command) {
        command.env(URL, &self.url);
        if let Some(programs) = &self.programs {
            command.env(PROGRAMS, programs);
        }
        if let Some((user, group)) = self.user.0 {
            command.env(USER, format!("{user}:{group}"));
        }
    }
}

fn start_in(folder: &Path, programs: PathBuf, user: User, care: Care) -> Result<Server> {
    let data = folder.join("data");
    let mut initdb = Command::new(programs.join("initdb"));
    initdb
        .args(["--auth=trust", "--no-sync", "--username=postgres"])
        .args(["--encoding=UTF8", "--locale=C", "-D"])
        .arg(&data)
        .current_dir(folder);
    process::capture(user.becomes(&mut initdb), &POSTGRES)?;

    let port = free_port()?;
    let log_path = folder.join("log");
    let log = fs::File::create(&log_path).context("can't write the server's log")?;
    let (ours, leash) = std::io::pipe().context("can't make a pipe")?;
    let mut keeper = Command::new("sh");
    keeper
        .args(["-c", KEEPER])
        .arg(folder)
        .arg(programs.join("postgres"))
        .arg("-D")
        .arg(&data);
    let careless = ["fsync=off", "full_page_writes=off", "autovacuum=off"];
    for setting in careless.iter().filter(|_| care == Care::None) {
        keeper.args(["-c", setting]);
    }
    for setting in [
        // Many tests run at once.
        "max_connections=300",
        "timezone=UTC",
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
    ] {
        keeper.args(["-c", setting]);
    }
    keeper
        .args(["-c", &format!("port={port}")])
        .current_dir(folder)
        .stdin(ours)
        .stdout(log.try_clone().context("can't write the server's log")?)
        .stderr(log);
    let process = user
        .becomes(&mut keeper)
        .spawn()
        .context("could not start `sh`")?;
    // The command holds an end of the pipe too.
    drop(keeper);
    let keeper = Keeper {
        process,
        leash: Some(leash),
    };
    let began = Instant::now();
    while !answers(&data) {
        if began.elapsed() > PATIENCE {
            let log = fs::read_to_string(&log_path).unwrap_or_default();
            bail!(
                "`postgres` did not come up:\n{}\n{}",
                log.trim_end(),
                POSTGRES.failed
            );
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(Server {
        url: format!("postgres://postgres@127.0.0.1:{port}/postgres"),
        programs: Some(programs),
        user,
        keeper: Some(keeper),
    })
}

/// Whether the server takes connections, by what it says in its pid file: a port that is open is not enough.
fn answers(data: &Path) -> bool {
    let said = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    said.lines()
        .nth(7)
        .is_some_and(|state| state.trim() == "ready")
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr().context("no port is free")?.port())
}

/// The folder with `initdb` and `postgres`. Debian has them where no path leads; of several, the newest.
fn programs() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    folders.push(PathBuf::from("/usr/local/bin"));
    for (parent, below) in [
        ("/usr/lib/postgresql", "bin"),
        ("/opt/homebrew/opt", "bin"),
        ("/usr/local/opt", "bin"),
    ] {
        let versions = fs::read_dir(parent).into_iter().flatten().flatten();
        let mut versions: Vec<(u32, PathBuf)> = versions
            .filter_map(|entry| Some((version(entry.file_name().to_str()?)?, entry.path())))
            .collect();
        versions.sort();
        folders.extend(
            versions
                .into_iter()
                .rev()
                .map(|(_, folder)| folder.join(below)),
        );
    }
    folders.into_iter().find(|folder| {
        folder.is_absolute()
            && ["initdb", "postgres"]
                .iter()
                .all(|name| folder.join(name).is_file())
    })
}

/// The version that the name of an installation's folder says: `17`, `postgresql@17`.
fn version(folder: &str) -> Option<u32> {
    let version = folder.strip_prefix("postgresql@").unwrap_or(folder);
    version.parse().ok()
}

/// Whom the server runs as: it refuses to be root.
#[derive(Clone, Copy)]
struct User(Option<(u32, u32)>);

impl User {
    fn of_server() -> Result<Self> {
        if id(&["-u"])? != 0 {
            return Ok(Self(None));
        }
        for name in ["postgres", "nobody"] {
            if let (Ok(user), Ok(group)) = (id(&["-u", name]), id(&["-g", name])) {
                return Ok(Self(Some((user, group))));
            }
        }
        bail!(
            "PostgreSQL does not run as root, and there is no user postgres or nobody to run it as"
        )
    }

    /// A temporary folder of the user's.
    fn make_folder(&self) -> Result<PathBuf> {
        // Root's own temporary folder may be closed to others.
        let parent = match self.0 {
            Some(_) => PathBuf::from("/tmp"),
            None => env::temp_dir(),
        };
        let folder = parent.join(format!("xtask-postgres-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        self.give(&folder)?;
        Ok(folder)
    }

    /// The folder of a fetched program, at a place that the user may read: the build folder may not be one.
    fn bring(&self, program: PathBuf, folder: &Path) -> Result<PathBuf> {
        let programs = program.parent().context("a program is in a folder")?;
        let Some((user, _)) = self.0 else {
            return Ok(programs.to_owned());
        };
        let package = programs
            .ancestors()
            .nth(3)
            .context("a package is in a folder")?;
        let copy = folder.join("site");
        let mut cp = Command::new("cp");
        process::capture(cp.arg("-R").arg(package).arg(&copy), &POSTGRES)?;
        // Theirs, or they could not remove it in the end.
        let mut chown = Command::new("chown");
        chown.arg("-R").arg(user.to_string()).arg(&copy);
        process::capture(&mut chown, &POSTGRES)?;
        let below = programs
            .strip_prefix(package)
            .context("it is in the package")?;
        Ok(copy.join(below))
    }

    #[cfg(unix)]
    fn give(&self, folder: &Path) -> Result<()> {
        let Some((user, group)) = self.0 else {
            return Ok(());
        };
        std::os::unix::fs::chown(folder, Some(user), Some(group))
            .with_context(|| format!("can't give {} away", folder.display()))
    }

    #[cfg(unix)]
    fn becomes<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        use std::os::unix::process::CommandExt as _;

        match self.0 {
            Some((user, group)) => command.uid(user).gid(group),
            None => command,
        }
    }

    #[cfg(not(unix))]
    fn give(&self, _: &Path) -> Result<()> {
        bail!("no server is started on this system: set {URL}")
    }

    #[cfg(not(unix))]
    fn becomes<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
    }
}

fn id(args: &[&str]) -> Result<u32> {
    let answer = process::capture(Command::new("id").args(args), &POSTGRES)?;
    answer
        .trim()
        .parse()
        .context("`id` does not print a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(version("9") < version("17"));
        assert_eq!(version("postgresql@17"), Some(17));
        assert_eq!(version("postgresql"), None);
    }

    #[test]
    fn a_server_is_ready_when_it_says_so() {
        let folder = env::temp_dir().join(format!("xtask-answers-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let pid_file = folder.join("postmaster.pid");
        for (text, ready) in [
            ("1\n/data\n0\n5432\n\n127.0.0.1\n 1 2\nstarting\n", false),
            ("1\n/data\n0\n5432\n\n127.0.0.1\n 1 2\nready   \n", true),
        ] {
            fs::write(&pid_file, text).unwrap();
            assert_eq!(answers(&folder), ready);
        }
        fs::remove_dir_all(&folder).unwrap();
        assert!(!answers(&folder));
    }
}
