//! Looks at what waits on its way to the workers: the outbox, and the lag of each consumer group.

use std::time::Duration;

use crossover_engine::kafka::Kafka;
use crossover_evidence::samples::{PartitionLag, Sample};
use crossover_evidence::snapshot::PartitionEnd;
use crossover_proto::clock::MonotonicNs;
use sqlx::Row;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::time::MissedTickBehavior;

use super::broker::GroupView;
use super::reconnect::Reconnecting;
use super::samplers::Sink;

/// Time between two looks at the outbox.
const OUTBOX_PERIOD: Duration = Duration::from_millis(250);
/// Time between two looks at the groups, of which each is three requests a job type.
const LAG_PERIOD: Duration = Duration::from_millis(500);

/// Counts no more than a thousand entries of the index that the relay reads by. Beyond that, the backlog is what lies between
/// its oldest row and the last id drawn: an upper bound, since rows behind the oldest may have been sent.
const OUTBOX: &str = "/* sample_outbox */
    WITH pending AS MATERIALIZED (
        SELECT id, created_at FROM outbox WHERE sent_at IS NULL ORDER BY id + 0 LIMIT 1000
    )
    SELECT CASE WHEN count(*) < 1000 THEN count(*) ELSE (SELECT last_value FROM outbox_id_seq) - min(id) + 1 END AS backlog,
           coalesce((extract(epoch FROM clock_timestamp() - min(created_at)) * 1000)::bigint, 0) AS oldest_ms
    FROM pending";

/// Looks at the outbox until the task is aborted.
pub(super) async fn look_at_outbox(options: PgConnectOptions, sink: Sink) {
    // The plan is made once, while the table is empty. A sequence can only be scanned, so the plan has the price of what is
    // switched off; PostgreSQL would compile so dear a plan, anew at each look: a quarter of a processor.
    let options = options.options([("enable_seqscan", "off"), ("jit", "off")]);
    let mut tick = tokio::time::interval(OUTBOX_PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut server = Reconnecting::new(options);
    loop {
        tick.tick().await;
        let Some(open) = server.get().await else { continue };
        match outbox(open).await {
            Ok(sample) => sink.write(&sample),
            Err(error) => {
                tracing::debug!(%error, "a look at the outbox failed");
                server.lost();
            }
        }
    }
}

async fn outbox(connection: &mut PgConnection) -> Result<Sample, sqlx::Error> {
    let at = MonotonicNs::now();
    let row = sqlx::query(OUTBOX).fetch_one(connection).await?;
    let number = |column| {
        row.try_get::<i64, _>(column)
            .map(|number| u64::try_from(number).unwrap_or(0))
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
            let partitions = lags(&mut views);
            let looked = (!partitions.is_empty()).then_some(Sample::Lag { at: at.0, partitions });
            (views, looked)
        });
        match look.await {
            Ok((back, looked)) => {
                views = back;
                if let Some(sample) = looked {
                    sink.write(&sample);
                }
            }
            Err(_) => views = Vec::new(),
        }
    }
}

/// Of the groups that could be looked at: one that can't leaves the others to be seen.
fn lags(views: &mut [GroupView]) -> Vec<PartitionLag> {
    let mut all = Vec::new();
    for view in views {
        match view.positions() {
            Ok(positions) => all.extend(positions.into_iter().map(|position| PartitionLag {
                lag: lag(&position),
                group: position.group,
                topic: position.topic,
                partition: position.partition,
            })),
            Err(error) => tracing::debug!(%error, group = view.group, "a look at a group failed"),
        }
    }
    all
}

/// A group has before it what the partition holds from its committed offset on: all of it, if it has committed nothing,
/// or an offset of a topic that was removed and made again.
fn lag(position: &PartitionEnd) -> u64 {
    let known = position
        .committed
        .filter(|committed| (position.low..=position.high).contains(committed));
    let from = known.unwrap_or(position.low);
    u64::try_from(position.high - from).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_what_the_partition_holds_before_the_group() {
        let at = |committed| {
            lag(&PartitionEnd {
                group: "workers.work".to_owned(),
                topic: "jobs.work".to_owned(),
                partition: 0,
                low: 10,
                high: 30,
                committed,
            })
        };
        assert_eq!(at(Some(25)), 5);
        assert_eq!(at(Some(30)), 0);
        assert_eq!(at(None), 20);
        assert_eq!(at(Some(4)), 20, "what was removed can't be read any more");
        assert_eq!(at(Some(900)), 20, "the topic was made again");
    }
}
