//! A proxy before PostgreSQL that breaks connections on purpose: at COMMIT, or into silence.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Where a COMMIT breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Before the server gets it.
    Before,
    /// After the server got it, and before its answer.
    After,
}

/// A COMMIT to be broken: that of the transaction in which these bytes were sent.
struct Armed {
    cut: Cut,
    mention: Vec<u8>,
}

type Next = Arc<Mutex<Option<Armed>>>;

/// A proxy that runs while the test does.
pub(crate) struct Proxy {
    next: Next,
    silence: watch::Sender<()>,
    port: u16,
}

impl Proxy {
    /// Before the server of a URL.
    pub(crate) async fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let next = Next::default();
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

    /// Breaks the COMMIT of the transaction that takes an event, and no other: workers commit too.
    pub(crate) fn arm(&self, cut: Cut, event_id: &str) {
        let mention = format!("\"{event_id}\"").into_bytes();
        *self.next.lock().unwrap() = Some(Armed { cut, mention });
    }

    /// Lets all connections go silent, as if the server's host were gone without a word and
    /// another one had its address. New ones pass.
    pub(crate) fn silence(&self) {
        self.silence.send_replace(());
    }

    pub(crate) fn has_cut(&self) -> bool {
        self.next.lock().unwrap().is_none()
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

async fn pass(
    client: TcpStream,
    server: &str,
    next: &Next,
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
        // What was sent since the last COMMIT.
        let mut transaction = Vec::new();
        loop {
            let read = from_client.read(&mut bytes).await?;
            if read == 0 {
                return Ok(());
            }
            transaction.extend_from_slice(&bytes[..read]);
            let mut cut = None;
            if contains(&bytes[..read], b"COMMIT") {
                let mentioned = |armed: &mut Armed| contains(&transaction, &armed.mention);
                cut = next.lock().unwrap().take_if(mentioned);
                transaction.clear();
            }
            let cut = cut.map(|armed| armed.cut);
            if cut == Some(Cut::Before) {
                return Ok(());
            }
            silent.store(cut == Some(Cut::After), Ordering::SeqCst);
            to_server.write_all(&bytes[..read]).await?;
            if cut == Some(Cut::After) {
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
