//! `clock`: no hop of a job took less than no time.
//!
//! All processes read one clock, and every hop goes from a cause to its effect (of a commit, the moment before it). So
//! one negative hop is enough to fail: some record is of another clock or in the wrong place, and no latency of the
//! run can be trusted. Where history was torn off, a missing first record may explain it: `unknown`.

use super::{Check, fail, pass, unknown};
use crate::ledger::Ledger;
use crate::measure::Measures;
use crate::result::{Hop, LatencySet};
use crate::text::{counted, grouped};

const NAME: &str = "clock";

pub(super) fn check(ledger: &Ledger<'_>, measures: &Measures) -> Check {
    let hops = || {
        measures
            .phases
            .iter()
            .flat_map(|phase| all_hops(&phase.latency_ms).map(move |hop| (phase, hop)))
    };
    let measured: u64 = hops().map(|(_, hop)| hop.latency_ms.count).sum();
    let negative: u64 = hops().map(|(_, hop)| hop.negative).sum();
    if negative == 0 {
        return pass(NAME, format!("{} measured, none negative", counted(measured, "hop")));
    }
    let detail = format!("{} of {} negative", grouped(negative), counted(measured, "hop"));
    if ledger.dropped_bytes() > 0 {
        return unknown(NAME, format!("{detail}; records torn off the history may explain it"));
    }
    let bad = hops().filter(|(_, hop)| hop.negative > 0);
    let story = bad.map(|(phase, hop)| format!("phase {}: {} × {}", phase.name, grouped(hop.negative), hop.name));
    fail(NAME, detail, story.collect())
}

fn all_hops(latency: &LatencySet) -> impl Iterator<Item = &Hop> {
    latency.hops.iter().chain(&latency.beside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Verdict;
    use crate::scene::{ORIGIN, Scene};
    use crossover_proto::history::Event;

    fn checked(scene: &Scene) -> Check {
        let ledger = scene.ledger();
        check(&ledger, &Measures::of(&ledger))
    }

    #[test]
    fn a_claim_whose_statement_began_before_the_job_was_created_is_no_clock_trouble() {
        let mut scene = Scene::new(&[1]);
        scene.start();
        scene.drain();
        for record in scene.history[1].records_mut() {
            if let Event::Claimed { before, .. } = &mut record.event {
                *before = ORIGIN;
            }
        }
        assert_eq!(checked(&scene).verdict, Verdict::Pass);
    }

    #[test]
    fn causes_before_effects_pass_and_the_reverse_fails() {
        let mut scene = Scene::new(&[1]);
        scene.start();
        scene.drain();
        assert_eq!(checked(&scene).verdict, Verdict::Pass);
        scene.shift_process(2, -1_000_000_000);
        let check = checked(&scene);
        assert_eq!(check.verdict, Verdict::Fail);
        assert_eq!(check.story, ["phase steady: 1 × claimed → received"]);
        scene.history[1].dropped_bytes = 1;
        assert_eq!(checked(&scene).verdict, Verdict::Unknown);
    }
}
