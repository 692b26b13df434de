//! What came to the topic of a backlog, read whole, held against the outbox.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crossover_engine::kafka::Kafka;
use crossover_proto::InstanceId;
use crossover_proto::event::DispatchedJob;
use rdkafka::Message;
use sqlx::{PgConnection, Row};
use tokio_stream::StreamExt;

use super::bed::JOB_TYPE;
use super::result::Verification;
use crate::run::GroupView;

/// A broker that is up answers within milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Where the first record of each row is: partition and offset, by id - 1.
type Places = Vec<Option<(i32, i64)>>;

/// Reads the topic to its end, and the marks of all rows.
pub async fn verify(broker: &Kafka, connection: &mut PgConnection, rows: u32) -> anyhow::Result<Verification> {
    let broker = broker.clone();
    let (mut found, places) = tokio::task::spawn_blocking(move || read(&broker, rows)).await??;
    found.missing = places.iter().filter(|place| place.is_none()).count() as u64;
    let mut marks = sqlx::query("SELECT id, partition, record_offset FROM outbox").fetch(connection);
    let mut right = 0;
    while let Some(mark) = marks.next().await {
        let mark = mark?;
        let (partition, offset) = (mark.try_get::<Option<i32>, _>(1)?, mark.try_get::<Option<i64>, _>(2)?);
        let place = place_of(&places, mark.try_get(0)?);
        right += u64::from(place.is_some() && place == partition.zip(offset));
    }
    found.wrong_marks = u64::from(rows).saturating_sub(right);
    Ok(found)
}

fn place_of(places: &Places, id: i64) -> Option<(i32, i64)> {
    let index = usize::try_from(id.checked_sub(1)?).ok()?;
    places.get(index).copied().flatten()
}

fn read(broker: &Kafka, rows: u32) -> anyhow::Result<(Verification, Places)> {
    let mut topic = GroupView::new(broker, JOB_TYPE)?;
    let ends = topic.positions_by(Instant::now() + ANSWER_WITHIN)?;
    let mut found = Verification::default();
    let mut places: Places = vec![None; rows as usize];
    let mut last: HashMap<InstanceId, (i32, i64)> = HashMap::new();
    topic.read(&ends, |message| {
        found.records += 1;
        let job = DispatchedJob::from_record(message.payload().unwrap_or_default().to_vec().into());
        let stamped = job.ok().and_then(|job| Some((job.key.instance, job.relay?.outbox_id)));
        let Some((instance, id)) = stamped else {
            found.unreadable += 1;
            return Ok(());
        };
        let first = usize::try_from(id - 1).ok().and_then(|index| places.get_mut(index));
        match first {
            Some(place @ None) => *place = Some((message.partition(), message.offset())),
            Some(Some(_)) => found.duplicates += 1,
            None => found.unreadable += 1,
        }
        let before = last.insert(instance, (message.partition(), id));
        let follows = before.is_none_or(|(partition, last)| partition == message.partition() && last < id);
        found.out_of_order += u64::from(!follows);
        Ok(())
    })?;
    Ok((found, places))
}
