//! What a record that can't be handled does to those behind it: the dispatch of jobs in the same partitions, beside that of the
//! same time in a control run, whose plan is the same and in which nothing is broken.
//!
//! A partition is hit if it holds a record that no worker can read, or would have held one that the broker refuses for good.
//! Its neighbours are the jobs of its type that were intended while the fault was there, and for [`AFTER`] after it was put
//! there at least: what blocks a partition blocks those that come later.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crossover_proto::event::partition_of;

use crate::capacity::servers;
use crate::latency::Latency;
use crate::ledger::Ledger;
use crate::measure::{self, job_type};
use crate::result::{FaultInfo, Neighbours, RunResult, TestbedInfo, Verdict};
use crate::snapshot::{JobState, Topics};

/// A poison record is put there at once; those behind it come in the seconds after.
const AFTER: Duration = Duration::from_secs(5);

/// Fewest jobs on either side that give a ratio: p99 of fewer is their largest, and one of them moves it.
const JOBS_MIN: u64 = 100;

/// What of a run its control run is asked to have in common with it.
#[derive(Debug, Clone, Copy)]
pub struct Disturbed<'a> {
    /// Why it is invalid itself, as far as the harness found out while it ran.
    pub invalid_reasons: &'a [String],
    /// Its build.
    pub git_commit: Option<&'a str>,
    /// Its servers and machine.
    pub testbed: Option<&'a TestbedInfo>,
}

/// Why a control run can't be used; `None` if it can. What makes both invalid, such as a debug build, is no doubt of the control
/// run alone: the run says it.
#[must_use]
pub fn doubt(of: Disturbed<'_>, control: &RunResult) -> Option<String> {
    let run = &control.run;
    if run.interrupted {
        return Some("the control run was broken off".to_owned());
    }
    let mut reasons = run.invalid_reasons.iter();
    if let Some(reason) = reasons.find(|reason| !of.invalid_reasons.contains(reason)) {
        return Some(format!("the control run is invalid: {reason}"));
    }
    if let Some(failed) = control.checks.iter().find(|check| check.verdict == Verdict::Fail) {
        return Some(format!("a check of the control run failed: {}", failed.name));
    }
    if of.git_commit != run.git_commit.as_deref() {
        return Some("the control run is of another build".to_owned());
    }
    let Some(testbed) = of.testbed else {
        return Some("the servers of the run are not known".to_owned());
    };
    let differs = servers::difference(testbed, &control.testbed)?;
    Some(format!("the control run had another {differs}"))
}

/// A job type and the partitions of its topic that were hit.
type Hit = HashMap<String, HashSet<i32>>;

/// `None` if no partition was hit, or the topics were not read. Of a control run that can't be used, why not.
#[must_use]
pub fn of(ledger: &Ledger<'_>, faults: &[FaultInfo], control: Option<Result<&Ledger<'_>, &str>>) -> Option<Neighbours> {
    let topics = ledger.evidence().topics?;
    let windows: Vec<(Duration, Duration)> = faults.iter().filter_map(window).collect();
    if windows.is_empty() {
        return None;
    }
    let served = served(ledger, topics);
    let hit = hit(ledger, topics, &served);
    if hit.is_empty() {
        return None;
    }
    let is_hit = |job: usize, of_type: &str| {
        let place = served.get(of_type).map(|topic| topic.place(ledger, job));
        hit.get(of_type)
            .zip(place)
            .is_some_and(|(hit, place)| hit.contains(&place))
    };
    let latency_ms = dispatch(ledger, &windows, is_hit).percentiles();
    let mut control_doubt = control.and_then(Result::err).map(str::to_owned);
    let control = control.and_then(Result::ok);
    let control_ms = control.map(|control| dispatch(control, &windows, |_, of_type| hit.contains_key(of_type)));
    let control_ms = control_ms.map(|latency| latency.percentiles());
    if let Some(control) = control_ms
        .as_ref()
        .filter(|control| control.count.min(latency_ms.count) < JOBS_MIN)
    {
        control_doubt = Some(format!(
            "too few jobs for a ratio: {} here, {} in the control run; {JOBS_MIN} of each are asked for",
            latency_ms.count, control.count
        ));
    }
    let ratio = control_ms
        .as_ref()
        .filter(|_| control_doubt.is_none())
        .and_then(|control| Some(latency_ms.p99? / control.p99?));
    Some(Neighbours {
        partitions: hit.values().map(|partitions| partitions.len() as u64).sum(),
        latency_ms,
        control_ms,
        p99_ratio: ratio.filter(|ratio| ratio.is_finite()),
        control_doubt,
    })
}

