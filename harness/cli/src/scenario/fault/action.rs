//! What a table of `[[faults]]` means: kind, target and parameters together. Pure.

use std::time::Duration;

use crossover_testbed::Toxic;
use crossover_testbed::kafka::Access;
use crossover_testbed::links::Link;
use crossover_testbed::toxiproxy::Direction;

use super::target::{self, ProcessTarget};
use super::{Fault, FaultKind, Flow};
use crate::scenario::Topology;

/// What is to be done, and to what.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// A signal to a process.
    Process(ProcessFault, ProcessTarget),
    /// A link is spoiled.
    Link(LinkFault, Vec<Link>),
    /// PostgreSQL itself goes on, and is no use.
    Postgres(PostgresFault),
    /// A topic, by its job type.
    Topic(TopicFault, String),
    /// The service that handlers call is made sick.
    Downstream(DownstreamFault),
    /// The broker refuses this, for a job type's topic or group.
    Deny(Access, String),
}

/// What is done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessFault {
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Stop,
    /// SIGTERM, or PostgreSQL's fast shutdown.
    Terminate,
}

/// What is done to a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkFault {
    /// It is cut.
    Down,
    /// What flows is spoiled, one way or both.
    Toxic(Toxic, Vec<Direction>),
}

/// What is done in PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostgresFault {
    /// The engine's sessions are ended.
    TerminateBackends,
    /// No connection is left.
    ExhaustConnections,
    /// A snapshot is held.
    HoldTransaction,
}

/// What is done to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicFault {
    /// It is deleted; the relay makes it again.
    Delete,
    /// `max.message.bytes` is lowered.
    LimitMessageSize {
        /// To this.
        bytes: u32,
    },
    /// Records that no worker can read.
    Poison {
        /// How many.
        records: u32,
    },
}

/// What is done to the service that handlers call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DownstreamFault {
    /// Calls fail.
    Fail {
        /// This share of them.
        share: f64,
    },
    /// Calls are answered late.
    Slow {
        /// By so much.
        latency: Duration,
    },
}

