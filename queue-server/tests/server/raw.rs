//! A client of HTTP/1.1 that sends what it is told, also what no library would send.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::Server;

/// Longer than every bound of the server's, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to the server.
pub(crate) struct Raw {
    reading: OwnedReadHalf,
    writing: OwnedWriteHalf,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Head and body.
    pub(crate) text: String,
    body: Value,
}

impl Answer {
    /// `code` of a problem, or `outcome` of a receipt; nothing where the HTTP library answered.
    pub(crate) fn word(&self) -> &str {
        let word = self.body["code"].as_str().or(self.body["outcome"].as_str());
        word.unwrap_or_default()
    }
}

impl Raw {
    pub(crate) async fn connect(server: &Server) -> Self {
        let address = server.url.strip_prefix("http://").unwrap();
        let (reading, writing) = TcpStream::connect(address).await.unwrap().into_split();
        Self { reading, writing }
    }

    /// One that has room for little of what it does not take.
    pub(crate) async fn connect_with_little_room(server: &Server) -> Self {
        let address = server.url.strip_prefix("http://").unwrap().parse().unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let (reading, writing) = socket.connect(address).await.unwrap().into_split();
        Self { reading, writing }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let send = self.writing.write_all(bytes);
        tokio::time::timeout(PATIENCE, send)
            .await
            .expect("the server reads on, or ends the connection")
    }

    /// Says that nothing more comes.
    pub(crate) async fn end(&mut self) {
        let _ = self.writing.shutdown().await;
    }

    /// The next answer; an error when the server ends the connection without one, or does neither.
    pub(crate) async fn answer(&mut self) -> std::io::Result<Answer> {
        tokio::time::timeout(PATIENCE, read(&mut self.reading)).await?
    }

    /// Sends the same again and again, until there is an answer.
    pub(crate) async fn send_without_end(&mut self, bytes: &[u8]) -> std::io::Result<Answer> {
        let (reading, writing) = (&mut self.reading, &mut self.writing);
        let send = async {
            while writing.write_all(bytes).await.is_ok() {}
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = tokio::time::timeout(PATIENCE, read(reading)) => answer?,
            () = send => unreachable!("it never ends"),
        }
    }
}

async fn read(stream: &mut OwnedReadHalf) -> std::io::Result<Answer> {
    let mut bytes = Vec::new();
    loop {
        if let Some(answer) = parse(&bytes) {
            return Ok(answer);
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(Error::from(ErrorKind::UnexpectedEof));
        }
    }
}

/// An answer that is there in full. Those of the server all say how long they are.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let field = |name: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(": "));
        fields.find_map(|(field, value)| (field == name).then(|| value.to_owned()))
    };
    let length: usize = field("content-length")?.parse().ok()?;
    // What comes after it is another answer's.
    let (text, body) = (text.get(..head.len() + 4 + length)?, body.get(..length)?);
    let status = head.split(' ').nth(1)?;
    Some(Answer {
        status: status.parse().ok()?,
        body: serde_json::from_str(body).unwrap_or_default(),
        text: text.to_owned(),
    })
}
