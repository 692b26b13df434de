//! Which broker it is, and what one of them lacks: pure.

use std::fmt;

use crate::containers::images::Part;
use crate::error::{Result, TestbedError};

/// A broker that speaks Kafka's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerKind {
    /// Apache Kafka.
    Kafka,
    /// Redpanda, which runs from its image alone.
    Redpanda,
}

/// Something that not every broker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerFeature {
    /// The newer protocol of consumer groups, `group.protocol=consumer`.
    ConsumerProtocol,
    /// The producer benchmark that Kafka's makers publish with it.
    ProducerBench,
    /// A flush to disk after a number of messages that the caller chooses.
    FlushEveryMessages,
    /// Access rules (ACLs) that hold for clients which do not say who they are.
    Authorizer,
}

impl BrokerKind {
    /// As on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Redpanda => "redpanda",
        }
    }

    /// What it runs from in a container.
    #[must_use]
    pub fn part(self) -> Part {
        match self {
            Self::Kafka => Part::Kafka,
            Self::Redpanda => Part::Redpanda,
        }
    }

    /// Why it does not have a feature; nothing if it has.
    #[must_use]
    pub fn lacks(self, feature: BrokerFeature) -> Option<&'static str> {
        match (self, feature) {
            (Self::Kafka, _) => None,
            (Self::Redpanda, BrokerFeature::ConsumerProtocol) => Some(
                "Redpanda does not have KIP-848 (group.protocol=consumer); use the classic protocol, or --broker kafka",
            ),
            (Self::Redpanda, BrokerFeature::ProducerBench) => Some(
                "Kafka's own producer benchmark comes with Kafka, and Redpanda's image has no Java; use --broker kafka",
            ),
            (Self::Redpanda, BrokerFeature::FlushEveryMessages) => Some(
                "Redpanda flushes before every acknowledgement (acks=all), whatever the number; leave it out, or use --broker kafka",
            ),
            (Self::Redpanda, BrokerFeature::Authorizer) => {
                Some("Redpanda asks for a log-in before it heeds access rules, and ours has none; use --broker kafka")
            }
        }
    }

    /// Refuses a feature that it lacks.
    ///
    /// # Errors
    /// `BadInput` with the reason and what to use instead.
    pub fn require(self, feature: BrokerFeature) -> Result<()> {
        self.lacks(feature)
            .map_or(Ok(()), |why| Err(TestbedError::BadInput(why.to_owned())))
    }
}

impl fmt::Display for BrokerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Kafka => "Kafka",
            Self::Redpanda => "Redpanda",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redpanda_lacks_is_refused_with_the_reason_and_kafka_lacks_nothing() {
        for feature in [
            BrokerFeature::ConsumerProtocol,
            BrokerFeature::ProducerBench,
            BrokerFeature::FlushEveryMessages,
            BrokerFeature::Authorizer,
        ] {
            BrokerKind::Kafka.require(feature).unwrap();
            let error = BrokerKind::Redpanda.require(feature).unwrap_err();
            assert!(
                matches!(&error, TestbedError::BadInput(why) if why.contains("--broker kafka")),
                "{error}"
            );
        }
    }
}
