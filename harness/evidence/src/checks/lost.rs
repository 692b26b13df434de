//! `nothing-lost`: what was accepted is in the database, all of it was done, and what counts as done was really done.
//!
//! Lost is:
//! - an accepted instance that the database does not know;
//! - a job that the instance's state says must exist, or must be completed, and does not or is not;
//! - an instance of a definition that was never registered: nobody can say what its work is;
//! - a running instance with nothing left to run (the next step was never created, or the join was missed);
//! - a failed instance without a dead letter (it gave up its work for no reason);
//! - a completed job that no worker ever started (only where no history was torn off), and a job that workers
//!   handled and the database does not know.
//!
//! After the drain, or in a run that is stuck, nothing may be left waiting or running. Where more may come, what is left
//! is not a failure, but the verdict can't be `pass` either.

use super::{Check, Example, Examples, fail, pass, unknown};
use crate::ledger::{Job, Ledger, Start};
use crate::snapshot::{DefinitionRow, InstanceRow, InstanceState, JobState};
use crate::text::{counted, grouped};

const NAME: &str = "nothing-lost";

/// What is missing.
#[derive(Debug, Default)]
pub(super) struct Findings {
    missing_instances: Examples,
    undone_jobs: Examples,
    stuck_instances: Examples,
    baseless_failures: Examples,
    unstarted: Examples,
    strangers: Examples,
    unfinished: Examples,
    /// Unfinished jobs by (state, step).
    places: Vec<(JobState, u16, u64)>,
}

impl Findings {
    pub(super) fn lost(&self) -> u64 {
        self.kinds().iter().map(|(_, found)| found.count()).sum()
    }

