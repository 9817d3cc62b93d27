//! A proxy before PostgreSQL that breaks connections on purpose: at COMMIT, or into silence.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Where the next COMMIT breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nowhere.
    Never = 0,
    /// Before the server gets it.
    Before = 1,
    /// After the server got it, and before its answer.
    After = 2,
}

/// A proxy that runs while the test does.
pub(crate) struct Proxy {
    next: Arc<AtomicU8>,
    silence: watch::Sender<()>,
    port: u16,
}

impl Proxy {
    /// Before the server of a URL.
    pub(crate) async fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let next = Arc::new(AtomicU8::new(Cut::Never as u8));
        let cut = Arc::clone(&next);
        let (silence, silenced) = watch::channel(());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, cut) = (server.clone(), Arc::clone(&cut));
                let mut silenced = silenced.clone();
                silenced.mark_unchanged();
                // A connection that breaks is what this is for.
                tokio::spawn(async move { drop(pass(client, &server, &cut, silenced).await) });
            }
        });
        Self {
            next,
            silence,
            port,
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Breaks the next COMMIT, and no other.
    pub(crate) fn arm(&self, cut: Cut) {
        self.next.store(cut as u8, Ordering::SeqCst);
    }

    /// Lets all connections go silent, as if the server's host were gone without a word and
    /// another one had its address. New ones pass.
    pub(crate) fn silence(&self) {
        self.silence.send_replace(());
    }

    pub(crate) fn has_cut(&self) -> bool {
        self.next.load(Ordering::SeqCst) == Cut::Never as u8
    }
}

async fn pass(
    client: TcpStream,
    server: &str,
    next: &AtomicU8,
    mut silenced: watch::Receiver<()>,
) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let silent = AtomicBool::new(false);
    let answers = async {
        let mut bytes = vec![0; 65_536];
        loop {
            let read = from_server.read(&mut bytes).await?;
            if read == 0 {
                return Ok(());
            }
            if !silent.load(Ordering::SeqCst) {
                to_client.write_all(&bytes[..read]).await?;
            }
        }
    };
    let requests = async {
        let mut bytes = vec![0; 65_536];
        loop {
            let read = from_client.read(&mut bytes).await?;
            if read == 0 {
                return Ok(());
            }
            let commits = bytes[..read].windows(6).any(|word| word == b"COMMIT");
            let cut = if commits {
                next.swap(Cut::Never as u8, Ordering::SeqCst)
            } else {
                0
            };
            if cut == Cut::Before as u8 {
                return Ok(());
            }
            silent.store(cut == Cut::After as u8, Ordering::SeqCst);
            to_server.write_all(&bytes[..read]).await?;
            if cut == Cut::After as u8 {
                // The server has it: what it answers, nobody hears.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                return Ok(());
            }
        }
    };
    // Whichever side ends takes the other with it.
    tokio::select! {
        biased;
        result = requests => return result,
        result = answers => return result,
        _ = silenced.changed() => {}
    }
    drop((from_server, to_server));
    tokio::io::copy(&mut from_client, &mut tokio::io::sink()).await?;
    Ok(())
}
