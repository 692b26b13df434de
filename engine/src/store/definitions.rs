//! Registers definitions and finds them by name.

use crossover_proto::definition::{Definition, JobSpec};
use sqlx::{Connection, PgTransaction, Row};

use super::Store;
use crate::EngineError;

/// A definition's place in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// Its id.
    pub id: i64,
    /// Its version under its name, from 1.
    pub version: i32,
}

const LATEST: &str = "/* definition_latest */
    SELECT id, version, document FROM definition WHERE name = $1 ORDER BY version DESC LIMIT 1";

const INSERT: &str = "/* definition_insert */
    INSERT INTO definition (name, version, document, step_widths) VALUES ($1, $2, $3, $4) RETURNING id";

const INSERT_JOBS: &str = "/* definition_jobs_insert */
    INSERT INTO definition_job (definition_id, step, ordinal, job_type, delay_ms, max_attempts, initial_backoff_ms,
                                multiplier, max_backoff_ms, jitter)
    SELECT $1, * FROM unnest($2::smallint[], $3::smallint[], $4::text[], $5::bigint[], $6::smallint[], $7::bigint[],
                             $8::double precision[], $9::bigint[], $10::double precision[])";

/// Registration is rare, and two at once must not both make version n + 1.
const LOCK: &str = "/* definition_lock */ LOCK TABLE definition IN SHARE ROW EXCLUSIVE MODE";

pub(super) const STATEMENTS: [&str; 3] = [LATEST, INSERT, INSERT_JOBS];

impl Store {
    /// Stores a validated definition; the same document again answers what is there.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn register(&self, definition: &Definition) -> Result<Registered, EngineError> {
        let document = definition.to_json();
        let mut connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        sqlx::query(LOCK).execute(&mut *transaction).await?;
        let latest = sqlx::query(LATEST)
            .bind(&definition.name)
            .fetch_optional(&mut *transaction)
            .await?;
        let mut version = 1;
        if let Some(row) = latest {
            version = row.try_get::<i32, _>("version")? + 1;
            if row.try_get::<String, _>("document")? == document {
                return Ok(Registered {
                    id: row.try_get("id")?,
                    version: version - 1,
                });
            }
        }
        let id = insert(&mut transaction, definition, &document, version).await?;
        transaction.commit().await?;
        Ok(Registered { id, version })
    }

    /// The newest version under a name.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn latest_definition(&self, name: &str) -> Result<Option<(Registered, Definition)>, EngineError> {
        let Some(row) = self.row(sqlx::query(LATEST).bind(name)).await? else {
            return Ok(None);
        };
        let registered = Registered {
            id: row.try_get("id")?,
            version: row.try_get("version")?,
        };
        let definition = Definition::from_json(&row.try_get::<String, _>("document")?)?;
        Ok(Some((registered, definition)))
    }
}

async fn insert(
    transaction: &mut PgTransaction<'_>,
    definition: &Definition,
    document: &str,
    version: i32,
) -> Result<i64, EngineError> {
    let widths: Vec<i32> = definition.steps.iter().map(|step| saturating(step.width())).collect();
    let id: i64 = sqlx::query(INSERT)
        .bind(&definition.name)
        .bind(version)
        .bind(document)
        .bind(widths)
        .fetch_one(&mut **transaction)
        .await?
        .try_get("id")?;
    let jobs = expand(definition);
    let millis = |get: fn(&JobSpec) -> std::time::Duration| -> Vec<i64> {
        jobs.iter().map(|(.., job)| saturating(get(job).as_millis())).collect()
    };
    sqlx::query(INSERT_JOBS)
        .bind(id)
        .bind(jobs.iter().map(|(step, ..)| *step).collect::<Vec<i16>>())
        .bind(jobs.iter().map(|(_, ordinal, _)| *ordinal).collect::<Vec<i16>>())
        .bind(
            jobs.iter()
                .map(|(.., job)| job.job_type.clone())
                .collect::<Vec<String>>(),
        )
        .bind(millis(|job| job.delay))
        .bind(
            jobs.iter()
                .map(|(.., job)| saturating(job.retry.max_attempts))
                .collect::<Vec<i16>>(),
        )
        .bind(millis(|job| job.retry.initial_backoff))
        .bind(jobs.iter().map(|(.., job)| job.retry.multiplier).collect::<Vec<f64>>())
        .bind(millis(|job| job.retry.max_backoff))
        .bind(jobs.iter().map(|(.., job)| job.retry.jitter).collect::<Vec<f64>>())
        .execute(&mut **transaction)
        .await?;
    Ok(id)
}

/// (step, ordinal, job) for each job that an instance runs.
fn expand(definition: &Definition) -> Vec<(i16, i16, &JobSpec)> {
    let mut jobs = Vec::new();
    for (step, spec) in (0i16..).zip(&definition.steps) {
        let of_step = spec.jobs.iter().flat_map(|job| (0..job.count).map(move |_| job));
        jobs.extend((0i16..).zip(of_step).map(|(ordinal, job)| (step, ordinal, job)));
    }
    jobs
}

/// Narrows a number that validation has bounded.
fn saturating<T, U: TryFrom<T> + Bounded>(value: T) -> U {
    U::try_from(value).unwrap_or(U::LARGEST)
}

trait Bounded {
    const LARGEST: Self;
}

impl Bounded for i16 {
    const LARGEST: Self = i16::MAX;
}

impl Bounded for i32 {
    const LARGEST: Self = i32::MAX;
}

impl Bounded for i64 {
    const LARGEST: Self = i64::MAX;
}