    fn kinds(&self) -> [(&'static str, &Examples); 6] {
        [
            ("accepted instance unknown to the database", &self.missing_instances),
            (
                "job missing or not done though its instance went past it",
                &self.undone_jobs,
            ),
            ("running instance with nothing left to run", &self.stuck_instances),
            ("failed instance without a dead letter", &self.baseless_failures),
            ("completed job that no worker started", &self.unstarted),
            ("job handled by a worker but unknown to the database", &self.strangers),
        ]
    }

    fn where_unfinished(&self) -> String {
        let place =
            |(state, step, count): &(JobState, u16, u64)| format!("{} {state:?} in step {step}", grouped(*count));
        self.places.iter().map(place).collect::<Vec<_>>().join(", ")
    }
}

pub(super) fn check(ledger: &Ledger<'_>, is_final: bool) -> Check {
    let found = find(ledger);
    let accepted = ledger
        .instances()
        .iter()
        .filter(|instance| instance.start == Start::Accepted)
        .count() as u64;
    let mut parts: Vec<String> = Vec::new();
    for (what, examples) in found.kinds().iter().filter(|(_, examples)| examples.count() > 0) {
        parts.push(format!("{} × {what}", grouped(examples.count())));
    }
    let unfinished = found.unfinished.count();
    if unfinished > 0 {
        parts.push(format!(
            "{} unfinished ({})",
            counted(unfinished, "job"),
            found.where_unfinished()
        ));
    }
    if found.lost() > 0 || (unfinished > 0 && is_final) {
        let kinds = found
            .kinds()
            .into_iter()
            .map(|(_, examples)| examples)
            .chain([&found.unfinished]);
        let story = kinds.flat_map(|examples| examples.stories(ledger)).collect();
        return fail(NAME, parts.join("; "), story);
    }
    if !is_final {
        let left = if parts.is_empty() {
            "nothing was left to do".to_owned()
        } else {
            parts.join("; ")
        };
        return unknown(NAME, format!("the run was not drained: {left}"));
    }
    let torn = match ledger.dropped_bytes() {
        0 => "",
        _ => "; torn history: whether each was started can't be told",
    };
    let jobs = counted(ledger.jobs().len() as u64, "job");
    pass(
        NAME,
        format!("{} accepted, {jobs} accounted for{torn}", counted(accepted, "instance")),
    )
}

pub(super) fn find(ledger: &Ledger<'_>) -> Findings {
    let mut found = Findings::default();
    for (place, instance) in ledger.instances().iter().enumerate() {
        match (ledger.row(instance), ledger.definition(instance)) {
            (Some(row), Some(definition)) => judge_instance(&mut found, ledger, place, row, definition),
            (Some(_), None) => found.undone_jobs.add(Example::Instance(place)),
            (None, _) if instance.start == Start::Accepted || has_rows(ledger, place) => {
                found.missing_instances.add(Example::Instance(place));
            }
            _ => {}
        }
    }
    let whole = ledger.dropped_bytes() == 0;
    for (place, job) in ledger.jobs().iter().enumerate() {
        match job.state {
            None => found.strangers.add(Example::Job(place)),
            Some(JobState::Completed) if whole && ledger.times(place).started.is_none() => {
                found.unstarted.add(Example::Job(place));
            }
            Some(state @ (JobState::Scheduled | JobState::Queued | JobState::Running)) => {
                found.unfinished.add(Example::Job(place));
                count_place(&mut found.places, state, job.step);
            }
            Some(_) => {}
        }
    }
    found.places.sort_by_key(|(_, step, _)| *step);
    found
}

fn has_rows(ledger: &Ledger<'_>, instance: usize) -> bool {
    ledger
        .members(instance)
        .iter()
        .any(|place| ledger.jobs()[*place as usize].state.is_some())
}

fn count_place(places: &mut Vec<(JobState, u16, u64)>, state: JobState, step: u16) {
    match places.iter_mut().find(|place| (place.0, place.1) == (state, step)) {
        Some(place) => place.2 += 1,
        None => places.push((state, step, 1)),
    }
}

fn judge_instance(
    found: &mut Findings,
    ledger: &Ledger<'_>,
    place: usize,
    row: &InstanceRow,
    definition: &DefinitionRow,
) {
    let jobs = || {
        ledger
            .members(place)
            .iter()
            .map(|member| &ledger.jobs()[*member as usize])
    };
    found
        .undone_jobs
        .add_many(undone(jobs(), row, definition), Example::Instance(place));
    let any = |wanted: fn(JobState) -> bool| jobs().any(|job| job.state.is_some_and(wanted));
    match row.state {
        InstanceState::Running if !any(is_unfinished) => found.stuck_instances.add(Example::Instance(place)),
        InstanceState::Failed if !any(|state| matches!(state, JobState::DeadLetter | JobState::Discarded)) => {
            found.baseless_failures.add(Example::Instance(place));
        }
        _ => {}
    }
}

fn is_unfinished(state: JobState) -> bool {
    matches!(state, JobState::Scheduled | JobState::Queued | JobState::Running)
}

/// Jobs that must be there and are not, or must be completed and are not: in every step that the instance has
/// passed, all completed; in its current one, all there (all completed if the instance is).
fn undone<'a>(jobs: impl Iterator<Item = &'a Job> + Clone, row: &InstanceRow, definition: &DefinitionRow) -> u64 {
    let completed = row.state == InstanceState::Completed;
    let steps = if completed {
        definition.step_widths.len()
    } else {
        usize::from(row.step) + 1
    };
    let of_step = |(step, width): (u16, &u32)| {
        let passed = completed || step < row.step;
        let here = jobs.clone().filter(|job| job.step == step);
        let good = here.filter(|job| match job.state {
            Some(state) => !passed || state == JobState::Completed,
            None => false,
        });
        u64::from(*width).saturating_sub(distinct(good.map(|job| job.ordinal)))
    };
    (0u16..).zip(&definition.step_widths).take(steps).map(of_step).sum()
}

