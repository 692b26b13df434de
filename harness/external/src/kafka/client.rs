//! A client with the user's properties, and why it gets no answer: a request only fails for want of time, and the reason is
//! an event of its own, which a client of administration never hands out. So a consumer asks first, and is listened to; it
//! joins no group.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossover_engine::kafka::Kafka;
use crossover_testbed::{Result, TestbedError};
use rdkafka::ClientContext;
use rdkafka::admin::AdminClient;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;

/// TLS and SASL are a few round trips, and a DNS server may be slow.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);

/// One look: between two, the log is read for a reason to give up.
const LOOK: Duration = Duration::from_millis(500);

/// A handshake takes milliseconds.
const LOOKS_AT_NAME: u32 = 6;

/// What the library says of a certificate that fails, for whatever reason.
const UNTRUSTED: &str = "certificate verify failed";

/// Every list is one request.
const REQUEST: Duration = Duration::from_secs(5);

/// More complaints than this are the same again.
const COMPLAINTS: usize = 50;

/// What the library complains of; filled by its threads.
#[derive(Debug, Clone, Default)]
struct Listener {
    complaints: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    fn hear(&self, complaint: &str) {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        if complaints.len() < COMPLAINTS {
            complaints.push(complaint.to_owned());
        }
    }

    fn heard(&self) -> Vec<String> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Listener {
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, message: &str) {
        self.hear(message);
    }

    fn error(&self, _error: KafkaError, reason: &str) {
        self.hear(reason);
    }
}

impl ConsumerContext for Listener {}

/// A client that has had an answer.
pub(super) struct Client {
    admin: AdminClient<Listener>,
    metadata: Metadata,
}

impl Client {
    /// Connects, says who we are if that is asked for, and lists brokers and topics.
    ///
    /// # Errors
    /// `BadInput` if the brokers refuse us or we don't trust them; `Unavailable` if there is no answer.
    pub async fn connect(kafka: &Kafka) -> Result<Self> {
        let kafka = kafka.clone();
        let connected = tokio::task::spawn_blocking(move || Self::connect_blocking(&kafka)).await;
        connected.map_err(|error| TestbedError::Other(format!("bug: {error}")))?
    }

    fn connect_blocking(kafka: &Kafka) -> Result<Self> {
        let listener = Listener::default();
        let mut config = kafka.config("crossover-external");
        config.set_log_level(RDKafkaLogLevel::Info);
        let refused = |error| {
            TestbedError::BadInput(format!(
                "the client of Kafka can't be made: {error}; correct the file of --kafka-config"
            ))
        };
        let consumer: BaseConsumer<Listener> = config.create_with_context(listener.clone()).map_err(refused)?;
        let deadline = Instant::now() + CONNECTED_WITHIN;
        loop {
            match consumer.fetch_metadata(None, LOOK) {
                Ok(metadata) => {
                    let admin = config.create_with_context(listener).map_err(refused)?;
                    return Ok(Self { admin, metadata });
                }
                Err(error) => {
                    // Each hands one event to the listener.
                    while consumer.poll(Duration::ZERO).is_some() {}
                    let heard = listener.heard();
                    if let Some(reason) = explain(kafka.brokers(), &heard, || is_for_another_name(kafka)) {
                        return Err(reason);
                    }
                    if Instant::now() > deadline {
                        return Err(no_answer(kafka.brokers(), &error, heard.last()));
                    }
                }
            }
        }
    }

    pub fn admin(&self) -> &AdminClient<impl ClientContext> {
        &self.admin
    }

    /// Names of all topics that we may see, as of the connection.
    pub fn topics(&self) -> Vec<String> {
        self.metadata
            .topics()
            .iter()
            .map(|topic| topic.name().to_owned())
            .collect()
    }

    pub fn broker_ids(&self) -> Vec<i32> {
        self.metadata
            .brokers()
            .iter()
            .map(rdkafka::metadata::MetadataBroker::id)
            .collect()
    }

    pub fn cluster_id(&self) -> Option<String> {
        self.admin.inner().fetch_cluster_id(REQUEST)
    }

    /// Names of all consumer groups that we may see.
    ///
    /// # Errors
    /// If the brokers do not answer.
    pub fn groups(&self) -> Result<Vec<String>> {
        let groups = self.admin.inner().fetch_group_list(None, REQUEST);
        let groups =
            groups.map_err(|error| TestbedError::Other(format!("consumer groups can't be listed: {error}")))?;
        Ok(groups.groups().iter().map(|group| group.name().to_owned()).collect())
    }
}

