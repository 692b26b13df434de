//! `outbox-empty`: after the drain, every outbox row was settled: sent, or refused for good.
//!
//! A row that is left is a job that no worker will hear of until somebody leads the relay again. It is no loss (the row is
//! there), but a run that is drained, or stuck, must not have one. Event-driven mode only.

use super::{Check, Examples, fail, pass, unknown};
use crate::ledger::Ledger;
use crate::text::{counted, grouped};

const NAME: &str = "outbox-empty";

pub(super) fn check(ledger: &Ledger<'_>, is_final: bool) -> Check {
    let rows = &ledger.evidence().snapshot.outbox;
    let mut pending = Examples::default();
    for row in rows.iter().filter(|row| !row.sent) {
        pending.add_job(1, ledger.job_position(row.job));
    }
    let of = counted(rows.len() as u64, "outbox row");
    if rows.is_empty() && !ledger.jobs().is_empty() {
        return unknown(NAME, "no outbox row is left, though there are jobs".to_owned());
    }
    if pending.count() == 0 {
        let refused = rows.iter().filter(|row| row.record.is_none()).count() as u64;
        let refused = match refused {
            0 => String::new(),
            refused => format!(", {} refused by the broker for good", grouped(refused)),
        };
        return pass(NAME, format!("{of}, all settled{refused}"));
    }
    let detail = format!("{} of {of} still to be sent", grouped(pending.count()));
    if is_final {
        fail(NAME, detail, pending.stories(ledger))
    } else {
        unknown(NAME, format!("the run was not drained: {detail}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Verdict;
    use crate::scene::Scene;

    #[test]
    fn an_outbox_with_all_rows_sent_or_refused_passes() {
        let mut scene = Scene::event_driven(&[2]);
        scene.start();
        scene.drain();
        assert_eq!(check(&scene.ledger(), true).detail, "2 outbox rows, all settled");
        scene.snapshot.outbox[1].record = None;
        let refused = check(&scene.ledger(), true);
        assert_eq!(refused.verdict, Verdict::Pass);
        assert_eq!(
            refused.detail,
            "2 outbox rows, all settled, 1 refused by the broker for good"
        );
    }

    #[test]
    fn a_row_left_after_the_drain_fails_and_without_a_drain_is_not_settled() {
        let mut scene = Scene::event_driven(&[2]);
        scene.start();
        scene.drain();
        scene.snapshot.outbox[1].sent = false;
        let left = check(&scene.ledger(), true);
        assert_eq!(left.verdict, Verdict::Fail);
        assert_eq!(left.detail, "1 of 2 outbox rows still to be sent");
        assert!(left.story[0].starts_with("job 2 of instance"), "{:?}", left.story);
        assert_eq!(check(&scene.ledger(), false).verdict, Verdict::Unknown);
    }

    #[test]
    fn an_outbox_without_rows_shows_nothing_where_there_are_jobs() {
        let mut scene = Scene::event_driven(&[2]);
        assert_eq!(check(&scene.ledger(), true).verdict, Verdict::Pass);
        scene.start();
        scene.drain();
        scene.snapshot.outbox.clear();
        assert_eq!(check(&scene.ledger(), true).verdict, Verdict::Unknown);
    }
}
