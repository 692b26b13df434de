//! Servers that play the user's own: a PostgreSQL and a Kafka with another's databases and topics on them, which must be
//! there afterwards. TLS and SASL need `--features kafka-tls,postgres-tls`.
#![expect(clippy::unwrap_used, reason = "a test that can't go on may panic")]

mod brokers;
mod database;
mod own;
mod own_kafka;
#[cfg(feature = "kafka-tls")]
mod secured;
#[cfg(feature = "postgres-tls")]
mod secured_postgres;
mod whole;
