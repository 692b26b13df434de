//! Looks at what waits on its way to the workers: the outbox, and the lag of each consumer group.

use std::time::Duration;

use crossover_engine::kafka::Kafka;
use crossover_evidence::samples::{PartitionLag, Sample};
use crossover_proto::clock::MonotonicNs;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Row};
use tokio::time::MissedTickBehavior;

use super::broker::GroupView;
use super::samplers::Sink;

/// Time between two looks at the outbox.
const OUTBOX_PERIOD: Duration = Duration::from_millis(250);
/// Time between two looks at the groups, of which each is three requests a job type.
const LAG_PERIOD: Duration = Duration::from_millis(500);

/// Counts no more than a few thousand index entries. Beyond them the backlog is what lies between its oldest row and the
/// last id drawn: an upper bound, since rows behind the oldest may have been sent.
const OUTBOX: &str = "/* sample_outbox */
    WITH counted AS MATERIALIZED (
        SELECT count(*) AS rows FROM (SELECT FROM outbox WHERE sent_at IS NULL LIMIT 5000) AS pending
    )
    SELECT CASE WHEN rows < 5000 THEN rows ELSE (SELECT last_value FROM outbox_id_seq) - id + 1 END AS backlog,
           (extract(epoch FROM clock_timestamp() - created_at) * 1000)::bigint AS oldest_ms
    FROM outbox, counted WHERE sent_at IS NULL ORDER BY id + 0 LIMIT 1";

/// Looks at the outbox until the task is aborted.
pub(super) async fn look_at_outbox(options: PgConnectOptions, sink: Sink) {
    // The plan is made once, while the table is empty.
    let options = options
        .application_name("crossover-sampler")
        .options([("enable_seqscan", "off")]);
    let mut tick = tokio::time::interval(OUTBOX_PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut connection: Option<PgConnection> = None;
    loop {
        tick.tick().await;
        let open = match connection.as_mut() {
            Some(open) => open,
            None => match options.connect().await {
                Ok(open) => connection.insert(open),
                Err(_) => continue,
            },
        };
        match outbox(open).await {
            Ok(sample) => sink.write(&sample),
            Err(error) => {
                tracing::debug!(%error, "a look at the outbox failed");
                connection = None;
            }
        }
    }
}

async fn outbox(connection: &mut PgConnection) -> Result<Sample, sqlx::Error> {
    let at = MonotonicNs::now();
    let row = sqlx::query(OUTBOX).fetch_optional(connection).await?;
    let number = |column| match &row {
        Some(row) => row
            .try_get::<i64, _>(column)
            .map(|number| u64::try_from(number).unwrap_or(0)),
        None => Ok(0),
    };
    Ok(Sample::Outbox {
        at: at.0,
        backlog: number("backlog")?,
        oldest_ms: number("oldest_ms")?,
    })
}

/// Looks at all groups until the task is aborted. A broker that is down leaves a gap.
pub(super) async fn look_at_groups(kafka: Kafka, job_types: Vec<String>, sink: Sink) {
    let mut tick = tokio::time::interval(LAG_PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut views: Vec<GroupView> = Vec::new();
    loop {
        tick.tick().await;
        let (kafka, job_types) = (kafka.clone(), job_types.clone());
        let look = tokio::task::spawn_blocking(move || {
            if views.is_empty() {
                views = job_types
                    .iter()
                    .filter_map(|job_type| GroupView::new(&kafka, job_type).ok())
                    .collect();
            }
            let at = MonotonicNs::now();
            let looked = lags(&mut views).map(|partitions| Sample::Lag { at: at.0, partitions });
            (views, looked)
        });
        match look.await {
            Ok((back, looked)) => {
                views = back;
                match looked {
                    Ok(sample) => sink.write(&sample),
                    Err(error) => tracing::debug!(%error, "a look at the groups failed"),
                }
            }
            Err(_) => views = Vec::new(),
        }
    }
}

/// A group that has committed nothing yet has all that the partition holds before it.
fn lags(views: &mut [GroupView]) -> anyhow::Result<Vec<PartitionLag>> {
    let mut all = Vec::new();
    for view in views {
        let group = view.group.clone();
        all.extend(view.positions()?.into_iter().map(|position| PartitionLag {
            group: group.clone(),
            lag: u64::try_from(position.high - position.committed.unwrap_or(position.low)).unwrap_or(0),
            topic: position.topic,
            partition: position.partition,
        }));
    }
    Ok(all)
}
