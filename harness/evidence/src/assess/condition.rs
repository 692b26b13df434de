//! Condition 1a of the rubric: are waits for rows of the job table sustained, under load?
//!
//! *Yes* and *no* both need load, enough looks, and an interval on their side of the threshold. All else is *unknown*, with
//! what to do about it: a quiet hour or a hidden wait is no clean bill.

use super::LOOKS_MIN;
use super::evidence::{Answer, Condition, LockWaits, Looks, Sampled, Share, TableSummary, Thresholds};

const TEXT: &str = "Are row-lock waits on the job table sustained under load?";

/// What the answer depends on.
pub struct Given<'a> {
    pub sampled: &'a Sampled,
    pub looks: &'a Looks,
    pub waits: &'a LockWaits,
    pub table: &'a TableSummary,
    pub thresholds: &'a Thresholds,
}

/// The answer.
pub fn judge(given: &Given) -> Condition {
    let (answer, reason, next) = answer(given);
    Condition {
        id: "1a".to_owned(),
        text: TEXT.to_owned(),
        answer,
        reason,
        next,
    }
}

fn answer(given: &Given) -> (Answer, String, String) {
    if let Some((reason, next)) = too_little(given) {
        return (Answer::Unknown, reason, next);
    }
    let (waits, of) = (given.waits, given.thresholds);
    let at_least = |share: Option<Share>, threshold: f64| share.is_some_and(|share| share.low >= threshold);
    let below = |share: Option<Share>, threshold: f64| share.is_some_and(|share| share.high < threshold);
    let contended = f64::from(waits.windows_contended) / f64::from(waits.windows_with_load);
    let is_sustained = contended >= of.contended_windows_share;
    let numbers = numbers(waits, of);
    if is_sustained
        && at_least(waits.lock_wait_share, of.lock_wait_share)
        && at_least(waits.waiting_looks_share, of.waiting_looks_share)
    {
        let next = "tune polling before anything else: claim with FOR UPDATE SKIP LOCKED, in batches, and commit before the work begins; \
                    then assess again. If waits stay, a bench says how far polling goes (capacity)";
        return (Answer::Yes, numbers, next.to_owned());
    }
    if given.looks.hidden_max > 0 {
        let reason = format!(
            "up to {} client backends told nothing of what they do (track_activities is off for them), so waits may be hidden; {numbers}",
            given.looks.hidden_max
        );
        let next = "set track_activities = on for their roles, and assess again";
        return (Answer::Unknown, reason, next.to_owned());
    }
    let is_quiet = below(waits.lock_wait_share_at_most, of.lock_wait_share)
        || below(waits.waiting_looks_share_at_most, of.waiting_looks_share);
    if is_quiet && waits.windows_contended == 0 && waits.windows_with_load * 2 < waits.windows {
        let reason = format!(
            "hardly any load: only {} of {} windows had any; {numbers}",
            waits.windows_with_load, waits.windows
        );
        let next = "assess again while jobs are dispatched, at the busiest hour";
        return (Answer::Unknown, reason, next.to_owned());
    }
    if is_quiet && waits.windows_contended == 0 {
        let next = "nothing, as long as the load stays what it was here; assess again at the busiest hour";
        return (Answer::No, numbers, next.to_owned());
    }
    let reason = match waits.windows_contended {
        0 => format!("the interval spans the threshold: {numbers}"),
        _ => format!("waits come in bursts, or near the threshold: {numbers}"),
    };
    (
        Answer::Unknown,
        reason,
        "look for longer, at the busiest hour: --duration 10m".to_owned(),
    )
}

/// Why there is no answer yet, and what to do.
fn too_little(given: &Given) -> Option<(String, String)> {
    let (looks, waits, of) = (given.looks, given.waits, given.thresholds);
    let failed = f64::from(looks.failed) / f64::from((looks.taken + looks.failed).max(1));
    if failed > of.failed_looks_share {
        return Some((
            format!(
                "{} of {} looks got no answer: a server under such stress may hide what was asked for",
                looks.failed,
                looks.taken + looks.failed
            ),
            "see why in samples.jsonl, and assess again".to_owned(),
        ));
    }
    // Looks that hung or came late are time in which nothing was seen.
    let due = given.sampled.duration_s * 1_000.0 / given.sampled.interval_ms as f64;
    let unseen = 1.0 - f64::from(looks.taken) / due.max(1.0);
    if unseen > of.failed_looks_share {
        return Some((
            format!(
                "{} of {:.0} looks that were due were taken: for {} of the time nothing was seen, and a server under stress hides what \
                 was asked for",
                looks.taken,
                due,
                percent(unseen)
            ),
            "assess again, with a longer --interval if the server needs that long to answer".to_owned(),
        ));
    }
    if waits.windows_with_load == 0 || (given.table.writes_per_s() == 0.0 && waits.waiting_max == 0) {
        return Some((
            format!(
                "no load: not a row of the table was written in {:.0} s, and nobody waited for one",
                given.sampled.duration_s
            ),
            "assess again while jobs are dispatched, at the busiest hour".to_owned(),
        ));
    }
    if looks.taken < LOOKS_MIN || waits.windows < of.windows {
        return Some((
            format!(
                "too few looks: {} in {} windows; at least {LOOKS_MIN} in {} settle something",
                looks.taken, waits.windows, of.windows
            ),
            "let it run to its end".to_owned(),
        ));
    }
    None
}

