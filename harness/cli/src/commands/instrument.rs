//! `instrument`: the instrument measures itself. How late does the generator send against a server that does nothing,
//! and what does a record cost?

use std::process::ExitCode;

use anyhow::Context;
use crossover_evidence::latency::Latency;
use crossover_evidence::load::Workload;
use crossover_evidence::plan::{Plan, Traces};
use crossover_proto::clock::MonotonicNs;
use crossover_proto::engine as wire;
use crossover_proto::engine::engine_server::{Engine, EngineServer};
use crossover_proto::history::{Event, Recorder, read_file};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::args::InstrumentArgs;
use crate::failure::bad_input;
use crate::run::{Generator, Load, record_cost_ns};
use crate::scenario::Document;

/// Runs the command.
///
/// # Errors
/// If the rate is not one, or the loopback can't be used.
pub async fn run(args: &InstrumentArgs) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    println!(
        "one record, in a write of its own: {:.0} ns",
        record_cost_ns(folder.path())?
    );
    let document = document(args)?;
    let delay = send_delay(&document, folder.path()).await?;
    let percentiles = delay.percentiles();
    let millis = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3} ms"));
    println!(
        "send delay at {}/s over {}, {} calls: p50 {}, p99 {}, max {}",
        args.rate_per_s,
        humantime::format_duration(args.duration),
        percentiles.count,
        millis(percentiles.p50),
        millis(percentiles.p99),
        millis(percentiles.max),
    );
    Ok(ExitCode::SUCCESS)
}

fn document(args: &InstrumentArgs) -> anyhow::Result<Document> {
    let text = format!(
        r#"
        title = "null server"
        [[workload.definitions]]
        definition = {{ name = "null", steps = [{{ name = "s", jobs = [{{ job_type = "null" }}] }}] }}
        [[load]]
        name = "steady"
        arrivals = "constant"
        rate_per_s = {:?}
        duration = "{}"
        "#,
        args.rate_per_s,
        humantime::format_duration(args.duration)
    );
    let document: Document = toml::from_str(&text)?;
    document.validate().map_err(|error| bad_input(error.to_string()))?;
    Ok(document)
}

async fn send_delay(document: &Document, folder: &std::path::Path) -> anyhow::Result<Latency> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let server = tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .add_service(EngineServer::new(NullEngine))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let server = tokio::spawn(server);
    let generator = Generator::start()?;
    match generator.refused() {
        None => println!("the generator's thread: real-time, before all others"),
        Some(refused) => println!("the generator's thread: like all others; {refused}"),
    }
    let clients = generator.clients(&[address])?;
    clients.warm().await?;

    let workload: Workload = document.workload.clone();
    let plan = Plan::build(&workload, &document.load, &Traces::new(), document.seed)?;
    let recorder = Recorder::create(folder, "load")?;
    let load = Load::new(plan, workload, document.event_driven.partitions, clients, recorder);
    let origin = MonotonicNs::now().plus(std::time::Duration::from_millis(100));
    load.drive(&generator, origin).await?;
    let settling = load.settle_meanwhile(&generator);
    load.settle(std::time::Instant::now() + std::time::Duration::from_secs(10))
        .await?;
    settling.abort();
    server.abort();

    let history = std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let path = history
        .into_iter()
        .find(|path| path.extension().is_some_and(|found| found == "history"));
    let mut delay = Latency::new();
    for record in read_file(&path.context("no history was written")?)?.records() {
        if let Event::Sent { intended, .. } = record.event {
            delay.record(record.at.saturating_since(intended));
        }
    }
    Ok(delay)
}

/// Accepts everything and does nothing.
struct NullEngine;

type Answer<T> = Result<Response<T>, Status>;

fn nothing<T>() -> Answer<T> {
    Err(Status::unimplemented("the null engine only accepts starts"))
}

#[tonic::async_trait]
impl Engine for NullEngine {
    async fn start(&self, request: Request<wire::StartRequest>) -> Answer<wire::StartResponse> {
        let accepted = i32::from(wire::StartOutcome::Accepted);
        let outcomes = vec![accepted; request.into_inner().items.len()];
        Ok(Response::new(wire::StartResponse { outcomes }))
    }

    async fn register(&self, _: Request<wire::RegisterRequest>) -> Answer<wire::RegisterResponse> {
        nothing()
    }

    async fn poll(&self, _: Request<wire::PollRequest>) -> Answer<wire::PollResponse> {
        nothing()
    }

    async fn begin(&self, _: Request<wire::LeaseRequest>) -> Answer<wire::OutcomeResponse> {
        nothing()
    }

    async fn extend(&self, _: Request<wire::LeaseRequest>) -> Answer<wire::OutcomeResponse> {
        nothing()
    }

    async fn release(&self, _: Request<wire::LeaseRequest>) -> Answer<wire::OutcomeResponse> {
        nothing()
    }

    async fn complete(&self, _: Request<wire::CompleteRequest>) -> Answer<wire::OutcomeResponse> {
        nothing()
    }

    async fn fail(&self, _: Request<wire::FailRequest>) -> Answer<wire::OutcomeResponse> {
        nothing()
    }

    async fn cancel(&self, _: Request<wire::CancelRequest>) -> Answer<wire::CancelResponse> {
        nothing()
    }

    async fn list_dead_letters(
        &self,
        _: Request<wire::ListDeadLettersRequest>,
    ) -> Answer<wire::ListDeadLettersResponse> {
        nothing()
    }

    async fn replay_dead_letters(&self, _: Request<wire::DeadLetterSelection>) -> Answer<wire::DeadLetterChange> {
        nothing()
    }

    async fn discard_dead_letters(&self, _: Request<wire::DeadLetterSelection>) -> Answer<wire::DeadLetterChange> {
        nothing()
    }

    async fn inspect(&self, _: Request<wire::InspectRequest>) -> Answer<wire::InspectResponse> {
        nothing()
    }
}
