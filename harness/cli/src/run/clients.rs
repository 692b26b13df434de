//! The harness's own gRPC channels to the replicas.

use std::time::Duration;

use anyhow::Context;
use crossover_proto::definition::Definition;
use crossover_proto::engine::engine_client::EngineClient;
use crossover_proto::engine::{RegisterRequest, StartItem, StartOutcome, StartRequest};
use crossover_proto::history::Outcome;
use tonic::transport::{Channel, Endpoint};

/// Channels per replica: an HTTP/2 connection of the server takes 200 calls at once, and a stalled engine must not make
/// the generator late.
const CHANNELS_PER_REPLICA: usize = 4;
/// A start without an answer by then is unknown; the settling asks again.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Clients of all replicas, taken in turn.
#[derive(Debug, Clone)]
pub struct Clients {
    all: Vec<EngineClient<Channel>>,
}

impl Clients {
    /// Connects lazily to `http://host:port` addresses.
    ///
    /// # Errors
    /// If an address is not one.
    pub fn new(addresses: &[String]) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        for _ in 0..CHANNELS_PER_REPLICA {
            for address in addresses {
                let endpoint = Endpoint::from_shared(address.clone()).with_context(|| address.clone())?;
                let endpoint = endpoint.connect_timeout(Duration::from_secs(1)).tcp_nodelay(true);
                all.push(EngineClient::new(endpoint.connect_lazy()));
            }
        }
        Ok(Self { all })
    }

    /// The client whose turn it is.
    pub fn of(&self, turn: u64) -> EngineClient<Channel> {
        let count = self.all.len().max(1) as u64;
        self.all[usize::try_from(turn % count).unwrap_or(0)].clone()
    }

    /// Opens every connection, so that no arrival waits for one.
    ///
    /// # Errors
    /// If a replica does not answer.
    pub async fn warm(&self) -> anyhow::Result<()> {
        for client in &self.all {
            client
                .clone()
                .start(StartRequest { items: Vec::new() })
                .await
                .context("a replica does not answer")?;
        }
        Ok(())
    }

    /// Registers a definition.
    ///
    /// # Errors
    /// If the engine refuses it.
    pub async fn register(&self, definition: &Definition) -> anyhow::Result<()> {
        let request = RegisterRequest {
            document_json: definition.to_json(),
        };
        self.of(0)
            .register(request)
            .await
            .with_context(|| format!("register {}", definition.name))?;
        Ok(())
    }

    /// Starts instances; one outcome each. No answer is `Unknown` for all.
    pub async fn start(&self, turn: u64, items: Vec<StartItem>) -> Vec<Outcome> {
        let count = items.len();
        let mut client = self.of(turn);
        match tokio::time::timeout(CALL_TIMEOUT, client.start(StartRequest { items })).await {
            Ok(Ok(answer)) => answer.into_inner().outcomes.into_iter().map(outcome_of).collect(),
            Ok(Err(status)) => {
                tracing::debug!(%status, "start failed");
                vec![Outcome::Unknown; count]
            }
            Err(_) => vec![Outcome::Unknown; count],
        }
    }
}

fn outcome_of(outcome: i32) -> Outcome {
    match StartOutcome::try_from(outcome) {
        Ok(StartOutcome::Accepted) => Outcome::Done,
        Ok(StartOutcome::AlreadyExists) => Outcome::Already,
        Ok(StartOutcome::UnknownDefinition | StartOutcome::InvalidId | StartOutcome::PayloadTooLarge) => {
            Outcome::Rejected
        }
        Ok(StartOutcome::Unspecified) | Err(_) => Outcome::Unknown,
    }
}
