//! Whether an address is a Kafka broker, and whom it names: one question, one answer, on a connection of its own.
//!
//! A TCP connection says little: a proxy accepts with nothing behind it, and PostgreSQL's port accepts too. So the broker is
//! asked which requests it knows, which any broker answers before it knows who asks.
//!
//! Must not retry: whoever waits for a broker does.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::identify::{Speaker, by_answer};
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
    ask_versions(address).await.map_err(|failure| failure.explain(address))
}

/// The brokers that the one at `host:port` names to clients of that listener, by id: all that are alive, in its view.
///
/// # Errors
/// As [`probe_broker`].
pub async fn brokers_seen_at(address: &str) -> Result<Vec<BrokerAddress>> {
    ask_brokers(address).await.map_err(|failure| failure.explain(address))
}

/// Why there is no answer of a broker.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no connection: nobody listens, or there is no such host.
    Refused(Error),
    /// The connection was closed instead of an answer.
    Closed(Error),
    /// No answer in time.
    Silent,
    /// An answer that no broker gives.
    Foreign(Vec<u8>),
    /// A broker's, that it does not know the question.
    Code(i16),
}

pub(super) async fn ask_versions(address: &str) -> Result<BrokerAnswer, Failure> {
    let response = exchange(address, &wire::request(Ask::ApiVersions)).await?;
    match wire::api_versions(&response) {
        Some((0, ranges)) => Ok(BrokerAnswer { ranges }),
        Some((code, _)) => Err(Failure::Code(code)),
        None => Err(Failure::Foreign(response)),
    }
}

pub(super) async fn ask_brokers(address: &str) -> Result<Vec<BrokerAddress>, Failure> {
    let response = exchange(address, &wire::request(Ask::Brokers)).await?;
    let brokers = wire::brokers(&response).ok_or(Failure::Foreign(response))?;
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
pub(super) async fn exchange(address: &str, request: &[u8]) -> Result<Vec<u8>, Failure> {
    let exchanged = timeout(ANSWER_WITHIN, async {
        let mut stream = TcpStream::connect(address).await.map_err(Failure::Refused)?;
        stream.write_all(request).await.map_err(Failure::Closed)?;
        let mut size = [0; 4];
        stream.read_exact(&mut size).await.map_err(Failure::Closed)?;
        let Some(length) = wire::response_length(size) else {
            return Err(Failure::Foreign(the_rest(stream, size).await));
        };
        let mut response = vec![0; length];
        stream.read_exact(&mut response).await.map_err(Failure::Closed)?;
        Ok(response)
    });
    exchanged.await.unwrap_or(Err(Failure::Silent))
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

impl Failure {
    /// With the address, and what to do.
    pub(super) fn explain(&self, address: &str) -> TestbedError {
        match self {
            Self::Refused(error) => refused(address, error),
            Self::Closed(error) => TestbedError::unavailable(
                format!(
                    "{address} takes a connection and closes it without an answer ({error}), so no Kafka broker can be reached there"
                ),
                "start the broker behind it, or correct host and port; a listener for TLS behaves like this too",
            ),
            Self::Silent => TestbedError::unavailable(
                format!("no answer from a Kafka broker at {address} within {ANSWER_WITHIN:?}"),
                "start it or wake it, correct host and port (an HTTP server keeps silent like this), or open the firewall",
            ),
            Self::Foreign(said) => foreign(address, by_answer(said)),
            Self::Code(code) => {
                TestbedError::Other(format!("the broker at {address} answers ApiVersions with error {code}"))
            }
        }
    }
}

/// What another server at the address of a broker is.
pub(super) fn foreign(address: &str, speaker: Speaker) -> TestbedError {
    let what = match speaker {
        Speaker::Postgres => "a PostgreSQL",
        Speaker::Http => "an HTTP server",
        Speaker::Tls => "a server that wants TLS",
        Speaker::Other => "something else that answers",
    };
    TestbedError::BadInput(format!(
        "{address} is {what}, not a Kafka broker (or not a plaintext listener of one); give the address of a broker, whose \
         port is usually 9092"
    ))
}

fn refused(address: &str, error: &Error) -> TestbedError {
    if error.kind() == ErrorKind::InvalidInput {
        return TestbedError::BadInput(format!(
            "{address:?} is not an address of a broker: {error}; give host:port"
        ));
    }
    // A resolver's failure has no kind of its own.
    if error.to_string().contains("lookup address") {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        return TestbedError::BadInput(format!(
            "no host is named {host:?} (of the broker {address}): {error}; correct the name, or give host:port with an IP address"
        ));
    }
    TestbedError::unavailable(
        format!("no Kafka broker at {address}: {error}"),
        "start it, or correct host and port",
    )
}