/// Different values of an ascending sequence.
fn distinct(ordinals: impl Iterator<Item = u16>) -> u64 {
    let mut last = None;
    ordinals
        .filter(|ordinal| last.replace(*ordinal) != Some(*ordinal))
        .count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Verdict;
    use crate::scene::Scene;

    fn checked(scene: &Scene) -> Check {
        check(&scene.ledger(), true)
    }

    fn failed(scene: &Scene, expected: &str) {
        let check = checked(scene);
        assert_eq!(check.verdict, Verdict::Fail, "{check:?}");
        assert!(check.detail.contains(expected), "{}", check.detail);
        assert!(!check.story.is_empty());
    }

    #[test]
    fn a_run_in_which_all_work_was_done_passes() {
        let mut scene = Scene::new(&[2, 1]);
        scene.start_many(5);
        scene.drain();
        let check = checked(&scene);
        assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
        assert_eq!(check.detail, "5 instances accepted, 15 jobs accounted for");
    }

    #[test]
    fn an_accepted_instance_that_the_database_does_not_know_is_lost() {
        let mut scene = Scene::new(&[1]);
        scene.start();
        scene.drain();
        scene.snapshot.instances.clear();
        scene.snapshot.jobs.clear();
        scene.snapshot.audit.clear();
        failed(&scene, "1 × accepted instance unknown to the database");
    }

    #[test]
    fn a_refused_instance_is_not_lost() {
        let mut scene = Scene::new(&[1]);
        scene.start_refused();
        assert_eq!(checked(&scene).verdict, Verdict::Pass);
    }

    #[test]
    fn a_completed_instance_with_a_job_undone_is_lost_work() {
        let mut scene = Scene::new(&[2, 1]);
        scene.start();
        scene.drain();
        scene.snapshot.jobs[1].state = JobState::Cancelled;
        failed(&scene, "1 × job missing or not done");
        scene.snapshot.jobs.remove(1);
        failed(&scene, "1 × job missing or not done");
        failed(&scene, "1 × job handled by a worker but unknown to the database");
    }

    #[test]
    fn a_missed_join_leaves_a_running_instance_with_nothing_to_run() {
        let mut scene = Scene::new(&[2, 1]);
        scene.start();
        scene.drain();
        scene.snapshot.jobs.pop();
        scene.snapshot.instances[0].state = InstanceState::Running;
        scene.snapshot.instances[0].step = 0;
        failed(&scene, "1 × running instance with nothing left to run");
    }

    #[test]
    fn a_job_completed_without_a_start_is_lost_work_unless_history_is_torn() {
        let mut scene = Scene::new(&[1]);
        scene.start();
        scene.drain();
        scene.forget_starts();
        failed(&scene, "1 × completed job that no worker started");
        scene.history[1].dropped_bytes = 10;
        let check = checked(&scene);
        assert_eq!(check.verdict, Verdict::Pass);
        assert!(check.detail.contains("torn history"), "{}", check.detail);
    }

    #[test]
    fn an_instance_without_a_definition_can_not_pass() {
        let mut scene = Scene::new(&[1]);
        scene.start();
        scene.drain();
        scene.snapshot.definitions.clear();
        failed(&scene, "1 × job missing or not done");
    }

    #[test]
    fn a_failed_instance_has_a_dead_letter() {
        let mut scene = Scene::new(&[1]);
        scene.start();
        scene.drain();
        scene.snapshot.instances[0].state = InstanceState::Failed;
        failed(&scene, "1 × failed instance without a dead letter");
    }

    #[test]
    fn jobs_left_after_the_drain_are_named_with_their_place() {
        let mut scene = Scene::new(&[3]);
        scene.start();
        scene.claim_next(0);
        failed(&scene, "3 jobs unfinished (1 Running in step 0, 2 Queued in step 0)");
        let check = check(&scene.ledger(), false);
        assert_eq!(check.verdict, Verdict::Unknown);
        assert!(
            check.detail.contains("the run was not drained: 3 jobs unfinished"),
            "{}",
            check.detail
        );
    }
}
