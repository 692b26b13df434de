//! An engine replica: the gRPC API, wake-ups, the reaper and the scheduler, in one process.
//!
//! Any number of replicas work on one database. They share nothing but PostgreSQL: each reaps and promotes with
//! SKIP LOCKED, and tells the others of ready jobs by NOTIFY, after commit.

mod api;
mod convert;
mod dead_letters;
mod housekeeping;
mod leases;
mod reports;
mod starter;
mod wake;

use crossover_proto::engine::engine_server::EngineServer;
use crossover_proto::history::Recorder;
use tonic::service::Routes;

pub use api::{MAX_MESSAGE_BYTES, PAYLOAD_BYTES_MAX, POLL_JOBS_MAX};

use crate::EngineError;
use crate::command::{Dispatch, ProcessArgs, ServeArgs};
use crate::service::{listen, metrics_router, serve_bounded, stop_on_signal};
use crate::store::Store;

/// Runs a replica until SIGTERM.
pub(crate) async fn run(args: ServeArgs) -> Result<(), EngineError> {
    let stop = stop_on_signal()?;
    let recorder = recorder(&args.process)?;
    let application = format!("crossover-engine-{}", args.process.name);
    let store = Store::new(&args.database.database_url, &application, args.connections);
    store.ping().await?;
    let store = match args.dispatch {
        Dispatch::Polling => store,
        Dispatch::EventDriven => store.dispatching_to_outbox(&args.process.name),
    };

    let wakeups = wake::Wakeups::new(&args.process.name);
    if args.notify {
        let url = &args.database.database_url;
        wake::spawn_sender(&wakeups, url, &application, stop.clone());
        // In event-driven mode nobody polls here: the relay alone is to hear it.
        if !store.dispatches_to_outbox() {
            wake::spawn_listener(&wakeups, url, &application, stop.clone()).await?;
        }
    }
    housekeeping::spawn(store.clone(), wakeups.clone(), args.housekeeping_interval, stop.clone());

    let api = api::Api::new(store, wakeups, recorder, args.claim, stop.clone());
    let service = EngineServer::new(api)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let router = Routes::new(service).into_axum_router().merge(metrics_router());
    let listener = listen(args.process.listen, args.process.ready_file.as_deref()).await?;
    serve_bounded(listener, router, stop).await
}

/// The history of a process, if it was asked for.
pub(crate) fn recorder(process: &ProcessArgs) -> Result<Recorder, EngineError> {
    match &process.history {
        Some(directory) => Recorder::create(directory, &process.name).map_err(EngineError::History),
        None => Ok(Recorder::off()),
    }
}
