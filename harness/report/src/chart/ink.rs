//! Inks: one meaning a colour through the whole report. The values live in `assets/page.css`, light and dark.

/// A colour with a meaning, and the dash that keeps it apart where colour can't be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ink {
    /// CSS variable, without the dashes.
    pub name: &'static str,
    /// SVG dash pattern in tenths of a pixel; empty for a whole line.
    pub dash: &'static str,
}

const DASHED: &str = "60 40";
const DOTTED: &str = "15 30";

impl Ink {
    /// Text and the lines that need no colour.
    pub const TEXT: Self = Self::whole("ink");
    /// Labels of axes.
    pub const SOFT: Self = Self::whole("soft");
    /// Grid lines.
    pub const GRID: Self = Self::whole("grid");
    /// The sheet.
    pub const SURFACE: Self = Self::whole("surface");
    /// Median.
    pub const P50: Self = Self::whole("p50");
    /// 99th percentile.
    pub const P99: Self = Self::whole("p99");
    /// Largest.
    pub const MAX: Self = Self::whole("max");
    /// What the plan wanted.
    pub const INTENDED: Self = Self {
        name: "soft",
        dash: DASHED,
    };
    /// Queues inside the broker's path.
    pub const BACKLOG: Self = Self {
        name: "ink",
        dash: DASHED,
    };
    /// Queues at the consumers.
    pub const LAG: Self = Self::whole("part-broker");
    /// Calls to the downstream service.
    pub const CALLS: Self = Self::whole("part-worker");
    /// A line to compare with.
    pub const REFERENCE: Self = Self {
        name: "soft",
        dash: DASHED,
    };
    /// The window of a fault.
    pub const FAULT: Self = Self::whole("fault");
    /// Its edges.
    pub const FAULT_EDGE: Self = Self::whole("fault-edge");
    /// Where a phase begins.
    pub const PHASE: Self = Self {
        name: "phase",
        dash: DOTTED,
    };

    /// A whole line.
    pub const fn whole(name: &'static str) -> Self {
        Self { name, dash: "" }
    }

    /// The colour of a dispatch mode.
    pub fn mode(mode: &str) -> Self {
        match mode {
            "event-driven" => Self::whole("event"),
            _ if mode.contains("tuned") => Self::whole("tuned"),
            _ => Self::whole("polling"),
        }
    }

    /// The colour of the nth run of several, from 0; runs beyond the eighth share the colours, dashed.
    pub fn run(index: usize) -> Self {
        let names = ["run-1", "run-2", "run-3", "run-4", "run-5", "run-6", "run-7", "run-8"];
        Self::whole(names[index % names.len()]).nth(index / names.len())
    }

    /// The colour of a PostgreSQL wait type.
    pub fn wait(wait_type: &str) -> Self {
        Self::whole(match wait_type {
            "CPU" => "wait-cpu",
            "IO" => "wait-io",
            "LWLock" => "wait-lwlock",
            "Lock" => "wait-lock",
            "Client" => "wait-client",
            _ => "wait-other",
        })
    }

    /// The colour of a part's kind, and a dash for each further one of that kind: `replica-2` → the replicas' colour, dashed.
    pub fn part(name: &str) -> Self {
        let kinds = ["postgres", "replica", "worker", "relay", "broker", "kafka", "redpanda"];
        let kind = kinds.into_iter().find(|kind| name.starts_with(kind));
        let name_of = match kind {
            Some("postgres") => "part-postgres",
            Some("replica") => "part-replica",
            Some("worker") => "part-worker",
            Some("relay") => "part-relay",
            Some(_) => "part-broker",
            None => "part-other",
        };
        let number = name
            .rsplit('-')
            .next()
            .and_then(|end| end.parse::<u32>().ok())
            .unwrap_or(1);
        let dash = ["", DASHED, DOTTED][(number.saturating_sub(1) % 3) as usize];
        Self { name: name_of, dash }
    }

    /// The nth line of a family of lines that share a colour.
    pub fn nth(self, index: usize) -> Self {
        Self {
            dash: ["", DASHED, DOTTED, "60 25 15 25"][index % 4],
            ..self
        }
    }

    /// What stands in the SVG in place of the colour.
    pub(super) fn attribute(self) -> String {
        let dash = if self.dash.is_empty() {
            String::new()
        } else {
            format!(" stroke-dasharray=\"{}\"", self.dash)
        };
        format!("\"var(--{})\"{dash}", self.name)
    }
}
