//! The same statements driven by `pgbench` just before a run: what PostgreSQL alone does with them on this machine, now.
//!
//! A database of its own is filled with the scenario's instances by the engine's `start` statement; then each client
//! claims a batch and completes it, in two statements, until the jobs are used up. No gRPC, no worker, no history.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use crossover_engine::store::{DatabaseUrl, NewInstance, Store, migrate, statements};
use crossover_proto::InstanceId;
use crossover_testbed::{ConnectionUrl, LocalPostgres};
use sqlx::{Connection, PgConnection};

use crate::scenario::{Reference, Scenario};

/// It stops by itself long before.
const BOUND: Duration = Duration::from_secs(120);

/// Jobs per second that `pgbench` reached, or why it was not run.
///
/// # Errors
/// If the database or `pgbench` fails.
pub async fn measure(
    postgres: &LocalPostgres,
    scenario: &Scenario,
    reference: &Reference,
    work: &Path,
) -> anyhow::Result<Result<f64, String>> {
    if let Some(image) = &postgres.installation().image {
        return Ok(Err(format!(
            "PostgreSQL's programs are in image {image}, and pgbench is not run there"
        )));
    }
    let pgbench = postgres.installation().bin.join("pgbench");
    if !pgbench.is_file() {
        return Ok(Err(format!(
            "no pgbench beside {}",
            postgres.installation().bin.display()
        )));
    }
    let mut admin = PgConnection::connect(&postgres.url().reveal()).await?;
    sqlx::query("CREATE DATABASE reference").execute(&mut admin).await?;
    let database = postgres.url().with_database("reference");
    let job_type = fill(&database, scenario, reference.jobs).await?;
    let script = work.join("reference.pgbench");
    std::fs::write(&script, script_text(reference, &job_type)?)?;
    let rate = run(&pgbench, &database, reference, &script).await;
    sqlx::query("DROP DATABASE reference WITH (FORCE)")
        .execute(&mut admin)
        .await?;
    // What it left in memory and in the log must not be the run's burden.
    sqlx::query("CHECKPOINT").execute(&mut admin).await?;
    admin.close().await?;
    rate.map(Ok)
}

async fn fill(database: &ConnectionUrl, scenario: &Scenario, jobs: u32) -> anyhow::Result<String> {
    let url: DatabaseUrl = database.reveal().parse()?;
    migrate(&url).await?;
    let store = Store::new(&url, "crossover-reference", 1);
    let entry = scenario
        .document
        .workload
        .definitions
        .first()
        .context("no definition")?;
    let registered = store.register(&entry.definition).await?;
    let arrival = scenario.plan.arrival(0).context("no arrival")?;
    let payload = scenario.plan.payload(arrival, &scenario.document.workload);
    for batch in (0..jobs).collect::<Vec<_>>().chunks(1_000) {
        let new = |_: &u32| NewInstance {
            id: InstanceId::new(),
            definition: registered.id,
            payload: payload.clone(),
            delay_ms: 0,
        };
        store.start(batch.iter().map(new).collect()).await?;
    }
    entry
        .definition
        .job_types()
        .first()
        .map(|name| (*name).to_owned())
        .context("no job type")
}

/// The engine's own statements, with `pgbench`'s variables in place of parameters. The claim's answer is gathered into
/// arrays, which is all that a script can carry from one statement to the next.
fn script_text(reference: &Reference, job_type: &str) -> anyhow::Result<String> {
    let text = |tag: &str| {
        let found = statements().find(|(found, _)| *found == tag).map(|(_, text)| text);
        found.with_context(|| format!("no statement {tag}"))
    };
    let claim = text("claim")?
        .replace("SELECT * FROM claimed ORDER BY id", "SELECT coalesce(array_agg(id), '{}') AS ids, coalesce(array_agg(attempt), '{}') AS attempts, coalesce(array_agg(instance_id), '{}') AS instances FROM claimed")
        .replace("$1", &format!("'{job_type}'"))
        .replace("$2", &reference.batch.to_string())
        .replace("$3", "'pgbench'")
        .replace("$4", "30000");
    let complete = text("complete")?
        .replace("$1::bigint[]", ":ids::bigint[]")
        .replace("$2::smallint[]", ":attempts::smallint[]")
        .replace("$3::uuid[]", ":instances::uuid[]")
        .replace("($3)", "(:instances::uuid[])");
    Ok(format!("{}\n\\gset\n{};\n", one_line(&claim), one_line(&complete)))
}

/// `pgbench` ends a `\gset` statement at the backslash command; a statement must not hold blank lines.
fn one_line(statement: &str) -> String {
    statement.split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn run(pgbench: &Path, database: &ConnectionUrl, reference: &Reference, script: &Path) -> anyhow::Result<f64> {
    let per_client = (reference.jobs / reference.batch / reference.clients).max(1);
    let command = tokio::process::Command::new(pgbench)
        .args([
            "--no-vacuum",
            "--protocol",
            "prepared",
            "--client",
            &reference.clients.to_string(),
            "--jobs",
            "1",
        ])
        .args([
            "--transactions",
            &per_client.to_string(),
            "--file",
            &script.display().to_string(),
        ])
        .args(["--host", database.host(), "--port", &database.port().to_string()])
        .args(["--username", database.user(), "reference"])
        .env("PGPASSWORD", database.reveal_password())
        .env(
            "PGOPTIONS",
            "-c enable_seqscan=off -c plan_cache_mode=force_generic_plan -c jit=off",
        )
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(BOUND, command)
        .await
        .context("pgbench did not end")??;
    let text = String::from_utf8_lossy(&output.stdout);
    let tps = text
        .lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse::<f64>().ok());
    match tps {
        Some(tps) if output.status.success() => Ok(tps * f64::from(reference.batch)),
        _ => bail!("pgbench failed: {}", String::from_utf8_lossy(&output.stderr)),
    }
}
