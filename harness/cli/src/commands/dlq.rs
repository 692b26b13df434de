//! `dlq list|show|replay|discard`: dead letters of a system that a run with `--keep` left running.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use crossover_proto::InstanceId;
use crossover_proto::engine as wire;
use crossover_proto::engine::engine_client::EngineClient;
use tonic::transport::{Channel, Endpoint};

use crate::args::{DlqChange, DlqCommand, DlqSelection, KeptSystem};
use crate::failure::bad_input;
use crate::place;

/// Lines of `list`; the counts by reason are of all.
const LINES_MAX: usize = 20;

/// Runs the command.
///
/// # Errors
/// If no system was kept, or it does not answer.
pub async fn run(command: DlqCommand) -> anyhow::Result<ExitCode> {
    match command {
        DlqCommand::List(selection) => list(&selection).await?,
        DlqCommand::Show { job, system } => show(job, &system).await?,
        DlqCommand::Replay(change) => {
            let mut engine = connect(&change.system).await?;
            let most = count(&mut engine, &change).await?;
            let replayed = change_all(&change, most, async |page| engine.replay_dead_letters(page).await).await?;
            println!("{replayed} brought back");
        }
        DlqCommand::Discard(change) => {
            let mut engine = connect(&change.system).await?;
            let most = count(&mut engine, &change).await?;
            let discarded = change_all(&change, most, async |page| engine.discard_dead_letters(page).await).await?;
            println!("{discarded} given up");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(selection: &DlqSelection) -> anyhow::Result<()> {
    let mut engine = connect(&selection.system).await?;
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    let mut first: Vec<wire::DeadLetter> = Vec::new();
    each(&mut engine, &selection.reason, |letter| {
        *reasons.entry(letter.reason.clone()).or_default() += 1;
        if first.len() < LINES_MAX {
            first.push(letter);
        }
    })
    .await?;
    let mut out = std::io::stdout().lock();
    for letter in first {
        let wire::DeadLetter {
            job_id,
            job_type,
            attempt,
            definition,
            reason,
            ..
        } = letter;
        writeln!(
            out,
            "job {job_id}  {definition}/{job_type}  attempt {attempt}  {reason}"
        )?;
    }
    let total: u64 = reasons.values().sum();
    if total > LINES_MAX as u64 {
        writeln!(out, "… and {} more", total - LINES_MAX as u64)?;
    }
    writeln!(out, "{total} dead letters")?;
    for (reason, count) in &reasons {
        writeln!(out, "  {count:>8}  {reason}")?;
    }
    Ok(())
}

/// Dead letters that a change is about, now.
async fn count(engine: &mut EngineClient<Channel>, change: &DlqChange) -> anyhow::Result<u64> {
    let mut count = 0;
    let reason = change.reason.clone().unwrap_or_default();
    each(engine, &reason, |letter| {
        let meant = change.job.is_empty() || change.job.contains(&letter.job_id);
        count += u64::from(meant);
    })
    .await?;
    Ok(count)
}

/// Visits all dead letters whose reason contains a text, a page at a time.
async fn each(
    engine: &mut EngineClient<Channel>,
    reason_contains: &str,
    mut visit: impl FnMut(wire::DeadLetter),
) -> anyhow::Result<()> {
    let mut after_job_id = 0;
    loop {
        let request = wire::ListDeadLettersRequest {
            reason_contains: reason_contains.to_owned(),
            after_job_id,
            limit: 0,
        };
        let page = engine.list_dead_letters(request).await?.into_inner().dead_letters;
        let Some(last) = page.last() else { return Ok(()) };
        after_job_id = last.job_id;
        page.into_iter().for_each(&mut visit);
    }
}

async fn show(job: i64, system: &KeptSystem) -> anyhow::Result<()> {
    let mut engine = connect(system).await?;
    let request = wire::ListDeadLettersRequest {
        reason_contains: String::new(),
        after_job_id: job.saturating_sub(1),
        limit: 1,
    };
    let found = engine.list_dead_letters(request).await?.into_inner().dead_letters;
    let letter = found.into_iter().find(|letter| letter.job_id == job);
    let letter =
        letter.ok_or_else(|| bad_input(format!("job {job} is no dead letter; `dlq list` shows those there are")))?;
    let id = InstanceId::from_wire(&letter.instance_id).context("an instance id is not 16 bytes")?;
    let request = wire::InspectRequest {
        instance_id: letter.instance_id,
    };
    let instance = engine.inspect(request).await?.into_inner();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "instance {id} of {} version {}: {}",
        instance.definition, instance.definition_version, instance.state
    )?;
    for each in &instance.jobs {
        let wire::JobStatus {
            job_id,
            job_type,
            step,
            ordinal,
            state,
            attempt,
            last_error,
            ..
        } = each;
        writeln!(
            out,
            "  job {job_id}  {job_type}  step {step}.{ordinal}  {state}, attempt {attempt}  {last_error}"
        )?;
    }
    for line in &instance.audit {
        let at = jiff::Timestamp::from_microsecond(line.at_unix_us).map_or_else(|_| String::new(), |at| at.to_string());
        let subject = if line.job_id == 0 {
            "instance".to_owned()
        } else {
            format!("job {}", line.job_id)
        };
        writeln!(out, "  {at}  {subject}  {}  attempt {}", line.event, line.attempt)?;
    }
    Ok(())
}

/// Repeats a change, a page at a time, for as many as there are now: what fails again meanwhile is not taken up again.
async fn change_all(
    change: &DlqChange,
    most: u64,
    mut page: impl AsyncFnMut(wire::DeadLetterSelection) -> Result<tonic::Response<wire::DeadLetterChange>, tonic::Status>,
) -> anyhow::Result<u64> {
    let selection = wire::DeadLetterSelection {
        job_ids: change.job.clone(),
        reason_contains: change.reason.clone().unwrap_or_default(),
        limit: 0,
    };
    let mut total = 0;
    while total < most {
        let limit = u32::try_from(most - total).unwrap_or(u32::MAX);
        let selection = wire::DeadLetterSelection {
            limit,
            ..selection.clone()
        };
        let changed = page(selection).await?.into_inner().changed;
        if changed == 0 {
            break;
        }
        total += u64::from(changed);
    }
    Ok(total)
}

/// A replica of the kept system; its address is in the run's directory.
async fn connect(system: &KeptSystem) -> anyhow::Result<EngineClient<Channel>> {
    let run = place::run(&system.run)?;
    if !run.join("logs/kept.json").is_file() {
        return Err(bad_input(format!(
            "{} left nothing running; run `./just bench … --keep` first, or name another with --run",
            run.display()
        )));
    }
    let address = std::fs::read_to_string(run.join("ready/replica-1")).context("the run has no replica")?;
    let endpoint = Endpoint::from_shared(format!("http://{}", address.trim()))?;
    let channel = endpoint.connect().await;
    let channel =
        channel.with_context(|| format!("the replica at {} does not answer; was it cleaned?", address.trim()))?;
    Ok(EngineClient::new(channel))
}
