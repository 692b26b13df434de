//! What a scenario's types can't check: ranges, targets, conditions; each refusal names its place.

use std::time::Duration;

use crossover_engine::serve::POLL_JOBS_MAX;
use crossover_evidence::load::{LoadError, validate_phases};

use super::fault::collision;
use super::{Action, Document, Hypothesis};

impl Document {
    /// Checks what the types can't.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn validate(&self) -> Result<(), LoadError> {
        self.workload.validate()?;
        validate_phases(&self.load)?;
        within("topology.replicas", self.topology.replicas, 1..=64)?;
        within("topology.workers", self.topology.workers, 1..=256)?;
        within(
            "topology.worker_concurrency",
            self.topology.worker_concurrency,
            1..=100_000,
        )?;
        within(
            "topology.replica_connections",
            self.topology.replica_connections,
            1..=100,
        )?;
        if let Some(processors) = self.topology.postgres_processors {
            within("topology.postgres_processors", processors, 1..=1_024)?;
        }
        within("topology.relays", self.topology.relays, 1..=16)?;
        if ![1, 3].contains(&self.topology.brokers) {
            let found = self.topology.brokers;
            return refuse(
                "topology.brokers".to_owned(),
                format!("found {found}; allowed are 1 and 3"),
            );
        }
        self.validate_event_driven()?;
        within("polling.batch", self.polling.batch, 1..=POLL_JOBS_MAX)?;
        within("polling.tuned.batch", self.polling.tuned.batch, 1..=POLL_JOBS_MAX)?;
        within("samplers.activity_hz", self.samplers.activity_hz, 10..=100)?;
        for (place, interval) in [
            ("polling.interval", self.polling.interval),
            ("polling.tuned.interval", self.polling.tuned.interval),
        ] {
            lasting(place, interval, Duration::from_millis(1), Duration::from_secs(60))?;
        }
        lasting(
            "engine.lease",
            self.engine.lease,
            Duration::from_millis(300),
            Duration::from_hours(1),
        )?;
        let housekeeping = self.engine.housekeeping_interval;
        lasting(
            "engine.housekeeping_interval",
            housekeeping,
            Duration::from_millis(10),
            Duration::from_secs(60),
        )?;
        lasting(
            "drain.timeout",
            self.drain.timeout,
            Duration::from_secs(1),
            Duration::from_hours(24),
        )?;
        if let Some(share) = self.workload.hot_partition_share
            && self.event_driven.partitions < 2
        {
            let why = "a hot partition needs another one beside it; set event_driven.partitions to 2 or more";
            return refuse(
                "workload.hot_partition_share".to_owned(),
                format!("found {share}; {why}"),
            );
        }
        self.validate_downstream()?;
        self.validate_faults()?;
        if self.control && self.faults.is_empty() {
            let why = "a control run has nothing broken, and neither has this one; remove the key, or add [[faults]]";
            return refuse("control".to_owned(), format!("found true; {why}"));
        }
        self.validate_reference()?;
        let settings = serde_json::to_value(self).unwrap_or_default();
        for (index, hypothesis) in self.hypotheses.iter().enumerate() {
            hypothesis.validate_when(index, &settings)?;
            if hypothesis.at_least.is_none() && hypothesis.at_most.is_none() {
                return refuse(
                    format!("hypotheses[{index}]"),
                    "found neither at_least nor at_most; give at least one",
                );
            }
        }
        for (index, sweep) in self.sweep.iter().enumerate() {
            if sweep.values.is_empty() {
                return refuse(
                    format!("sweep[{index}].values"),
                    "found none; a sweep needs at least one value",
                );
            }
        }
        Ok(())
    }

    fn validate_event_driven(&self) -> Result<(), LoadError> {
        let settings = &self.event_driven;
        within("event_driven.partitions", settings.partitions, 1..=1_000)?;
        within("event_driven.batch", settings.batch, 1..=50_000)?;
        within("event_driven.window", settings.window, settings.batch..=500_000)?;
        within("event_driven.partition_window", settings.partition_window, 1..=100_000)?;
        let (millisecond, minute) = (Duration::from_millis(1), Duration::from_secs(60));
        lasting("event_driven.interval", settings.interval, millisecond, minute)?;
        lasting(
            "event_driven.linger",
            settings.linger,
            Duration::ZERO,
            Duration::from_secs(5),
        )?;
        lasting(
            "event_driven.redispatch_after",
            settings.redispatch_after,
            Duration::from_secs(1),
            Duration::from_hours(24),
        )?;
        // Kafka's own bounds for a group's members.
        lasting(
            "event_driven.session_timeout",
            settings.session_timeout,
            Duration::from_millis(500),
            Duration::from_secs(300),
        )
    }

    fn validate_reference(&self) -> Result<(), LoadError> {
        let Some(reference) = &self.reference else {
            return Ok(());
        };
        within("reference.batch", reference.batch, 1..=5_000)?;
        within("reference.clients", reference.clients, 1..=100)?;
        // Fewer, and not every client would have a batch.
        within(
            "reference.jobs",
            reference.jobs,
            reference.batch * reference.clients..=10_000_000,
        )
    }

    fn validate_faults(&self) -> Result<(), LoadError> {
        let timed = self.load.iter().filter_map(|phase| phase.duration).sum::<Duration>();
        let traced = self.load.iter().any(|phase| phase.file.is_some());
        for (index, fault) in self.faults.iter().enumerate() {
            let action = fault.action(&self.topology).map_err(|(key, problem)| LoadError {
                place: format!("faults[{index}].{key}"),
                problem,
            })?;
            if matches!(action, Action::Deny(..)) && !self.event_driven.authorizer {
                let why = "a broker without an authorizer refuses nobody; set event_driven.authorizer = true";
                return refuse(
                    format!("faults[{index}].kind"),
                    format!("found {:?}; {why}", fault.kind.to_string()),
                );
            }
            let job_types = self.job_types();
            if let Some(job_type) = action.job_type().filter(|job_type| !job_types.contains(*job_type)) {
                let types = job_types.into_iter().collect::<Vec<_>>().join(", ");
                let problem = format!("found job type {job_type:?}; the workload has {types}");
                return refuse(format!("faults[{index}].target"), problem);
            }
            let late = fault.jitter.unwrap_or_default().saturating_add(fault.lasts());
            let latest = fault.at.saturating_add(late);
            if !traced && latest > timed {
                let (at, lasts) = (
                    humantime::format_duration(fault.at),
                    humantime::format_duration(fault.lasts()),
                );
                let timed = humantime::format_duration(timed);
                let problem = format!("found {at} for {lasts}; it must end within the load, which lasts {timed}");
                return refuse(format!("faults[{index}].at"), problem);
            }
            for (earlier, other) in self.faults[..index].iter().enumerate() {
                if let Some(at) = collision([(earlier, other), (index, fault)], self.seed, timed) {
                    let (found, at) = (humantime::format_duration(fault.at), humantime::format_duration(at));
                    let (kind, target) = (fault.kind, &fault.target);
                    let problem = format!(
                        "found {found}; {at} into the load faults[{earlier}], of kind {:?} and on {target:?} as well, is on, and the end of one would end both; move it, or make them one",
                        kind.to_string()
                    );
                    return refuse(format!("faults[{index}].at"), problem);
                }
            }
        }
        Ok(())
    }
}

