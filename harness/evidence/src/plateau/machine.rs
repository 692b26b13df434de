//! Causes outside the engine: the machine's processors, those that PostgreSQL may use, and the load generator.

use super::window::Window;
use super::{Cause, Finding, Observed, percent};
use crate::samples::{self, Sample, within};

/// Name of the server's process among the samples.
const POSTGRES: &str = "postgres";

/// Processors and who uses them, and how late the load was.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Machine {
    pub cpus: f64,
    /// Busy share of all processors.
    pub host: Option<f64>,
    /// Processors that PostgreSQL used; `None` if it is not on this machine.
    pub postgres_cores: Option<f64>,
    /// Processors that PostgreSQL may use.
    pub postgres_may_use: f64,
    /// What else used the most: its name and processors.
    pub next: Option<(String, f64)>,
    /// Share of the wait for a handler that passed before the call was made.
    pub late: Option<f64>,
    /// The same (ms): mean from intended to sent.
    pub late_ms: f64,
}

impl Machine {
    pub(super) fn of(observed: &Observed<'_>, window: &Window) -> Self {
        let (from, to) = (window.from, window.to);
        let costs = samples::processes(observed.samples, from, to);
        let cores_of = |name: &str| {
            costs
                .iter()
                .find(|cost| cost.name == name)
                .map(|cost| cost.cpu_cores_mean)
        };
        let others = costs.iter().filter(|cost| cost.name != POSTGRES);
        let next = others.max_by(|a, b| a.cpu_cores_mean.total_cmp(&b.cpu_cores_mean));
        let cpus = f64::from(observed.cpus.max(1));
        let latency = observed.phases.get(window.phase).map(|phase| &phase.latency_ms);
        let means = latency.and_then(|of| of.dispatch.mean.zip(of.dispatch_from_send.mean));
        let late_ms = means.map(|(intended, sent)| (intended - sent).max(0.0));
        Self {
            cpus,
            host: samples::host_cpu_share(observed.samples, from, to),
            postgres_cores: cores_of(POSTGRES),
            postgres_may_use: may_use(observed, window).map_or(cpus, |processors| f64::from(processors).min(cpus)),
            next: next.map(|cost| (cost.name.clone(), cost.cpu_cores_mean)),
            late: means
                .zip(late_ms)
                .and_then(|((intended, _), late)| (intended > 0.0).then(|| late / intended)),
            late_ms: late_ms.unwrap_or_default(),
        }
    }

    /// Used ÷ what it may use.
    pub(super) fn postgres_share(&self) -> Option<f64> {
        self.postgres_cores.map(|cores| cores / self.postgres_may_use)
    }

    /// Does PostgreSQL have fewer processors than the machine?
    pub(super) fn postgres_is_kept_short(&self) -> bool {
        self.postgres_may_use < self.cpus
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        let missing = |what: &str| format!("not measured: {what}");
        let host = self.host.map_or_else(
            || missing("the machine's processors were not looked at"),
            |busy| {
                let next = self
                    .next
                    .as_ref()
                    .map_or_else(String::new, |(name, cores)| format!(", {name} {cores:.2}"));
                let postgres = self.postgres_cores.unwrap_or_default();
                format!(
                    "{} of {} processors busy; PostgreSQL used {postgres:.2}{next}",
                    percent(busy),
                    self.cpus
                )
            },
        );
        let postgres = self.postgres_cores.map_or_else(
            || missing("PostgreSQL is not a process of ours"),
            |cores| {
                format!(
                    "PostgreSQL used {cores:.2} of the {} processors that it may use",
                    self.postgres_may_use
                )
            },
        );
        let late = self.late.map_or_else(
            || missing("no job of the phase has a latency"),
            |share| {
                let late = self.late_ms;
                format!(
                    "{} of a job's wait, {late:.0} ms on average, passed before its call was made",
                    percent(share)
                )
            },
        );
        [
            (
                Cause::HostCpu,
                self.host,
                host,
                "more processors, or the parts on machines of their own: the figures tell of this machine alone",
            ),
            (
                Cause::PostgresCpu,
                self.postgres_share(),
                postgres,
                "more processors for PostgreSQL, or less work in it for each job",
            ),
            (
                Cause::Harness,
                self.late,
                late,
                "a lower rate, or a generator with processors of its own: the figures don't tell of the engine",
            ),
        ]
        .map(|(cause, share, evidence, lift)| Finding {
            cause,
            share,
            evidence,
            lift: lift.to_owned(),
        })
        .into()
    }
}

/// Processors that PostgreSQL may use, as it was last seen.
fn may_use(observed: &Observed<'_>, window: &Window) -> Option<u32> {
    let usages = within(observed.samples, window.from, window.to).filter_map(|sample| match sample {
        Sample::Usage { parts, .. } => parts.iter().find(|part| part.name == POSTGRES),
        _ => None,
    });
    usages.filter_map(|part| part.processors).last()
}