/// Which key is wrong, and why.
pub type Problem = (&'static str, String);

impl Fault {
    /// What it means in this topology.
    ///
    /// # Errors
    /// The key that is wrong, what was found, and what is allowed.
    pub fn action(&self, topology: &Topology) -> Result<Action, Problem> {
        self.check_parameters()?;
        self.check_times()?;
        let action = match self.kind {
            FaultKind::Kill => Action::Process(ProcessFault::Kill, self.process(topology)?),
            FaultKind::Stop => Action::Process(ProcessFault::Stop, self.process(topology)?),
            FaultKind::Terminate | FaultKind::Restart => {
                Action::Process(ProcessFault::Terminate, self.process(topology)?)
            }
            FaultKind::Down => Action::Link(LinkFault::Down, self.links(topology)?),
            FaultKind::Latency
            | FaultKind::Bandwidth
            | FaultKind::Timeout
            | FaultKind::Reset
            | FaultKind::SlowClose => {
                let spoilt = LinkFault::Toxic(self.toxic()?, self.directions());
                Action::Link(spoilt, self.links(topology)?)
            }
            FaultKind::TerminateBackends => Action::Postgres(self.in_postgres(PostgresFault::TerminateBackends)?),
            FaultKind::ExhaustConnections => Action::Postgres(self.in_postgres(PostgresFault::ExhaustConnections)?),
            FaultKind::HoldTransaction => Action::Postgres(self.in_postgres(PostgresFault::HoldTransaction)?),
            FaultKind::Deny => self.denied()?,
            FaultKind::DeleteTopic => Action::Topic(TopicFault::Delete, self.topic()?),
            FaultKind::LimitMessageSize => {
                let bytes = needed("bytes", self.bytes)?;
                Action::Topic(TopicFault::LimitMessageSize { bytes }, self.topic()?)
            }
            FaultKind::Poison => {
                let records = needed("records", self.records.filter(|records| (1..=10_000).contains(records)))?;
                Action::Topic(TopicFault::Poison { records }, self.topic()?)
            }
            FaultKind::DownstreamFail => {
                let share = self.share.unwrap_or(1.0);
                if !(share > 0.0 && share <= 1.0) {
                    return Err(("share", format!("found {share}; allowed is more than 0 and at most 1")));
                }
                Action::Downstream(self.in_downstream(DownstreamFault::Fail { share })?)
            }
            FaultKind::DownstreamSlow => {
                let latency = needed("latency", self.latency.filter(|latency| !latency.is_zero()))?;
                Action::Downstream(self.in_downstream(DownstreamFault::Slow { latency })?)
            }
        };
        Ok(action)
    }

    /// A key that the kind has no use for was meant for another.
    fn check_parameters(&self) -> Result<(), Problem> {
        let allowed: &[&str] = match self.kind {
            FaultKind::Latency => &["direction", "latency", "latency_jitter"],
            FaultKind::Bandwidth => &["direction", "kb_per_s"],
            FaultKind::Timeout | FaultKind::Reset | FaultKind::SlowClose => &["direction", "after"],
            FaultKind::LimitMessageSize => &["bytes"],
            FaultKind::Poison => &["records"],
            FaultKind::DownstreamFail => &["share"],
            FaultKind::DownstreamSlow => &["latency"],
            _ => &[],
        };
        let parameters = [
            ("direction", self.direction.is_some()),
            ("latency", self.latency.is_some()),
            ("latency_jitter", self.latency_jitter.is_some()),
            ("kb_per_s", self.kb_per_s.is_some()),
            ("after", self.after.is_some()),
            ("bytes", self.bytes.is_some()),
            ("records", self.records.is_some()),
            ("share", self.share.is_some()),
        ];
        let unwanted = |(key, given): &(&str, bool)| *given && !allowed.contains(key);
        if let Some((key, _)) = parameters.into_iter().find(unwanted) {
            let may = match allowed {
                [] => "none such key".to_owned(),
                keys => keys.join(", "),
            };
            return Err((
                key,
                format!("a fault of kind {:?} has {may}; take it out", self.kind.to_string()),
            ));
        }
        if self.kind == FaultKind::Restart && self.lasts.is_some() {
            let why = "a restart starts the part again at once; for a time without it, use kind = \"terminate\"";
            return Err(("for", why.to_owned()));
        }
        Ok(())
    }

    /// A fault does not come again before it is mended.
    fn check_times(&self) -> Result<(), Problem> {
        let Some(every) = self.every else { return Ok(()) };
        let late = self
            .jitter
            .unwrap_or_default()
            .saturating_add(Duration::from_millis(100));
        let least = self.lasts().saturating_add(late);
        if every < least {
            let (found, least) = (humantime::format_duration(every), humantime::format_duration(least));
            let why = format!("found {found}; with its time and its jitter, it can't come again before {least}");
            return Err(("every", why));
        }
        Ok(())
    }

    fn process(&self, topology: &Topology) -> Result<ProcessTarget, Problem> {
        ProcessTarget::parse(&self.target, topology).map_err(|problem| ("target", problem))
    }

    fn links(&self, topology: &Topology) -> Result<Vec<Link>, Problem> {
        let links = target::links(&self.target, topology).map_err(|problem| ("target", problem))?;
        if !topology.proxied {
            let why = "links can be broken only where proxies are; set topology.proxied = true";
            return Err(("target", format!("found {:?}; {why}", self.target)));
        }
        Ok(links)
    }

    fn in_postgres(&self, fault: PostgresFault) -> Result<PostgresFault, Problem> {
        self.at_only("postgres", fault)
    }

    fn in_downstream(&self, fault: DownstreamFault) -> Result<DownstreamFault, Problem> {
        self.at_only("downstream", fault)
    }

    fn at_only<T>(&self, only: &str, fault: T) -> Result<T, Problem> {
        match self.target.as_str() {
            found if found == only => Ok(fault),
            found => Err((
                "target",
                format!(
                    "found {found:?}; a fault of kind {:?} allows {only}",
                    self.kind.to_string()
                ),
            )),
        }
    }

    fn topic(&self) -> Result<String, Problem> {
        let job_type = self.target.strip_prefix("topic:").filter(|name| !name.is_empty());
        job_type.map(str::to_owned).ok_or_else(|| {
            let found = &self.target;
            (
                "target",
                format!("found {found:?}; a fault of a topic allows topic:JOB_TYPE"),
            )
        })
    }

    /// Relays alone write, and workers alone are in groups: the target says whom it hits.
    fn denied(&self) -> Result<Action, Problem> {
        let known = [("topic", Access::WriteTopic), ("group", Access::ReadGroup)];
        let (kind, job_type) = self.target.split_once(':').unwrap_or_default();
        let access = known
            .into_iter()
            .find(|(name, _)| *name == kind && !job_type.is_empty());
        access
            .map(|(_, access)| Action::Deny(access, job_type.to_owned()))
            .ok_or_else(|| {
                let found = &self.target;
                let why = "a refusal allows topic:JOB_TYPE (writing to it) and group:JOB_TYPE (taking part in it)";
                ("target", format!("found {found:?}; {why}"))
            })
    }

    fn toxic(&self) -> Result<Toxic, Problem> {
        Ok(match self.kind {
            FaultKind::Latency => Toxic::Latency {
                latency: needed("latency", self.latency)?,
                jitter: self.latency_jitter.unwrap_or_default(),
            },
            FaultKind::Bandwidth => Toxic::Bandwidth {
                kb_per_s: needed("kb_per_s", self.kb_per_s.filter(|kb| *kb > 0))?,
            },
            FaultKind::Reset => Toxic::ResetPeer {
                after: self.after.unwrap_or_default(),
            },
            FaultKind::SlowClose => Toxic::SlowClose {
                delay: needed("after", self.after)?,
            },
            _ => Toxic::Timeout { after: self.after },
        })
    }

    fn directions(&self) -> Vec<Direction> {
        match self.direction.unwrap_or(Flow::Both) {
            Flow::Upstream => vec![Direction::Upstream],
            Flow::Downstream => vec![Direction::Downstream],
            Flow::Both => vec![Direction::Upstream, Direction::Downstream],
        }
    }
}

fn needed<T>(key: &'static str, value: Option<T>) -> Result<T, Problem> {
    let unit = match key {
        "latency" | "after" => "a duration, as in \"100ms\"",
        "kb_per_s" => "kB a second, 1 or more",
        "records" => "a number of records, 1 to 10000",
        _ => "a number of bytes",
    };
    value.ok_or_else(|| {
        (
            key,
            format!("found nothing that can be used; this kind of fault needs {unit}"),
        )
    })
}

impl Action {
    /// Is what it acts on there in polling mode too?
    pub fn is_in_every_mode(&self) -> bool {
        match self {
            Self::Process(_, target) => target.is_in_every_mode(),
            Self::Link(_, links) => links
                .iter()
                .all(|link| *link == Link::Postgres(crossover_testbed::links::PostgresRole::Replicas)),
            Self::Postgres(_) | Self::Downstream(_) => true,
            Self::Topic(..) | Self::Deny(..) => false,
        }
    }

    /// The job type whose topic it is about.
    pub fn job_type(&self) -> Option<&str> {
        match self {
            Self::Topic(_, job_type)
            | Self::Deny(_, job_type)
            | Self::Process(_, ProcessTarget::BrokerLeader(job_type)) => Some(job_type),
            Self::Process(..) | Self::Link(..) | Self::Postgres(_) | Self::Downstream(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(text: &str, proxied: bool) -> Result<Action, Problem> {
        let fault: Fault = toml::from_str(&format!("at = \"1s\"\n{text}")).unwrap();
        let topology = Topology {
            proxied,
            ..Topology::default()
        };
        fault.action(&topology)
    }

    #[test]
    fn each_kind_takes_its_own_keys_and_targets() {
        let cut = action("kind = \"down\"\ntarget = \"link:kafka-relay\"", true);
        assert!(matches!(cut, Ok(Action::Link(LinkFault::Down, links)) if links.len() == 1));
        let slow = action(
            "kind = \"latency\"\ntarget = \"link:postgres-replicas\"\nlatency = \"20ms\"",
            true,
        )
        .unwrap();
        assert!(slow.is_in_every_mode());
        let small = action(
            "kind = \"limit-message-size\"\ntarget = \"topic:work\"\nbytes = 2000",
            false,
        )
        .unwrap();
        assert!(!small.is_in_every_mode());
        let denied = action("kind = \"deny\"\ntarget = \"group:work\"", false).unwrap();
        assert_eq!(denied, Action::Deny(Access::ReadGroup, "work".to_owned()));
        assert!(!denied.is_in_every_mode() && denied.job_type() == Some("work"));
        assert!(action("kind = \"hold-transaction\"\ntarget = \"postgres\"", false).is_ok());
        let failing = action("kind = \"downstream-fail\"\ntarget = \"downstream\"", false).unwrap();
        assert_eq!(failing, Action::Downstream(DownstreamFault::Fail { share: 1.0 }));
        assert!(failing.is_in_every_mode());
        let late = "kind = \"downstream-slow\"\ntarget = \"downstream\"\nlatency = \"2s\"";
        assert!(
            matches!(action(late, false), Ok(Action::Downstream(DownstreamFault::Slow { latency })) if latency.as_secs() == 2)
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_key_and_what_is_allowed() {
        let refused = |text: &str| {
            let (key, problem) = action(text, true).unwrap_err();
            format!("{key}: {problem}")
        };
        let said = refused("kind = \"kill\"\ntarget = \"worker:1\"\nlatency = \"1s\"");
        assert!(
            said.starts_with("latency: a fault of kind \"kill\" has none such key"),
            "{said}"
        );
        let said = refused("kind = \"latency\"\ntarget = \"link:kafka\"");
        assert!(said.starts_with("latency: found nothing that can be used"), "{said}");
        let said = refused("kind = \"latency\"\ntarget = \"worker:1\"\nlatency = \"1s\"");
        assert!(
            said.contains("found \"worker:1\"") && said.contains("link:postgres-replicas"),
            "{said}"
        );
        let said = refused("kind = \"restart\"\ntarget = \"worker:1\"\nfor = \"2s\"");
        assert!(said.starts_with("for: "), "{said}");
        let said = refused("kind = \"kill\"\ntarget = \"worker:1\"\nfor = \"2s\"\nevery = \"2s\"");
        assert!(
            said.starts_with("every: found 2s") && said.contains("2s 100ms"),
            "{said}"
        );
        let said = refused("kind = \"downstream-fail\"\ntarget = \"downstream\"\nshare = 1.5");
        assert!(said.starts_with("share: found 1.5; allowed is more than 0"), "{said}");
        let said = refused("kind = \"downstream-slow\"\ntarget = \"downstream\"");
        assert!(said.starts_with("latency: found nothing that can be used"), "{said}");
        let said = refused("kind = \"downstream-fail\"\ntarget = \"worker:1\"");
        assert!(
            said.contains("found \"worker:1\"; a fault of kind \"downstream-fail\" allows downstream"),
            "{said}"
        );
        let said = refused("kind = \"delete-topic\"\ntarget = \"work\"");
        assert!(said.contains("topic:JOB_TYPE"), "{said}");
        let said = refused("kind = \"deny\"\ntarget = \"relay:1\"");
        assert!(
            said.contains("topic:JOB_TYPE") && said.contains("group:JOB_TYPE"),
            "{said}"
        );
        let (key, said) = action("kind = \"down\"\ntarget = \"link:kafka\"", false).unwrap_err();
        assert!(key == "target" && said.contains("topology.proxied = true"), "{said}");
    }
}
