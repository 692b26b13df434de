//! `duplicate-executions`: how many jobs were handled to success more than once.
//!
//! At-least-once delivery allows them: a worker that dies between its success and the answer leaves a job that must be
//! done again. So they are counted and pass, unless nothing in the run explains them: no lease ran out, no job was
//! given back, every success got its answer, and none of these jobs had a second record.

use crossover_proto::history::Outcome;

use super::{Check, Example, Examples, duplicate_records, fail, pass};
use crate::ledger::{Act, Ledger};
use crate::text::counted;

const NAME: &str = "duplicate-executions";

/// Jobs with more than one success.
pub(super) fn find(ledger: &Ledger<'_>) -> Examples {
    let mut found = Examples::default();
    for job in 0..ledger.jobs().len() {
        if ledger.times(job).successes > 1 {
            found.add(Example::Job(job));
        }
    }
    found
}

pub(super) fn check(ledger: &Ledger<'_>) -> Check {
    let found = find(ledger);
    if found.count() == 0 {
        return pass(NAME, "no job was handled to success more than once".to_owned());
    }
    let expiries = ledger.replay().lease_expiries;
    let releases = ledger.replay().releases;
    let unanswered = unanswered(ledger);
    let sent_again = sent_again(ledger);
    let jobs = counted(found.count(), "job");
    if expiries + releases + unanswered + sent_again == 0 {
        let why = "though no lease ran out, no job was given back, every report was answered and none was sent twice";
        let detail = format!("{jobs} handled to success more than once, {why}");
        return fail(NAME, detail, found.stories(ledger));
    }
    let mut causes = format!(
        "{}, {} and {}",
        counted(expiries, "expired lease"),
        counted(releases, "release"),
        counted(unanswered, "unanswered report")
    );
    if sent_again > 0 {
        causes = format!("{}, {causes}", counted(sent_again, "job with a second record"));
    }
    pass(
        NAME,
        format!("{jobs} handled to success more than once; {causes} explain it"),
    )
}

/// Of the jobs with more than one success, those that the broker had, or may have had, more than one record of.
fn sent_again(ledger: &Ledger<'_>) -> u64 {
    let records = duplicate_records::find(ledger);
    let twice = |job: &usize| ledger.times(*job).successes > 1;
    let sent_again = |job: &usize| records.sent_again(ledger.jobs()[*job].id.0);
    (0..ledger.jobs().len()).filter(twice).filter(sent_again).count() as u64
}

/// Ends of handlers whose report got no answer: `Unknown`, or none because the worker died.
fn unanswered(ledger: &Ledger<'_>) -> u64 {
    let of_job = |job: usize| {
        let moments = ledger.moments(job);
        let count = |wanted: fn(Act) -> bool| moments.iter().filter(|moment| wanted(moment.act)).count() as u64;
        let lost = count(|act| act == Act::Reported(Outcome::Unknown));
        let finished = count(|act| matches!(act, Act::Finished(_)));
        let answered = count(|act| matches!(act, Act::Reported(outcome) if outcome != Outcome::Unknown));
        lost.max(finished.saturating_sub(answered))
    };
    (0..ledger.jobs().len()).map(of_job).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Verdict;
    use crate::scene::Scene;

    #[test]
    fn a_run_without_duplicates_passes() {
        let mut scene = Scene::new(&[3]);
        scene.start();
        scene.drain();
        assert_eq!(check(&scene.ledger()).verdict, Verdict::Pass);
    }

    #[test]
    fn a_duplicate_after_a_lease_that_ran_out_is_counted_and_passes() {
        let mut scene = Scene::new(&[1]);
        scene.start();
        scene.execute_twice();
        let check = check(&scene.ledger());
        assert_eq!(check.verdict, Verdict::Pass);
        assert!(
            check
                .detail
                .starts_with("1 job handled to success more than once; 1 expired lease"),
            "{}",
            check.detail
        );
    }

    #[test]
    fn a_second_record_of_the_job_explains_a_duplicate_and_one_of_another_job_does_not() {
        let mut scene = Scene::event_driven(&[2]);
        scene.start();
        scene.relay();
        scene.redispatch(1);
        scene.drain();
        scene.repeat_execution();
        assert_eq!(
            check(&scene.ledger()).verdict,
            Verdict::Fail,
            "job 2 has two records, job 1 was repeated"
        );
        scene.redispatch_anew(0);
        let check = check(&scene.ledger());
        assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
        assert!(check.detail.contains("1 job with a second record"), "{}", check.detail);
    }

    #[test]
    fn a_duplicate_that_nothing_explains_fails() {
        let mut scene = Scene::new(&[1]);
        scene.start();
        scene.drain();
        scene.repeat_execution();
        let check = check(&scene.ledger());
        assert_eq!(check.verdict, Verdict::Fail, "{check:?}");
        assert!(
            check.story.iter().any(|line| line.contains("handler ended: Done")),
            "{:?}",
            check.story
        );
    }
}
