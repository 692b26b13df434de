//! Calls to the replicas: one at a time is used, and the next one is taken when it does not answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossover_proto::engine as wire;
use crossover_proto::engine::engine_client::EngineClient;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::EngineError;
use crate::serve::MAX_MESSAGE_BYTES;

/// A call that takes longer has lost its replica (stopped, or cut off).
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct Client {
    replicas: Vec<EngineClient<Channel>>,
    current: AtomicUsize,
}

impl Client {
    /// Connects lazily; the first address is used for as long as it answers.
    pub(super) fn new(addresses: &[String]) -> Result<Self, EngineError> {
        let replicas = addresses
            .iter()
            .map(|address| connect(address))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            replicas,
            current: AtomicUsize::new(0),
        })
    }

    /// Runs a call on the current replica, for at most `extra` beyond the usual bound.
    pub(super) async fn call<T, F>(
        &self,
        extra: Duration,
        call: impl FnOnce(EngineClient<Channel>) -> F,
    ) -> Result<T, Status>
    where
        F: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let index = self.current.load(Ordering::Relaxed);
        let replica = self.replicas[index % self.replicas.len()].clone();
        let answer = match tokio::time::timeout(CALL_TIMEOUT + extra, call(replica)).await {
            Ok(answer) => answer.map(tonic::Response::into_inner),
            Err(_) => Err(Status::deadline_exceeded("the replica did not answer")),
        };
        if let Err(status) = &answer
            && matches!(
                status.code(),
                Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Cancelled
            )
        {
            // Only the first to notice moves on.
            let next = index.wrapping_add(1);
            let _ = self
                .current
                .compare_exchange(index, next, Ordering::Relaxed, Ordering::Relaxed);
        }
        answer
    }

    /// Claims jobs.
    pub(super) async fn poll(&self, request: wire::PollRequest) -> Result<Vec<wire::Job>, Status> {
        let extra = Duration::from_millis(u64::from(request.wait_ms));
        let answer = self
            .call(extra, |mut replica| async move { replica.poll(request).await })
            .await?;
        Ok(answer.jobs)
    }

    /// Begins the lease of jobs that came from the broker.
    pub(super) async fn begin(&self, request: wire::LeaseRequest) -> Result<wire::OutcomeResponse, Status> {
        self.call(
            Duration::ZERO,
            |mut replica| async move { replica.begin(request).await },
        )
        .await
    }
}

fn connect(address: &str) -> Result<EngineClient<Channel>, EngineError> {
    let endpoint = Endpoint::from_shared(address.to_owned())
        .map_err(|_| EngineError::EngineAddress(address.to_owned()))?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(2))
        .keep_alive_timeout(Duration::from_secs(2));
    Ok(EngineClient::new(endpoint.connect_lazy())
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES))
}
