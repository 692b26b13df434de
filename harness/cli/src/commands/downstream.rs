//! `downstream`: the service that handlers of a workload call, a process of its own. It serves so many calls at once, each
//! for its service time, and refuses more; a fault makes it fail calls, or serve them late. It counts every request that
//! reaches it.
//!
//! | series | labels |
//! |---|---|
//! | `downstream_requests_total` | `policy`, `health`: `well` or `sick` when the request came |
//! | `downstream_capacity_calls` | |
//! | `downstream_answers_total` | `policy`, `answer`: `ok`, `slow`, `refused`, `failed`, `abandoned` (the caller left first) |
//!
//! A call that fails does so at once and takes no slot; one that is slow keeps its slot all the time, so a slow service is
//! soon a full one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use crossover_engine::service::{listen, metrics_router, serve_bounded, stop_on_signal};
use crossover_proto::downstream::downstream_server::{Downstream, DownstreamServer};
use crossover_proto::downstream::{CallRequest, CallResponse, Sickness, SicknessSet};
use metrics::{counter, gauge};
use tokio::sync::Semaphore;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// Flags of `downstream`.
#[derive(Debug, Clone, Args)]
pub struct DownstreamArgs {
    /// Calls served at once
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub capacity: u32,
    /// How long a call is served
    #[arg(long, value_parser = humantime::parse_duration)]
    pub service_time: Duration,
    /// Name in logs
    #[arg(long)]
    pub name: String,
    /// Address to listen on; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// File that receives the address once the process is ready
    #[arg(long)]
    pub ready_file: Option<PathBuf>,
}

/// Serves until SIGTERM.
///
/// # Errors
/// If the address can't be listened on.
pub async fn run(args: DownstreamArgs) -> anyhow::Result<ExitCode> {
    let stop = stop_on_signal()?;
    let service = DownstreamServer::new(Service::new(args.capacity as usize, args.service_time));
    let router = Routes::new(service).into_axum_router().merge(metrics_router());
    // There from the start: a page without a series can't be told from a service that does not answer.
    gauge!("downstream_capacity_calls").set(f64::from(args.capacity));
    let listener = listen(args.listen, args.ready_file.as_deref()).await?;
    tracing::info!(name = args.name, capacity = args.capacity, "serving");
    serve_bounded(listener, router, stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// What it can do, and how it feels.
struct Service {
    slots: Semaphore,
    service_time: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    fail_share: f64,
    slow: Duration,
}

impl State {
    fn health(self) -> &'static str {
        if self.fail_share > 0.0 || !self.slow.is_zero() {
            "sick"
        } else {
            "well"
        }
    }
}

impl Service {
    fn new(capacity: usize, service_time: Duration) -> Self {
        Self {
            slots: Semaphore::new(capacity),
            service_time,
            state: Mutex::default(),
        }
    }

    async fn serve(&self, state: State) -> (&'static str, Result<Response<CallResponse>, Status>) {
        if rand::random::<f64>() < state.fail_share {
            return ("failed", Err(Status::unavailable("it is sick")));
        }
        let Ok(_slot) = self.slots.try_acquire() else {
            return ("refused", Err(Status::resource_exhausted("it is full")));
        };
        tokio::time::sleep(self.service_time + state.slow).await;
        let answer = if state.slow.is_zero() { "ok" } else { "slow" };
        (answer, Ok(Response::new(CallResponse {})))
    }
}

/// Counts a request's answer when it is dropped, as it is also when the caller hangs up.
struct Counted {
    policy: String,
    answer: &'static str,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let policy = std::mem::take(&mut self.policy);
        counter!("downstream_answers_total", "policy" => policy, "answer" => self.answer).increment(1);
    }
}

#[tonic::async_trait]
impl Downstream for Service {
    async fn call(&self, request: Request<CallRequest>) -> Result<Response<CallResponse>, Status> {
        let policy = request.into_inner().policy;
        let state = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        counter!("downstream_requests_total", "policy" => policy.clone(), "health" => state.health()).increment(1);
        let mut counted = Counted {
            policy,
            answer: "abandoned",
        };
        let (answer, response) = self.serve(state).await;
        counted.answer = answer;
        response
    }

    async fn set_sickness(&self, request: Request<Sickness>) -> Result<Response<SicknessSet>, Status> {
        let Sickness { fail_share, slow_us } = request.into_inner();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.fail_share = fail_share.unwrap_or(state.fail_share);
        state.slow = slow_us.map_or(state.slow, Duration::from_micros);
        Ok(Response::new(SicknessSet {}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: State = State {
        fail_share: 0.0,
        slow: Duration::from_millis(20),
    };

    #[tokio::test]
    async fn what_is_more_than_its_capacity_is_refused_at_once() {
        let service = Service::new(2, Duration::from_millis(5));
        let well = State::default();
        let (first, second, third) = tokio::join!(service.serve(well), service.serve(well), service.serve(well));
        assert_eq!((first.0, second.0, third.0), ("ok", "ok", "refused"));
        assert_eq!(service.serve(well).await.0, "ok", "the slots are free again");
    }

    #[tokio::test]
    async fn sick_it_fails_at_once_or_serves_late() {
        let service = Service::new(1, Duration::from_millis(5));
        let failing = State {
            fail_share: 1.0,
            ..State::default()
        };
        assert_eq!(
            (failing.health(), SLOW.health(), State::default().health()),
            ("sick", "sick", "well")
        );
        let (slow, failed) = tokio::join!(service.serve(SLOW), service.serve(failing));
        assert_eq!(
            (slow.0, failed.0),
            ("slow", "failed"),
            "a call that fails needs no slot"
        );
    }

    #[tokio::test]
    async fn what_a_sickness_leaves_out_stays_as_it_is() {
        let service = Service::new(1, Duration::ZERO);
        let set = |fail_share, slow_us| service.set_sickness(Request::new(Sickness { fail_share, slow_us }));
        set(Some(0.5), None).await.unwrap();
        set(None, Some(2_000)).await.unwrap();
        set(Some(0.0), None).await.unwrap();
        let state = *service.state.lock().unwrap();
        assert_eq!((state.fail_share, state.slow), (0.0, Duration::from_millis(2)));
    }
}
