//! Claims that a chaos run settles: a fault that was seen to take effect, and a system that came through it.
//!
//! Came through it: every check that could be put to it passed, and no hypothesis of the scenario is open. A run in which
//! nothing was checked has survived nothing.

use super::{Found, Ran, Stand, table};
use crate::result::{Check, ClaimVerdict, Verdict};

/// The least that must have been checked, and passed.
const NEEDED: [&str; 2] = ["nothing-lost", "no-double-effect"];

/// The newest valid run of a chaos scenario that tells, else the newest: its faults were seen, and it came through.
pub(super) fn of(scenario: &str, ran: &[Ran]) -> Option<Found> {
    let fitting = ran
        .iter()
        .filter(|ran| ran.valid && ran.scenario == scenario && ran.faults_took_effect);
    let judged = fitting.map(|ran| (ran, judge(ran)));
    let (ran, (stand, told)) = judged.max_by(|(a, (left, _)), (b, (right, _))| {
        let settled = |stand: &Stand| *stand != Stand::NotSettled;
        (settled(left), &a.at, &a.run).cmp(&(settled(right), &b.at, &b.run))
    })?;
    Some((stand, format!("{told} ({} mode)", ran.mode), Some(ran.run.clone())))
}

fn judge(ran: &Ran) -> (Stand, String) {
    let checks = |is: &dyn Fn(&Check) -> bool| -> Vec<String> {
        let found = ran.checks.iter().filter(|check| is(check));
        found.map(|check| check.name.clone()).collect()
    };
    let hypotheses = |verdict: ClaimVerdict| -> Vec<String> {
        let found = ran.hypotheses.iter().filter(|claim| claim.verdict == verdict);
        found.map(|claim| format!("“{}”", claim.text)).collect()
    };
    let against = listed(&[
        ("failed", &checks(&|check| check.verdict == Verdict::Fail)),
        ("refuted", &hypotheses(ClaimVerdict::Refuted)),
    ]);
    if let Some(told) = against {
        return (Stand::Refuted, told);
    }
    let passed = checks(&|check| check.verdict == Verdict::Pass);
    let needed = NEEDED.map(str::to_owned);
    let missing: Vec<String> = needed.iter().filter(|name| !passed.contains(name)).cloned().collect();
    let unknown = checks(&|check| {
        check.verdict == Verdict::Unknown && !is_vacuous(check) && !NEEDED.contains(&check.name.as_str())
    });
    let open = listed(&[
        ("not known to have passed", &missing),
        ("unknown", &unknown),
        ("not settled", &hypotheses(ClaimVerdict::NotSettled)),
    ]);
    if let Some(told) = open {
        return (Stand::NotSettled, told);
    }
    let told = match ran.hypotheses.len() {
        0 => String::new(),
        count => format!(", and all hypotheses are supported ({count})"),
    };
    (Stand::Supported, format!("{} checks passed{told}", passed.len()))
}

/// `failed: a, b; refuted: c`; `None` if there is nothing to list.
fn listed(lists: &[(&str, &[String])]) -> Option<String> {
    let filled = lists.iter().filter(|(_, names)| !names.is_empty());
    let told: Vec<String> = filled
        .map(|(what, names)| format!("{what}: {}", names.join(", ")))
        .collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// The run did not put the order of jobs to the test, which is not what it was for.
fn is_vacuous(check: &Check) -> bool {
    check.name == "order" && check.detail.starts_with("vacuous")
}

/// Each failure mode provoked, and survived, in event-driven runs of its scenario.
pub(super) fn failure_modes(ran: &[Ran]) -> Option<Found> {
    let events: Vec<Ran> = ran.iter().filter(|ran| ran.mode == "event-driven").cloned().collect();
    let (mut held, mut broken, mut open, mut missing) = (0, Vec::new(), Vec::new(), Vec::new());
    let (mut last, mut gravest) = (None, None);
    for (name, scenario) in table::FAILURE_MODES {
        match of(scenario, &events) {
            Some((Stand::Supported, _, run)) => {
                held += 1;
                last = run;
            }
            Some((Stand::Refuted, told, run)) => {
                broken.push(format!("{name} ({told})"));
                gravest = run;
            }
            Some((_, told, run)) => {
                open.push(format!("{name} ({told})"));
                last = run;
            }
            None => missing.push(name.to_owned()),
        }
    }
    let run = gravest.or(last)?;
    let all = table::FAILURE_MODES.len();
    let lists = listed(&[
        ("not survived", &broken),
        ("not settled", &open),
        ("no valid run of", &missing),
    ]);
    let more = lists.map_or_else(String::new, |lists| format!("; {lists}"));
    let told = format!("{held} of {all} provoked and survived{more}");
    let stand = match held {
        _ if !broken.is_empty() => Stand::Refuted,
        held if held == all => Stand::Supported,
        _ => Stand::NotSettled,
    };
    Some((stand, told, Some(run)))
}