impl Hypothesis {
    /// A key that is not there would never have the value, and the hypothesis would never be judged.
    fn validate_when(&self, index: usize, settings: &serde_json::Value) -> Result<(), LoadError> {
        let Some(when) = &self.when else { return Ok(()) };
        let place = format!("hypotheses[{index}].when");
        for condition in when.split(',') {
            let Some((key, _)) = condition.split_once('=') else {
                return refuse(place, "expected KEY=VALUE, as in polling.claim=blocking");
            };
            let known = key.trim().split('.').try_fold(settings, |value, step| value.get(step));
            if known.is_none() {
                return refuse(place, format!("found {when:?}; a scenario has no key {:?}", key.trim()));
            }
        }
        Ok(())
    }
}

pub(super) fn within(place: &str, found: u32, allowed: std::ops::RangeInclusive<u32>) -> Result<(), LoadError> {
    if allowed.contains(&found) {
        return Ok(());
    }
    refuse(
        place.to_owned(),
        format!("found {found}; allowed is {} to {}", allowed.start(), allowed.end()),
    )
}

pub(super) fn lasting(place: &str, found: Duration, least: Duration, most: Duration) -> Result<(), LoadError> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    let words = [found, least, most].map(humantime::format_duration);
    refuse(
        place.to_owned(),
        format!("found {}; allowed is {} to {}", words[0], words[1], words[2]),
    )
}

pub(super) fn refuse<T>(place: String, problem: impl Into<String>) -> Result<T, LoadError> {
    Err(LoadError {
        place,
        problem: problem.into(),
    })
}
