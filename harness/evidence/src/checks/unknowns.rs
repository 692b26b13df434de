//! `unknowns-settled`: no start was left without a known outcome.
//!
//! A start that timed out is neither done nor refused. The load must settle it by asking again (a repeat answers
//! `already exists`); one left open would make the count of accepted instances a guess.

use super::{Check, Example, Examples, fail, pass};
use crate::ledger::{Ledger, Start};
use crate::text::{counted, grouped};

const NAME: &str = "unknowns-settled";

pub(super) fn check(ledger: &Ledger<'_>) -> Check {
    let mut open = Examples::default();
    let mut found_in_database = 0;
    for (place, instance) in ledger.instances().iter().enumerate() {
        if instance.start == Start::Unknown {
            open.add(Example::Instance(place));
            found_in_database += u64::from(ledger.row(instance).is_some());
        }
    }
    if open.count() == 0 {
        return pass(NAME, "the outcome of every start is known".to_owned());
    }
    let detail = format!(
        "{} left without a known outcome ({} of them in the database)",
        counted(open.count(), "start"),
        grouped(found_in_database)
    );
    fail(NAME, detail, open.stories(ledger))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Verdict;
    use crate::scene::Scene;

    #[test]
    fn an_unknown_start_settled_by_asking_again_passes() {
        let mut scene = Scene::new(&[1]);
        scene.start_settled_by_repeat();
        scene.drain();
        assert_eq!(check(&scene.ledger()).verdict, Verdict::Pass);
    }

    #[test]
    fn an_unknown_start_left_open_fails() {
        let mut scene = Scene::new(&[1]);
        scene.start_unknown(true);
        scene.start_unknown(false);
        scene.drain();
        let check = check(&scene.ledger());
        assert_eq!(check.verdict, Verdict::Fail);
        assert_eq!(
            check.detail,
            "2 starts left without a known outcome (1 of them in the database)"
        );
    }
}
