//! What can be done to a link, in the words of the server's API: pure.

use std::time::Duration;

use serde_json::{Value, json};

/// Which way the data flow that a toxic spoils.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    Downstream,
}

impl Direction {
    /// Its name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
        }
    }
}

/// A fault of a link. Times are sent in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toxic {
    /// Delays all data by `latency` ± `jitter`.
    Latency {
        /// The middle.
        latency: Duration,
        /// Half the width.
        jitter: Duration,
    },
    /// Lets so much through.
    Bandwidth {
        /// In kB/s.
        kb_per_s: u64,
    },
    /// Lets nothing through; closes connections after the time, or never.
    Timeout {
        /// How long they stay open.
        after: Option<Duration>,
    },
    /// Resets connections (RST) after the time.
    ResetPeer {
        /// How long they stay open.
        after: Duration,
    },
    /// Delays the closing of connections.
    SlowClose {
        /// By this.
        delay: Duration,
    },
    /// Closes a connection when so much went through.
    LimitData {
        /// In bytes.
        bytes: u64,
    },
}

impl Toxic {
    /// Its name in the API; one of each can be on a direction of a proxy.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Bandwidth { .. } => "bandwidth",
            Self::Timeout { .. } => "timeout",
            Self::ResetPeer { .. } => "reset_peer",
            Self::SlowClose { .. } => "slow_close",
            Self::LimitData { .. } => "limit_data",
        }
    }

    /// Name of this toxic on a proxy, such as `latency_upstream`: the one that the server would give.
    #[must_use]
    pub fn name(&self, direction: Direction) -> String {
        format!("{}_{}", self.kind(), direction.name())
    }

    /// The body of the request that adds it, to every connection.
    pub(super) fn to_json(self, direction: Direction) -> Value {
        let attributes = match self {
            Self::Latency { latency, jitter } => json!({"latency": ms(latency), "jitter": ms(jitter)}),
            Self::Bandwidth { kb_per_s } => json!({"rate": kb_per_s}),
            // 0 means never to the server: a short time must not turn into it.
            Self::Timeout { after } => json!({"timeout": after.map_or(0, |after| ms(after).max(1))}),
            Self::ResetPeer { after } => json!({"timeout": ms(after)}),
            Self::SlowClose { delay } => json!({"delay": ms(delay)}),
            Self::LimitData { bytes } => json!({"bytes": bytes}),
        };
        json!({
            "name": self.name(direction),
            "type": self.kind(),
            "stream": direction.name(),
            "toxicity": 1.0,
            "attributes": attributes,
        })
    }
}

/// Half a thousand million years fit.
fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toxic_is_sent_as_the_server_reads_it() {
        let toxic = Toxic::Latency {
            latency: Duration::from_millis(200),
            jitter: Duration::from_millis(20),
        };
        let sent = toxic.to_json(Direction::Downstream);
        assert_eq!(sent["name"], "latency_downstream");
        assert_eq!(sent["attributes"], json!({"latency": 200, "jitter": 20}));
    }

    #[test]
    fn a_short_timeout_does_not_turn_into_none() {
        let short = Toxic::Timeout {
            after: Some(Duration::from_micros(10)),
        };
        assert_eq!(short.to_json(Direction::Upstream)["attributes"]["timeout"], 1);
        let none = Toxic::Timeout { after: None };
        assert_eq!(none.to_json(Direction::Upstream)["attributes"]["timeout"], 0);
    }
}
