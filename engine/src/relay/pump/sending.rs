//! From rows to the producer: what may be sent now, and where it goes.

use crossover_proto::clock::MonotonicNs;
use crossover_proto::event::{DispatchedJob, RelayStamp};
use crossover_proto::history::Event as Happened;
use metrics::counter;
use rdkafka::error::RDKafkaErrorCode;
use tokio::time::Instant;

use super::{CLOCK, Phase, Pump};
use crate::EngineError;
use crate::relay::flight::Flying;
use crate::relay::limits::batch_of_one;
use crate::store::outbox::OutboxRow;

/// Where a row goes: the place of its job type, and the partition of its instance.
#[derive(Debug, Clone, Copy)]
struct Target {
    place: usize,
    partition: i32,
}

impl Pump<'_> {
    /// Answers how many rows were on their way to the producer.
    pub(super) fn send_all(&mut self, rows: Vec<OutboxRow>) -> Result<usize, EngineError> {
        let at = MonotonicNs::now();
        if self.discard || self.phase != Phase::Sending {
            self.look = true;
            return Ok(0);
        }
        if self.settings.fenced && !self.lead.is_fresh() {
            // The process was stopped after it had asked: the lock session will say in a moment what has become of the lead.
            self.look = true;
            self.not_before = Instant::now() + CLOCK;
            return Ok(0);
        }
        let rows = self.routed(rows);
        let routed = rows.len();
        let picked = rows.iter().map(|(_, row)| Happened::Picked {
            key: row.key,
            outbox: row.id,
        });
        self.recorder.record_all(at, picked).map_err(EngineError::History)?;
        counter!("relay_rows_read_total").increment(rows.len() as u64);
        for (target, row) in rows {
            if let Err(code) = self.send(target, row, at) {
                self.fail(code);
                break;
            }
        }
        Ok(routed)
    }

    /// Leaves out rows whose topic was not looked at yet, those behind one that is held, and those whose partition waits for
    /// its first acknowledgement: they are read again then.
    fn routed(&mut self, rows: Vec<OutboxRow>) -> Vec<(Target, OutboxRow)> {
        let mut routed = Vec::with_capacity(rows.len());
        for row in rows {
            match self.routes.place(&row.job_type) {
                Some(place) if self.routes.at(place).open && !self.held.holds(row.key.instance) => {
                    let partitions = self.routes.partitions_at(place);
                    let partition = partitions.of(&row.key.instance.to_wire());
                    if partitions.take(partition) {
                        routed.push((Target { place, partition }, row));
                    }
                }
                Some(_) => {}
                None => {
                    self.routes.add(&row.job_type);
                    self.maker.want(&row.job_type);
                    self.look = true;
                }
            }
        }
        routed
    }

    /// What a batch of this record alone would be, if its topic does not take it. What is compressed is smaller than it looks.
    fn too_large(&self, place: usize, record: usize) -> Option<usize> {
        let limit = self
            .routes
            .at(place)
            .limit
            .filter(|_| !self.settings.kafka.compresses())?;
        Some(batch_of_one(record)).filter(|batch| *batch > limit)
    }

    fn send(&mut self, target: Target, row: OutboxRow, at: MonotonicNs) -> Result<(), RDKafkaErrorCode> {
        let Target { place, partition } = target;
        let (id, key) = (row.id, row.key);
        let job = DispatchedJob {
            key,
            job_type: row.job_type,
            payload: row.payload.into(),
            created_unix_us: row.created_unix_us,
            source: row.source,
            attributes: Default::default(),
            relay: Some(RelayStamp {
                outbox_id: id,
                epoch: self.lead.epoch,
            }),
        };
        let record = job.to_record();
        let flying = Flying {
            key,
            topic: place,
            bytes: record.len(),
            since: at,
            settled: false,
        };
        let too_large = self.too_large(place, record.len());
        if too_large.is_some() || self.held.holds(key.instance) {
            self.routes.partitions_at(place).give_back(partition);
            if let Some(batch) = too_large {
                self.held.add(id, flying, batch);
                // It may have been raised since.
                self.maker.want(&self.routes.at(place).job_type);
            }
            return Ok(());
        }
        self.flight.add(id, flying);
        let (topic, key) = (&self.routes.at(place).topic, key.instance.to_wire());
        let sent = self.sender.send(topic, partition, &key, &record, id);
        match sent {
            Ok(()) => Ok(()),
            Err(RDKafkaErrorCode::MessageSizeTooLarge) => {
                self.routes.partitions_at(place).give_back(partition);
                self.look = true;
                self.refuse(id);
                Ok(())
            }
            Err(code) => {
                self.on_unsent(id, code);
                Err(code)
            }
        }
    }
}
