//! Job types and their topics: which may be written to. Pure.
//!
//! A topic that is there may refuse records all the same (no permission for Write, say). Each refusal costs all job types a
//! new producer, so it is tried again after a wait, doubled from [`RETRY`] up to [`RETRY_MAX`] until something is acknowledged.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::partitions::Partitions;
use super::topics::Limit;
use crate::kafka::Kafka;

/// A topic that is only made again takes records at once: the first wait is short, and long enough for the others to be sent by
/// the new producer before it is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// One that is refused for hours disturbs the others twice a minute.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// A job type and its topic.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) job_type: String,
    pub(super) topic: String,
    /// Where its records may go.
    pub(super) partitions: Partitions,
    /// Records may be sent. Otherwise its rows are not read ("parked").
    pub(super) open: bool,
    /// Largest batch that the topic takes, in bytes, when it was last asked; `None` if it does not say.
    pub(super) limit: Option<usize>,
    /// The topic was seen, or made, since it was parked.
    there: bool,
    /// Refusals since the last acknowledgement.
    refusals: u32,
    /// Not opened before, though the topic is there; `None` if nothing was refused yet.
    not_before: Option<Instant>,
}

/// All that were seen.
#[derive(Debug)]
pub(super) struct Routes {
    kafka: Kafka,
    partitions: u32,
    places: HashMap<String, usize>,
    routes: Vec<Route>,
}

impl Routes {
    /// All topics have so many partitions, or are not opened.
    pub(super) fn new(kafka: Kafka, partitions: u32) -> Self {
        Self {
            kafka,
            partitions,
            places: HashMap::new(),
            routes: Vec::new(),
        }
    }

    /// The place of a job type; `None` if it was never seen.
    pub(super) fn place(&self, job_type: &str) -> Option<usize> {
        self.places.get(job_type).copied()
    }

    /// A job type that was never seen: parked until its topic is there.
    pub(super) fn add(&mut self, job_type: &str) {
        if self.places.contains_key(job_type) {
            return;
        }
        self.places.insert(job_type.to_owned(), self.routes.len());
        self.routes.push(Route {
            job_type: job_type.to_owned(),
            topic: self.kafka.topic(job_type),
            partitions: Partitions::new(self.partitions),
            open: false,
            limit: None,
            there: false,
            refusals: 0,
            not_before: None,
        });
    }

    pub(super) fn at(&self, place: usize) -> &Route {
        &self.routes[place]
    }

    pub(super) fn partitions_at(&mut self, place: usize) -> &mut Partitions {
        &mut self.routes[place].partitions
    }

    /// A new producer knows no partition.
    pub(super) fn forget_partitions(&mut self) {
        self.routes.iter_mut().for_each(|route| route.partitions.forget());
    }

    /// The topic of a job type is there: it is opened when its wait is over.
    pub(super) fn set_there(&mut self, place: usize, limit: Limit) {
        self.routes[place].there = true;
        match limit {
            Limit::Bytes(bytes) => self.routes[place].limit = Some(bytes),
            Limit::Unknown => self.forget_limit(place),
            Limit::NotAnswered => {}
        }
    }

    /// What is too large is for the broker to say.
    pub(super) fn forget_limit(&mut self, place: usize) {
        self.routes[place].limit = None;
    }

    /// Largest batch that every topic takes that may be written to, as far as they say.
    pub(super) fn smallest_limit(&self) -> Option<usize> {
        let open = self.routes.iter().filter(|route| route.open);
        open.filter_map(|route| route.limit).min()
    }

    /// The topic of an open route does not take records: parked until it is there, and for the time that is returned.
    pub(super) fn park(&mut self, place: usize, now: Instant) -> Duration {
        let route = &mut self.routes[place];
        let wait = RETRY.saturating_mul(1 << route.refusals.min(16)).min(RETRY_MAX);
        (route.open, route.there) = (false, false);
        route.refusals += 1;
        route.not_before = Some(now + wait);
        wait
    }

    /// The topic took a record.
    pub(super) fn took(&mut self, place: usize) {
        self.routes[place].refusals = 0;
    }

    /// Opens what is there and has waited long enough; was there any?
    pub(super) fn open_due(&mut self, now: Instant) -> bool {
        let mut any = false;
        for route in self.routes.iter_mut().filter(|route| route.there && !route.open) {
            route.open = route.not_before.is_none_or(|at| now >= at);
            any |= route.open;
        }
        any
    }

    /// Job types that are not to be read now.
    pub(super) fn parked(&self) -> Vec<String> {
        let parked = self.routes.iter().filter(|route| !route.open);
        parked.map(|route| route.job_type.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::KafkaArgs;

    fn routes() -> Routes {
        let args = KafkaArgs {
            broker: vec!["127.0.0.1:9092".to_owned()],
            ..KafkaArgs::default()
        };
        let mut routes = Routes::new(Kafka::new(&args).unwrap(), 12);
        routes.add("mail");
        routes
    }

    #[test]
    fn a_topic_that_goes_on_refusing_is_opened_less_and_less_often() {
        let mut routes = routes();
        let mut now = Instant::now();
        routes.set_there(0, Limit::Unknown);
        assert!(routes.open_due(now), "no wait before the first record");
        let mut waits = Vec::new();
        for _ in 0..12 {
            let wait = routes.park(0, now);
            routes.set_there(0, Limit::Unknown);
            assert!(!routes.open_due(now + wait / 2));
            assert_eq!(routes.parked(), ["mail"]);
            now += wait;
            assert!(routes.open_due(now));
            assert!(!routes.open_due(now), "it is open already");
            waits.push(wait);
        }
        assert_eq!(waits[..3], [RETRY, RETRY * 2, RETRY * 4]);
        assert_eq!(waits[11], RETRY_MAX);
        routes.took(0);
        assert_eq!(routes.park(0, now), RETRY, "after an acknowledgement");
    }

    #[test]
    fn a_topic_that_is_missing_stays_parked_however_long() {
        let mut routes = routes();
        routes.set_there(0, Limit::Unknown);
        let now = Instant::now();
        routes.open_due(now);
        routes.park(0, now);
        assert!(!routes.open_due(now + RETRY_MAX));
    }
}
