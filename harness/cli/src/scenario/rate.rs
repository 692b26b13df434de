//! A scenario at another rate: what capacity searches and maps change from run to run.

use std::time::Duration;

use crossover_evidence::load::Arrivals;

use super::Document;

/// The rates of a scenario whose every phase comes at a constant or Poisson rate (or is at rest).
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    /// Place in `load` and arrivals per second of each phase that has any.
    phases: Vec<(usize, f64)>,
    /// Arrivals per second of the last phase, the one that is measured.
    measured_per_s: f64,
    /// Its length.
    measured_for: Duration,
    /// Jobs that an arrival comes to, on average.
    jobs: f64,
}

impl Rates {
    /// Reads them.
    ///
    /// # Errors
    /// What stands in the way, and what to do about it.
    pub fn of(document: &Document) -> Result<Self, String> {
        if !document.faults.is_empty() {
            return Err("found [[faults]]; a rate that holds is one without".to_owned());
        }
        if !document.sweep.is_empty() {
            return Err("found [[sweep]]; fix its keys with --set, and leave it out of the file".to_owned());
        }
        let mut phases = Vec::new();
        for (index, phase) in document.load.iter().enumerate() {
            match (phase.arrivals, phase.rate_per_s) {
                (Arrivals::Constant | Arrivals::Poisson, Some(rate)) => phases.push((index, rate)),
                (Arrivals::Idle, _) => {}
                (other, _) => {
                    let (place, other) = (format!("load[{index}].arrivals"), other.name());
                    return Err(format!(
                        "{place}: found {other:?}; allowed are constant, poisson and idle"
                    ));
                }
            }
        }
        let last = document.load.last();
        let measured = phases
            .last()
            .filter(|_| last.is_some_and(|last| !last.warmup && last.rate_per_s.is_some()));
        let Some((_, measured_per_s)) = measured.copied() else {
            return Err("the last phase is the one that is measured: it needs a rate, and is no warm-up".to_owned());
        };
        let definitions = &document.workload.definitions;
        let named = last.and_then(|phase| phase.definition.as_ref());
        let started = || {
            definitions
                .iter()
                .filter(|entry| named.is_none_or(|name| *name == entry.definition.name))
        };
        let weight: f64 = started().map(|entry| entry.weight).sum();
        let jobs = started().map(|entry| {
            let jobs = entry.definition.steps.iter().flat_map(|step| &step.jobs);
            entry.weight * jobs.map(|job| f64::from(job.count)).sum::<f64>()
        });
        let jobs = jobs.sum::<f64>() / weight;
        Ok(Self {
            phases,
            measured_per_s,
            measured_for: last.and_then(|phase| phase.duration).unwrap_or_default(),
            jobs,
        })
    }

    /// Jobs per second of the measured phase, as the scenario has it.
    pub fn jobs_per_s(&self) -> f64 {
        self.measured_per_s * self.jobs
    }

    /// The key of each phase's rate, and its value for each job per second; warm-ups keep their share of the rate.
    pub fn keys(&self) -> impl Iterator<Item = (String, f64)> {
        let jobs_per_s = self.jobs_per_s();
        let one = move |(index, rate): &(usize, f64)| (format!("load.{index}.rate_per_s"), rate / jobs_per_s);
        self.phases.iter().map(one)
    }

    /// The overrides that make it this many jobs per second.
    pub fn overrides(&self, jobs_per_s: f64) -> Vec<String> {
        let one = |(key, per_job)| format!("{key}={}", per_job * jobs_per_s);
        self.keys().map(one).collect()
    }

    /// The override that makes the measured phase so many times as long; none for once.
    pub fn lengthened(&self, times: u32) -> Option<String> {
        let (index, _) = self.phases.last()?;
        let millis = (self.measured_for * times).as_millis();
        (times > 1).then(|| format!("load.{index}.duration={millis}ms"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(load: &str) -> Document {
        let jobs = "steps = [{ name = \"s\", jobs = [{ job_type = \"j\", count = 4 }] }]";
        let text = format!("title = 't'\n{load}\n[[workload.definitions]]\ndefinition = {{ name = \"d\", {jobs} }}\n");
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn the_measured_phase_gets_the_rate_and_the_warm_up_its_share_of_it() {
        let warm = "[[load]]\nname = 'w'\narrivals = 'constant'\nrate_per_s = 50\nduration = '1s'\nwarmup = true\n";
        let step = "[[load]]\nname = 's'\narrivals = 'constant'\nrate_per_s = 100\nduration = '1s'\n";
        let rates = Rates::of(&document(&format!("{warm}{step}"))).unwrap();
        assert_eq!(rates.jobs_per_s(), 400.0);
        assert_eq!(
            rates.overrides(800.0),
            ["load.0.rate_per_s=100", "load.1.rate_per_s=200"]
        );
        assert_eq!(rates.lengthened(1), None);
        assert_eq!(rates.lengthened(4).unwrap(), "load.1.duration=4000ms");
    }

    #[test]
    fn a_load_that_has_no_one_rate_is_refused() {
        let burst = "[[load]]\nname = 'b'\narrivals = 'burst'\ncount = 5\nduration = '1s'\n";
        assert!(Rates::of(&document(burst)).unwrap_err().contains("found \"burst\""));
        let warm = "[[load]]\nname = 'w'\narrivals = 'constant'\nrate_per_s = 50\nduration = '1s'\nwarmup = true\n";
        assert!(Rates::of(&document(warm)).unwrap_err().contains("last phase"));
    }
}
