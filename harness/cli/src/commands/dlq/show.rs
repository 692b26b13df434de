//! "Where is my job?": its instance, its audit trail and, in event-driven mode, each checkpoint on its way.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Context;
use crossover_proto::InstanceId;
use crossover_proto::engine as wire;
use tonic::Code;

use super::checkpoints::{self, Broker};
use super::kept::Kept;
use crate::args::KeptSystem;
use crate::failure::bad_input;

/// Writes what is known of a job.
pub(super) async fn show(job: i64, system: &KeptSystem) -> anyhow::Result<()> {
    let mut kept = Kept::connect(system).await?;
    let request = wire::InspectRequest {
        job_id: job,
        ..Default::default()
    };
    let instance = match kept.engine.inspect(request).await {
        Ok(answer) => answer.into_inner(),
        Err(status) if status.code() == Code::NotFound => {
            return Err(bad_input(format!(
                "no job {job}; `./just dlq list` shows those that are dead letters"
            )));
        }
        Err(status) => return Err(status.into()),
    };
    let mut text = told(&instance)?;
    let Some(kafka) = kept.kafka else {
        return Ok(std::io::stdout().lock().write_all(text.as_bytes())?);
    };
    let asked = checkpoints::Asked::new(&instance, job, kafka, &kept.directory);
    let asked = asked.context("the instance does not list the job")?;
    let (asked, looked) = tokio::task::spawn_blocking(move || {
        let looked = Broker::look(&asked);
        (asked, looked)
    })
    .await?;
    asked.write(&mut text, looked.as_ref().ok())?;
    std::io::stdout().lock().write_all(text.as_bytes())?;
    // What the database knows is told though the broker is away.
    looked.map(drop)
}

/// The instance, its jobs and its audit trail.
fn told(instance: &wire::InspectResponse) -> anyhow::Result<String> {
    let id = InstanceId::from_wire(&instance.instance_id).context("an instance id is not 16 bytes")?;
    let mut out = String::new();
    writeln!(
        out,
        "instance {id} of {} version {}: {}",
        instance.definition, instance.definition_version, instance.state
    )?;
    for job in &instance.jobs {
        let wire::JobStatus {
            job_id,
            job_type,
            step,
            ordinal,
            state,
            attempt,
            worker,
            last_error,
        } = job;
        let line = format!(
            "job {job_id}  {job_type}  step {step}.{ordinal}  {state}, attempt {attempt}  {worker}  {last_error}"
        );
        writeln!(out, "  {}", line.trim_end())?;
    }
    for line in &instance.audit {
        let subject = if line.job_id == 0 {
            "instance".to_owned()
        } else {
            format!("job {}", line.job_id)
        };
        let at = checkpoints::at(line.at_unix_us);
        writeln!(out, "  {at}  {subject}  {}  attempt {}", line.event, line.attempt)?;
    }
    Ok(out)
}
