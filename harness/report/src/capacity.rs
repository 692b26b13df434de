//! Capacity searches in words: the interval first, then whether repeats agree, then the steps. For page, terminal and Markdown.

use crossover_evidence::capacity::{Capacity, Interval, Step, StepVerdict, Variant};
use crossover_evidence::result::Claim;

use crate::format::{NONE, count, counted, ms_or_none, number, percent, percent_or_none, rate, seconds};

/// What the page of one or several capacity searches shows.
#[derive(Debug, Clone, Copy)]
pub struct CapacityPage<'a> {
    /// For people.
    pub title: &'a str,
    /// Scenario name.
    pub scenario: &'a str,
    /// The command that repeats it.
    pub command: &'a str,
    /// In the order in which they ran; at least one.
    pub searches: &'a [Searched],
    /// What they say of the seed's claims.
    pub claims: &'a [Claim],
}

/// One search.
#[derive(Debug, Clone)]
pub struct Searched {
    /// What it found.
    pub capacity: Capacity,
    /// Its directory, relative to the page's; empty if it is the page's own.
    pub path: String,
}

impl Searched {
    /// Relative link to the report of a step's run.
    pub fn link(&self, step: &Step) -> String {
        let directory = match self.path.as_str() {
            "" => String::new(),
            path => format!("{path}/"),
        };
        format!("{directory}{}/report.html", step.run)
    }

    /// `polling, 4 replicas`
    pub fn label(&self) -> String {
        let (variant, replicas) = (variant(self.capacity.variant), self.capacity.topology.replicas);
        format!("{variant}, {}", counted(replicas.into(), "replica"))
    }
}

impl CapacityPage<'_> {
    /// When the first search began (RFC 3339).
    pub fn started_at(&self) -> &str {
        self.searches
            .first()
            .map_or("", |first| first.capacity.started_at.as_str())
    }

    /// The sentences of the banner: each search's interval, then how repeats lie to each other.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences: Vec<String> = self.searches.iter().map(headline).collect();
        sentences.extend(self.groups().into_iter().filter(|group| group.len() > 1).map(agreement));
        sentences
    }

    /// What each search's interval rests on; of several, each with its search's name.
    pub fn grounds(&self) -> Vec<String> {
        let several = self.searches.len() > 1;
        let named = |search: &Searched| match several {
            true => format!("{}: {}", search.label(), ground(search)),
            false => ground(search),
        };
        self.searches.iter().map(named).collect()
    }

    /// What must not be relied on.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts: Vec<String> = Vec::new();
        for search in self.searches {
            let label = search.label();
            let capacity = &search.capacity;
            doubts.extend(
                capacity
                    .invalid_reasons
                    .iter()
                    .map(|why| format!("These numbers may not be used: {why}.")),
            );
            if capacity.ended.is_none() {
                doubts.push(format!("{label}: the search was broken off."));
            }
            if let Some(why) = capacity.not_the_engine() {
                doubts.push(format!("{label}: not settled (host): at the plateau, {why}."));
            }
            let failed = capacity.steps.iter().flat_map(|step| &step.failed_checks);
            doubts.extend(failed.map(|check| format!("{label}: the check {check} failed in a step.")));
        }
        doubts.dedup();
        doubts
    }

    /// Searches of the same thing, in the order of the first of them.
    fn groups(&self) -> Vec<Vec<&Searched>> {
        let mut groups: Vec<Vec<&Searched>> = Vec::new();
        for search in self.searches {
            match groups.iter_mut().find(|group| group[0].label() == search.label()) {
                Some(group) => group.push(search),
                None => groups.push(vec![search]),
            }
        }
        groups
    }
}

/// `Polling` in words.
pub fn variant(variant: Variant) -> &'static str {
    match variant {
        Variant::PollingDefault => "polling",
        Variant::PollingTuned => "polling, tuned",
        Variant::EventDriven => "event-driven",
    }
}

/// `1,000 to 1,100 jobs/s`
pub fn interval(interval: Interval) -> String {
    match (interval.low, interval.high) {
        (Some(low), Some(high)) => format!("{} to {} jobs/s", number(low), number(high)),
        (Some(low), None) => format!("{} jobs/s or more", number(low)),
        (None, Some(high)) => format!("less than {} jobs/s", number(high)),
        (None, None) => "an unknown rate".to_owned(),
    }
}

