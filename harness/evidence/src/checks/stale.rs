//! `stale-completions`: every report that the engine refused as stale lost its lease for a reason in the audit log.
//!
//! The reason names the job and the reported attempt or a later one: its lease ran out, it was given back, retried or
//! dead-lettered by someone else, or the job was cancelled. A refusal without one is work thrown away for nothing.

use crossover_proto::history::Outcome;

use super::{Check, Example, Examples, fail, pass};
use crate::ledger::{Act, Ledger};
use crate::snapshot::{AuditEvent, AuditRow};
use crate::text::counted;

const NAME: &str = "stale-completions";

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Reports that were answered as stale.
    pub(super) answers: u64,
    unexplained: Examples,
}

pub(super) fn check(ledger: &Ledger<'_>) -> Check {
    let found = find(ledger);
    let answers = counted(found.answers, "report");
    if found.unexplained.count() == 0 {
        return pass(
            NAME,
            format!("{answers} refused as stale, each after its lease was lost"),
        );
    }
    let detail = format!(
        "{} of {answers} refused as stale without a reason in the audit log",
        found.unexplained.count()
    );
    fail(NAME, detail, found.unexplained.stories(ledger))
}

pub(super) fn find(ledger: &Ledger<'_>) -> Findings {
    let refused = refused(ledger);
    let mut explained = vec![false; refused.len()];
    for row in &ledger.evidence().snapshot.audit {
        let Some(place) = row
            .job
            .id()
            .filter(|_| ends_a_lease(row))
            .and_then(|job| ledger.job_position(job))
        else {
            continue;
        };
        let first = refused.partition_point(|(job, _)| *job < place);
        for (index, _) in refused
            .iter()
            .enumerate()
            .skip(first)
            .take_while(|(_, (job, _))| *job == place)
        {
            explained[index] |= row.event == AuditEvent::JobCancelled || row.attempt >= refused[index].1;
        }
    }
    let mut found = Findings {
        answers: refused.len() as u64,
        ..Findings::default()
    };
    for ((job, _), _) in refused.iter().zip(&explained).filter(|(_, explained)| !**explained) {
        found.unexplained.add(Example::Job(*job));
    }
    found
}

/// Place and attempt of every stale answer, by place.
fn refused(ledger: &Ledger<'_>) -> Vec<(usize, u16)> {
    let of_job = |job: usize| {
        let stale = ledger
            .moments(job)
            .iter()
            .filter(|moment| moment.act == Act::Reported(Outcome::Stale));
        stale.map(move |moment| (job, moment.attempt))
    };
    (0..ledger.jobs().len()).flat_map(of_job).collect()
}

fn ends_a_lease(row: &AuditRow) -> bool {
    matches!(
        row.event,
        AuditEvent::JobLeaseExpired
            | AuditEvent::JobRetried
            | AuditEvent::JobReleased
            | AuditEvent::JobDeadLettered
            | AuditEvent::JobCancelled
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Verdict;
    use crate::scene::Scene;

    #[test]
    fn a_late_report_after_an_expired_lease_is_explained() {
        let mut scene = Scene::new(&[1]);
        scene.start();
        scene.report_late();
        let ledger = scene.ledger();
        assert_eq!(find(&ledger).answers, 1);
        assert_eq!(check(&ledger).verdict, Verdict::Pass);
    }

    #[test]
    fn a_report_refused_for_no_reason_fails() {
        let mut scene = Scene::new(&[1]);
        scene.start();
        scene.report_late();
        scene
            .snapshot
            .audit
            .retain(|row| row.event != AuditEvent::JobLeaseExpired);
        let check = check(&scene.ledger());
        assert_eq!(check.verdict, Verdict::Fail, "{check:?}");
        assert_eq!(
            check.detail,
            "1 of 1 report refused as stale without a reason in the audit log"
        );
        assert!(
            check.story.iter().any(|line| line.contains("report answered: Stale")),
            "{:?}",
            check.story
        );
    }

    #[test]
    fn an_expiry_of_an_earlier_attempt_explains_nothing() {
        let mut scene = Scene::new(&[1]);
        scene.start();
        scene.report_late();
        scene
            .snapshot
            .audit
            .iter_mut()
            .filter(|row| row.event == AuditEvent::JobLeaseExpired)
            .for_each(|row| row.attempt = 0);
        assert_eq!(check(&scene.ledger()).verdict, Verdict::Fail);
    }
}
