//! Job types and their topics: which may be written to. Pure.

use std::collections::HashMap;

use crate::kafka::Kafka;

/// A job type and its topic.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) job_type: String,
    pub(super) topic: String,
    /// The topic was seen, or made. Until then its rows are not read ("parked").
    pub(super) open: bool,
}

/// All that were seen.
#[derive(Debug)]
pub(super) struct Routes {
    kafka: Kafka,
    places: HashMap<String, usize>,
    routes: Vec<Route>,
}

impl Routes {
    pub(super) fn new(kafka: Kafka) -> Self {
        Self {
            kafka,
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
            open: false,
        });
    }

    pub(super) fn at(&self, place: usize) -> &Route {
        &self.routes[place]
    }

    /// The topic of a job type is there, or is not.
    pub(super) fn set_open(&mut self, place: usize, open: bool) {
        self.routes[place].open = open;
    }

    /// Job types that are not to be read now.
    pub(super) fn parked(&self) -> Vec<String> {
        let parked = self.routes.iter().filter(|route| !route.open);
        parked.map(|route| route.job_type.clone()).collect()
    }
}
