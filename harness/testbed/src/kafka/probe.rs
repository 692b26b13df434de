//! Whether an address is a Kafka broker, and whom it names: one question, one answer, on a connection of its own.
//!
//! A TCP connection says little: a proxy accepts with nothing behind it, and PostgreSQL's port accepts too. So the broker is
//! asked which requests it knows, which any broker answers before it knows who asks.
//!
//! Must not retry: whoever waits for a broker does.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::wire::{self, Ask, VersionRange};
use crate::error::{Result, TestbedError};

/// A broker that collects garbage may take a second; what takes longer is a broker that can't be worked with.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The request by which a member of the protocol of KIP-848 lives.
const CONSUMER_GROUP_HEARTBEAT: i16 = 68;

/// Enough of a foreign answer to know whose it is.
const FOREIGN_BYTES: usize = 256;

/// What a broker says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerAnswer {
    ranges: Vec<VersionRange>,
}

impl BrokerAnswer {
    /// Whether it takes requests of this key, in any version.
    #[must_use]
    pub fn knows(&self, api_key: i16) -> bool {
        self.ranges.iter().any(|(key, _, _)| *key == api_key)
    }

    /// Whether consumers may ask for `group.protocol=consumer` (KIP-848).
    #[must_use]
    pub fn has_consumer_protocol(&self) -> bool {
        self.knows(CONSUMER_GROUP_HEARTBEAT)
    }
}

/// A broker, as another names it to clients of one listener.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BrokerAddress {
    /// Its `node.id`.
    pub id: i32,
    /// `host:port` that clients are told to use.
    pub address: String,
}

/// Asks `host:port` whether it is a Kafka broker.
///
/// # Errors
/// `BadInput` if something else answers, with what it is where that shows; `Unavailable` if nothing does.
pub async fn probe_broker(address: &str) -> Result<BrokerAnswer> {
    let response = exchange(address, Ask::ApiVersions).await?;
    match wire::api_versions(&response) {
        Some((0, ranges)) => Ok(BrokerAnswer { ranges }),
        Some((code, _)) => Err(TestbedError::Other(format!(
            "the broker at {address} answers ApiVersions with error {code}"
        ))),
        None => Err(foreign(address, &response)),
    }
}

/// The brokers that the one at `host:port` names to clients of that listener, by id: all that are alive, in its view.
///
/// # Errors
/// As [`probe_broker`].
pub async fn brokers_seen_at(address: &str) -> Result<Vec<BrokerAddress>> {
    let response = exchange(address, Ask::Brokers).await?;
    let brokers = wire::brokers(&response).ok_or_else(|| foreign(address, &response))?;
    let mut brokers: Vec<BrokerAddress> = brokers
        .into_iter()
        .map(|(id, host, port)| BrokerAddress {
            id,
            address: format!("{host}:{port}"),
        })
        .collect();
    brokers.sort();
    Ok(brokers)
}

/// One request and its response, without the size.
async fn exchange(address: &str, ask: Ask) -> Result<Vec<u8>> {
    let exchanged = timeout(ANSWER_WITHIN, async {
        let mut stream = TcpStream::connect(address)
            .await
            .map_err(|error| refused(address, &error))?;
        let written = stream.write_all(&wire::request(ask)).await;
        written.map_err(|error| closed(address, &error))?;
        let mut size = [0; 4];
        let read = stream.read_exact(&mut size).await;
        read.map_err(|error| closed(address, &error))?;
        let Some(length) = wire::response_length(size) else {
            return Err(foreign(address, &the_rest(stream, size).await));
        };
        let mut response = vec![0; length];
        let read = stream.read_exact(&mut response).await;
        read.map_err(|error| closed(address, &error))?;
        Ok(response)
    });
    exchanged.await.unwrap_or_else(|_| Err(silent(address)))
}

/// What a foreigner said, as far as it comes at once.
async fn the_rest(mut stream: TcpStream, first: [u8; 4]) -> Vec<u8> {
    let mut said = first.to_vec();
    let mut more = [0; FOREIGN_BYTES];
    if let Ok(Ok(count)) = timeout(Duration::from_millis(500), stream.read(&mut more)).await {
        said.extend(&more[..count]);
    }
    said
}

fn foreign(address: &str, said: &[u8]) -> TestbedError {
    let text = String::from_utf8_lossy(said);
    let what = if said.first() == Some(&b'E') && text.contains("FATAL") {
        "a PostgreSQL"
    } else if text.starts_with("HTTP/") {
        "an HTTP server"
    } else if said.starts_with(&[0x15, 0x03]) {
        "a server that wants TLS"
    } else {
        "something else that answers"
    };
    TestbedError::BadInput(format!(
        "{address} is {what}, not a Kafka broker (or not a plaintext listener of one); give the address of a broker, whose \
         port is usually 9092"
    ))
}

fn refused(address: &str, error: &std::io::Error) -> TestbedError {
    if error.kind() == ErrorKind::InvalidInput || error.to_string().contains("lookup address") {
        return TestbedError::BadInput(format!(
            "{address:?} is not an address of a broker: {error}; give host:port"
        ));
    }
    TestbedError::unavailable(
        format!("no Kafka broker at {address}: {error}"),
        "start it, or correct host and port",
    )
}

fn closed(address: &str, error: &std::io::Error) -> TestbedError {
    TestbedError::unavailable(
        format!(
            "{address} takes a connection and closes it without an answer ({error}), so no Kafka broker can be reached there"
        ),
        "start the broker behind it, or correct host and port; a listener for TLS behaves like this too",
    )
}

fn silent(address: &str) -> TestbedError {
    TestbedError::unavailable(
        format!("no answer from a Kafka broker at {address} within {ANSWER_WITHIN:?}"),
        "start it or wake it, correct host and port (an HTTP server keeps silent like this), or open the firewall",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreigner_is_named_by_what_it_says() {
        let named = |said: &[u8]| foreign("host:1", said).to_string();
        assert!(named(b"E\0\0\0\x8fSFATAL\0").contains("a PostgreSQL"));
        assert!(named(b"HTTP/1.1 400 Bad Request\r\n").contains("an HTTP server"));
        assert!(named(&[0x15, 0x03, 0x03, 0, 2]).contains("wants TLS"));
        assert!(named(b"SSH-2.0").contains("something else"));
    }
}
