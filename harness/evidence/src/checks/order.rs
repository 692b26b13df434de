//! `order`: within one instance and job type, workers first receive jobs in the order in which they were dispatched.
//!
//! A violation is a job that was first received later than a job of the same instance and type that was dispatched after
//! it. Event-driven mode promises this order; it is that of the *outbox rows* of the first attempts, not of job ids (a job
//! that waits by definition is dispatched later than its id says). A job that was dispatched again on its first attempt
//! is left out: which of its records was received can't be told. Polling promises nothing of the kind: it is only
//! counted, by job ids, without the jobs that wait by definition.
//!
//! Jobs whose first receipt is of a later attempt are left out in both modes (that one was queued again). With fewer than
//! [`WIDTH_MIN`] jobs of one type in a step, order is hardly put to the test: the check is vacuous.

use crossover_proto::clock::MonotonicNs;

use super::{Check, Example, Examples, fail, pass, unknown};
use crate::ledger::{Act, Ledger, Mode};
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
    /// Received jobs with no outbox row of their first attempt, or several (event-driven).
    left_out: u64,
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
    let left_out = match found.left_out {
        0 => String::new(),
        count => format!("; {} dispatched again left out", counted(count, "job")),
    };
    pass(
        NAME,
        format!(
            "{compared} jobs first received in the order of their dispatch, up to {} in parallel{left_out}",
            found.width
        ),
    )
}

pub(super) fn find(ledger: &Ledger<'_>) -> Findings {
    let mut found = Findings::default();
    let mut receipts: Vec<Receipt> = Vec::new();
    let keys = match ledger.evidence().mode {
        Mode::Polling => creation_keys(ledger),
        Mode::EventDriven => dispatch_keys(ledger),
    };
    for instance in 0..ledger.instances().len() {
        receipts.clear();
        let members = ledger.members(instance).iter().map(|place| *place as usize);
        for place in members {
            match (first_receipt(ledger, place), keys[place]) {
                (Some(at), Key::At(key)) => receipts.push(Receipt::of(ledger, place, key, at)),
                (Some(_), Key::Unclear) => found.left_out += 1,
                _ => {}
            }
        }
        found.width = found.width.max(width(&mut receipts));
        found.compared += receipts.len() as u64;
        receipts.sort_unstable_by_key(|receipt| (receipt.job_type, receipt.key));
        for group in receipts.chunk_by(|left, right| left.job_type == right.job_type) {
            judge_group(&mut found.violations, group);
        }
    }
    found
}

#[derive(Debug, Clone, Copy)]
struct Receipt {
    place: usize,
    key: i64,
    job_type: u16,
    step: u16,
    at: MonotonicNs,
}

impl Receipt {
    fn of(ledger: &Ledger<'_>, place: usize, key: i64, at: MonotonicNs) -> Self {
        let job = &ledger.jobs()[place];
        Self {
            place,
            key,
            job_type: job.job_type,
            step: job.step,
            at,
        }
    }
}

/// The first receipt of a job that the database knows, if it is of the first attempt.
fn first_receipt(ledger: &Ledger<'_>, place: usize) -> Option<MonotonicNs> {
    let first = ledger
        .moments(place)
        .iter()
        .find(|moment| moment.act == Act::Received)?;
    (ledger.jobs()[place].state.is_some() && first.attempt == 1).then_some(first.at)
}

/// Where a job stands in the order that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// In this place.
    At(i64),
    /// Its place can't be told.
    Unclear,
    /// It is not of this order.
    None,
}

/// The id, but for jobs that wait by definition.
fn creation_keys(ledger: &Ledger<'_>) -> Vec<Key> {
    let key = |(place, job): (usize, &crate::ledger::Job)| match ledger.delay(place).is_zero() {
        true => Key::At(job.id.0),
        false => Key::None,
    };
    ledger.jobs().iter().enumerate().map(key).collect()
}

/// The only outbox row of the first attempt.
fn dispatch_keys(ledger: &Ledger<'_>) -> Vec<Key> {
    let mut keys = vec![Key::None; ledger.jobs().len()];
    for row in ledger.evidence().snapshot.outbox.iter().filter(|row| row.attempt == 1) {
        if let Some(place) = ledger.job_position(row.job) {
            keys[place] = match keys[place] {
                Key::None => Key::At(row.id),
                Key::At(_) | Key::Unclear => Key::Unclear,
            };
        }
    }
    for key in &mut keys {
        if *key == Key::None {
            *key = Key::Unclear;
        }
    }
    keys
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

/// From the last dispatched down: later than the earliest receipt seen so far is out of order.
fn judge_group(violations: &mut Examples, in_order: &[Receipt]) {
    let mut earliest = MonotonicNs(u64::MAX);
    for receipt in in_order.iter().rev() {
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
        let mut scene = Scene::event_driven(&[8]);
        scene.start();
        scene.start();
        scene.drain();
        scene
    }

    #[test]
    fn receipts_in_the_order_of_dispatch_pass() {
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
    fn it_is_the_outbox_that_says_what_came_first_and_not_the_job() {
        let mut scene = wide();
        let (left, right) = (scene.snapshot.outbox[2].job, scene.snapshot.outbox[5].job);
        scene.swap_receipts(2, 5);
        scene.snapshot.outbox[2].job = right;
        scene.snapshot.outbox[5].job = left;
        assert_eq!(check(&scene.ledger(), true).verdict, Verdict::Pass);
        scene.mode = Mode::Polling;
        assert_eq!(find(&scene.ledger()).violations.count(), 3);
    }

    #[test]
    fn a_job_that_waits_by_definition_is_judged_by_its_dispatch() {
        let mut scene = wide();
        scene.workload.definitions[0].definition.steps[0].jobs[0].delay = std::time::Duration::from_secs(1);
        scene.swap_receipts(2, 5);
        assert_eq!(check(&scene.ledger(), true).verdict, Verdict::Fail);
        scene.mode = Mode::Polling;
        assert_eq!(find(&scene.ledger()).compared, 0);
    }

    #[test]
    fn a_job_dispatched_again_is_left_out_and_counted() {
        let mut scene = Scene::event_driven(&[9]);
        scene.start();
        scene.relay();
        scene.redispatch(2);
        scene.drain();
        scene.swap_receipts(2, 3);
        let check = check(&scene.ledger(), true);
        assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
        assert!(
            check.detail.ends_with("; 1 job dispatched again left out"),
            "{}",
            check.detail
        );
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
