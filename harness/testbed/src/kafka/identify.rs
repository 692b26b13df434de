//! What listens at an address that does not answer as a broker should: found out by speaking to it in its own language.
//!
//! Each look is a connection of its own and takes at most a moment: it is for error messages.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Servers answer a greeting at once; this is for a network between continents.
const GREETED_WITHIN: Duration = Duration::from_millis(1_500);

/// Enough of an answer to know whose it is.
const ANSWER_BYTES: usize = 256;

/// A kind of server, as far as its answers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    /// PostgreSQL's protocol.
    Postgres,
    /// TLS, with anything inside: a broker's TLS listener, or a web server's.
    Tls,
    /// HTTP in plain text.
    Http,
    /// An answer in no language of ours.
    Other,
}

/// Knows a speaker by the start of what it said.
pub(super) fn by_answer(said: &[u8]) -> Speaker {
    // A record of TLS: handshake or alert, then a version of 3.x.
    if let [0x15 | 0x16, 0x03, ..] = said {
        return Speaker::Tls;
    }
    let text = String::from_utf8_lossy(said);
    if said.first() == Some(&b'E') && text.contains("FATAL") {
        Speaker::Postgres
    } else if text.starts_with("HTTP/") {
        Speaker::Http
    } else {
        Speaker::Other
    }
}

/// Greets in TLS, then in HTTP; none if neither is answered.
pub(super) async fn by_greeting(address: &str) -> Option<Speaker> {
    for (greeting, wanted) in [
        (client_hello(), Speaker::Tls),
        (b"GET / HTTP/1.0\r\n\r\n".to_vec(), Speaker::Http),
    ] {
        let answer = timeout(GREETED_WITHIN, greet(address, &greeting)).await.ok().flatten();
        if answer.is_some_and(|answer| by_answer(&answer) == wanted) {
            return Some(wanted);
        }
    }
    None
}

async fn greet(address: &str, greeting: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(greeting).await.ok()?;
    let mut answer = vec![0; ANSWER_BYTES];
    let count = stream.read(&mut answer).await.ok()?;
    answer.truncate(count);
    Some(answer)
}

/// The first message of a TLS 1.2 client with two suites that any server of today has; what comes back need not be a
/// handshake, for an alert is TLS too.
fn client_hello() -> Vec<u8> {
    const VERSION: [u8; 2] = [3, 3];
    // ECDHE with RSA and with ECDSA, AES-128-GCM.
    const SUITES: [u8; 4] = [0xc0, 0x2f, 0xc0, 0x2b];
    // Groups (P-256), point formats, and signatures (ECDSA and RSA, SHA-256).
    const EXTENSIONS: [u8; 26] = [
        0, 10, 0, 4, 0, 2, 0, 23, // groups
        0, 11, 0, 2, 1, 0, // formats
        0, 13, 0, 8, 0, 6, 4, 3, 4, 1, 8, 4, // signatures
    ];
    let mut hello = VERSION.to_vec();
    // The client's random: nothing is kept secret with it.
    hello.extend([0x5a; 32]);
    // No session; then the suites, no compression, the extensions.
    hello.extend([0, 0, 4]);
    hello.extend(SUITES);
    hello.extend([1, 0, 0, 26]);
    hello.extend(EXTENSIONS);
    let mut handshake = vec![1, 0, 0, length(&hello)];
    handshake.append(&mut hello);
    let mut record = vec![0x16, 3, 1, 0, length(&handshake)];
    record.append(&mut handshake);
    record
}

/// All parts are far below 256 bytes; the tests look.
fn length(part: &[u8]) -> u8 {
    u8::try_from(part.len()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreigner_is_known_by_what_it_says() {
        assert_eq!(by_answer(b"E\0\0\0\x8fSFATAL\0"), Speaker::Postgres);
        assert_eq!(by_answer(b"HTTP/1.1 400 Bad Request\r\n"), Speaker::Http);
        assert_eq!(by_answer(&[0x15, 0x03, 0x03, 0, 2]), Speaker::Tls);
        assert_eq!(by_answer(&[0x16, 0x03, 0x03, 0, 90]), Speaker::Tls);
        assert_eq!(by_answer(b"SSH-2.0"), Speaker::Other);
        assert_eq!(by_answer(b""), Speaker::Other);
    }

    #[test]
    fn the_greeting_is_as_long_as_it_says() {
        let hello = client_hello();
        assert_eq!(usize::from(hello[4]), hello.len() - 5);
        assert_eq!(usize::from(hello[8]), hello.len() - 9);
    }
}
