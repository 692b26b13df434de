//! A crossover map in words: who leads where, where the lead changes, and the numbers as a table. For page, terminal, Markdown.

use crossover_evidence::capacity::{HOST_CPU_MAX, StepVerdict, Variant};
use crossover_evidence::map::{Below, CrossoverMap, LEAD_MIN, Lead};

use crate::capacity::variant;
use crate::format::{NONE, count, counted, ms, ms_or_none, number, percent_or_none};

/// All variants, in the order in which they are told.
pub const VARIANTS: [Variant; 3] = [Variant::PollingDefault, Variant::PollingTuned, Variant::EventDriven];

/// What the page of a map shows.
#[derive(Debug, Clone, Copy)]
pub struct MapPage<'a> {
    /// For people.
    pub title: &'a str,
    /// The map; it has at least one point.
    pub map: &'a CrossoverMap,
}

/// `4 replicas`
pub fn replicas(number: u32) -> String {
    counted(number.into(), "replica")
}

/// `1 replica`, `1, 2 and 4 replicas`
fn each(numbers: &[u32]) -> String {
    match numbers {
        [fewer @ .., last] if !fewer.is_empty() => {
            let fewer: Vec<String> = fewer.iter().map(|number| count((*number).into())).collect();
            format!("{} and {}", fewer.join(", "), replicas(*last))
        }
        _ => numbers.iter().copied().map(replicas).collect(),
    }
}

/// For each polling variant, from which rate on event-driven leads; one sentence for all numbers of replicas where it is the
/// same.
pub fn sentences(map: &CrossoverMap) -> Vec<String> {
    let mut sentences = Vec::new();
    for polling in [Variant::PollingDefault, Variant::PollingTuned] {
        let mut told: Vec<(String, Vec<u32>)> = Vec::new();
        for count in &map.replicas {
            let crossing = crossing(map, polling, *count);
            match told.iter_mut().find(|(known, _)| *known == crossing) {
                Some((_, counts)) => counts.push(*count),
                None => told.push((crossing, vec![*count])),
            }
        }
        sentences.extend(
            told.into_iter()
                .map(|(crossing, counts)| format!("against {}, with {}: {crossing}", variant(polling), each(&counts))),
        );
    }
    sentences
}

fn crossing(map: &CrossoverMap, polling: Variant, count: u32) -> String {
    match map.crossing(&[polling], count) {
        Some((Below::NotLed(below), from)) => {
            let (below, from) = (number(below), number(from));
            format!("event-driven leads from somewhere between {below} and {from} jobs/s on")
        }
        Some((Below::Unknown, from)) => format!(
            "event-driven leads from {} jobs/s on; of lower rates it is not known",
            number(from)
        ),
        Some((Below::Lowest, from)) => format!("event-driven leads from the lowest rate on, {} jobs/s", number(from)),
        None => {
            let pair = [polling, Variant::EventDriven];
            let leads =
                |rate: &&f64| matches!(map.lead(&pair, count, **rate), Lead::Of(leader, _) if leader == polling);
            let none = "there is no rate from which event-driven leads for good";
            match map.rates_per_s.iter().rev().find(leads) {
                Some(rate) => format!("{none}; polling leads at {} jobs/s", number(*rate)),
                None => none.to_owned(),
            }
        }
    }
}

/// What must not be relied on.
pub fn doubts(map: &CrossoverMap) -> Vec<String> {
    let reasons = map.invalid_reasons.iter();
    let mut doubts: Vec<String> = reasons
        .map(|why| format!("These numbers may not be used: {why}."))
        .collect();
    if !map.is_complete(&VARIANTS) {
        let all = map.rates_per_s.len() * map.replicas.len() * VARIANTS.len();
        doubts.push(format!("Of {all} points, {} were run.", map.points.len()));
    }
    let number = |is: fn(&crossover_evidence::map::Point) -> bool| map.points.iter().filter(|point| is(point)).count();
    let host =
        number(|point| point.step.verdict != StepVerdict::Held && point.step.host_cpu_share > Some(HOST_CPU_MAX));
    if host > 0 {
        doubts.push(format!(
            "Not settled (host): at {host} points that did not hold, the machine's processors were more than 90 % busy: they are \
             its limit and no mode's."
        ));
    }
    let late = number(|point| point.step.limited_by_harness);
    if late > 0 {
        doubts.push(format!(
            "At {late} points the load generator was late: they tell nothing."
        ));
    }
    let failed = number(|point| !point.step.failed_checks.is_empty());
    if failed > 0 {
        doubts.push(format!("At {failed} points a check failed."));
    }
    doubts
}

/// What a lead is.
pub fn rule() -> String {
    format!(
        "Who holds leads whoever does not; of those that hold, the lower p99 leads, if it is {} times lower or more. One run a \
         point: no interval can be given at a point.",
        number(LEAD_MIN)
    )
}

/// Who leads, in two words: `tuned 3.1×`.
pub fn lead(lead: Lead) -> String {
    match lead {
        Lead::Of(leader, Some(times)) => format!("{} {}×", short(leader), number(times)),
        Lead::Of(leader, None) => format!("{} alone", short(leader)),
        Lead::Tie => "tie".to_owned(),
        Lead::Nobody => "none holds".to_owned(),
        Lead::Unknown => "unknown".to_owned(),
    }
}

/// A variant in one word.
pub fn short(variant: Variant) -> &'static str {
    match variant {
        Variant::PollingDefault => "polling",
        Variant::PollingTuned => "tuned",
        Variant::EventDriven => "events",
    }
}

/// Headings of [`rows`]; the first is words.
pub const HEADS: [&str; 9] = [
    "replicas",
    "jobs/s",
    "polling p99",
    "tuned p99",
    "events p99",
    "leads",
    "CPU polling",
    "tuned",
    "events",
];

/// One row a place of the grid: p99 of each variant, marked where it does not hold; who leads; host CPU of each.
pub fn rows(map: &CrossoverMap) -> Vec<Vec<String>> {
    let places = map
        .replicas
        .iter()
        .flat_map(|count| map.rates_per_s.iter().map(move |rate| (*count, *rate)));
    let row = |(replicas, rate): (u32, f64)| {
        let mut row = vec![count(replicas.into()), number(rate)];
        row.extend(VARIANTS.map(|variant| cell(map, variant, replicas, rate)));
        row.push(lead(map.lead(&VARIANTS, replicas, rate)));
        row.extend(VARIANTS.map(|variant| {
            let point = map.point(variant, replicas, rate);
            percent_or_none(point.and_then(|point| point.step.host_cpu_share))
        }));
        row
    };
    places.map(row).collect()
}

/// p99, and a mark where it does not hold.
fn cell(map: &CrossoverMap, variant: Variant, replicas: u32, rate: f64) -> String {
    let Some(point) = map.point(variant, replicas, rate) else {
        return NONE.to_owned();
    };
    let p99 = ms_or_none(point.step.p99_ms);
    match point.step.verdict {
        StepVerdict::Held => p99,
        StepVerdict::DidNotHold => format!("✕ {p99}"),
        StepVerdict::Unknown => format!("? {p99}"),
    }
}

/// p99 of whoever leads.
pub fn best_p99(map: &CrossoverMap, lead: Lead, replicas: u32, rate: f64) -> Option<String> {
    let Lead::Of(leader, _) = lead else { return None };
    map.point(leader, replicas, rate)?.step.p99_ms.map(ms)
}
