//! A program for the tests to start: the supervisor, or a harness or lock holder to be killed. No part of the product.
//!
//! A role prints what it holds, one line each, then `ready`, and waits for its death.

use std::path::Path;
use std::process::ExitCode;

use crossover_testbed::kafka::BrokerCount;
use crossover_testbed::owned::OwnedDirectory;
use crossover_testbed::toxiproxy::ToxiproxyOptions;
use crossover_testbed::{
    Containers, ContainersOptions, KafkaOptions, LocalKafka, LocalPostgres, LocalToxiproxy, PostgresOptions,
    ProcessSpec, Result, RunLock, Supervisor, TestbedError,
};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args[..] {
        ["supervise"] => return crossover_testbed::supervisor::supervise(),
        ["container-cleanup", "--run", run, "--directory", directory] => in_runtime(
            crossover_testbed::containers::cleanup::remove_run(run, Path::new(directory)),
        ),
        ["harness", base, script] => in_runtime(harness(Path::new(base), script)),
        ["postgres", base, run_id] => in_runtime(postgres(Path::new(base), run_id)),
        ["kafka", base, run_id] => in_runtime(kafka(Path::new(base), run_id)),
        ["toxiproxy", base, run_id] => in_runtime(toxiproxy(Path::new(base), run_id)),
        ["lock", path] => RunLock::acquire_in(Path::new(path), "held").map(|_lock| wait_for_death()),
        _ => Err(TestbedError::BadInput(
            "supervise | harness BASE SCRIPT | postgres|kafka|toxiproxy BASE RUN | lock PATH".to_owned(),
        )),
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .map_err(|error| TestbedError::Other(error.to_string()))?
        .block_on(role)
}

/// Holds a supervisor with a shell script and a directory below `base`.
async fn harness(base: &Path, script: &str) -> Result<()> {
    let supervisor = Supervisor::start(base).await?;
    let directory = OwnedDirectory::create(base, "killed", "part")?;
    supervisor.remove_at_end(directory.path()).await?;
    supervisor
        .spawn(ProcessSpec::new("script", "/bin/sh", base.join("script.log")).args(["-c", script]))
        .await?;
    println!("{}", supervisor.pid());
    wait_for_death();
    Ok(())
}

/// Holds a PostgreSQL with its data below `base`.
async fn postgres(base: &Path, run_id: &str) -> Result<()> {
    let supervisor = provided(base, run_id).await?;
    let options = PostgresOptions {
        base: base.to_path_buf(),
        ..PostgresOptions::new(run_id)
    };
    let server = LocalPostgres::start(&supervisor, &options).await?;
    println!("{}\n{}", supervisor.pid(), server.pid().unwrap_or(0));
    wait_for_death();
    Ok(())
}

/// Holds a Kafka with its data below `base`.
async fn kafka(base: &Path, run_id: &str) -> Result<()> {
    let supervisor = provided(base, run_id).await?;
    let options = KafkaOptions {
        base: base.to_path_buf(),
        ..KafkaOptions::new(run_id, BrokerCount::One)?
    };
    let kafka = LocalKafka::start(&supervisor, &options).await?;
    println!("{}\n{}", supervisor.pid(), kafka.pid_of(1).unwrap_or(0));
    wait_for_death();
    Ok(())
}

/// Holds a Toxiproxy.
async fn toxiproxy(base: &Path, run_id: &str) -> Result<()> {
    let supervisor = provided(base, run_id).await?;
    let server = LocalToxiproxy::start(&supervisor, &ToxiproxyOptions::new(run_id)).await?;
    println!("{}\n{}", supervisor.pid(), server.pid().unwrap_or(0));
    wait_for_death();
    Ok(())
}

/// A supervisor, with containers if CROSSOVER_TESTBED asks for them.
async fn provided(base: &Path, run_id: &str) -> Result<Supervisor> {
    let supervisor = Supervisor::start(&base.join("logs")).await?;
    if std::env::var("CROSSOVER_TESTBED").is_ok_and(|provider| provider == "containers") {
        let options = ContainersOptions {
            base: base.to_path_buf(),
            ..ContainersOptions::new(run_id)
        };
        return supervisor.with_containers(Containers::connect(options).await?).await;
    }
    Ok(supervisor)
}

fn wait_for_death() {
    println!("ready");
    loop {
        std::thread::park();
    }
}
