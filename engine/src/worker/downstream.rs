//! Calls of handlers to the downstream service, each under a policy: a policy with a limit is held to its rate by a token
//! bucket of this worker, whoever else calls.
//!
//! A call that waits for its turn keeps its job's slot and lease; it must not fail for having waited. Whatever the service
//! answers but success is a transient failure: the retry policy of the job decides what follows.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crossover_proto::downstream::CallRequest;
use crossover_proto::downstream::downstream_client::DownstreamClient;
use metrics::counter;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::transport::{Channel, Endpoint};

use super::handler::Failure;
use crate::EngineError;
use crate::command::DownstreamArgs;

/// Most calls that a worker makes under a policy, as `POLICY=CALLS_PER_S/BURST`.
#[derive(Debug, Clone, PartialEq)]
pub struct CallLimit {
    /// Which policy.
    pub policy: String,
    /// Calls per second.
    pub calls_per_s: f64,
    /// Calls that may come at once after a pause.
    pub burst: u32,
}

impl FromStr for CallLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = || {
            let (policy, limit) = text.split_once('=')?;
            let (calls_per_s, burst) = limit.split_once('/')?;
            let limit = Self {
                policy: policy.to_owned(),
                calls_per_s: calls_per_s.parse().ok()?,
                burst: burst.parse().ok()?,
            };
            let fits = (0.001..=1e6).contains(&limit.calls_per_s) && (1..=100_000).contains(&limit.burst);
            fits.then_some(limit)
        };
        parsed().ok_or_else(|| "expected POLICY=CALLS_PER_S/BURST, as in protected=20/5".to_owned())
    }
}

/// The service, and how much of it may be asked for.
pub(super) struct Downstream {
    client: DownstreamClient<Channel>,
    patience: Duration,
    buckets: HashMap<String, Mutex<Bucket>>,
}

impl Downstream {
    /// Connects lazily; `None` if no address was given.
    pub(super) fn new(args: &DownstreamArgs) -> Result<Option<Self>, EngineError> {
        let Some(address) = &args.downstream else {
            return Ok(None);
        };
        let endpoint = Endpoint::from_shared(address.clone())
            .map_err(|_| EngineError::DownstreamAddress(address.clone()))?
            .connect_timeout(args.downstream_timeout)
            .tcp_nodelay(true);
        let now = Instant::now();
        let bucket = |limit: &CallLimit| (limit.policy.clone(), Mutex::new(Bucket::new(limit, now)));
        Ok(Some(Self {
            client: DownstreamClient::new(endpoint.connect_lazy()),
            patience: args.downstream_timeout,
            buckets: args.downstream_limit.iter().map(bucket).collect(),
        }))
    }

    /// Waits for its turn, then calls.
    pub(super) async fn call(&self, policy: &str) -> Result<(), Failure> {
        if let Some(bucket) = self.buckets.get(policy) {
            let turn = bucket
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(Instant::now());
            sleep_until(turn).await;
        }
        let mut client = self.client.clone();
        let policy = policy.to_owned();
        counter!("worker_downstream_calls_total", "policy" => policy.clone()).increment(1);
        let reason = match timeout(self.patience, client.call(CallRequest { policy })).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(status)) => format!("the downstream service: {:?}: {}", status.code(), status.message()),
            Err(_) => format!("the downstream service did not answer within {:?}", self.patience),
        };
        Err(Failure {
            permanent: false,
            reason,
        })
    }
}

/// A token bucket that hands out turns: it holds `burst` tokens, and one comes every `interval`.
struct Bucket {
    interval: Duration,
    /// How far ahead of its time a turn may be taken: the tokens beyond the first.
    ahead: Duration,
    /// When the bucket would be full again but for one token.
    next: Instant,
}

impl Bucket {
    fn new(limit: &CallLimit, now: Instant) -> Self {
        let interval = Duration::from_secs_f64(1.0 / limit.calls_per_s);
        Self {
            interval,
            ahead: interval * (limit.burst - 1),
            next: now,
        }
    }

    /// Takes a token; answers when it is there: now, or after all who asked before.
    fn take(&mut self, now: Instant) -> Instant {
        self.next = self.next.max(now);
        let turn = self.next.checked_sub(self.ahead).map_or(now, |turn| turn.max(now));
        self.next += self.interval;
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENTH: Duration = Duration::from_millis(100);

    fn bucket(burst: u32) -> (Bucket, Instant) {
        let limit: CallLimit = format!("p=10/{burst}").parse().unwrap();
        let now = Instant::now();
        (Bucket::new(&limit, now), now)
    }

    #[test]
    fn a_bucket_gives_its_burst_at_once_and_then_its_rate() {
        let (mut bucket, now) = bucket(3);
        let turns: Vec<Duration> = (0..6).map(|_| bucket.take(now) - now).collect();
        let none = Duration::ZERO;
        assert_eq!(turns, [none, none, none, TENTH, TENTH * 2, TENTH * 3]);
    }

    #[test]
    fn a_pause_fills_the_bucket_up_to_its_burst_and_no_further() {
        let (mut bucket, start) = bucket(2);
        assert!((0..4).map(|_| bucket.take(start)).is_sorted());
        let later = start + Duration::from_secs(60);
        let turns: Vec<Duration> = (0..4).map(|_| bucket.take(later) - later).collect();
        assert_eq!(turns, [Duration::ZERO, Duration::ZERO, TENTH, TENTH * 2]);
    }

    #[test]
    fn no_second_has_more_calls_than_rate_and_burst() {
        let (mut bucket, start) = bucket(5);
        // Asked for three times as often as it gives.
        let turns: Vec<Instant> = (0..300).map(|n| bucket.take(start + TENTH / 3 * n)).collect();
        assert!(turns.is_sorted());
        let within = |from: &Instant| {
            turns
                .iter()
                .filter(|turn| (*from..*from + TENTH * 10).contains(turn))
                .count()
        };
        let most = turns.iter().map(within).max().unwrap();
        assert!((10..=15).contains(&most), "{most} in a second");
    }

    #[test]
    fn a_limit_is_read_and_what_is_none_is_refused() {
        let limit: CallLimit = "protected=2.5/4".parse().unwrap();
        assert_eq!(
            (limit.policy.as_str(), limit.calls_per_s, limit.burst),
            ("protected", 2.5, 4)
        );
        for bad in ["protected", "protected=2", "p=0/1", "p=1/0", "p=x/1", "p=-1/1"] {
            assert!(bad.parse::<CallLimit>().unwrap_err().contains("CALLS_PER_S"), "{bad}");
        }
    }
}
