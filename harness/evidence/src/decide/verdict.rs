//! The truth table: what is known of each clause → the verdict. No number comes in here.
//!
//! ```text
//! condition 1 = waits for job rows, sustained, at the need
//!             ∨ (replicas do not lift ∧ the cause lies in claiming ∧ the need meets default polling's ceiling ∧ tuned polling's too)
//! condition 2 = Kafka expertise, or a credible plan
//!
//! tuning cures it (default fails or waits; tuned carries the need, no waits seen)       → tune polling first
//! the need is far below the ceiling, no waits seen; or condition 1 or 2 does not hold   → stay (tune, if only that meets the latency)
//! both hold, event-driven carries the need and lies above tuned polling                 → move
//! both hold, event-driven does not lie above tuned polling                              → stay
//! anything else                                                                         → inconclusive
//! ```
//!
//! Latency alone never says *move*: the rubric has two conditions, and it is in neither.

use serde::{Deserialize, Serialize};

use super::answer::Answer::{self, No, Unknown, Yes};

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Polling does, and there is nothing to do.
    StayPolling,
    /// Polling does, once its settings are better.
    TunePollingFirst,
    /// Both conditions hold, and event-driven dispatch carries what polling can't.
    MoveToEventDriven,
    /// The evidence does not tell.
    Inconclusive,
}

/// Why it is the verdict: the rule of the table that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Tuned polling carries what default polling does not.
    TuningCures,
    /// Only tuned polling meets the latency objective.
    TuningMeetsLatency,
    /// The need is far below the ceiling.
    FarBelow,
    /// Condition 1 does not hold.
    NoCeilingHit,
    /// Condition 2 does not hold.
    NoExpertise,
    /// Both hold, and event-driven dispatch is not above tuned polling.
    NothingGained,
    /// Both hold, and event-driven dispatch carries the need.
    BothHold,
    /// Both hold, and event-driven dispatch does not carry the need either.
    NeitherCarries,
    /// Both hold; what event-driven dispatch carries is not known well enough.
    EventDrivenUnknown,
    /// The machine was the limit, not a mode.
    HostLimit,
    /// Condition 1 is not known.
    CeilingUnknown,
    /// Condition 2 is not known.
    ExpertiseUnknown,
}

/// What is known of each clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Facts {
    /// Condition 2.
    pub expertise: Answer,
    /// Sustained waits for `job` rows at the need, polling as it is.
    pub lock_waits: Answer,
    /// The same, polling tuned.
    pub lock_waits_tuned: Answer,
    /// The need meets default polling's ceiling within the horizon.
    pub meets_default: Answer,
    /// The need meets tuned polling's ceiling within the horizon: the plateau survives tuning.
    pub meets_tuned: Answer,
    /// More replicas do not lift polling's ceiling.
    pub replicas_do_not_lift: Answer,
    /// The ceiling's cause lies in claiming.
    pub in_claiming: Answer,
    /// The ceiling's cause is the machine, or the harness.
    pub host_limit: bool,
    /// The need is far below default polling's ceiling.
    pub far_below: bool,
    /// Event-driven dispatch carries the need at the horizon.
    pub event_carries: Answer,
    /// Its interval lies above tuned polling's.
    pub event_above_tuned: Answer,
    /// That is not known, since the machine or the harness was the limit of the one that carries less.
    pub event_host_limit: bool,
    /// Default polling misses the latency objective.
    pub latency_missed: Answer,
    /// Tuned polling meets it.
    pub latency_tuned_meets: Answer,
}

impl Facts {
    /// Condition 1.
    #[must_use]
    pub fn ceiling_hit(&self) -> Answer {
        self.lock_waits.or(self.plateau())
    }

    /// The half of condition 1 that is not about waits: a ceiling in claiming that neither replicas nor tuning lift, and that is met.
    #[must_use]
    pub fn plateau(&self) -> Answer {
        self.replicas_do_not_lift
            .and(self.in_claiming)
            .and(self.meets_default)
            .and(self.meets_tuned)
    }
}

/// Reads the table.
#[must_use]
pub fn judge(facts: &Facts) -> (Verdict, Reason) {
    let (ceiling, expertise) = (facts.ceiling_hit(), facts.expertise);
    let ails = facts.meets_default.or(facts.lock_waits) == Yes;
    if ails && facts.meets_tuned == No && facts.lock_waits_tuned != Yes {
        return (Verdict::TunePollingFirst, Reason::TuningCures);
    }
    if facts.far_below && facts.lock_waits != Yes {
        return stay(facts, Reason::FarBelow);
    }
    match (ceiling, expertise) {
        (No, _) => stay(facts, Reason::NoCeilingHit),
        (_, No) => stay(facts, Reason::NoExpertise),
        (Yes, Yes) => move_if_it_pays(facts),
        (Unknown, _) if facts.host_limit => (Verdict::Inconclusive, Reason::HostLimit),
        (Unknown, _) => (Verdict::Inconclusive, Reason::CeilingUnknown),
        (Yes, Unknown) => (Verdict::Inconclusive, Reason::ExpertiseUnknown),
    }
}

