//! How a body comes: its length, its chunks, its encoding (S2).

use super::request::{Request, Sheet, Then};
use super::{Case, Expected, run};

const GOOD: Expected = Expected::Applied("pro active until");
const BAD: Expected = Expected::Refused(400, "signature_invalid");
const MALFORMED: Expected = Expected::Refused(400, "event_malformed");
const BROKEN: Expected = Expected::Refused(400, "body_broken");
const TOO_LARGE: Expected = Expected::Refused(413, "body_too_large");
const LATE: Expected = Expected::Refused(408, "body_timeout");
/// What is no HTTP gets no further than the HTTP library.
const NO_HTTP: Expected = Expected::Refused(400, "");
const MEBIBYTE: usize = 1024 * 1024;

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("in one piece", |s| s.signed(s.body()), GOOD),
    ("in chunks", |s| s.chunked(&["5", "1"], b"0\r\n\r\n"), GOOD),
    ("in chunks with extensions and trailers", |s| s.chunked(&["5;a=b", "1 ;c"], b"0;d\r\nx-end: 1\r\n\r\n"), GOOD),
    ("no Content-Length", |s| s.long("", &[]), BAD),
    ("no Content-Length, and the end", |s| s.long("", &[]).then(Then::End), BAD),
    ("a Content-Length of 0", |s| s.long("0", &[]), BAD),
    ("a Content-Length too short", |s| s.long("10", &[]), BAD),
    ("a Content-Length too long, and the end", |s| s.long("99999", &[]).then(Then::End), BROKEN),
    ("a Content-Length too long, and silence", |s| s.long("99999", &[]), LATE),
    ("a Content-Length beyond the bound", |s| s.long("1048577", &[]), TOO_LARGE),
    ("a Content-Length far beyond it", |s| s.long("9223372036854775807", &[]), TOO_LARGE),
    ("a Content-Length beyond 64 bits", |s| s.long("99999999999999999999", &[]), NO_HTTP),
    ("a negative Content-Length", |s| s.long("-1", &[]), NO_HTTP),
    ("a Content-Length with a sign", |s| s.long(&format!("+{}", s.body().len()), &[]), NO_HTTP),
    ("a Content-Length in words", |s| s.long("ten", &[]), NO_HTTP),
    ("two Content-Lengths that differ", |s| s.long("10", &[("content-length", "11")]), NO_HTTP),
    ("a Transfer-Encoding that nobody knows", |s| s.long("", &[("transfer-encoding", "rot13")]), NO_HTTP),
    ("chunks without end", |s| s.endless(&[b"10000\r\n".as_slice(), &[b' '; 65_536], b"\r\n"].concat()), TOO_LARGE),
    ("small chunks without end", |s| s.endless(&[b"40\r\n".as_slice(), &[b' '; 64], b"\r\n"].concat().repeat(100)), TOO_LARGE),
    ("a chunk without end", |s| s.begun(b"fffffff\r\n").then(Then::Repeat(vec![b' '; 65_536])), TOO_LARGE),
    ("a chunk's length without end", |s| s.endless(&[b'0'; 65_536]), LATE),
    ("a chunk's extension without end", |s| s.begun(b"1;").then(Then::Repeat(vec![b'a'; 65_536])), BROKEN),
    ("a chunk whose length is no number", |s| s.begun(b"five\r\n"), BROKEN),
    ("a chunk longer than it says", |s| s.begun(b"1\r\nabc\r\n"), BROKEN),
    ("chunks that break off", |s| s.begun(b"5\r\nab").then(Then::End), BROKEN),
    ("chunks, then silence", |s| s.begun(b"5\r\nab"), LATE),
    ("trailers without end", |s| s.begun(b"1\r\n \r\n0\r\n").then(Then::Repeat(b"x-end: 1\r\n".repeat(1000))), BROKEN),
    ("1 MiB of event", |s| s.signed(s.padded(MEBIBYTE)), GOOD),
    ("1 MiB and a byte of event", |s| s.signed(s.padded(MEBIBYTE + 1)), TOO_LARGE),
    ("1 MiB and a byte, in chunks", |s| s.in_one_chunk(&s.padded(MEBIBYTE + 1)), TOO_LARGE),
    ("1 MiB of blanks", |s| s.signed(vec![b' '; MEBIBYTE]), MALFORMED),
    ("signed, then gzipped", |s| s.gzipped_after(), BAD),
    ("gzipped, then signed", |s| s.signed(gzip(&s.body())), MALFORMED),
    ("gzipped, then signed, and said so", |s| s.encoded(&gzip(&s.body()), "gzip"), MALFORMED),
    ("not gzipped, and said to be", |s| s.encoded(&s.body(), "gzip"), GOOD),
    ("said to be a form", |s| s.typed("application/x-www-form-urlencoded"), GOOD),
    ("said to be UTF-16", |s| s.typed("application/json; charset=utf-16"), GOOD),
    ("a head beyond 80 KiB", |s| s.headed(&"a".repeat(82_000)), Expected::Refused(431, "")),
    ("101 fields in the head", |s| s.headed(&format!("a{}", "\r\nx: 1".repeat(100))), Expected::Refused(431, "")),
    ("a head that is no HTTP", |_| Request { bytes: b"\x16\x03\x01\x02\r\n\r\n".to_vec(), then: Then::Wait }, NO_HTTP),
];

