//! The moments of a fault, from the seed: once, or again and again, each with its own delay. Pure.

use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::Fault;

/// A moment of a fault, and its share of the randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// From the start of the load.
    pub at: Duration,
    /// Decides what `any` means.
    pub draw: u64,
}

/// All moments of the fault at place `index`, in a load of this length. One that would not end within it is left out, but
/// the first: a trace may be longer than its phases say.
pub fn moments(fault: &Fault, index: usize, seed: u64, length: Duration) -> Vec<Moment> {
    // Each fault has a stream of its own: one more of them changes no other.
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(index as u64 + 1);
    let jitter = fault.jitter.unwrap_or_default().as_nanos() as u64;
    let mut moments = Vec::new();
    let mut planned = fault.at;
    loop {
        let late = match jitter {
            0 => Duration::ZERO,
            _ => Duration::from_nanos(random.next_u64() % (jitter + 1)),
        };
        let moment = Moment {
            at: planned + late,
            draw: random.next_u64(),
        };
        if !moments.is_empty() && moment.at + fault.lasts() > length {
            return moments;
        }
        moments.push(moment);
        let Some(every) = fault.every else { return moments };
        planned += every;
    }
}

/// When the earlier of two faults that would mend each other is still on while the later one begins, as the seed has it: both set
/// the same switch, and the end of the one would be the end of both.
pub fn collision(faults: [(usize, &Fault); 2], seed: u64, length: Duration) -> Option<Duration> {
    let [(_, one), (_, other)] = faults;
    if one.kind != other.kind || one.target != other.target || !one.kind.is_a_switch() {
        return None;
    }
    let [ones, others] = faults.map(|(index, fault)| moments(fault, index, seed, length));
    let meet = |(a, b): &(&Moment, &Moment)| a.at < b.at + other.lasts() && b.at < a.at + one.lasts();
    let mut pairs = ones.iter().flat_map(|a| others.iter().map(move |b| (a, b)));
    pairs.find(meet).map(|(a, b)| a.at.max(b.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Fault {
        toml::from_str(&format!(
            "kind = \"kill\"\ntarget = \"worker:any\"\nat = \"5s\"\n{text}"
        ))
        .unwrap()
    }

    #[test]
    fn a_fault_comes_once_unless_it_says_otherwise() {
        let moments = moments(&fault(""), 0, 1, Duration::from_secs(60));
        assert_eq!(moments.len(), 1);
        assert_eq!(moments[0].at, Duration::from_secs(5));
    }

    #[test]
    fn it_comes_again_as_long_as_it_ends_within_the_load() {
        let moments = moments(&fault("for = \"2s\"\nevery = \"10s\""), 0, 1, Duration::from_secs(36));
        let at: Vec<u64> = moments.iter().map(|moment| moment.at.as_secs()).collect();
        assert_eq!(at, [5, 15, 25], "at 35 s it would last to 37 s");
    }

    #[test]
    fn faults_that_set_the_same_switch_may_follow_each_other_and_not_meet() {
        let deny = |target: &str, text: &str| -> Fault {
            toml::from_str(&format!("kind = \"deny\"\ntarget = \"{target}\"\n{text}")).unwrap()
        };
        let meet = |one: &Fault, other: &Fault| collision([(0, one), (1, other)], 1, Duration::from_secs(60));
        let first = deny("topic:work", "at = \"5s\"\nfor = \"4s\"");
        let within = deny("topic:work", "at = \"8s\"\nfor = \"4s\"");
        assert_eq!(meet(&first, &within), Some(Duration::from_secs(8)));
        assert_eq!(
            meet(&first, &deny("topic:work", "at = \"9s\"")),
            None,
            "as the first ends"
        );
        assert_eq!(
            meet(&first, &deny("group:work", "at = \"8s\"")),
            None,
            "of something else"
        );
        let again = deny("topic:work", "at = \"1s\"\nfor = \"1s\"\nevery = \"6s\"");
        assert_eq!(meet(&first, &again), Some(Duration::from_secs(7)));
        assert_eq!(
            meet(&fault("for = \"9s\""), &fault("for = \"9s\"")),
            None,
            "another worker is killed"
        );
    }

    #[test]
    fn the_seed_fixes_the_delays_and_no_fault_changes_anothers() {
        let fault = fault("every = \"4s\"\njitter = \"2s\"");
        let length = Duration::from_secs(60);
        let first = moments(&fault, 3, 9, length);
        assert_eq!(first, moments(&fault, 3, 9, length));
        assert_ne!(first, moments(&fault, 3, 10, length));
        assert_ne!(first, moments(&fault, 4, 9, length));
        for (count, moment) in (0..).zip(&first) {
            let planned = Duration::from_secs(5 + 4 * count);
            assert!(moment.at >= planned && moment.at <= planned + Duration::from_secs(2));
        }
    }
}
