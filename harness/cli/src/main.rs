//! `crossover`: do we need Kafka, and when? Parse, validate, run, report.

mod args;
mod commands;
mod failure;
mod place;
mod run;
mod scenario;

use std::process::ExitCode;

use clap::Parser;
use crossover_engine::command::EngineCommand;
use tokio::runtime::Builder;

use crate::args::{Command, CommandLine};

fn main() -> ExitCode {
    let line = CommandLine::try_parse().unwrap_or_else(|error| args::without_secrets(error).exit());
    // The supervisor owns processes and spawns them from its main thread: no runtime, no logging set up before it.
    if matches!(line.command, Command::Supervise) {
        return crossover_testbed::supervisor::supervise();
    }
    start_logging();
    let outcome = runtime(&line.command).and_then(|runtime| {
        let outcome = runtime.block_on(dispatch(line.command));
        // A blocking task that hangs does not hold the exit.
        runtime.shutdown_background();
        outcome
    });
    failure::to_exit_code(outcome)
}

async fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Bench(args) => commands::bench::run(args).await,
        Command::Chaos(args) => commands::chaos::run(args).await,
        Command::Capacity(args) => commands::capacity::run(args).await,
        Command::Sweep(args) => commands::sweep::command(args).await,
        Command::Map(args) => commands::map::run(args).await,
        Command::Regress(args) => commands::regress::run(args).await,
        Command::Decide(args) => commands::decide::run(&args),
        Command::Claims(args) => commands::claims::run(&args),
        Command::Diff(args) => commands::diff::run(&args),
        Command::Report(args) => commands::report::run(&args),
        Command::Export(args) => commands::export::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args).await,
        Command::Setup => commands::setup::run().await,
        Command::Images(args) => commands::images::run(args).await,
        Command::Clean(args) => commands::clean::run(&args).await,
        Command::Dlq(command) => commands::dlq::run(command).await,
        Command::Instrument(args) => commands::instrument::run(&args).await,
        Command::Relay(args) => commands::relay::run(args).await,
        Command::Assess(args) => commands::assess::run(&args).await,
        Command::Engine(command) => {
            crossover_engine::command::run(*command).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Downstream(args) => commands::downstream::run(args).await,
        Command::ExternalCleanup(args) => {
            crossover_external::cleanup::run(&args).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::ContainerCleanup(args) => {
            crossover_testbed::containers::cleanup::remove_run(&args.run, &args.directory).await?;
            Ok(ExitCode::SUCCESS)
        }
        // Taken care of before there was a runtime.
        Command::Supervise => Ok(ExitCode::FAILURE),
    }
}

fn runtime(command: &Command) -> anyhow::Result<tokio::runtime::Runtime> {
    let mut runtime = match command {
        // A relay is one loop: a thread of its own for what comes from its sockets would wake it a second time.
        Command::Engine(command) if matches!(**command, EngineCommand::Relay(_)) => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    runtime.worker_threads(threads());
    Ok(runtime.enable_all().build()?)
}

/// Half the processors: the other half is for PostgreSQL, the broker and the other parts. A thread more than there is a
/// processor for only adds wake-ups: 20 µs each here, when they cross processors.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get().div_ceil(2))
}

fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    // That a broker is away, the parts that miss it say themselves; its client would say it a hundred times a second.
    let filter = filter.unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new("warn,librdkafka=off,rdkafka=off,crossover_engine=info")
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