fn window(fault: &FaultInfo) -> Option<(Duration, Duration)> {
    if !["poison", "limit-message-size"].contains(&fault.kind.as_str()) {
        return None;
    }
    let at = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let from = at(fault.injected_s);
    let to = fault.healed_s.map_or(Duration::MAX, at);
    Some((from, to.max(from.saturating_add(AFTER))))
}

/// The topic of a job type.
struct Topic<'a> {
    name: &'a str,
    partitions: u32,
    /// Partition of the jobs whose record it holds, by their place in the ledger.
    placed: HashMap<usize, i32>,
}

impl Topic<'_> {
    /// The partition of a job's record, or the one it would have come to: its key is the instance.
    fn place(&self, ledger: &Ledger<'_>, job: usize) -> i32 {
        let of_key = || partition_of(&ledger.instance_of(job).id.to_wire(), self.partitions);
        self.placed.get(&job).copied().unwrap_or_else(of_key)
    }
}

/// Which topic serves which type: what its records carry tells.
fn served<'a>(ledger: &Ledger<'_>, topics: &'a Topics) -> HashMap<String, Topic<'a>> {
    let mut by_name: HashMap<&str, Topic<'_>> = HashMap::new();
    for partition in &topics.partitions {
        let name = partition.topic.as_str();
        let topic = by_name.entry(name).or_insert_with(|| Topic {
            name,
            partitions: 0,
            placed: HashMap::new(),
        });
        topic.partitions += 1;
    }
    for (job, place) in ledger.first_partitions() {
        let partition = &topics.partitions[place as usize];
        if let Some(topic) = by_name.get_mut(partition.topic.as_str()) {
            topic.placed.insert(job, partition.partition);
        }
    }
    let of_type = |topic: Topic<'a>| {
        let any = topic.placed.keys().next()?;
        Some((job_type(ledger, *any)?.to_owned(), topic))
    };
    by_name.into_values().filter_map(of_type).collect()
}

fn hit(ledger: &Ledger<'_>, topics: &Topics, served: &HashMap<String, Topic<'_>>) -> Hit {
    let mut hit = Hit::new();
    for record in topics.records.iter().filter(|record| record.carries.is_none()) {
        let partition = &topics.partitions[record.partition as usize];
        if let Some((of_type, _)) = served.iter().find(|(_, topic)| topic.name == partition.topic) {
            hit.entry(of_type.clone()).or_default().insert(partition.partition);
        }
    }
    // Settled without a record: the broker refused it for good.
    let outbox = ledger.evidence().snapshot.outbox.iter();
    for row in outbox.filter(|row| row.sent && row.record.is_none()) {
        let refused = ledger
            .job_position(row.job)
            .and_then(|job| Some((job, job_type(ledger, job)?)));
        if let Some((job, of_type)) = refused
            && let Some(topic) = served.get(of_type)
        {
            let place = topic.place(ledger, job);
            hit.entry(of_type.to_owned()).or_default().insert(place);
        }
    }
    hit
}

