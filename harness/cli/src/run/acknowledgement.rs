//! What an answer of each broker of ours promises, for the report. Those of the user's servers are examined.

use crossover_testbed::kafka::BrokerKind;

use crate::scenario::Document;

/// What `acks=all` means here.
pub fn of_broker(document: &Document, kind: BrokerKind) -> String {
    if kind == BrokerKind::Redpanda {
        return match document.topology.brokers {
            1 => "acks=all of one broker, no replica: the record is flushed to disk before the answer".to_owned(),
            brokers => {
                format!("acks=all of {brokers} brokers: a majority has flushed the record to disk before the answer")
            }
        };
    }
    let flushed = match document.event_driven.flush_every_messages {
        Some(1) => "flushed to disk before the answer (log.flush.interval.messages=1)".to_owned(),
        Some(messages) => format!("flushed to disk every {messages} messages"),
        None => "in memory only: the operating system flushes it when it will".to_owned(),
    };
    match document.topology.brokers {
        1 => format!(
            "acks=all of one broker, no replica: the record is in its log, {flushed}; a kill of the process loses nothing, a power cut may"
        ),
        brokers => {
            format!("acks=all of {brokers} brokers: at least two have the record (min.insync.replicas=2), {flushed}")
        }
    }
}
