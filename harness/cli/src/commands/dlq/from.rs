//! `--from TOPIC[:PARTITION][@OFFSET|@TIME]`: how it is written, and which offsets that is.

use std::str::FromStr;

use crossover_engine::kafka::Kafka;
use jiff::Timestamp;

use super::topics::{Span, Topics};
use crate::failure::bad_input;
use crate::place::did_you_mean;

/// What is read: a topic or one partition of it, from its first record, an offset or a time to its present end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFrom {
    pub(super) topic: String,
    partition: Option<i32>,
    since: Since,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Since {
    First,
    /// Only with a partition.
    Offset(i64),
    Time(Timestamp),
}

impl FromStr for ReadFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (place, since) = match text.split_once('@') {
            Some((place, since)) => (place, Some(since)),
            None => (text, None),
        };
        let (topic, partition) = match place.split_once(':') {
            Some((topic, partition)) => (topic, Some(read_partition(partition)?)),
            None => (place, None),
        };
        if topic.is_empty() {
            return Err(
                "no topic is named; write jobs.work, jobs.work:0, jobs.work:0@17 or jobs.work@2026-01-31T12:00:00Z"
                    .to_owned(),
            );
        }
        Ok(Self {
            topic: topic.to_owned(),
            partition,
            since: since.map_or(Ok(Since::First), |since| read_since(since, topic, partition))?,
        })
    }
}

fn read_partition(text: &str) -> Result<i32, String> {
    let partition = text.parse().ok().filter(|partition| *partition >= 0);
    partition.ok_or_else(|| format!("{text:?} is no partition; they count from 0"))
}

fn read_since(text: &str, topic: &str, partition: Option<i32>) -> Result<Since, String> {
    match (text.parse::<i64>(), partition) {
        (Ok(offset), Some(_)) if offset >= 0 => Ok(Since::Offset(offset)),
        (Ok(offset), None) if offset >= 0 => Err(format!(
            "an offset counts within one partition: name it, as in {topic}:0@{offset}"
        )),
        _ => text.parse().map(Since::Time).map_err(|_| {
            format!("{text:?} is neither an offset, from 0, nor a time with its zone, such as 2026-01-31T12:00:00Z")
        }),
    }
}

impl ReadFrom {
    /// The offsets, checked against what the broker has.
    pub(super) fn spans(&self, topics: &Topics, kafka: &Kafka) -> anyhow::Result<Vec<Span>> {
        let topic = &self.topic;
        let there = topics.beginning_with(&kafka.topic(""))?;
        let Some(partitions) = there.get(topic) else {
            let names: Vec<&str> = there.keys().map(String::as_str).collect();
            let listed = match names.as_slice() {
                [] => "there is none with jobs yet".to_owned(),
                names => format!("those with jobs are: {}", names.join(", ")),
            };
            return Err(bad_input(format!(
                "no topic {topic:?}{}; {listed}",
                did_you_mean(topic, &names)
            )));
        };
        let chosen = match self.partition {
            None => partitions.clone(),
            Some(partition) if partitions.contains(&partition) => vec![partition],
            Some(partition) => {
                let last = partitions.last().copied().unwrap_or_default();
                return Err(bad_input(format!(
                    "{topic} has no partition {partition}; it has 0 to {last}"
                )));
            }
        };
        let held = chosen.into_iter().map(|partition| topics.held(topic, partition));
        let mut spans: Vec<Span> = held.collect::<Result<_, _>>()?;
        match self.since {
            Since::First => {}
            Since::Offset(offset) => spans.iter_mut().try_for_each(|span| begin_at(topic, span, offset))?,
            Since::Time(time) => topics.cut_before(topic, &mut spans, time.as_millisecond())?,
        }
        Ok(spans)
    }
}

/// The end itself is fine: nothing is there yet. What was removed is not passed over in silence.
fn begin_at(topic: &str, span: &mut Span, offset: i64) -> anyhow::Result<()> {
    let Span { partition, low, high } = *span;
    if !(low..=high).contains(&offset) {
        return Err(bad_input(format!(
            "{topic}:{partition} has no offset {offset}; it holds {}, and the next record will be {high}",
            described(span)
        )));
    }
    span.low = offset;
    Ok(())
}

/// `3 to 16`, or `nothing`.
pub(super) fn described(span: &Span) -> String {
    match span.len() {
        0 => "nothing".to_owned(),
        _ => format!("{} to {}", span.low, span.high - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_a_partition_an_offset_and_a_time_are_told_apart() {
        let read = |text: &str| text.parse::<ReadFrom>().unwrap();
        let expected = |partition, since| ReadFrom {
            topic: "jobs.work".to_owned(),
            partition,
            since,
        };
        let noon = Since::Time("2026-01-31T12:00:00Z".parse().unwrap());
        assert_eq!(read("jobs.work"), expected(None, Since::First));
        assert_eq!(read("jobs.work:2"), expected(Some(2), Since::First));
        assert_eq!(read("jobs.work:2@17"), expected(Some(2), Since::Offset(17)));
        assert_eq!(read("jobs.work@2026-01-31T12:00:00Z"), expected(None, noon.clone()));
        assert_eq!(read("jobs.work:2@2026-01-31T13:00:00+01:00"), expected(Some(2), noon));
    }

    #[test]
    fn what_is_none_of_them_is_refused_with_what_is_allowed() {
        let refused = |text: &str, words: &str| {
            let error = text.parse::<ReadFrom>().unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        };
        refused("", "no topic is named");
        refused(":0@1", "no topic is named");
        refused("jobs.work:x", "\"x\" is no partition");
        refused("jobs.work:-1", "they count from 0");
        refused("jobs.work@17", "name it, as in jobs.work:0@17");
        refused("jobs.work:0@-1", "neither an offset, from 0, nor a time");
        refused("jobs.work:0@yesterday", "such as 2026-01-31T12:00:00Z");
    }

    #[test]
    fn an_offset_may_be_the_end_and_not_past_it() {
        let held = Span {
            partition: 0,
            low: 3,
            high: 17,
        };
        for (offset, left) in [(3, Some(14)), (17, Some(0)), (2, None), (18, None)] {
            let mut span = held;
            let begun = begin_at("jobs.work", &mut span, offset);
            assert_eq!(begun.ok().map(|()| span.len()), left, "{offset}");
        }
        let error = begin_at("jobs.work", &mut { held }, 18).unwrap_err().to_string();
        assert_eq!(
            error,
            "jobs.work:0 has no offset 18; it holds 3 to 16, and the next record will be 17"
        );
    }
}
