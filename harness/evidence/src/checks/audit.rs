//! `audit-replayed-equals-tables`: the audit log, folded, gives the state and attempt of every job and the state and
//! step of every instance, and every transition in it is allowed.
//!
//! So the log can be trusted as history, and no state was written without it. The step of an instance is the last
//! step that a job was created for; the jobs to go are compared while it runs and once it is completed.

use super::{Check, Example, Examples, fail, pass};
use crate::ledger::{Irregular, Ledger, Oddity};
use crate::snapshot::{InstanceRow, InstanceState, JobState};
use crate::text::{counted, grouped};

const NAME: &str = "audit-replayed-equals-tables";
/// Most irregular rows that the story lists.
const ROWS_MAX: usize = 5;

pub(super) fn check(ledger: &Ledger<'_>) -> Check {
    let jobs = different_jobs(ledger);
    let instances = different_instances(ledger);
    let replay = ledger.replay();
    let rows = ledger.evidence().snapshot.audit.len() as u64;
    if jobs.count() + instances.count() + replay.irregular_count == 0 {
        let subjects = format!(
            "{} and {}",
            counted(jobs_with_rows(ledger), "job"),
            counted(instance_rows(ledger), "instance")
        );
        return pass(
            NAME,
            format!(
                "{} replayed: {subjects} stand as the tables say",
                counted(rows, "transition")
            ),
        );
    }
    let detail = format!(
        "{} and {} differ from the tables; {} not allowed",
        counted(jobs.count(), "job"),
        counted(instances.count(), "instance"),
        counted(replay.irregular_count, "transition")
    );
    let irregular = replay.irregular.iter().take(ROWS_MAX).map(describe);
    let story = irregular
        .chain(jobs.stories(ledger))
        .chain(instances.stories(ledger))
        .collect();
    fail(NAME, detail, story)
}

fn jobs_with_rows(ledger: &Ledger<'_>) -> u64 {
    ledger.evidence().snapshot.jobs.len() as u64
}

fn instance_rows(ledger: &Ledger<'_>) -> u64 {
    ledger.evidence().snapshot.instances.len() as u64
}

fn different_jobs(ledger: &Ledger<'_>) -> Examples {
    let mut different = Examples::default();
    for (place, (job, replayed)) in ledger.jobs().iter().zip(&ledger.replay().jobs).enumerate() {
        let same_attempt = job.state.is_none() || job.attempt == replayed.attempt;
        if job.state != replayed.state || !same_attempt {
            different.add(Example::Job(place));
        }
    }
    different
}

fn different_instances(ledger: &Ledger<'_>) -> Examples {
    let mut different = Examples::default();
    for (place, instance) in ledger.instances().iter().enumerate() {
        let replayed = ledger.replay().instances[place].state;
        let same = match ledger.row(instance) {
            Some(row) => replayed == Some(row.state) && same_progress(ledger, place, row),
            None => replayed.is_none(),
        };
        if !same {
            different.add(Example::Instance(place));
        }
    }
    different
}

/// Compares step and jobs to go with what the replayed jobs of the instance say.
fn same_progress(ledger: &Ledger<'_>, place: usize, row: &InstanceRow) -> bool {
    let created = ledger.members(place).iter().map(|place| *place as usize);
    let created = created.filter(|place| ledger.replay().jobs[*place].state.is_some());
    let step_of = |place: &usize| ledger.jobs()[*place].step;
    let Some(step) = created.clone().map(|place| step_of(&place)).max() else {
        return row.remaining == 0;
    };
    let of_step = created.filter(|place| step_of(place) == step);
    let to_go = of_step
        .filter(|place| ledger.replay().jobs[*place].state != Some(JobState::Completed))
        .count();
    let counts = matches!(row.state, InstanceState::Running | InstanceState::Completed);
    row.step == step && (!counts || row.remaining as usize == to_go)
}

