//! How long statements wait for a connection of their replica's pool.

use crossover_proto::clock::MonotonicNs;

use super::usage::added;
use super::{PoolUse, Sample, within};

/// Time that statements waited for a connection ÷ their whole time (waiting, and having it), over `from..to`, of all
/// replicas; `None` if nobody looked twice, or no statement ran.
#[must_use]
pub fn pool_wait_share(samples: &[Sample], from: MonotonicNs, to: MonotonicNs) -> Option<f64> {
    let looks: Vec<&[PoolUse]> = within(samples, from, to)
        .filter_map(|sample| match sample {
            Sample::Pool { replicas, .. } => Some(&replicas[..]),
            _ => None,
        })
        .collect();
    let (mut wait_s, mut held_s) = (0.0, 0.0);
    for pair in looks.windows(2) {
        for now in pair[1] {
            // One that did not answer the look before is taken up from this one on.
            if let Some(before) = pair[0].iter().find(|before| before.name == now.name) {
                wait_s += added(before.wait_s, now.wait_s);
                held_s += added(before.held_s, now.held_s);
            }
        }
    }
    let whole = wait_s + held_s;
    (whole > 0.0).then(|| wait_s / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(at: u64, replicas: &[(&str, f64, f64)]) -> Sample {
        let of = |&(name, wait_s, held_s): &(&str, f64, f64)| PoolUse {
            name: name.to_owned(),
            wait_s,
            held_s,
        };
        Sample::Pool {
            at,
            replicas: replicas.iter().map(of).collect(),
        }
    }

    #[test]
    fn the_share_is_of_all_replicas_and_a_restart_is_not_negative() {
        let samples = [
            look(1, &[("replica-1", 10.0, 10.0), ("replica-2", 50.0, 50.0)]),
            look(2, &[("replica-1", 12.0, 11.0), ("replica-2", 1.0, 0.0)]),
        ];
        let share = pool_wait_share(&samples, MonotonicNs(0), MonotonicNs(9));
        assert_eq!(share, Some(0.75));
        assert_eq!(pool_wait_share(&samples[..1], MonotonicNs(0), MonotonicNs(9)), None);
    }
}
