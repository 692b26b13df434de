//! A program for the tests to start: the supervisor, the cleanup that it runs, or a harness to be killed. No part of the
//! product.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use crossover_external::{CleanupArgs, External, ExternalArgs, Wanted, cleanup};
use crossover_testbed::{Result, Supervisor, TestbedError};

#[derive(Debug, Parser)]
struct CommandLine {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    Supervise,
    ExternalCleanup(CleanupArgs),
    /// Prepares, prints the database's name and the prefix, then `ready`, and waits for its death.
    Harness {
        logs: PathBuf,
        run: String,
        #[command(flatten)]
        external: ExternalArgs,
    },
}

fn main() -> ExitCode {
    let outcome = match CommandLine::parse().role {
        Role::Supervise => return crossover_testbed::supervisor::supervise(),
        Role::ExternalCleanup(args) => in_runtime(cleanup::run(&args)),
        Role::Harness { logs, run, external } => in_runtime(harness(logs, run, external)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn in_runtime(role: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime
        .map_err(|error| TestbedError::Other(error.to_string()))?
        .block_on(role)
}

async fn harness(logs: PathBuf, run: String, args: ExternalArgs) -> Result<()> {
    let supervisor = Supervisor::start(&logs).await?;
    let program = std::env::current_exe().map_err(|error| TestbedError::Other(error.to_string()))?;
    let wanted = Wanted {
        run_id: &run,
        has_brokers: !args.external_broker.is_empty(),
        program: &program,
        tell: &|_| (),
    };
    let external = External::prepare(&args, &wanted, &supervisor).await?;
    println!("{}", external.database().database());
    println!("{}", external.kafka().map_or("", |kafka| kafka.topic_prefix.as_str()));
    println!("ready");
    loop {
        std::thread::park();
    }
}