fn describe(irregular: &Irregular) -> String {
    let row = &irregular.row;
    let subject = match row.job.id() {
        Some(job) => format!("job {job}"),
        None => format!("instance {}", row.instance),
    };
    let why = match irregular.oddity {
        Oddity::Job(Some(state), attempt) => format!("while it was {state:?} at attempt {attempt}"),
        Oddity::Job(None, _) => "before it was created".to_owned(),
        Oddity::Instance(Some(state)) => format!("while it was {state:?}"),
        Oddity::Instance(None) => "before it was started".to_owned(),
        Oddity::NoSuchJob | Oddity::NoSuchInstance => "but no table and no history knows it".to_owned(),
        Oddity::Misplaced => "which is no event of its kind".to_owned(),
    };
    format!(
        "{subject}: {:?}, attempt {}, {why}",
        row.event,
        grouped(u64::from(row.attempt))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Verdict;
    use crate::scene::Scene;
    use crate::snapshot::AuditEvent;

    fn finished() -> Scene {
        let mut scene = Scene::new(&[2, 1]);
        scene.start();
        scene.drain();
        scene
    }

    fn failed(scene: &Scene, detail: &str, line: &str) {
        let check = check(&scene.ledger());
        assert_eq!(check.verdict, Verdict::Fail, "{check:?}");
        assert!(check.detail.contains(detail), "{}", check.detail);
        assert!(
            check.story.iter().any(|found| found.contains(line)),
            "{:#?}",
            check.story
        );
    }

    #[test]
    fn a_log_that_tells_all_passes() {
        let check = check(&finished().ledger());
        assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
        assert_eq!(
            check.detail,
            "11 transitions replayed: 3 jobs and 1 instance stand as the tables say"
        );
    }

    #[test]
    fn every_kind_of_transition_replays() {
        let mut scene = Scene::new(&[2]);
        let cancelled = scene.start();
        scene.cancel(cancelled);
        scene.start();
        scene.report_late();
        scene.release_next();
        scene.fail_next(true);
        scene.fail_next(false);
        scene.drain();
        let check = check(&scene.ledger());
        assert_eq!(check.verdict, Verdict::Pass, "{check:#?}");
    }

    #[test]
    fn a_failed_instance_may_be_cancelled_or_completed_by_a_letter_brought_back() {
        let mut scene = Scene::new(&[1, 2]);
        let failed = scene.start();
        scene.fail_next(false);
        scene.cancel(failed);
        scene.start();
        scene.drain();
        let second = scene.start();
        scene.fail_next(false);
        let letter = scene
            .snapshot
            .jobs
            .iter()
            .rposition(|job| job.instance == second)
            .unwrap();
        scene.bring_back(letter);
        scene.drain();
        let states: Vec<InstanceState> = scene.snapshot.instances.iter().map(|row| row.state).collect();
        assert_eq!(
            states,
            [
                InstanceState::Cancelled,
                InstanceState::Completed,
                InstanceState::Completed
            ]
        );
        let check = check(&scene.ledger());
        assert_eq!(check.verdict, Verdict::Pass, "{check:#?}");
    }

    #[test]
    fn a_state_written_without_its_audit_row_fails() {
        let mut scene = finished();
        scene.snapshot.audit.retain(|row| row.event != AuditEvent::JobCompleted);
        failed(&scene, "3 jobs and 1 instance differ", "Completed");
        let mut scene = finished();
        scene
            .snapshot
            .audit
            .retain(|row| row.event != AuditEvent::InstanceCompleted);
        failed(&scene, "0 jobs and 1 instance differ", "Completed");
    }

    #[test]
    fn an_attempt_that_differs_fails() {
        let mut scene = finished();
        scene.snapshot.jobs[0].attempt = 2;
        failed(&scene, "1 job and 0 instances differ", "attempt 2, Completed");
    }

    #[test]
    fn a_step_or_a_remainder_that_differs_fails() {
        let mut scene = finished();
        scene.snapshot.instances[0].remaining = 1;
        failed(&scene, "0 jobs and 1 instance differ", "1 to go");
        scene.snapshot.instances[0].remaining = 0;
        scene.snapshot.instances[0].step = 0;
        failed(&scene, "0 jobs and 1 instance differ", "step 0");
    }

    #[test]
    fn a_transition_that_is_not_allowed_fails_though_the_end_is_right() {
        let mut scene = finished();
        scene.snapshot.audit.retain(|row| row.event != AuditEvent::JobClaimed);
        failed(
            &scene,
            "3 transitions not allowed",
            "JobCompleted, attempt 1, while it was Queued at attempt 1",
        );
    }

    #[test]
    fn rows_about_nothing_are_told() {
        let mut scene = finished();
        let mut row = scene.snapshot.audit[1];
        row.job = Some(crossover_proto::JobId(77)).into();
        scene.snapshot.audit.push(row);
        failed(
            &scene,
            "1 transition not allowed",
            "job 77: JobQueued, attempt 1, but no table",
        );
    }
}
