//! Causes in the engine's own parts: the replicas' pools, relay and broker, the workers.

use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::Event;

use super::window::Window;
use super::{Cause, Finding, Observed, percent};
use crate::ledger::Mode;
use crate::samples;
use crate::text::whole;

/// How full the engine's parts were.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Parts {
    /// Time that statements waited for a connection ÷ their whole time.
    pub pool: Option<f64>,
    /// Unsent outbox rows ÷ unfinished jobs, both over the window; `None` in polling mode.
    pub broker: Option<f64>,
    /// Time that handlers ran ÷ time that the workers' slots were there.
    pub workers: Option<f64>,
    pub outbox_mean: f64,
}

impl Parts {
    pub(super) fn of(observed: &Observed<'_>, window: &Window) -> Self {
        let seconds = window.seconds(observed);
        let outbox = mean(observed.series.outbox_backlog.get(seconds.clone()).unwrap_or_default());
        let open: Vec<Option<f64>> = observed
            .series
            .unfinished
            .get(seconds)
            .unwrap_or_default()
            .iter()
            .copied()
            .map(Some)
            .collect();
        Self {
            pool: samples::pool_wait_share(observed.samples, window.from, window.to),
            broker: outbox
                .zip(mean(&open))
                .and_then(|(outbox, open)| (open > 0.0).then(|| (outbox / open).min(1.0))),
            workers: workers_busy(observed, window),
            outbox_mean: outbox.unwrap_or_default(),
        }
    }

    pub(super) fn findings(&self, mode: Mode) -> Vec<Finding> {
        let in_words = |share: Option<f64>, missing: &str, words: &dyn Fn(String) -> String| {
            share.map_or_else(|| format!("not measured: {missing}"), |share| words(percent(share)))
        };
        let pool = in_words(self.pool, "the replicas' metrics were not read", &|share| {
            format!("statements spent {share} of their time waiting for a connection")
        });
        let workers = in_words(self.workers, "no history was recorded", &|share| {
            format!("handlers filled {share} of the workers' slots")
        });
        let broker = in_words(self.broker, "the outbox was not looked at", &|share| {
            format!(
                "{share} of the unfinished jobs waited in the outbox, {} rows on average",
                whole(self.outbox_mean)
            )
        });
        let mut all = vec![
            (
                Cause::Pool,
                self.pool,
                pool,
                "more connections per replica, or more replicas",
            ),
            (
                Cause::Workers,
                self.workers,
                workers,
                "more workers or more concurrency in each, or faster handlers",
            ),
        ];
        if mode == Mode::EventDriven {
            let lift =
                "a faster way from the outbox to the broker: larger batches of the relay, a nearer or faster broker";
            all.push((Cause::Broker, self.broker, broker, lift));
        }
        let finding = |(cause, share, evidence, lift): (Cause, Option<f64>, String, &str)| Finding {
            cause,
            share,
            evidence,
            lift: lift.to_owned(),
        };
        all.into_iter().map(finding).collect()
    }
}

/// `None` without any value.
fn mean(values: &[Option<f64>]) -> Option<f64> {
    let seen: Vec<f64> = values.iter().flatten().copied().collect();
    (!seen.is_empty()).then(|| seen.iter().sum::<f64>() / seen.len() as f64)
}

/// Each start of a handler adds the time from it to the end of the window, each end takes off the time from there: so starts
/// and ends need not be paired. A handler whose end nobody recorded counts to the end of the window.
fn workers_busy(observed: &Observed<'_>, window: &Window) -> Option<f64> {
    let left_s = |at: MonotonicNs| window.to.saturating_since(at.max(window.from)).as_secs_f64();
    let (mut busy_s, mut any) = (0.0, false);
    for record in observed.ledger.evidence().records() {
        match record.event {
            Event::Started(_) => {
                busy_s += left_s(record.at);
                any = true;
            }
            Event::Finished(..) => busy_s -= left_s(record.at),
            _ => {}
        }
    }
    let slots_s = observed.worker_slots as f64 * left_s(window.from);
    (any && slots_s > 0.0).then(|| busy_s / slots_s)
}
