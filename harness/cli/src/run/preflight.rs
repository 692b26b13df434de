//! What is looked at before anything starts: room for the run, and the cost of a record on this disk.

use std::path::Path;
use std::time::Instant;

use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::{Event, HistoryWriter, JobKey, Record};
use crossover_proto::{InstanceId, JobId};

/// Records in the measurement.
const RECORDS: u32 = 20_000;

/// Mean time to record one event alone, in its own `write` (ns).
///
/// # Errors
/// If the directory can't be written.
pub fn record_cost_ns(directory: &Path) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir_in(directory)?;
    let writer = HistoryWriter::create(folder.path(), "cost")?;
    let key = JobKey {
        instance: InstanceId::new(),
        job: JobId(1),
        attempt: 1,
        step: 0,
        ordinal: 0,
    };
    let begun = Instant::now();
    for _ in 0..RECORDS {
        writer.append([Record {
            at: MonotonicNs::now(),
            event: Event::Started(key),
        }])?;
    }
    Ok(begun.elapsed().as_nanos() as f64 / f64::from(RECORDS))
}
