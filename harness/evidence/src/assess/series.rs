//! The looks over time, for the charts: a bucket a second, a gap is a gap.

use super::LiveSample;
use crate::series::{NamedSeries, Series};

/// Name of the series of those that wait for rows of the job table.
const ROW_WAITS: &str = "Lock";
/// Waits of other kinds keep the type's name; for other locks it is taken.
const OTHER_LOCKS: &str = "other locks";

/// Mean active backends by wait type, connections, dead rows, and rows written per second.
#[must_use]
pub fn series(samples: &[LiveSample]) -> Series {
    let seconds = samples.iter().map(|sample| second(sample) + 1).max().unwrap_or(0);
    let mut series = Series {
        seconds,
        dead_tuples: vec![None; seconds],
        connections: vec![None; seconds],
        ..Series::default()
    };
    let mut looks = vec![0_u32; seconds];
    for sample in samples {
        let at = second(sample);
        match sample {
            LiveSample::Activity { active, .. } => {
                looks[at] += 1;
                for group in active {
                    let name = match group.wait_type.as_str() {
                        "Lock" if !group.waits_for_row() => OTHER_LOCKS,
                        "Lock" => ROW_WAITS,
                        other => other,
                    };
                    let values = of(&mut series.waits, name, seconds);
                    values[at] = Some(values[at].unwrap_or(0.0) + f64::from(group.count));
                }
            }
            LiveSample::State { table, connections, .. } => {
                series.dead_tuples[at] = Some(table.dead as f64);
                series.connections[at] = Some(f64::from(connections.total));
            }
            LiveSample::Failed { .. } => {}
        }
    }
    for named in &mut series.waits {
        for (value, looks) in named.values.iter_mut().zip(&looks) {
            // A second that was looked at and had none of the kind is a zero, one without a look is a gap.
            *value = (*looks > 0).then(|| value.unwrap_or(0.0) / f64::from(*looks));
        }
    }
    series.dead_tuples = held(&series.dead_tuples);
    series.connections = held(&series.connections);
    series
}

/// Looked at only every few seconds: what was seen last holds until the next look.
fn held(values: &[Option<f64>]) -> Vec<Option<f64>> {
    let last = |last: &mut Option<f64>, value: &Option<f64>| {
        *last = value.or(*last);
        Some(*last)
    };
    values.iter().scan(None, last).collect()
}

fn second(sample: &LiveSample) -> usize {
    let (LiveSample::Activity { at_ms, .. } | LiveSample::State { at_ms, .. } | LiveSample::Failed { at_ms, .. }) =
        sample;
    (at_ms / 1_000) as usize
}

fn of<'a>(all: &'a mut Vec<NamedSeries>, name: &str, seconds: usize) -> &'a mut Vec<Option<f64>> {
    let place = all.iter().position(|known| known.name == name).unwrap_or_else(|| {
        all.push(NamedSeries {
            name: name.to_owned(),
            values: vec![None; seconds],
        });
        all.len() - 1
    });
    &mut all[place].values
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;

    #[test]
    fn a_second_is_the_mean_of_its_looks() {
        let series = Scene::busy().waiting(|look| look % 2).series();
        assert_eq!(series.seconds, 61);
        let locks = series.waits.iter().find(|named| named.name == "Lock").unwrap();
        assert_eq!(locks.values[7], Some(0.5));
        assert_eq!(locks.values[60], None);
        assert_eq!(series.connections[7], Some(20.0));
    }
}
