//! A ratio of sums over windows, and its 95 % interval.
//!
//! Looks that follow one another are not independent: a wait that one look sees, the next may see again. So the windows are
//! the unit (batch means), left out one at a time (jackknife), with Student's t for their number.

use super::Share;

/// Fewer windows give no interval.
const WINDOWS_MIN: usize = 4;

/// Upper 2.5 % points of Student's t for 3, 4, … degrees of freedom; above, 2.2 is on the safe side.
const T_975: [f64; 9] = [3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201];

/// One window's part of the ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Counts above the line.
    pub of: u32,
    /// Counts below it; 0 leaves the window out.
    pub among: u32,
    /// Looks that the counts are from.
    pub looks: u32,
}

/// The ratio of all windows; `None` with fewer than four that count.
pub fn share(parts: &[Part]) -> Option<Share> {
    let parts: Vec<Part> = parts.iter().copied().filter(|part| part.among > 0).collect();
    if parts.len() < WINDOWS_MIN {
        return None;
    }
    let sum = |count: fn(&Part) -> u32| parts.iter().map(|part| f64::from(count(part))).sum::<f64>();
    let (of, among, looks) = (sum(|part| part.of), sum(|part| part.among), sum(|part| part.looks));
    let estimate = of / among;
    let windows = parts.len() as f64;
    let pseudo: Vec<f64> = parts
        .iter()
        .map(|part| {
            let without = (of - f64::from(part.of)) / (among - f64::from(part.among));
            windows * estimate - (windows - 1.0) * without
        })
        .collect();
    let mean = pseudo.iter().sum::<f64>() / windows;
    let variance = pseudo.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (windows * (windows - 1.0));
    let t = t_975(parts.len() - 1);
    let half = t * variance.sqrt();
    // Windows that are all alike have no variance, and yet a look more could have seen something else.
    let unseen = 1.0 - 0.025_f64.powf(1.0 / looks);
    let (mut low, mut high) = ((estimate - half).max(0.0), (estimate + half).min(1.0));
    if of == 0.0 {
        high = high.max(unseen);
    }
    if of == among {
        low = low.min(1.0 - unseen);
    }
    Some(Share { estimate, low, high })
}

/// Upper 2.5 % point of Student's t; beyond the table, and so for many degrees too, on the safe side. Needs three degrees or more.
pub(crate) fn t_975(degrees: usize) -> f64 {
    let place = degrees.saturating_sub(WINDOWS_MIN - 1);
    T_975.get(place).copied().unwrap_or(2.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(of: &[u32]) -> Vec<Part> {
        of.iter()
            .map(|of| Part {
                of: *of,
                among: 20,
                looks: 10,
            })
            .collect()
    }

    #[test]
    fn nothing_seen_is_not_the_same_as_nothing_there() {
        let none = share(&parts(&[0; 12])).unwrap();
        assert_eq!((none.estimate, none.low), (0.0, 0.0));
        assert!((0.02..0.04).contains(&none.high), "{none:?}");
        let all = share(&parts(&[20; 12])).unwrap();
        assert_eq!((all.estimate, all.high), (1.0, 1.0));
        assert!((0.96..0.98).contains(&all.low), "{all:?}");
    }

    #[test]
    fn windows_that_differ_widen_the_interval() {
        let even = share(&parts(&[5, 6, 4, 5, 6, 4, 5, 6, 4, 5, 6, 4])).unwrap();
        let bursts = share(&parts(&[0, 0, 20, 0, 0, 20, 0, 0, 20, 0, 0, 0])).unwrap();
        assert_eq!((even.estimate, bursts.estimate), (0.25, 0.25));
        assert!(even.low > 0.2 && even.high < 0.3, "{even:?}");
        assert!(bursts.low < 0.05 && bursts.high > 0.5, "{bursts:?}");
    }

    #[test]
    fn the_interval_covers_the_truth_about_as_often_as_it_says() {
        use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut covered = 0;
        for _ in 0..1_000 {
            let window = |random: &mut ChaCha8Rng| Part {
                of: (0..20).map(|_| u32::from(random.random_bool(0.3))).sum(),
                among: 20,
                looks: 10,
            };
            let parts: Vec<Part> = (0..12).map(|_| window(&mut random)).collect();
            let found = share(&parts).unwrap();
            covered += u32::from((found.low..=found.high).contains(&0.3));
        }
        assert!((920..=980).contains(&covered), "{covered} of 1000");
    }

    #[test]
    fn a_few_windows_give_no_interval() {
        assert_eq!(share(&parts(&[1, 2, 3])), None);
        assert_eq!(
            share(
                &[Part {
                    of: 0,
                    among: 0,
                    looks: 10
                }; 12]
            ),
            None
        );
    }
}