fn numbers(waits: &LockWaits, of: &Thresholds) -> String {
    let share = match waits.lock_wait_share {
        Some(share) => format!(
            "{} of the backends active on the table waited for its rows (threshold {})",
            in_percent(share),
            percent(of.lock_wait_share)
        ),
        None => "too few looks saw a backend active on the table for a share of them".to_owned(),
    };
    let looks = waits.waiting_looks_share.map(|share| {
        format!(
            ", some in {} of the looks (threshold {})",
            in_percent(share),
            percent(of.waiting_looks_share)
        )
    });
    format!(
        "{share}{}; {} of {} windows with load were contended (sustained from {})",
        looks.unwrap_or_default(),
        waits.windows_contended,
        waits.windows_with_load,
        percent(of.contended_windows_share)
    )
}

/// `12 % [9 to 15 %]`; never rounded to nothing.
fn in_percent(share: Share) -> String {
    format!(
        "{} [{} to {}]",
        percent(share.estimate),
        percent(share.low),
        percent(share.high)
    )
}

pub(super) fn percent(share: f64) -> String {
    let value = share * 100.0;
    let is_whole = (value - value.round()).abs() < 1e-9 || (10.0..99.5).contains(&value);
    if is_whole {
        format!("{value:.0} %")
    } else {
        format!("{value:.1} %")
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;
    use super::*;

    fn asked(scene: &Scene) -> Condition {
        scene.evidence().condition
    }

    #[test]
    fn waits_in_every_window_are_sustained() {
        let found = asked(&Scene::busy().waiting(|_| 3));
        assert_eq!(found.answer, Answer::Yes, "{}", found.reason);
        assert!(found.reason.contains("12 of 12 windows"), "{}", found.reason);
    }

    #[test]
    fn a_busy_table_on_whose_rows_nobody_waits_is_a_no() {
        let found = asked(&Scene::busy());
        assert_eq!(found.answer, Answer::No, "{}", found.reason);
        assert!(found.reason.contains("0 of 12 windows"), "{}", found.reason);
    }

    #[test]
    fn a_table_that_nobody_writes_is_no_clean_bill() {
        let found = asked(&Scene::busy().writing(0).without_activity());
        assert_eq!(found.answer, Answer::Unknown);
        assert!(found.reason.contains("no load"), "{}", found.reason);
        // Readers are no load either.
        let found = asked(&Scene::busy().writing(0));
        assert!(found.reason.contains("no load"), "{}", found.reason);
    }

    #[test]
    fn a_light_load_that_hardly_a_look_meets_is_a_no_by_the_looks_themselves() {
        let found = asked(&Scene::busy().without_activity());
        assert_eq!(found.answer, Answer::No, "{}", found.reason);
    }

    #[test]
    fn a_load_that_is_hardly_there_is_no_clean_bill() {
        let found = asked(&Scene::busy().without_activity().writing_until(5));
        assert_eq!(found.answer, Answer::Unknown, "{}", found.reason);
        assert!(found.reason.contains("hardly any load"), "{}", found.reason);
    }

    #[test]
    fn time_in_which_looks_hung_settles_nothing() {
        let found = asked(&Scene::busy().hung(30.0));
        assert_eq!(found.answer, Answer::Unknown, "{}", found.reason);
        assert!(found.reason.contains("120 of 180 looks"), "{}", found.reason);
    }

    #[test]
    fn bursts_are_neither_sustained_nor_a_clean_bill() {
        let found = asked(&Scene::busy().waiting(|look| if (30..50).contains(&look) { 4 } else { 0 }));
        assert_eq!(found.answer, Answer::Unknown, "{}", found.reason);
        assert!(found.reason.contains("bursts"), "{}", found.reason);
    }

    #[test]
    fn waits_whose_row_was_not_seen_stand_in_the_way_of_a_no() {
        let found = asked(&Scene::busy().waiting_unseen(|_| 3));
        assert_eq!(found.answer, Answer::Unknown, "{}", found.reason);
    }

    #[test]
    fn backends_that_tell_nothing_stand_in_the_way_of_a_no_and_not_of_a_yes() {
        let found = asked(&Scene::busy().hidden(2));
        assert_eq!(found.answer, Answer::Unknown);
        assert!(found.next.contains("track_activities"), "{}", found.next);
        assert_eq!(asked(&Scene::busy().hidden(2).waiting(|_| 3)).answer, Answer::Yes);
    }

    #[test]
    fn one_that_was_broken_off_early_or_met_a_deaf_server_settles_nothing() {
        let found = asked(&Scene::busy().waiting(|_| 3).looks(40));
        assert_eq!(found.answer, Answer::Unknown);
        assert!(found.reason.contains("too few looks"), "{}", found.reason);
        let found = asked(&Scene::busy().waiting(|_| 3).failing(20));
        assert_eq!(found.answer, Answer::Unknown);
        assert!(found.reason.contains("20 of 140 looks"), "{}", found.reason);
    }
}
