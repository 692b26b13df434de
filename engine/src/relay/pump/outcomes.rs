//! What became of rows: acknowledged, marked, refused, or to be read again.

use crossover_proto::history::{Event as Happened, Record};
use metrics::counter;
use rdkafka::error::RDKafkaErrorCode;
use tokio::time::Instant;

use super::{LIMIT_WITHIN, Pump};
use crate::EngineError;
use crate::relay::flight::ids_of;
use crate::relay::limits::MAX_MESSAGE_BYTES;
use crate::relay::send::{Batching, Delivery};
use crate::store::outbox::{RefusedRow, SentRow};

impl Pump<'_> {
    pub(super) fn on_deliveries(&mut self, deliveries: Vec<Delivery>) -> Result<(), EngineError> {
        use RDKafkaErrorCode::{Fatal, GaplessGuarantee, PurgeInflight, PurgeQueue};
        let mut acked = Vec::with_capacity(deliveries.len());
        let mut failed = None;
        for Delivery { id, at, outcome } in deliveries {
            match outcome {
                Ok((partition, offset)) => {
                    let Some(row) = self.flight.settle(id) else { continue };
                    let event = Happened::Acked {
                        key: row.key,
                        outbox: id,
                    };
                    let place = row.topic;
                    self.routes.took(place);
                    // Those that have waited for it are read now.
                    self.look |= self.routes.partitions_at(place).acked(partition);
                    acked.push(Record { at, event });
                    self.acked.push(SentRow { id, partition, offset });
                    self.shown.good |= !self.suspects.is_empty() && self.suspects.remove(&id);
                }
                Err(code) => {
                    self.on_unsent(id, code);
                    let follows = matches!(code, PurgeQueue | PurgeInflight | Fatal | GaplessGuarantee);
                    failed = failed.filter(|_| follows).or(Some(code));
                }
            }
        }
        if !acked.is_empty() {
            self.failures = 0;
            counter!("relay_rows_sent_total").increment(acked.len() as u64);
            self.recorder.record_each(acked).map_err(EngineError::History)?;
        }
        if let Some(code) = failed {
            self.fail(code);
        }
        Ok(())
    }

    /// A row whose record is not in its topic: it will be read again, unless it is refused for good.
    pub(super) fn on_unsent(&mut self, id: i64, code: RDKafkaErrorCode) {
        use RDKafkaErrorCode::{
            InvalidRecord, InvalidTimestamp, InvalidTopic, PolicyViolation, TopicAuthorizationFailed, UnknownPartition,
            UnknownTopic, UnknownTopicOrPartition, UnsupportedForMessageFormat,
        };
        match code {
            _ if is_size(code) && self.sender.batching() == Batching::Single => return self.refuse(id),
            _ if is_size(code) => {
                self.suspects.insert(id);
                self.ask_limit(id);
            }
            UnknownTopic
            | UnknownPartition
            | UnknownTopicOrPartition
            | TopicAuthorizationFailed
            | InvalidTopic
            // The topic's settings, or the clocks, are wrong for all its records: none of their jobs is to die of that.
            | InvalidRecord
            | InvalidTimestamp
            | PolicyViolation
            | UnsupportedForMessageFormat => self.park_topic_of(id, code),
            _ => {}
        }
        self.flight.remove([id].into_iter());
    }

    pub(super) fn park_topic_of(&mut self, id: i64, code: RDKafkaErrorCode) {
        let Some(place) = self.flight.get(id).map(|row| row.topic) else {
            return;
        };
        if !self.routes.at(place).open {
            return;
        }
        let wait = self.routes.park(place, Instant::now());
        let route = self.routes.at(place);
        tracing::warn!(
            topic = route.topic, operation = "Write", %code, tried_again_in = ?wait,
            "the topic takes no records; jobs of this type wait until it does"
        );
        self.maker.want(&route.job_type);
    }

    /// The record will never be taken: its job becomes a dead letter.
    pub(super) fn refuse(&mut self, id: i64) {
        self.shown.too_large |= self.suspects.remove(&id);
        let Some(row) = self.flight.settle(id) else { return };
        let (key, bytes) = (row.key, row.bytes);
        let topic = &self.routes.at(row.topic).topic;
        let reason = format!(
            "the broker refuses the record of {bytes} bytes: more than {MAX_MESSAGE_BYTES} of topic {topic} allows"
        );
        tracing::warn!(job = %key.job, outbox = id, "{reason}");
        self.refused.push(RefusedRow {
            id,
            instance: key.instance,
            reason,
        });
    }

    /// A record was refused for its size: what does its topic take?
    fn ask_limit(&mut self, id: i64) {
        if let Some(place) = self.flight.get(id).map(|row| row.topic)
            && self.asked_limit.is_none()
        {
            self.asked_limit = Some((place, Instant::now() + LIMIT_WITHIN));
            self.maker.want(&self.routes.at(place).job_type);
        }
    }

    /// A topic's limit is known anew: what was held for it is refused, or read again.
    pub(super) fn on_limit(&mut self, place: usize) {
        self.asked_limit = self.asked_limit.filter(|(asked, _)| *asked != place);
        let answered = self.held.answered(place, self.routes.at(place).limit);
        if answered.released > 0 {
            // A read under way may bring later rows of their instances, and nothing holds those up any more.
            self.discard = true;
            self.look = true;
        }
        for (id, row) in answered.refused {
            self.flight.add(id, row);
            self.refuse(id);
            // Later rows of its instance have waited.
            self.look = true;
        }
    }

    pub(super) fn on_marked(&mut self, mut rows: Vec<SentRow>, outcome: Result<u64, EngineError>) {
        match outcome {
            Ok(_) => self.flight.remove(ids_of(&rows)),
            Err(error) => {
                statement_failed("mark", &error);
                rows.append(&mut self.acked);
                self.acked = rows;
            }
        }
    }

    pub(super) fn on_refused(&mut self, mut rows: Vec<RefusedRow>, outcome: Result<usize, EngineError>) {
        match outcome {
            Ok(_) => {
                counter!("relay_rows_refused_total").increment(rows.len() as u64);
                self.flight.remove(rows.iter().map(|row| row.id));
            }
            Err(error) => {
                statement_failed("refuse", &error);
                rows.append(&mut self.refused);
                self.refused = rows;
            }
        }
    }
}

/// Does the broker refuse a record, or its batch, for its size?
pub(super) fn is_size(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{MessageBatchTooLarge, MessageSizeTooLarge};
    matches!(code, MessageSizeTooLarge | MessageBatchTooLarge)
}

pub(super) fn statement_failed(statement: &'static str, error: &EngineError) {
    counter!("relay_statement_failures_total", "statement" => statement).increment(1);
    tracing::warn!(%error, statement, "the database did not answer; trying on");
}
