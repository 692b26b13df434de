//! `no-double-effect`: however often a job was delivered or handled, it changed the world once.
//!
//! From the audit log: more than one completion or creation of a job, more than one completion of an instance. From
//! the tables: two jobs in the same place (instance, step, ordinal), or a place beyond the step's width. Every one
//! beyond the first counts. It must be 0, whatever was broken during the run.

use super::{Check, Example, Examples, fail, pass};
use crate::ledger::Ledger;
use crate::text::{counted, grouped};

const NAME: &str = "no-double-effect";

/// Effects beyond the first, by kind.
#[derive(Debug, Default)]
pub(super) struct Findings {
    completions: Examples,
    creations: Examples,
    instance_completions: Examples,
    same_place: Examples,
    beyond_width: Examples,
}

impl Findings {
    pub(super) fn count(&self) -> u64 {
        self.kinds().iter().map(|(_, examples)| examples.count()).sum()
    }

    fn kinds(&self) -> [(&'static str, &Examples); 5] {
        [
            ("job completed again", &self.completions),
            ("job created again", &self.creations),
            ("instance completed again", &self.instance_completions),
            ("job in the place of another", &self.same_place),
            ("job beyond the width of its step", &self.beyond_width),
        ]
    }
}

pub(super) fn check(ledger: &Ledger<'_>) -> Check {
    let found = find(ledger);
    if found.count() == 0 {
        let jobs = counted(ledger.jobs().len() as u64, "job");
        return pass(NAME, format!("{jobs}, none created or completed more than once"));
    }
    let kinds = found.kinds();
    let bad = kinds.iter().filter(|(_, examples)| examples.count() > 0);
    let parts: Vec<String> = bad
        .map(|(what, examples)| format!("{} × {what}", grouped(examples.count())))
        .collect();
    let story = kinds
        .iter()
        .flat_map(|(_, examples)| examples.stories(ledger))
        .collect();
    fail(NAME, parts.join("; "), story)
}

pub(super) fn find(ledger: &Ledger<'_>) -> Findings {
    let mut found = Findings::default();
    let beyond_first = |count: u16| u64::from(count.saturating_sub(1));
    for (place, job) in ledger.replay().jobs.iter().enumerate() {
        found
            .completions
            .add_many(beyond_first(job.completions), Example::Job(place));
        found
            .creations
            .add_many(beyond_first(job.creations), Example::Job(place));
    }
    for (place, instance) in ledger.replay().instances.iter().enumerate() {
        found
            .instance_completions
            .add_many(beyond_first(instance.completions), Example::Instance(place));
    }
    for place in 0..ledger.instances().len() {
        judge_places(&mut found, ledger, place);
    }
    found
}

fn judge_places(found: &mut Findings, ledger: &Ledger<'_>, instance: usize) {
    let widths = ledger
        .definition(&ledger.instances()[instance])
        .map(|definition| &definition.step_widths);
    let mut last = None;
    for place in ledger.members(instance).iter().map(|place| *place as usize) {
        let job = &ledger.jobs()[place];
        if job.state.is_none() {
            continue;
        }
        if last.replace((job.step, job.ordinal)) == Some((job.step, job.ordinal)) {
            found.same_place.add(Example::Job(place));
        }
        let width = widths.map(|widths| widths.get(usize::from(job.step)).copied().unwrap_or(0));
        if width.is_some_and(|width| u32::from(job.ordinal) >= width) {
            found.beyond_width.add(Example::Job(place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Verdict;
    use crate::scene::Scene;
    use crate::snapshot::AuditEvent;
    use crossover_proto::JobId;

    fn finished() -> Scene {
        let mut scene = Scene::new(&[2, 1]);
        scene.start();
        scene.drain();
        scene
    }

    fn failed(scene: &Scene, expected: &str) {
        let check = check(&scene.ledger());
        assert_eq!(check.verdict, Verdict::Fail, "{check:?}");
        assert_eq!(check.detail, expected);
        assert!(
            check.story.iter().any(|line| line.contains("audit:")),
            "{:?}",
            check.story
        );
    }

    #[test]
    fn a_run_with_every_effect_once_passes() {
        assert_eq!(check(&finished().ledger()).verdict, Verdict::Pass);
    }

    #[test]
    fn a_duplicate_execution_alone_is_no_double_effect() {
        let mut scene = Scene::new(&[1]);
        scene.start();
        scene.execute_twice();
        assert_eq!(check(&scene.ledger()).verdict, Verdict::Pass);
    }

    #[test]
    fn a_second_completion_of_a_job_fails() {
        let mut scene = finished();
        scene.repeat_audit(AuditEvent::JobCompleted);
        failed(&scene, "1 × job completed again");
    }

    #[test]
    fn a_second_completion_of_an_instance_fails() {
        let mut scene = finished();
        scene.repeat_audit(AuditEvent::InstanceCompleted);
        failed(&scene, "1 × instance completed again");
    }

    #[test]
    fn a_second_creation_of_a_job_fails() {
        let mut scene = finished();
        scene.repeat_audit(AuditEvent::JobQueued);
        failed(&scene, "1 × job created again");
    }

    #[test]
    fn a_next_step_created_twice_fails() {
        let mut scene = finished();
        let mut twin = *scene.snapshot.jobs.last().unwrap();
        twin.id = JobId(99);
        scene.snapshot.jobs.push(twin);
        let check = check(&scene.ledger());
        assert_eq!(
            (check.verdict, check.detail.as_str()),
            (Verdict::Fail, "1 × job in the place of another")
        );
        scene.snapshot.jobs.last_mut().unwrap().ordinal = 1;
        let check = super::check(&scene.ledger());
        assert_eq!(
            (check.verdict, check.detail.as_str()),
            (Verdict::Fail, "1 × job beyond the width of its step")
        );
    }

    #[test]
    fn promotion_and_bringing_back_are_no_creations() {
        let mut scene = Scene::new(&[1]);
        scene.start();
        scene.fail_next(true);
        scene.fail_next(false);
        scene.bring_back(0);
        scene.drain();
        let check = check(&scene.ledger());
        assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
    }
}
