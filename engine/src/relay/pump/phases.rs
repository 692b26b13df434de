//! From sending to settling and back, and the end of it.

use metrics::{counter, gauge};
use rdkafka::error::RDKafkaErrorCode;
use tokio::time::{Instant, timeout};

use super::outcomes::is_size;
use super::{End, LAST_MARK_WITHIN, PURGE, Phase, Pump, RETRY, RETRY_MAX, SETTLE_WITHIN};
use crate::EngineError;
use crate::relay::send::{BATCH_BYTES_MIN, Batching, Sender};

impl Pump<'_> {
    /// What follows from where we are.
    pub(super) async fn advance(&mut self) -> Result<Option<End>, EngineError> {
        let settled = self.flight.open() == 0;
        match self.phase {
            Phase::Sending => {
                let single = self.sender.batching() == Batching::Single;
                let all_shown = settled && !self.look && self.reading.is_idle() && self.held.len() == 0;
                if single && (self.suspects.is_empty() || all_shown) {
                    self.suspects.clear();
                    self.settle();
                } else if !single && self.sender.batching() != self.batching() {
                    self.settle();
                }
            }
            Phase::Settling(deadline) if (settled && self.limit_is_known()) || Instant::now() >= deadline => {
                self.begin_again().await?;
            }
            Phase::Stopping(deadline) => {
                let unmarked = self.flight.len() > 0;
                if !unmarked || Instant::now() >= deadline {
                    return Ok(Some(End::Stopped));
                }
            }
            Phase::Settling(_) => {}
        }
        Ok(None)
    }

    /// A new producer; the next read begins at the lowest row that is not marked.
    pub(super) async fn begin_again(&mut self) -> Result<(), EngineError> {
        if self.flight.open() == 0 {
            self.sender.end_settled();
        } else {
            let last = self.sender.end().await;
            self.on_deliveries(last)?;
            self.flight.remove_open();
        }
        self.asked_limit = None;
        if self.limit_explains() {
            self.suspects.clear();
        }
        if self.suspects.is_empty() {
            self.halve_batches_that_were_too_large();
        }
        let (settings, batching) = (self.settings, self.batching());
        self.sender = Sender::new(&settings.kafka, &settings.client_id, settings.linger, batching)?;
        self.routes.forget_partitions();
        self.phase = Phase::Sending;
        self.failed = false;
        self.look = true;
        Ok(())
    }

    /// How records are to be gathered now. The smallest limit counts: a producer has one size for all topics.
    fn batching(&self) -> Batching {
        if !self.suspects.is_empty() {
            return Batching::Single;
        }
        Batching::Bytes(self.batch_bytes_within_limits())
    }

    fn batch_bytes_within_limits(&self) -> u32 {
        let limit = self.routes.smallest_limit().and_then(|limit| u32::try_from(limit).ok());
        limit.map_or(self.batch_bytes, |limit| limit.clamp(1, self.batch_bytes))
    }

    /// Is no limit waited for, or not any more?
    fn limit_is_known(&self) -> bool {
        self.asked_limit.is_none_or(|(_, until)| Instant::now() >= until)
    }

    /// The producer made larger batches than a topic is now known to take: no record is suspect for having been in one.
    fn limit_explains(&self) -> bool {
        matches!(self.sender.batching(), Batching::Bytes(made) if self.batch_bytes_within_limits() < made)
    }

    /// All suspects were sent one by one: was it one of them, or the batch?
    fn halve_batches_that_were_too_large(&mut self) {
        let shown = std::mem::take(&mut self.shown);
        if shown.good && !shown.too_large {
            self.batch_bytes = (self.batch_bytes / 2).max(BATCH_BYTES_MIN);
            tracing::warn!(
                bytes = self.batch_bytes,
                "a topic takes smaller batches than the producer made: they are halved"
            );
        }
    }

    /// Ends the producer, and notes what was acknowledged meanwhile: each note saves a duplicate.
    pub(super) async fn finish(mut self) -> Result<(), EngineError> {
        self.phase = Phase::Stopping(Instant::now());
        let last = self.sender.end().await;
        self.on_deliveries(last)?;
        let marking = async {
            while !(self.acked.is_empty() && self.marking.is_idle()) {
                self.begin_statements();
                let (rows, outcome) = self.marking.done().await;
                self.on_marked(rows, outcome);
            }
        };
        // What is not noted in time is sent again.
        let _ = timeout(LAST_MARK_WITHIN, marking).await;
        gauge!("relay_rows_in_flight").set(0.0);
        gauge!("relay_oldest_in_flight_seconds").set(0.0);
        Ok(())
    }

    /// Nothing that follows the failed record may be sent before it: stop, settle, begin again with a new producer.
    pub(super) fn fail(&mut self, code: RDKafkaErrorCode) {
        self.purge();
        self.failed = true;
        if self.phase != Phase::Sending {
            return;
        }
        counter!("relay_send_failures_total").increment(1);
        tracing::warn!(%code, in_flight = self.flight.open(), "sending failed; what is on its way settles, then it goes on");
        // A record that is too large is not sent like that again: nothing is gained by waiting.
        if !is_size(code) {
            let wait = RETRY.saturating_mul(1 << self.failures.min(6)).min(RETRY_MAX);
            self.failures += 1;
            self.not_before = Instant::now() + wait;
        }
        self.settle();
    }

    pub(super) fn purge(&mut self) {
        self.sender.purge_unsent();
        self.purge_at = Instant::now() + PURGE;
    }

    pub(super) fn settle(&mut self) {
        self.phase = Phase::Settling(Instant::now() + SETTLE_WITHIN);
        self.discard = true;
    }
}
