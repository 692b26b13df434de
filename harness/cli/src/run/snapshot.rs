//! The database at the end of a run, copied to files (`COPY … TO STDOUT`, text form), and read back for the ledger.
//!
//! The files keep what was measured after the server is gone: `database/{definition,instance,job,outbox,audit}.tsv`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::str::FromStr;

use anyhow::{Context, bail};
use crossover_evidence::snapshot::{
    AuditEvent, AuditRow, DefinitionRow, InstanceRow, InstanceState, JobRow, JobState, OutboxRow, Snapshot,
};
use crossover_proto::clock::MonotonicNs;
use crossover_proto::{InstanceId, JobId};
use crossover_testbed::ConnectionUrl;
use serde::de::DeserializeOwned;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio_stream::StreamExt;
use uuid::Uuid;

use super::directory::RunDirectory;

/// File and query of each table.
const TABLES: [(&str, &str); 5] = [
    (
        "definition",
        "SELECT id, name, array_to_string(step_widths, ',') FROM definition ORDER BY id",
    ),
    (
        "instance",
        "SELECT id, definition_id, state, step, remaining FROM instance ORDER BY id",
    ),
    (
        "job",
        "SELECT id, instance_id, job_type, step, ordinal, state, attempt FROM job ORDER BY id",
    ),
    (
        "outbox",
        "SELECT id, job_id, attempt, (sent_at IS NOT NULL)::integer, coalesce(partition, -1), coalesce(record_offset, -1)
         FROM outbox ORDER BY id",
    ),
    (
        "audit",
        "SELECT instance_id, job_id, attempt, event FROM audit ORDER BY id",
    ),
];

/// Copies the tables to the run's directory, all as of one moment; returns that moment.
///
/// # Errors
/// If the database does not answer, or the disk is full.
pub async fn save(directory: &RunDirectory, database: &ConnectionUrl) -> anyhow::Result<MonotonicNs> {
    let options: PgConnectOptions = database.reveal().parse().context("the database URL")?;
    let options = options.application_name("crossover-snapshot");
    let connected = options.connect().await;
    let mut connection = connected.context("can't read the database at the end of the run")?;
    // A kept system goes on while it is copied.
    sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .execute(&mut connection)
        .await?;
    sqlx::query("SELECT 1 FROM definition LIMIT 1")
        .execute(&mut connection)
        .await?;
    let moment = MonotonicNs::now();
    for (table, query) in TABLES {
        let path = directory.file(&format!("database/{table}.tsv"));
        let half = path.with_extension("part");
        let mut file = BufWriter::new(File::create(&half).with_context(|| format!("can't make {}", half.display()))?);
        let mut rows = connection.copy_out_raw(&format!("COPY ({query}) TO STDOUT")).await?;
        while let Some(bytes) = rows.next().await {
            file.write_all(&bytes?)
                .with_context(|| format!("can't write {}", half.display()))?;
        }
        file.flush()?;
        fs::rename(&half, &path)?;
    }
    connection.close().await?;
    Ok(moment)
}

/// Reads the tables back; `None` if the run died before they were copied.
///
/// # Errors
/// If a file is damaged.
pub fn read(directory: &RunDirectory) -> anyhow::Result<Option<Snapshot>> {
    // Written last: if it is there, all are.
    if !directory.file("database/audit.tsv").is_file() {
        return Ok(None);
    }
    let mut types: HashMap<String, u16> = HashMap::new();
    let mut type_index = |name: &str| -> u16 {
        if let Some(index) = types.get(name) {
            return *index;
        }
        let index = u16::try_from(types.len()).unwrap_or(u16::MAX);
        types.insert(name.to_owned(), index);
        index
    };
    Ok(Some(Snapshot {
        definitions: rows(directory, "definition", definition)?,
        instances: rows(directory, "instance", instance)?,
        jobs: rows(directory, "job", |row| job(row, &mut type_index))?,
        outbox: rows(directory, "outbox", outbox)?,
        audit: rows(directory, "audit", audit)?,
    }))
}

/// The fields of a line, taken one by one.
struct Fields<'a>(std::str::Split<'a, char>);

impl<'a> Fields<'a> {
    fn text(&mut self) -> anyhow::Result<&'a str> {
        self.0.next().context("a field is missing")
    }

    fn number<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(&mut self) -> anyhow::Result<T> {
        let text = self.text()?;
        text.parse().with_context(|| format!("not a number: {text:?}"))
    }

    fn instance(&mut self) -> anyhow::Result<InstanceId> {
        let text = self.text()?;
        Ok(InstanceId(
            Uuid::parse_str(text).with_context(|| format!("not an id: {text:?}"))?,
        ))
    }

    /// An enum by its name in the database.
    fn name<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let text: StrDeserializer<'_, ValueError> = self.text()?.into_deserializer();
        Ok(T::deserialize(text)?)
    }
}

fn rows<T>(
    directory: &RunDirectory,
    table: &str,
    mut read: impl FnMut(&mut Fields<'_>) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<T>> {
    let path = directory.file(&format!("database/{table}.tsv"));
    let unreadable = || format!("can't read {}", path.display());
    // Line by line: of a long run, its text and its rows would not both fit in the memory.
    let mut file = BufReader::new(File::open(&path).with_context(unreadable)?);
    let (mut rows, mut line) = (Vec::new(), String::new());
    while file.read_line(&mut line).with_context(unreadable)? > 0 {
        let place = || format!("{} line {}", path.display(), rows.len() + 1);
        let mut fields = Fields(line.trim_end_matches('\n').split('\t'));
        let row = read(&mut fields).with_context(place)?;
        if fields.0.next().is_some() {
            bail!("{}: too many fields", place());
        }
        rows.push(row);
        line.clear();
    }
    Ok(rows)
}

fn definition(row: &mut Fields<'_>) -> anyhow::Result<DefinitionRow> {
    Ok(DefinitionRow {
        id: row.number()?,
        name: row.text()?.to_owned(),
        step_widths: row
            .text()?
            .split(',')
            .map(|width| Ok(width.parse()?))
            .collect::<anyhow::Result<_>>()?,
    })
}

fn instance(row: &mut Fields<'_>) -> anyhow::Result<InstanceRow> {
    Ok(InstanceRow {
        id: row.instance()?,
        definition: row.number()?,
        state: row.name::<InstanceState>()?,
        step: row.number()?,
        remaining: row.number()?,
    })
}

fn job(row: &mut Fields<'_>, type_index: &mut impl FnMut(&str) -> u16) -> anyhow::Result<JobRow> {
    Ok(JobRow {
        id: JobId(row.number()?),
        instance: row.instance()?,
        job_type: type_index(row.text()?),
        step: row.number()?,
        ordinal: row.number()?,
        state: row.name::<JobState>()?,
        attempt: row.number()?,
    })
}

fn outbox(row: &mut Fields<'_>) -> anyhow::Result<OutboxRow> {
    let (id, job, attempt) = (row.number()?, JobId(row.number()?), row.number()?);
    let (sent, partition, offset) = (row.number::<u8>()? == 1, row.number()?, row.number()?);
    Ok(OutboxRow {
        id,
        job,
        attempt,
        sent,
        record: (partition >= 0).then_some((partition, offset)),
    })
}

fn audit(row: &mut Fields<'_>) -> anyhow::Result<AuditRow> {
    Ok(AuditRow {
        instance: row.instance()?,
        job: match row.text()? {
            "\\N" => None,
            id => Some(JobId(id.parse().with_context(|| format!("not a number: {id:?}"))?)),
        }
        .into(),
        attempt: row.number()?,
        event: row.name::<AuditEvent>()?,
    })
}