fn stay(facts: &Facts, reason: Reason) -> (Verdict, Reason) {
    if facts.latency_missed.and(facts.latency_tuned_meets) == Yes {
        return (Verdict::TunePollingFirst, Reason::TuningMeetsLatency);
    }
    (Verdict::StayPolling, reason)
}

fn move_if_it_pays(facts: &Facts) -> (Verdict, Reason) {
    match (facts.event_carries, facts.event_above_tuned) {
        (Yes, Yes) => (Verdict::MoveToEventDriven, Reason::BothHold),
        (No, _) => (Verdict::Inconclusive, Reason::NeitherCarries),
        (_, Unknown) if facts.event_host_limit => (Verdict::Inconclusive, Reason::HostLimit),
        (_, No) => stay(facts, Reason::NothingGained),
        _ => (Verdict::Inconclusive, Reason::EventDrivenUnknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every combination of the answers that the table reads: 3^9 × 2 × 2, the two of latency once for *missed and cured*.
    fn all() -> impl Iterator<Item = Facts> {
        let answers = |code: u32, place: u32| Answer::ALL[(code / 3u32.pow(place) % 3) as usize];
        (0..3u32.pow(9)).flat_map(move |code| {
            (0..8u8).map(move |flags| Facts {
                expertise: answers(code, 0),
                lock_waits: answers(code, 1),
                lock_waits_tuned: answers(code, 2),
                meets_default: answers(code, 3),
                meets_tuned: answers(code, 4),
                replicas_do_not_lift: answers(code, 5),
                in_claiming: answers(code, 6),
                event_carries: answers(code, 7),
                event_above_tuned: answers(code, 8),
                event_host_limit: flags & 1 == 1,
                host_limit: flags & 1 == 1,
                far_below: flags & 2 == 2,
                latency_missed: Answer::of(flags & 4 == 4),
                latency_tuned_meets: Yes,
            })
        })
    }

    fn is_move(facts: &Facts) -> bool {
        judge(facts).0 == Verdict::MoveToEventDriven
    }

    /// What the two conditions alone say, all else at its best for moving.
    fn two(ceiling: Answer, expertise: Answer) -> Verdict {
        let facts = Facts {
            expertise,
            lock_waits: ceiling,
            lock_waits_tuned: Yes,
            meets_default: Yes,
            meets_tuned: Yes,
            replicas_do_not_lift: No,
            in_claiming: No,
            host_limit: false,
            far_below: false,
            event_carries: Yes,
            event_above_tuned: Yes,
            event_host_limit: false,
            latency_missed: No,
            latency_tuned_meets: No,
        };
        assert_eq!(facts.ceiling_hit(), ceiling);
        judge(&facts).0
    }

    #[test]
    fn the_two_conditions_whole_with_the_unknown() {
        use Verdict::{Inconclusive, MoveToEventDriven, StayPolling};
        assert_eq!(two(Yes, Yes), MoveToEventDriven);
        assert_eq!(two(Yes, Unknown), Inconclusive);
        assert_eq!(two(Unknown, Yes), Inconclusive);
        assert_eq!(two(Unknown, Unknown), Inconclusive);
        // If either does not hold, polling stays, even if the other is not known.
        for other in Answer::ALL {
            assert_eq!([two(No, other), two(other, No)], [StayPolling, StayPolling]);
        }
    }

    #[test]
    fn condition_one_by_its_four_clauses_with_the_unknown() {
        for facts in all() {
            let clauses = [
                facts.replicas_do_not_lift,
                facts.in_claiming,
                facts.meets_default,
                facts.meets_tuned,
            ];
            let expected = if facts.lock_waits == Yes || clauses.iter().all(|clause| *clause == Yes) {
                Yes
            } else if facts.lock_waits == No && clauses.contains(&No) {
                No
            } else {
                Unknown
            };
            assert_eq!(facts.ceiling_hit(), expected, "{facts:?}");
        }
    }

    #[test]
    fn move_only_if_both_hold_and_event_driven_carries_more() {
        for facts in all().filter(is_move) {
            assert_eq!(
                [
                    facts.ceiling_hit(),
                    facts.expertise,
                    facts.event_carries,
                    facts.event_above_tuned
                ],
                [Yes; 4]
            );
            assert!(!(facts.meets_tuned == No && facts.lock_waits_tuned != Yes), "{facts:?}");
        }
    }

    #[test]
    fn if_either_condition_fails_polling_stays_whatever_else_is_known() {
        for facts in all().filter(|facts| facts.ceiling_hit() == No || facts.expertise == No) {
            let verdict = judge(&facts).0;
            assert!(
                [Verdict::StayPolling, Verdict::TunePollingFirst].contains(&verdict),
                "{facts:?}: {verdict:?}"
            );
        }
    }

    #[test]
    fn no_unknown_clause_is_taken_for_an_answer() {
        // A verdict other than inconclusive must survive whatever the unknown clauses turn out to be, but for tuning, which is
        // cheap, can be undone, and is found first.
        let polling = [Verdict::StayPolling, Verdict::TunePollingFirst];
        for facts in all().filter(|facts| facts.lock_waits == Unknown && !facts.far_below) {
            let (verdict, _) = judge(&facts);
            let turned = [No, Yes].map(|lock_waits| judge(&Facts { lock_waits, ..facts }).0);
            match verdict {
                Verdict::MoveToEventDriven => assert_eq!(turned, [verdict; 2], "{facts:?}"),
                Verdict::StayPolling => assert!(turned.iter().all(|turned| polling.contains(turned)), "{facts:?}"),
                _ => {}
            }
        }
        for facts in all().filter(|facts| facts.expertise == Unknown) {
            let (verdict, _) = judge(&facts);
            let turned = [No, Yes].map(|expertise| judge(&Facts { expertise, ..facts }).0);
            match verdict {
                Verdict::Inconclusive => {}
                _ => assert_eq!(turned, [verdict; 2], "{facts:?}"),
            }
        }
    }

    #[test]
    fn latency_alone_never_says_move() {
        for facts in all() {
            let without = Facts {
                latency_missed: No,
                ..facts
            };
            assert_eq!(is_move(&facts), is_move(&without), "{facts:?}");
        }
    }

    #[test]
    fn when_the_machine_was_the_limit_it_is_said_so_and_never_move() {
        // The cause is then unknown, as the clauses say it.
        for facts in all().filter(|facts| facts.host_limit && facts.in_claiming == Unknown && facts.lock_waits == No) {
            let (verdict, reason) = judge(&facts);
            assert_ne!(verdict, Verdict::MoveToEventDriven);
            if verdict == Verdict::Inconclusive {
                assert_eq!(reason, Reason::HostLimit);
            }
        }
    }

    #[test]
    fn far_below_the_ceiling_without_waits_polling_stays_whatever_else_is_unknown() {
        let unknown = |expertise| Facts {
            expertise,
            lock_waits: Unknown,
            lock_waits_tuned: Unknown,
            meets_default: No,
            meets_tuned: Unknown,
            replicas_do_not_lift: Unknown,
            in_claiming: Unknown,
            host_limit: true,
            far_below: true,
            event_carries: Unknown,
            event_above_tuned: Unknown,
            event_host_limit: false,
            latency_missed: Unknown,
            latency_tuned_meets: Unknown,
        };
        for expertise in Answer::ALL {
            assert_eq!(judge(&unknown(expertise)), (Verdict::StayPolling, Reason::FarBelow));
        }
        let waits = Facts {
            lock_waits: Yes,
            ..unknown(Yes)
        };
        assert_eq!(judge(&waits).0, Verdict::Inconclusive);
    }

    #[test]
    fn more_need_never_turns_move_into_polling() {
        // With more need these answers only rise or, for what carries it, fall.
        let rank = |answer: Answer| answer as u8;
        let moves: Vec<Facts> = all().filter(is_move).collect();
        for facts in &moves {
            for code in 0..3u32.pow(5) {
                let answer = |place: u32| Answer::ALL[(code / 3u32.pow(place) % 3) as usize];
                let more = Facts {
                    lock_waits: answer(0),
                    lock_waits_tuned: answer(1),
                    meets_default: answer(2),
                    meets_tuned: answer(3),
                    event_carries: answer(4),
                    far_below: false,
                    ..*facts
                };
                let grown = [
                    (facts.lock_waits, more.lock_waits),
                    (facts.lock_waits_tuned, more.lock_waits_tuned),
                    (facts.meets_default, more.meets_default),
                    (facts.meets_tuned, more.meets_tuned),
                    (more.event_carries, facts.event_carries),
                ];
                if grown.iter().all(|(before, after)| rank(*before) <= rank(*after)) {
                    let verdict = judge(&more).0;
                    assert!(
                        [Verdict::MoveToEventDriven, Verdict::Inconclusive].contains(&verdict),
                        "{facts:?} → {more:?}: {verdict:?}"
                    );
                }
            }
        }
    }
}
