//! A system that was kept: a replica of it, and its brokers, by what the run's directory says.

use std::path::PathBuf;

use anyhow::Context;
use crossover_engine::kafka::{Kafka, KafkaArgs};
use crossover_proto::engine as wire;
use crossover_proto::engine::engine_client::EngineClient;
use tonic::transport::{Channel, Endpoint};

use crate::args::KeptSystem;
use crate::failure::bad_input;
use crate::place;
use crate::run::{RunDirectory, RunMeta};

/// A system that runs on.
pub(super) struct Kept {
    /// The run's directory.
    pub directory: PathBuf,
    /// The first replica.
    pub engine: EngineClient<Channel>,
    /// The brokers; none in polling mode.
    pub kafka: Option<Kafka>,
}

impl Kept {
    /// Connects to the first replica, not yet to the brokers.
    pub(super) async fn connect(system: &KeptSystem) -> anyhow::Result<Self> {
        let directory = place::run(&system.run)?;
        if !directory.join("logs/kept.json").is_file() {
            return Err(bad_input(format!(
                "{} left nothing running; run `./just bench … --keep` first, or name another with --run",
                directory.display()
            )));
        }
        let meta = RunMeta::read(&RunDirectory::open(&directory))?;
        let kafka = meta.kafka.map(|address| {
            Kafka::new(&KafkaArgs {
                broker: vec![address.bootstrap],
                topic_prefix: address.prefix,
                kafka_config: address.kafka_config,
            })
        });
        let address = std::fs::read_to_string(directory.join("ready/replica-1")).context("the run has no replica")?;
        let address = address.trim();
        let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await;
        let channel = channel.with_context(|| format!("the replica at {address} does not answer; was it cleaned?"))?;
        Ok(Self {
            directory,
            engine: EngineClient::new(channel),
            kafka: kafka.transpose()?,
        })
    }

    /// Visits all dead letters whose reason contains a text, a page at a time.
    pub(super) async fn each_dead_letter(
        &mut self,
        reason_contains: &str,
        mut visit: impl FnMut(wire::DeadLetter),
    ) -> anyhow::Result<()> {
        let mut after_job_id = 0;
        loop {
            let request = wire::ListDeadLettersRequest {
                reason_contains: reason_contains.to_owned(),
                after_job_id,
                limit: 0,
            };
            let page = self.engine.list_dead_letters(request).await?.into_inner().dead_letters;
            let Some(last) = page.last() else { return Ok(()) };
            after_job_id = last.job_id;
            page.into_iter().for_each(&mut visit);
        }
    }
}