/// The library says the same of a certificate that it does not trust and of one that is for another name. So it is asked
/// again without a look at the name, and says nothing of the certificate then. Nobody is told who we are: no SASL.
fn is_for_another_name(kafka: &Kafka) -> bool {
    let listener = Listener::default();
    let mut config = kafka.config("crossover-external");
    config
        .set("security.protocol", "ssl")
        .set("ssl.endpoint.identification.algorithm", "none")
        .set_log_level(RDKafkaLogLevel::Info);
    let Ok(consumer) = config.create_with_context::<_, BaseConsumer<Listener>>(listener.clone()) else {
        return false;
    };
    for _ in 0..LOOKS_AT_NAME {
        if consumer.fetch_metadata(None, LOOK).is_ok() {
            return true;
        }
        while consumer.poll(Duration::ZERO).is_some() {}
        if listener.heard().iter().any(|complaint| complaint.contains(UNTRUSTED)) {
            return false;
        }
    }
    // Something else fails behind the handshake: SASL.
    !listener.heard().is_empty()
}

/// What will not become better by waiting.
fn explain(brokers: &str, heard: &[String], is_for_another_name: impl Fn() -> bool) -> Option<TestbedError> {
    const FILE: &str = "in the file of --kafka-config";
    let refuse = |complaint: &String, remedy: &str| {
        TestbedError::BadInput(format!(
            "the broker at {brokers} can't be used: {}; {remedy} {FILE}",
            plain(complaint)
        ))
    };
    // The first that fits: later complaints follow from it.
    heard.iter().find_map(|complaint| {
        let has = |sign: &str| complaint.contains(sign);
        let remedy = if has(UNTRUSTED) && is_for_another_name() {
            "its certificate is for another name: use the name that it is for, or set ssl.endpoint.identification.algorithm=none"
        } else if has(UNTRUSTED) {
            "its certificate is not trusted: set ssl.ca.location to the certificate of its authority"
        } else if has("certificate required") || has("bad certificate") {
            "it wants a certificate of ours: set ssl.certificate.location and ssl.key.location"
        } else if has("SSL handshake failed") {
            "TLS fails: correct security.protocol and the properties that begin with ssl."
        } else if has("Unsupported SASL mechanism") || has("mechanism handshake failed") {
            "set sasl.mechanism to one that it has"
        } else if has("SASL authentication error") || has("Authentication failed") {
            "correct sasl.username and sasl.password"
        } else {
            return None;
        };
        Some(refuse(complaint, remedy))
    })
}

fn no_answer(brokers: &str, error: &KafkaError, last: Option<&String>) -> TestbedError {
    let last = last.map_or_else(|| error.to_string(), |complaint| plain(complaint).to_owned());
    TestbedError::unavailable(
        format!("no answer from Kafka at {brokers} within {CONNECTED_WITHIN:?}: {last}"),
        "start it, correct host and port, or correct the file of --kafka-config",
    )
}

/// Without the library's name of its thread.
fn plain(complaint: &str) -> &str {
    complaint
        .strip_prefix("[thrd:")
        .and_then(|rest| rest.split_once("]: "))
        .map_or(complaint, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_complaint_of_the_library_has_a_remedy_of_its_own() {
        let said = |complaint: &str| explain("h:1", &[complaint.to_owned()], || false).map(|error| error.to_string());
        let password = "[thrd:sasl_plaintext://h:1/bootstrap]: sasl_plaintext://h:1/bootstrap: SASL authentication error: \
                        Authentication failed: Invalid username or password (after 3ms in state AUTH_REQ)";
        let said_of_password = said(password).unwrap();
        assert!(
            said_of_password.contains("sasl.password") && !said_of_password.contains("thrd"),
            "{said_of_password}"
        );
        let trust = "ssl://h:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker \
                     certificate could not be verified";
        assert!(said(trust).unwrap().contains("ssl.ca.location"));
        let of_name = explain("h:1", &[trust.to_owned()], || true).map(|error| error.to_string());
        assert!(of_name.unwrap().contains("another name"));
        assert_eq!(
            said("h:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused"),
            None
        );
    }
}
