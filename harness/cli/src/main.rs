//! `crossover`: do we need Kafka, and when? Parse, validate, run, report.

mod args;
mod commands;
mod failure;
mod place;
mod run;
mod scenario;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Command, CommandLine};

fn main() -> ExitCode {
    let line = CommandLine::try_parse().unwrap_or_else(|error| args::without_secrets(error).exit());
    // The supervisor owns processes and spawns them from its main thread: no runtime, no logging set up before it.
    if matches!(line.command, Command::Supervise) {
        return crossover_testbed::supervisor::supervise();
    }
    start_logging();
    let outcome = runtime().and_then(|runtime| {
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
        Command::Report(args) => commands::report::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args).await,
        Command::Setup => commands::setup::run().await,
        Command::Clean(args) => commands::clean::run(&args).await,
        Command::Dlq(command) => commands::dlq::run(command).await,
        Command::Instrument(args) => commands::instrument::run(&args).await,
        Command::Relay(args) => commands::relay::run(args).await,
        Command::Engine(command) => {
            crossover_engine::command::run(*command).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::ExternalCleanup(args) => {
            crossover_external::cleanup::run(&args).await?;
            Ok(ExitCode::SUCCESS)
        }
        // Taken care of before there was a runtime.
        Command::Supervise => Ok(ExitCode::FAILURE),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,crossover_engine=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
