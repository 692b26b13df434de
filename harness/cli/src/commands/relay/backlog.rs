//! Rows per second from a filled outbox to the broker.

use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::bail;
use crossover_proto::event::{DispatchedJob, RelayStamp};
use crossover_proto::history::JobKey;
use crossover_proto::{InstanceId, JobId};
use crossover_testbed::ConnectionUrl;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use super::bed::{Bed, JOB_TYPE, Part, prefix};
use super::result::{Backlog, Used};
use super::topic;
use crate::args::RelayArgs;
use crate::run;

/// Who wrote the rows.
const SOURCE: &str = "prefill";
/// Time between two looks: each is a request to the relay, and none to PostgreSQL.
const LOOK: Duration = Duration::from_millis(50);
/// Rows per second of a relay that is given up, and what it is given anyway.
const SLOWEST_ROWS_PER_S: u32 = 1_000;
const PATIENCE: Duration = Duration::from_secs(30);
/// Records whose size is looked at for the mean.
const SIZE_SAMPLES: u32 = 1_000;

/// Rows of the instances in turn, in one statement: `created_at` is the same for all.
const FILL: &str = "INSERT INTO outbox (instance_id, job_id, step, ordinal, attempt, job_type, source, payload)
    SELECT md5('instance ' || n % $2)::uuid, n, 0, 0, 1, $3, $4, convert_to(rpad(n::text, $5, 'x'), 'UTF8')
    FROM generate_series(1, $1) AS n ORDER BY n";

const ELAPSED: &str = "SELECT extract(epoch FROM (SELECT max(sent_at) FROM outbox) - taken_at)::float8 FROM relay_lead";

/// Measures one backlog, in a database and a topic of its own.
pub async fn measure(bed: &Bed, args: &RelayArgs, rows: u32) -> anyhow::Result<Backlog> {
    let leg = format!("backlog_{rows}");
    let database = bed.database(&leg).await?;
    fill(&database, args, rows).await?;
    run::settle_statistics(&database).await?;
    let broker = bed.broker(&prefix(&leg))?;
    bed.make_topic(&broker.topic(JOB_TYPE)).await?;
    let mut connection = PgConnection::connect(&database.reveal()).await?;

    let before = bed.uses(None)?;
    let relay = bed.relay(&leg, &database, &[]).await?;
    until_sent(bed, &relay, &mut connection, rows).await?;
    let uses = Used::between(before, bed.uses(Some(&relay))?);
    let relay_memory_mb_max = relay.memory_mb_max()?;
    bed.stop(&relay).await?;

    let elapsed_s: f64 = sqlx::query(ELAPSED).fetch_one(&mut connection).await?.try_get(0)?;
    let verification = topic::verify(&broker, &mut connection, rows).await?;
    connection.close().await?;
    drop_database(bed, &leg).await?;
    Ok(Backlog {
        rows,
        elapsed_s,
        rows_per_s: f64::from(rows) / elapsed_s,
        reference_records_per_s: None,
        share_of_reference: None,
        uses,
        relay_memory_mb_max,
        verification,
    })
}

async fn fill(database: &ConnectionUrl, args: &RelayArgs, rows: u32) -> anyhow::Result<()> {
    // It takes seconds, and is meant to: no warning of that.
    let options = PgConnectOptions::from_str(&database.reveal())?.disable_statement_logging();
    let mut connection = options.connect().await?;
    sqlx::query(FILL)
        .bind(i64::from(rows))
        .bind(i64::from(args.instances))
        .bind(JOB_TYPE)
        .bind(SOURCE)
        .bind(i32::try_from(args.payload_bytes)?)
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}

/// Waits until all is acknowledged, which the relay counts, and then until all is marked.
async fn until_sent(bed: &Bed, relay: &Part, connection: &mut PgConnection, rows: u32) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE + Duration::from_secs(1) * (rows / SLOWEST_ROWS_PER_S);
    loop {
        let sent = bed.metric(relay, "relay_rows_sent_total").await;
        if sent >= f64::from(rows) {
            let pending = "SELECT EXISTS (SELECT FROM outbox WHERE sent_at IS NULL)";
            if !sqlx::query(pending)
                .fetch_one(&mut *connection)
                .await?
                .try_get::<bool, _>(0)?
            {
                return Ok(());
            }
        }
        bed.require(&relay.name)?;
        if Instant::now() > deadline {
            bail!(
                "the relay sent {sent} of {rows} rows and was given up; see logs/{}.log",
                relay.name
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Its room is wanted for the next.
async fn drop_database(bed: &Bed, name: &str) -> anyhow::Result<()> {
    let mut admin = PgConnection::connect(&bed.postgres.url().reveal()).await?;
    let statement = format!("DROP DATABASE {name} WITH (FORCE)");
    sqlx::query(AssertSqlSafe(statement)).execute(&mut admin).await?;
    admin.close().await?;
    Ok(())
}

/// Mean size of the records that the relay will make of the largest backlog.
pub fn record_bytes_mean(args: &RelayArgs) -> f64 {
    let rows = args.rows.iter().copied().max().unwrap_or(1);
    let of_row = |row: u32| {
        let id = i64::from(row);
        let job = DispatchedJob {
            key: JobKey {
                instance: InstanceId::new(),
                job: JobId(id),
                attempt: 1,
                step: 0,
                ordinal: 0,
            },
            job_type: JOB_TYPE.to_owned(),
            payload: vec![0; args.payload_bytes as usize].into(),
            created_unix_us: jiff::Timestamp::now().as_microsecond(),
            source: SOURCE.to_owned(),
            attributes: Default::default(),
            relay: Some(RelayStamp {
                outbox_id: id,
                epoch: 1,
            }),
        };
        job.to_record().len() as f64
    };
    let step = rows.div_ceil(SIZE_SAMPLES);
    let sizes: Vec<f64> = (1..=rows).step_by(step as usize).map(of_row).collect();
    sizes.iter().sum::<f64>() / sizes.len() as f64
}
