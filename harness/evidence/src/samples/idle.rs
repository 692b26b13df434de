//! What the parts cost at rest: their use during phases without arrivals.
//!
//! The first [`SETTLE`] of each phase is left out: work from before it may still be under way.

use std::time::Duration;

use crossover_proto::clock::MonotonicNs;

use super::usage::{added, usages};
use super::{PartUsage, Sample};
use crate::load::Arrivals;
use crate::plan::PlannedPhase;
use crate::result::{IdleInfo, IdlePart};

/// Far longer than a job of the phases before takes; a system that is still busy then was overloaded, not at rest.
const SETTLE: Duration = Duration::from_secs(2);

/// The cost of each part over all idle phases; `None` if there is none, or nobody looked twice during it.
#[must_use]
pub fn idle(samples: &[Sample], phases: &[PlannedPhase], origin: MonotonicNs) -> Option<IdleInfo> {
    let mut info = IdleInfo {
        seconds: 0.0,
        parts: Vec::new(),
    };
    let mut cpu_s: Vec<f64> = Vec::new();
    for phase in phases.iter().filter(|phase| phase.kind == Arrivals::Idle) {
        let from = origin.plus(phase.start + SETTLE);
        let to = origin.plus(phase.start + phase.duration);
        let looks = usages(samples, from, to);
        for pair in looks.windows(2) {
            info.seconds += pair[1].0.saturating_since(pair[0].0).as_secs_f64();
        }
        for (index, (_, parts)) in looks.iter().enumerate() {
            for part in *parts {
                let place = place_of(&mut info.parts, &mut cpu_s, part);
                let before = index
                    .checked_sub(1)
                    .and_then(|before| looks[before].1.iter().find(|old| old.name == part.name));
                cpu_s[place] += before.map_or(0.0, |before| added(before.cpu_s, part.cpu_s));
                let own = &mut info.parts[place];
                own.memory_mb = own.memory_mb.max(part.memory_mb);
                own.disk_mb = own.disk_mb.into_iter().chain(part.disk_mb).reduce(f64::max);
            }
        }
    }
    if info.seconds <= 0.0 {
        return None;
    }
    for (part, cpu_s) in info.parts.iter_mut().zip(&cpu_s) {
        part.cpu_cores = cpu_s / info.seconds;
    }
    Some(info)
}

fn place_of(parts: &mut Vec<IdlePart>, cpu_s: &mut Vec<f64>, part: &PartUsage) -> usize {
    if let Some(place) = parts.iter().position(|known| known.name == part.name) {
        return place;
    }
    parts.push(IdlePart {
        name: part.name.clone(),
        cpu_cores: 0.0,
        memory_mb: 0.0,
        disk_mb: None,
    });
    cpu_s.push(0.0);
    parts.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{ORIGIN, Scene, constant, phase};

    fn usage(at_s: f64, cpu_s: f64, disk_mb: Option<f64>) -> Sample {
        Sample::Usage {
            at: ORIGIN.plus(Duration::from_secs_f64(at_s)).0,
            parts: vec![PartUsage {
                name: "kafka-1".to_owned(),
                cpu_s,
                memory_mb: 300.0 + at_s,
                disk_mb,
                processors: None,
            }],
            host_busy: None,
        }
    }

    fn phases() -> Vec<PlannedPhase> {
        let rest = crate::load::Phase {
            duration: Some(Duration::from_secs(6)),
            ..phase("rest", Arrivals::Idle)
        };
        Scene::with_phases(&[1], &[constant("warm", 1.0, 2), rest, constant("steady", 1.0, 2)])
            .plan
            .phases
    }

    #[test]
    fn the_cost_at_rest_leaves_out_the_load_and_the_first_seconds_after_it() {
        let samples = [
            usage(1.5, 9.0, Some(1.0)),
            usage(2.5, 20.0, Some(2.0)),
            usage(4.5, 30.0, Some(3.0)),
            usage(5.5, 30.1, None),
            usage(6.5, 30.2, Some(4.0)),
            usage(8.5, 40.0, Some(5.0)),
        ];
        let info = idle(&samples, &phases(), ORIGIN).unwrap();
        assert_eq!(info.seconds, 2.0);
        let part = &info.parts[0];
        assert!((part.cpu_cores - 0.1).abs() < 1e-9, "{part:?}");
        assert_eq!((part.memory_mb, part.disk_mb), (306.5, Some(4.0)));
    }

    #[test]
    fn without_an_idle_phase_or_two_looks_at_it_nothing_is_said() {
        let steady = Scene::new(&[1]).plan.phases;
        let looks = [usage(4.5, 1.0, None), usage(5.5, 2.0, None)];
        assert_eq!(idle(&looks, &steady, ORIGIN), None);
        assert_eq!(idle(&looks[..1], &phases(), ORIGIN), None);
    }
}
