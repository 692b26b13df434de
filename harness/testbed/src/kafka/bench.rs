//! Kafka's own producer benchmark: what the broker takes from the client that it comes with, on this machine, now.
//!
//! Must not make topics.

use std::path::Path;
use std::time::Duration;

use super::broker::Broker;
use super::kind::{BrokerFeature, BrokerKind};
use crate::error::{Result, TestbedError};
use crate::logs;
use crate::supervisor::Supervisor;

/// A million records take ten seconds on two slow processors.
const ENDS_WITHIN: Duration = Duration::from_secs(300);

/// What to send.
#[derive(Debug, Clone)]
pub struct ProducerBench {
    /// An existing topic.
    pub topic: String,
    /// Records, as fast as they go.
    pub records: u64,
    /// Size of each, without key (bytes).
    pub record_bytes: u64,
}

/// Runs it as the supervisor's child `<broker>-bench`; answers records per second. `acks=all`, all else as Kafka sets it.
pub(super) async fn run(
    supervisor: &Supervisor,
    broker: &Broker,
    bootstrap: &str,
    bench: &ProducerBench,
) -> Result<f64> {
    let (name, log) = (format!("{}-bench", broker.name), broker.log.with_extension("bench.log"));
    let log_from = logs::length(&log);
    let why = BrokerKind::Redpanda
        .lacks(BrokerFeature::ProducerBench)
        .unwrap_or_default();
    let kafka = broker.kafka().ok_or_else(|| TestbedError::BadInput(why.to_owned()))?;
    let spec = broker.java(kafka, name.clone(), log.clone()).args(["-Xmx256m"]).args([
        "org.apache.kafka.tools.ProducerPerformance".to_owned(),
        "--bootstrap-server".to_owned(),
        bootstrap.to_owned(),
        "--topic".to_owned(),
        bench.topic.clone(),
        "--num-records".to_owned(),
        bench.records.to_string(),
        "--record-size".to_owned(),
        bench.record_bytes.to_string(),
        "--throughput".to_owned(),
        "-1".to_owned(),
        "--command-property".to_owned(),
        "acks=all".to_owned(),
    ]);
    supervisor.spawn(spec).await?;
    let exit = supervisor.wait_exit(&name, ENDS_WITHIN).await?;
    let failed = |why: &str| TestbedError::Other(format!("Kafka's producer benchmark {why} (log {})", log.display()));
    if !exit.is_success() {
        return Err(failed(&format!("failed: {exit}: {}", logs::tail(&log))));
    }
    rate_in(&log, log_from).ok_or_else(|| failed("printed no rate"))
}

/// Only the summary has percentiles.
fn rate_in(log: &Path, from: usize) -> Option<f64> {
    parse_rate(&logs::first_line_with(log, from, &["ms 99.9th"])?)
}

/// Of `500000 records sent, 136612.0 records/sec (26.06 MB/sec), …`.
fn parse_rate(line: &str) -> Option<f64> {
    let (before, _) = line.split_once(" records/sec")?;
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_the_summary() {
        let line =
            "500000 records sent, 136612.0 records/sec (26.06 MB/sec), 12.1 ms avg latency, 210.00 ms max latency";
        assert_eq!(parse_rate(line), Some(136_612.0));
        assert_eq!(parse_rate("nothing of the kind"), None);
    }
}