fn width(of: Interval) -> String {
    of.width().map_or_else(|| NONE.to_owned(), percent)
}

fn headline(search: &Searched) -> String {
    let capacity = &search.capacity;
    let width = match capacity.holds.width() {
        Some(width) => format!(" (width {})", percent(width)),
        None => String::new(),
    };
    format!("{}: {} holds{width}.", search.label(), interval(capacity.holds))
}

/// How many steps, why it ended, and what limited it.
fn ground(search: &Searched) -> String {
    let capacity = &search.capacity;
    let steps = counted(capacity.steps.len() as u64, "step");
    let cause = match &capacity.plateau {
        Some(plateau) => format!(" What limited it: {}.", plateau.detail.trim_end_matches('.')),
        None => String::new(),
    };
    let ended = capacity.ended.as_deref().unwrap_or("it was broken off");
    format!("{steps}; {ended}.{cause}")
}

fn agreement(group: Vec<&Searched>) -> String {
    let intervals: Vec<Interval> = group.iter().map(|search| search.capacity.holds).collect();
    let overlap = intervals
        .iter()
        .all(|one| intervals.iter().all(|other| one.overlaps(other)));
    let widths: Vec<f64> = intervals.iter().filter_map(Interval::width).collect();
    let widest = widths.iter().copied().fold(0.0, f64::max);
    let low = intervals.iter().filter_map(|one| one.low).reduce(f64::min);
    let high = intervals.iter().filter_map(|one| one.high).reduce(f64::max);
    let all = Interval { low, high };
    format!(
        "{}, {} repeats: their intervals {}; the widest is {} wide, all together {} ({}).",
        group[0].label(),
        group.len(),
        if overlap { "overlap" } else { "do not all overlap" },
        percent(widest),
        width(all),
        interval(all)
    )
}

/// Headings of [`search_row`]; the first two are words.
pub const SEARCH_HEADS: [&str; 7] = ["search", "holds", "width", "steps", "p99 there", "host CPU", "limit"];

/// One search: its interval, p99 where it still held, host CPU where it did not, and the cause.
pub fn search_row(search: &Searched) -> Vec<String> {
    let capacity = &search.capacity;
    let mut best = capacity
        .steps
        .iter()
        .filter(|step| step.verdict == StepVerdict::Held && Some(step.rate_per_s) == capacity.holds.low);
    let failure = capacity.first_failure();
    let cause = capacity.plateau.as_ref().and_then(|plateau| plateau.dominant);
    vec![
        search.label(),
        interval(capacity.holds),
        width(capacity.holds),
        count(capacity.steps.len() as u64),
        ms_or_none(best.next_back().and_then(|step| step.p99_ms)),
        percent_or_none(failure.and_then(|step| step.host_cpu_share)),
        cause.map_or_else(|| NONE.to_owned(), cause_name),
    ]
}

/// As `capacity.json` spells it, in words.
fn cause_name(cause: crossover_evidence::plateau::Cause) -> String {
    let value = serde_json::to_value(cause).unwrap_or_default();
    value.as_str().map(crate::format::words).unwrap_or_default()
}

/// Headings of [`step_row`]; the first two are words.
pub const STEP_HEADS: [&str; 9] = [
    "jobs/s", "verdict", "slope", "at most", "achieved", "drain", "p50", "p99", "host CPU",
];

/// One step.
pub fn step_row(step: &Step) -> Vec<String> {
    let slope = |value: fn((f64, f64)) -> f64| {
        let share = step.slope_per_s.map(|slope| 100.0 * value(slope) / step.rate_per_s);
        share.map_or_else(|| NONE.to_owned(), |share| format!("{share:+.2} %"))
    };
    vec![
        rate(step.rate_per_s),
        verdict(step).to_owned(),
        slope(|(estimate, _)| estimate),
        slope(|(_, high)| high),
        percent_or_none(step.achieved_ratio),
        step.drain_s.map_or_else(|| "never".to_owned(), seconds),
        ms_or_none(step.p50_ms),
        ms_or_none(step.p99_ms),
        percent_or_none(step.host_cpu_share),
    ]
}

/// In words.
pub fn verdict(step: &Step) -> &'static str {
    match step.verdict {
        StepVerdict::Held => "held",
        StepVerdict::DidNotHold => "did not hold",
        StepVerdict::Unknown if step.limited_by_harness => "generator late",
        StepVerdict::Unknown => "unknown",
    }
}
