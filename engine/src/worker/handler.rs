//! The load handler: does what its payload asks for, the same way on every worker and every repeat of an attempt.

use std::time::Duration;

use crossover_proto::history::JobKey;
use crossover_proto::load::Work;
use crossover_proto::load::service_time::Distribution;
use prost::Message;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution as _, Exp1, LogNormal};

use crate::command::HandlerKind;

/// How a handler failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Failure {
    /// No retry can help.
    pub(super) permanent: bool,
    /// For people.
    pub(super) reason: String,
}

/// Longest service time: what the tail of a distribution may not exceed.
const SERVICE_MAX: Duration = Duration::from_secs(600);

/// A handler that has started: it ends after its service time, as drawn, and its call.
pub(super) struct Running {
    pub(super) service: Duration,
    /// Under which policy it then calls the downstream service, if it does.
    pub(super) calls: Option<String>,
    pub(super) failure: Option<Failure>,
}

/// Starts the handler.
pub(super) fn start(kind: HandlerKind, key: &JobKey, payload: &[u8]) -> Running {
    match Work::decode(payload) {
        Ok(work) => {
            let (service, failure) = draw(key, &work);
            let failure = failure.filter(|_| kind == HandlerKind::Planned);
            Running {
                service,
                calls: (!work.downstream_policy.is_empty()).then_some(work.downstream_policy),
                failure,
            }
        }
        Err(error) => Running {
            service: Duration::ZERO,
            calls: None,
            failure: Some(Failure {
                permanent: true,
                reason: format!("the payload is not a load instruction: {error}"),
            }),
        },
    }
}

/// Service time and outcome: a pure function of the instruction and the attempt.
fn draw(key: &JobKey, work: &Work) -> (Duration, Option<Failure>) {
    let place = u64::from(key.step) << 32 | u64::from(key.ordinal) << 16 | u64::from(key.attempt);
    // Seeding mixes all bits of the seed: neighbours get unrelated streams.
    let mut random = SmallRng::seed_from_u64(work.seed ^ place.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let service = service_time(work, &mut random);
    let lot: f64 = random.random();
    let failure = if lot < work.permanent_failure_rate {
        Some(Failure {
            permanent: true,
            reason: "the plan drew a permanent failure".to_owned(),
        })
    } else if lot < work.permanent_failure_rate + work.transient_failure_rate {
        Some(Failure {
            permanent: false,
            reason: "the plan drew a transient failure".to_owned(),
        })
    } else {
        None
    };
    (service, failure)
}

fn service_time(work: &Work, random: &mut SmallRng) -> Duration {
    let Some(service) = &work.service else {
        return Duration::ZERO;
    };
    let mean_us = service.mean_us as f64;
    let micros = match service.distribution() {
        Distribution::None => 0.0,
        Distribution::Constant => mean_us,
        Distribution::Exponential => mean_us * random.sample::<f64, _>(Exp1),
        // The location that gives the asked mean: exp(mu + sigma²/2) = mean.
        Distribution::Lognormal => {
            match LogNormal::new(mean_us.max(1.0).ln() - service.sigma.powi(2) / 2.0, service.sigma) {
                Ok(distribution) => distribution.sample(random),
                Err(_) => mean_us,
            }
        }
    };
    Duration::from_micros(micros as u64).min(SERVICE_MAX)
}

#[cfg(test)]
mod tests {
    use crossover_proto::load::ServiceTime;
    use crossover_proto::{InstanceId, JobId};

    use super::*;

    fn key(attempt: u16) -> JobKey {
        JobKey {
            instance: InstanceId::new(),
            job: JobId(1),
            attempt,
            step: 0,
            ordinal: 0,
        }
    }

    fn work(seed: u64, distribution: Distribution) -> Work {
        Work {
            seed,
            service: Some(ServiceTime {
                distribution: distribution.into(),
                mean_us: 5_000,
                sigma: 0.8,
            }),
            transient_failure_rate: 0.2,
            permanent_failure_rate: 0.1,
            filler: Vec::new().into(),
            downstream_policy: String::new(),
        }
    }

    #[test]
    fn a_draw_depends_on_the_plan_alone() {
        let work = work(7, Distribution::Exponential);
        assert_eq!(draw(&key(1), &work), draw(&key(1), &work));
        assert_ne!(draw(&key(1), &work).0, draw(&key(2), &work).0);
    }

    #[test]
    fn draws_have_the_mean_and_the_rates_that_were_asked_for() {
        for distribution in [
            Distribution::Constant,
            Distribution::Exponential,
            Distribution::Lognormal,
        ] {
            let draws: Vec<_> = (0..20_000)
                .map(|seed| draw(&key(1), &work(seed, distribution)))
                .collect();
            let mean = draws.iter().map(|(service, _)| service.as_secs_f64()).sum::<f64>() / 20_000.0;
            assert!((mean / 0.005 - 1.0).abs() < 0.05, "{distribution:?}: mean {mean} s");
            let permanent = draws
                .iter()
                .filter(|(_, failure)| failure.as_ref().is_some_and(|f| f.permanent))
                .count();
            let failed = draws.iter().filter(|(_, failure)| failure.is_some()).count();
            assert!((1_800..2_200).contains(&permanent), "{permanent} of 20,000 permanent");
            assert!((5_700..6_300).contains(&failed), "{failed} of 20,000 failed");
        }
    }
}