/// Dispatch of the jobs that were intended in a window and that `which` takes; those refused for good are no neighbours.
fn dispatch(ledger: &Ledger<'_>, windows: &[(Duration, Duration)], which: impl Fn(usize, &str) -> bool) -> Latency {
    let origin = ledger.evidence().origin;
    let mut latency = Latency::new();
    for (place, job) in ledger.jobs().iter().enumerate() {
        let sample =
            measure::dispatch(ledger, place, &ledger.times(place)).filter(|_| job.state != Some(JobState::DeadLetter));
        let (Some(sample), Some(of_type)) = (sample, job_type(ledger, place)) else {
            continue;
        };
        let at = sample.intended.saturating_since(origin);
        if windows.iter().any(|(from, to)| (*from..*to).contains(&at)) && which(place, of_type) {
            match sample.started {
                Some(started) => latency.record(started.saturating_since(sample.intended)),
                None => latency.record_censored(),
            }
        }
    }
    latency
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::fixture::Runs;
    use crate::scene::Scene;
    use crate::snapshot::TopicRecord;

    const SECOND: Duration = Duration::from_secs(1);

    fn poison(injected_s: f64) -> FaultInfo {
        FaultInfo {
            kind: "poison".to_owned(),
            target: "topic:work".to_owned(),
            injected_s,
            healed_s: Some(injected_s),
            took_effect: true,
            ..FaultInfo::default()
        }
    }

    /// Twenty jobs over two partitions; they wait so long for their worker.
    fn scene(wait: Duration) -> Scene {
        scene_of(20, wait)
    }

    fn scene_of(jobs: usize, wait: Duration) -> Scene {
        let mut scene = Scene::event_driven(&[1]);
        scene.start_many(jobs);
        scene.wait(wait);
        scene.drain();
        scene
    }

    /// A record that no worker can read comes into partition 1.
    fn with_poison(mut scene: Scene) -> Scene {
        let topics = scene.topics.as_mut().unwrap();
        topics.records.push(TopicRecord {
            partition: 1,
            offset: 1_000,
            carries: None,
        });
        scene
    }

    #[test]
    fn neighbours_are_those_of_the_partition_that_was_hit_and_are_held_against_all_of_the_control() {
        let (slow, quick) = (with_poison(scene_of(200, SECOND * 90)), scene_of(200, SECOND * 30));
        let found = of(&slow.ledger(), &[poison(0.0)], Some(Ok(&quick.ledger()))).unwrap();
        assert_eq!((found.partitions, found.latency_ms.count), (1, 100));
        assert_eq!(found.control_ms.as_ref().map(|control| control.count), Some(200));
        assert_eq!(found.control_doubt, None);
        let ratio = found.p99_ratio.unwrap();
        assert!((2.5..3.5).contains(&ratio), "{ratio}");
    }

    #[test]
    fn a_handful_of_jobs_and_a_control_run_that_can_not_be_used_give_no_ratio_and_say_why() {
        let (slow, quick) = (with_poison(scene(SECOND * 3)), scene(SECOND));
        let few = of(&slow.ledger(), &[poison(0.0)], Some(Ok(&quick.ledger()))).unwrap();
        assert_eq!(few.p99_ratio, None);
        assert_eq!(
            few.control_doubt.as_deref(),
            Some("too few jobs for a ratio: 10 here, 20 in the control run; 100 of each are asked for")
        );
        let doubted = of(&slow.ledger(), &[poison(0.0)], Some(Err("it was late"))).unwrap();
        assert_eq!((doubted.control_ms, doubted.p99_ratio), (None, None));
        assert_eq!(doubted.control_doubt.as_deref(), Some("it was late"));
    }

    #[test]
    fn a_control_run_that_was_late_failed_or_ran_elsewhere_is_doubted_and_a_debug_build_of_both_is_not() {
        let runs = Runs::new();
        let debug = ["debug build: its speed says nothing".to_owned()];
        let run = Disturbed {
            invalid_reasons: &debug,
            git_commit: runs.event.run.git_commit.as_deref(),
            testbed: Some(&runs.event.testbed),
        };
        let with = |change: fn(&mut RunResult)| {
            let mut control = Runs::new().event;
            control.run.invalid_reasons = debug.to_vec();
            change(&mut control);
            doubt(run, &control)
        };
        assert_eq!(with(|_| {}), None);
        let late = with(|control| control.run.invalid_reasons.push("the generator was late".to_owned()));
        assert_eq!(
            late.as_deref(),
            Some("the control run is invalid: the generator was late")
        );
        let failed = with(|control| control.checks[0].verdict = Verdict::Fail);
        assert_eq!(
            failed.as_deref(),
            Some("a check of the control run failed: nothing-lost")
        );
        assert!(with(|control| control.run.git_commit = None).is_some());
        assert!(with(|control| control.testbed.machine = Some("another".to_owned())).is_some());
    }

    #[test]
    fn without_a_control_run_there_is_no_ratio() {
        let found = of(&with_poison(scene(SECOND)).ledger(), &[poison(0.0)], None).unwrap();
        assert_eq!((found.control_ms, found.p99_ratio), (None, None));
    }

    #[test]
    fn jobs_of_another_time_are_no_neighbours() {
        let found = of(&with_poison(scene(SECOND)).ledger(), &[poison(9.0)], None).unwrap();
        assert_eq!(found.latency_ms.count, 0);
    }

    #[test]
    fn a_record_that_the_broker_refused_hits_the_partition_of_its_key() {
        let mut scene = scene(SECOND);
        let row = &mut scene.snapshot.outbox[3];
        row.record = None;
        let job = row.job;
        scene
            .snapshot
            .jobs
            .iter_mut()
            .find(|each| each.id == job)
            .unwrap()
            .state = JobState::DeadLetter;
        let fault = FaultInfo {
            kind: "limit-message-size".to_owned(),
            ..poison(0.0)
        };
        let found = of(&scene.ledger(), &[fault], None).unwrap();
        assert_eq!(
            (found.partitions, found.latency_ms.count),
            (1, 9),
            "not the refused one itself"
        );
    }

    #[test]
    fn nothing_that_can_be_hit_and_no_fault_of_the_kind_have_no_neighbours() {
        assert_eq!(of(&scene(SECOND).ledger(), &[poison(0.0)], None), None);
        assert_eq!(of(&with_poison(scene(SECOND)).ledger(), &[], None), None);
        assert_eq!(of(&Scene::new(&[1]).ledger(), &[poison(0.0)], None), None);
    }
}
