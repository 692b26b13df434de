//! One HTTP request to an engine and its answer, over a Unix socket or TCP. Version 1.0: the answer ends with the
//! connection, and comes in one piece.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

/// A list of some thousand images has a few MB.
const ANSWER_BYTES_MAX: u64 = 32 * 1024 * 1024;

pub(super) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    first_line: String,
}

impl Answer {
    /// Its first line, for people.
    pub fn line(&self) -> String {
        self.first_line.clone()
    }

    /// What an engine says of a failure, else the first line.
    pub fn said(&self) -> String {
        let said: Option<Value> = serde_json::from_slice(&self.body).ok();
        let message = said.as_ref().and_then(|said| said.get("message")?.as_str());
        message.map_or_else(|| self.line(), str::to_owned)
    }
}

/// Asks an engine; `address` is as in DOCKER_HOST. The answer may pause for `within`.
pub(super) fn ask(address: &str, method: &str, path: &str, within: Duration) -> Result<Answer> {
    if let Some(socket) = address.strip_prefix("unix://") {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(within))?;
        return exchange(stream, method, path);
    }
    let Some(host) = address.strip_prefix("tcp://") else {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "only unix:// and tcp:// addresses are understood",
        ));
    };
    let resolved = host.to_socket_addrs()?.next();
    let resolved = resolved.ok_or_else(|| Error::new(ErrorKind::NotFound, "its name has no address"))?;
    let stream = TcpStream::connect_timeout(&resolved, within)?;
    stream.set_read_timeout(Some(within))?;
    exchange(stream, method, path)
}

fn exchange(mut stream: impl Read + Write, method: &str, path: &str) -> Result<Answer> {
    stream.write_all(format!("{method} {path} HTTP/1.0\r\nHost: docker\r\n\r\n").as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(parse(&bytes))
}

/// Status 0 if it is no HTTP at all.
fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = end.map_or((bytes, &[][..]), |end| (&bytes[..end], &bytes[end + 4..]));
    let head = String::from_utf8_lossy(head);
    let first_line: String = head.lines().next().unwrap_or_default().chars().take(100).collect();
    let status = first_line
        .strip_prefix("HTTP/")
        .and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    Answer {
        status: status.unwrap_or(0),
        body: body.to_vec(),
        first_line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = parse(b"HTTP/1.0 404 Not Found\r\nA: b\r\n\r\n{\"message\":\"no such image\"}");
        assert_eq!((answer.status, answer.said().as_str()), (404, "no such image"));
        let answer = parse(b"220 mail.example ESMTP\r\n");
        assert_eq!((answer.status, answer.said().as_str()), (0, "220 mail.example ESMTP"));
        assert_eq!(parse(b"").status, 0);
    }
}
