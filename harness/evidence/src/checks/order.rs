//! `order`: within one instance and job type, workers first receive jobs in the order of their creation.
//!
//! A violation is a job that was first received later than a job of the same instance and type with a larger id. Jobs
//! that wait by definition are left out (they are queued later than their ids say), and so are jobs whose first
//! receipt is of a later attempt (that one was queued again). Polling promises no such order: it is only counted.
//! With fewer than [`WIDTH_MIN`] jobs of one type in a step, order is hardly put to the test: the check is vacuous.

use crossover_proto::clock::MonotonicNs;

use super::{Check, Example, Examples, fail, pass, unknown};
use crate::ledger::{Act, Ledger};
use crate::text::{counted, grouped};

const NAME: &str = "order";
/// Jobs of one type in one step that put order to the test: fewer are often received in one batch.
const WIDTH_MIN: usize = 8;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) violations: Examples,
    /// Jobs that were compared.
    compared: u64,
    /// Most jobs of one type in one step of one instance.
    width: usize,
}

pub(super) fn check(ledger: &Ledger<'_>, enforced: bool) -> Check {
    let found = find(ledger);
    let violations = counted(found.violations.count(), "job");
    let compared = grouped(found.compared);
    if !enforced {
        return pass(
            NAME,
            format!("not promised in this mode, only counted: {violations} of {compared} received out of order"),
        );
    }
    if found.violations.count() > 0 {
        let detail = format!("{violations} of {compared} received after a later one of its instance and type");
        return fail(NAME, detail, found.violations.stories(ledger));
    }
    if found.width < WIDTH_MIN {
        let detail = format!(
            "vacuous: the widest step had {} of one type, {WIDTH_MIN} put order to the test",
            counted(found.width as u64, "job")
        );
        return unknown(NAME, detail);
    }
    pass(
        NAME,
        format!(
            "{compared} jobs first received in the order of their creation, up to {} in parallel",
            found.width
        ),
    )
}

pub(super) fn find(ledger: &Ledger<'_>) -> Findings {
    let mut found = Findings::default();
    let mut receipts: Vec<Receipt> = Vec::new();
    for instance in 0..ledger.instances().len() {
        receipts.clear();
        let members = ledger.members(instance).iter().map(|place| *place as usize);
        receipts.extend(members.filter_map(|place| Receipt::of(ledger, place)));
        found.width = found.width.max(width(&mut receipts));
        found.compared += receipts.len() as u64;
        receipts.sort_unstable_by_key(|receipt| (receipt.job_type, receipt.place));
        for group in receipts.chunk_by(|left, right| left.job_type == right.job_type) {
            judge_group(&mut found.violations, group);
        }
    }
    found
}

#[derive(Debug, Clone, Copy)]
struct Receipt {
    /// Places follow ids.
    place: usize,
    job_type: u16,
    step: u16,
    at: MonotonicNs,
}

impl Receipt {
    fn of(ledger: &Ledger<'_>, place: usize) -> Option<Self> {
        let job = &ledger.jobs()[place];
        let first = ledger
            .moments(place)
            .iter()
            .find(|moment| moment.act == Act::Received)?;
        (job.state.is_some() && first.attempt == 1 && ledger.delay(place).is_zero()).then_some(Self {
            place,
            job_type: job.job_type,
            step: job.step,
            at: first.at,
        })
    }
}

fn width(receipts: &mut [Receipt]) -> usize {
    receipts.sort_unstable_by_key(|receipt| (receipt.job_type, receipt.step));
    let key = |receipt: &Receipt| (receipt.job_type, receipt.step);
    receipts
        .chunk_by(|left, right| key(left) == key(right))
        .map(<[Receipt]>::len)
        .max()
        .unwrap_or(0)
}

/// From the largest id down: later than the earliest receipt seen so far is out of order.
fn judge_group(violations: &mut Examples, by_id: &[Receipt]) {
    let mut earliest = MonotonicNs(u64::MAX);
    for receipt in by_id.iter().rev() {
        if receipt.at > earliest {
            violations.add(Example::Job(receipt.place));
        }
        earliest = earliest.min(receipt.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Verdict;
    use crate::scene::Scene;

    fn wide() -> Scene {
        let mut scene = Scene::new(&[8]);
        scene.start();
        scene.start();
        scene.drain();
        scene
    }

    #[test]
    fn receipts_in_the_order_of_creation_pass() {
        let check = check(&wide().ledger(), true);
        assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
        assert!(check.detail.starts_with("16 jobs first received"), "{}", check.detail);
    }

    #[test]
    fn a_receipt_out_of_order_fails_where_order_is_promised_and_is_counted_elsewhere() {
        let mut scene = wide();
        scene.swap_receipts(2, 5);
        let enforced = check(&scene.ledger(), true);
        assert_eq!(enforced.verdict, Verdict::Fail, "{enforced:?}");
        // 5 came at 2's time: 2 (at 5's), 3 and 4 are later than it, and 2 than 3 and 4 as well.
        assert!(enforced.detail.starts_with("3 jobs of 16"), "{}", enforced.detail);
        let counted = check(&scene.ledger(), false);
        assert_eq!(counted.verdict, Verdict::Pass);
        assert!(counted.detail.contains("3 jobs of 16"), "{}", counted.detail);
    }

    #[test]
    fn a_redelivery_is_no_violation() {
        let mut scene = wide();
        scene.repeat_execution();
        assert_eq!(check(&scene.ledger(), true).verdict, Verdict::Pass);
    }

    #[test]
    fn narrow_steps_make_the_check_vacuous() {
        let mut scene = Scene::new(&[7, 7]);
        scene.start();
        scene.drain();
        let check = check(&scene.ledger(), true);
        assert_eq!(check.verdict, Verdict::Unknown);
        assert!(
            check.detail.starts_with("vacuous: the widest step had 7 jobs"),
            "{}",
            check.detail
        );
    }
}
