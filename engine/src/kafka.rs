//! What relay and workers share about the broker: how to reach it, and what topics and groups are called.
//!
//! | name | what |
//! |---|---|
//! | `<prefix>jobs.<job_type>` | a topic per job type, keyed by instance |
//! | `<prefix>dead-letters.<job_type>` | records of it that no worker can read |
//! | `<prefix>workers.<job_type>` | the consumer group of its workers |
//!
//! It must not decide what is sent or read.

use std::path::{Path, PathBuf};

use clap::Args;
use rdkafka::ClientConfig;

use crate::EngineError;

/// Where the broker is, and how it is spoken to.
#[derive(Debug, Clone, Default, Args)]
pub struct KafkaArgs {
    /// Address of a broker, as host:port; repeat for several
    #[arg(long)]
    pub broker: Vec<String>,
    /// File of librdkafka properties (`key=value` lines) for TLS and SASL: passwords belong there, not on a command line
    #[arg(long, env = "CROSSOVER_KAFKA_CONFIG")]
    pub kafka_config: Option<PathBuf>,
    /// Begins the names of all topics and groups
    #[arg(long, default_value = "")]
    pub topic_prefix: String,
}

/// A broker to connect to.
#[derive(Debug, Clone)]
pub struct Kafka {
    brokers: String,
    properties: Vec<(String, String)>,
    prefix: String,
}

impl Kafka {
    /// Reads the properties file.
    ///
    /// # Errors
    /// If there is no broker, the file can't be read or is none of properties, or asks for what this build lacks.
    pub fn new(args: &KafkaArgs) -> Result<Self, EngineError> {
        if args.broker.is_empty() {
            return Err(EngineError::Kafka(
                "no broker is given; pass --broker host:port".to_owned(),
            ));
        }
        let properties = match &args.kafka_config {
            Some(path) => read_properties(path)?,
            None => Vec::new(),
        };
        Ok(Self {
            brokers: args.broker.join(","),
            properties,
            prefix: args.topic_prefix.clone(),
        })
    }

    /// The settings that every client has; each adds its own.
    #[must_use]
    pub fn config(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", client_id)
            .set("broker.address.family", "v4")
            // A broker that comes back is found within half a second, not within ten.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "500")
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            .set("log.connection.close", "false");
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config
    }

    /// Do producers compress what they send?
    #[must_use]
    pub fn compresses(&self) -> bool {
        let asked = |key: &str| ["compression.codec", "compression.type"].contains(&key);
        self.properties.iter().any(|(key, value)| asked(key) && value != "none")
    }

    /// The topic of a job type.
    #[must_use]
    pub fn topic(&self, job_type: &str) -> String {
        format!("{}jobs.{job_type}", self.prefix)
    }

    /// The topic for records of a job type that no worker can read.
    #[must_use]
    pub fn dead_letter_topic(&self, job_type: &str) -> String {
        format!("{}dead-letters.{job_type}", self.prefix)
    }

    /// The consumer group of a job type's workers.
    #[must_use]
    pub fn group(&self, job_type: &str) -> String {
        format!("{}workers.{job_type}", self.prefix)
    }

    /// Addresses of the brokers.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }
}

/// Why a properties file can't be used.
fn refuse<T>(path: &Path, problem: &str) -> Result<T, EngineError> {
    Err(EngineError::Kafka(format!("{}: {problem}", path.display())))
}

fn read_properties(path: &Path) -> Result<Vec<(String, String)>, EngineError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return refuse(path, &format!("can't be read: {error}")),
    };
    let mut properties = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The line is not quoted: it may hold a password.
        let Some((key, value)) = line.split_once('=') else {
            return refuse(path, &format!("line {number}: expected key=value"));
        };
        properties.push((key.trim().to_owned(), value.trim().to_owned()));
    }
    let protocol = properties.iter().find(|(key, _)| key == "security.protocol");
    if let Some((_, protocol)) = protocol
        && !protocol.eq_ignore_ascii_case("plaintext")
        && !cfg!(feature = "kafka-tls")
    {
        let problem = format!(
            "security.protocol={protocol}: this build speaks to brokers in plain text only; build it with `--features kafka-tls`"
        );
        return refuse(path, &problem);
    }
    Ok(properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str) -> Result<Kafka, String> {
        let file = std::env::temp_dir().join(format!("crossover-kafka-{}-{}", std::process::id(), text.len()));
        std::fs::write(&file, text).unwrap();
        let args = KafkaArgs {
            broker: vec!["127.0.0.1:9092".to_owned()],
            kafka_config: Some(file.clone()),
            topic_prefix: "t.".to_owned(),
        };
        let kafka = Kafka::new(&args).map_err(|error| error.to_string());
        std::fs::remove_file(file).unwrap();
        kafka
    }

    #[test]
    fn properties_reach_every_client() {
        let kafka = with_file("# a comment\n\nsocket.timeout.ms = 5000\n").unwrap();
        assert_eq!(kafka.config("c").get("socket.timeout.ms"), Some("5000"));
        assert_eq!(kafka.topic("mail"), "t.jobs.mail");
    }

    #[test]
    fn a_bad_line_is_named_and_not_quoted() {
        let error = with_file("a=b\nsasl.password hunter2").unwrap_err();
        assert!(error.contains("line 2: expected key=value"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    #[cfg(not(feature = "kafka-tls"))]
    fn tls_without_the_feature_names_the_feature() {
        let error = with_file("security.protocol=SASL_SSL").unwrap_err();
        assert!(error.contains("--features kafka-tls"), "{error}");
    }
}