#[tokio::test]
async fn a_body_that_does_not_come_as_it_should_is_refused_without_a_trace_s2() {
    run(CASES).await;
}

/// JSON as gzip stores it, uncompressed: a server that inflated it would have the event.
fn gzip(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap();
    let mut zipped = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    zipped.extend(length.to_le_bytes());
    zipped.extend((!length).to_le_bytes());
    zipped.extend(body);
    zipped.extend(crc32(body).to_le_bytes());
    zipped.extend(u32::from(length).to_le_bytes());
    zipped
}

fn crc32(bytes: &[u8]) -> u32 {
    let shift = |rest: u32| (rest >> 1) ^ (0xedb8_8320 * (rest & 1));
    !bytes.iter().fold(!0, |rest, byte| {
        (0..8).fold(rest ^ u32::from(*byte), |rest, _| shift(rest))
    })
}

impl Sheet {
    /// The good event with a Content-Length of any kind (none if empty), and more fields.
    fn long(&self, length: &str, more: &[(&str, &str)]) -> Request {
        let body = self.body();
        let header = self.header(&body);
        let mut fields = vec![("stripe-signature", header.as_bytes())];
        if !length.is_empty() {
            fields.push(("content-length", length.as_bytes()));
        }
        fields.extend(more.iter().map(|(name, value)| (*name, value.as_bytes())));
        Request::new(&fields, &body)
    }

    /// The head of a request in chunks, signed for a body, and what comes then.
    fn chunks(&self, signed: &[u8], chunks: &[u8]) -> Request {
        let header = self.header(signed);
        let fields = [
            ("stripe-signature", header.as_bytes()),
            ("transfer-encoding", b"chunked"),
        ];
        Request::new(&fields, chunks)
    }

    fn begun(&self, chunks: &[u8]) -> Request {
        self.chunks(&self.body(), chunks)
    }

    fn endless(&self, chunks: &[u8]) -> Request {
        self.begun(b"").then(Then::Repeat(chunks.to_vec()))
    }

    /// The good event in chunks of such lengths, the last one as long as it must be.
    fn chunked(&self, lengths: &[&str], end: &[u8]) -> Request {
        let body = self.body();
        let (mut chunks, mut rest) = (Vec::new(), body.as_slice());
        for length in lengths {
            let digit = length.chars().next().and_then(|digit| digit.to_digit(16));
            let (chunk, more) = rest.split_at(digit.unwrap() as usize);
            chunks.extend([length.as_bytes(), b"\r\n", chunk, b"\r\n"].concat());
            rest = more;
        }
        chunks.extend(
            [
                format!("{:x}\r\n", rest.len()).as_bytes(),
                rest,
                b"\r\n",
                end,
            ]
            .concat(),
        );
        self.chunks(&body, &chunks)
    }

    fn in_one_chunk(&self, body: &[u8]) -> Request {
        let length = format!("{:x}\r\n", body.len());
        self.chunks(body, &[length.as_bytes(), body, b"\r\n0\r\n\r\n"].concat())
    }

    /// The good event, made as long as this with blanks.
    fn padded(&self, length: usize) -> Vec<u8> {
        let mut body = self.body();
        body.resize(length, b' ');
        body
    }

    fn gzipped_after(&self) -> Request {
        let body = self.body();
        self.sent(self.header(&body), &gzip(&body))
    }

    fn with_field(&self, body: &[u8], name: &str, value: &str) -> Request {
        let (header, length) = (self.header(body), body.len().to_string());
        let fields = [
            ("stripe-signature", header.as_bytes()),
            ("content-length", length.as_bytes()),
            (name, value.as_bytes()),
        ];
        Request::new(&fields, body)
    }

    fn encoded(&self, body: &[u8], encoding: &str) -> Request {
        self.with_field(body, "content-encoding", encoding)
    }

    fn typed(&self, content_type: &str) -> Request {
        self.with_field(&self.body(), "content-type", content_type)
    }

    fn headed(&self, value: &str) -> Request {
        self.with_field(&self.body(), "x-field", value)
    }
}
