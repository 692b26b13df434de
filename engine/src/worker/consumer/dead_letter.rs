//! Records that no worker can read go to the dead-letter topic, as they were, with where they came from and why.
//!
//! A record is settled when the broker has acknowledged its copy. Until then it is tried again, with a backoff: its
//! partition commits no further, and is paused when its window is full; no other partition waits. One whose copy is too large for the broker, headers and all, is
//! sent without its bytes: they are at its origin.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};
use tokio::sync::oneshot;

use super::inbox::{Inbox, Note};
use super::tracker::Place;

/// Longest wait between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A record on its way there.
pub(super) struct DeadLetter {
    key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    headers: OwnedHeaders,
    origin: String,
}

impl DeadLetter {
    /// The record itself: key, bytes and headers, and beside them its origin and the error.
    pub(super) fn new(message: &BorrowedMessage<'_>, error: &str) -> Self {
        let headers = message
            .headers()
            .map_or_else(OwnedHeaders::new, |headers| headers.detach());
        let (partition, offset) = (message.partition().to_string(), message.offset().to_string());
        let headers = [
            ("crossover.origin.topic", message.topic()),
            ("crossover.origin.partition", &partition),
            ("crossover.origin.offset", &offset),
            ("crossover.error", error),
        ]
        .into_iter()
        .fold(headers, |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: Some(value),
            })
        });
        Self {
            key: message.key().map(<[u8]>::to_vec),
            payload: message.payload().map(<[u8]>::to_vec),
            headers,
            origin: format!("{}[{partition}]@{offset}", message.topic()),
        }
    }

    fn leave_bytes_out(&mut self) {
        if let Some(payload) = self.payload.take() {
            let headers = std::mem::take(&mut self.headers);
            self.headers = headers.insert(Header {
                key: "crossover.omitted.bytes",
                value: Some(&payload.len().to_string()),
            });
        }
    }
}

/// Sends dead letters of one job type; connects with the first.
pub(super) struct DeadLetters {
    config: ClientConfig,
    topic: Arc<str>,
    inbox: Arc<Inbox>,
    producer: Option<Arc<Producer>>,
}

impl DeadLetters {
    pub(super) fn new(config: ClientConfig, topic: &str, inbox: Arc<Inbox>) -> Self {
        Self {
            config,
            topic: topic.into(),
            inbox,
            producer: None,
        }
    }

    /// Sends until it is acknowledged, in a task; then the inbox gets the place.
    pub(super) fn send(&mut self, place: Place, mut letter: DeadLetter) -> Result<(), KafkaError> {
        let producer = match &self.producer {
            Some(producer) => producer.clone(),
            None => {
                let producer: Producer = self.config.create_with_context(Acknowledgements)?;
                self.producer.insert(Arc::new(producer)).clone()
            }
        };
        let (topic, inbox) = (self.topic.clone(), self.inbox.clone());
        tokio::spawn(async move {
            let mut pause = Duration::from_millis(100);
            while let Err(error) = send(&producer, &topic, &letter).await {
                tracing::warn!(%error, record = letter.origin, topic = &*topic,
                    "the dead letter could not be sent; its partition commits no further until it can");
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) {
                    letter.leave_bytes_out();
                }
                counter!("worker_dead_letter_retries_total").increment(1);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            inbox.push(Note::DeadLettered(place));
        });
        Ok(())
    }
}

async fn send(producer: &Producer, topic: &str, letter: &DeadLetter) -> Result<(), KafkaError> {
    let (answer, delivered) = oneshot::channel();
    let mut record = BaseRecord::<[u8], [u8], Answer>::with_opaque_to(topic, Box::new(answer));
    record.key = letter.key.as_deref();
    record.payload = letter.payload.as_deref();
    record.headers = Some(letter.headers.clone());
    producer.send(record).map_err(|(error, _)| error)?;
    delivered.await.unwrap_or(Err(KafkaError::Canceled))
}

type Producer = ThreadedProducer<Acknowledgements>;
type Answer = Box<oneshot::Sender<Result<(), KafkaError>>>;

/// Passes the broker's answers on to the tasks that wait for them.
struct Acknowledgements;

impl ClientContext for Acknowledgements {}

impl ProducerContext for Acknowledgements {
    type DeliveryOpaque = Answer;

    fn delivery(&self, result: &DeliveryResult<'_>, answer: Answer) {
        let result = result.as_ref().map(drop).map_err(|(error, _)| error.clone());
        // The task ends with the process only.
        let _ = answer.send(result);
    }
}
