//! A comparison of two builds in words: the verdict of each mode, its numbers, and what must not be relied on. For page, terminal,
//! Markdown and the progress of the command.

use crossover_evidence::interval::Interval;
use crossover_evidence::regress::{Finding, Metric, ModePairs, NEEDED_MAX, PAIRS_MIN, Pair, Regression, Verdict};

use crate::format::{NONE, count, mebibytes, ms, number, rate};

/// A verdict as a word.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "BETTER",
        Verdict::Worse => "WORSE",
        Verdict::Same => "SAME",
        Verdict::CantTell => "CAN'T TELL",
    }
}

/// CSS class of the banner: of the gravest verdict.
pub fn class(regression: &Regression) -> &'static str {
    let is = |verdict: Verdict| {
        let mut primaries = regression.modes.iter().map(primary_verdict);
        primaries.any(|found| found == verdict)
    };
    match regression {
        _ if !regression.invalid_reasons.is_empty() => "invalid",
        _ if !regression.failed.is_empty() || is(Verdict::Worse) => "broken",
        _ if is(Verdict::CantTell) => "degraded",
        _ => "held",
    }
}

/// The verdict of a mode; without any pair nobody can tell.
pub fn primary_verdict(mode: &ModePairs) -> Verdict {
    mode.primary().map_or(Verdict::CantTell, |finding| finding.verdict)
}

/// A metric in a few words.
pub fn metric(metric: Metric) -> &'static str {
    match metric {
        Metric::CpuMsPerJob => "CPU per job",
        Metric::EngineCpuMsPerJob => "engine's CPU per job",
        Metric::PostgresCpuMsPerJob => "PostgreSQL's CPU per job",
        Metric::DispatchMsP50 => "dispatch p50",
        Metric::DispatchMsP99 => "dispatch p99",
        Metric::CompletionMsP50 => "completion p50",
        Metric::EngineMemoryMb => "engine's memory",
        Metric::CapacityPerS => "capacity",
    }
}

/// A finding's metric, and whether it decides.
pub fn name(finding: &Finding) -> String {
    match finding.is_primary {
        true => format!("{} (decides)", metric(finding.metric)),
        false => metric(finding.metric).to_owned(),
    }
}

fn value(metric: Metric, value: Option<f64>) -> String {
    let show = match metric {
        Metric::EngineMemoryMb => mebibytes,
        Metric::CapacityPerS => rate,
        _ => ms,
    };
    value.map_or_else(|| NONE.to_owned(), show)
}

/// A ratio as a change: `+3.2 %`, `−0.4 %`.
pub fn change(ratio: f64) -> String {
    let share = 100.0 * (ratio - 1.0);
    match share {
        _ if share.abs() < 0.05 => "±0 %".to_owned(),
        _ if share < 0.0 => format!("−{:.1} %", -share),
        _ => format!("+{share:.1} %"),
    }
}

/// `−1.2 to +3.4 %`
pub fn interval(interval: Option<Interval>) -> String {
    let ends = |interval: Interval| {
        let low = change(interval.low);
        format!("{} to {}", low.trim_end_matches(" %"), change(interval.high))
    };
    interval.map_or_else(|| NONE.to_owned(), ends)
}

/// What the primary metric of a mode says.
pub fn sentence(mode: &ModePairs, wanted: u32) -> String {
    let Some(finding) = mode.primary() else {
        return "no pair came to its end".to_owned();
    };
    let (name, tolerance) = (metric(finding.metric), tolerance(finding));
    let (Some(ratio), true) = (finding.ratio, finding.pairs >= PAIRS_MIN) else {
        return format!(
            "of {} pairs, {} could be used, and {} are needed at least",
            count(wanted.into()),
            count(finding.pairs.into()),
            count(PAIRS_MIN.into())
        );
    };
    let told = format!(
        "{name} {} from base to head (95 %: {}; {} pairs)",
        change(ratio),
        interval(finding.student),
        count(finding.pairs.into())
    );
    match finding.verdict {
        Verdict::Worse | Verdict::Better => format!("{told}, beyond the tolerated {tolerance}"),
        Verdict::Same => format!("{told}, within the tolerated {tolerance}"),
        Verdict::CantTell => format!(
            "{told}: it may be within the tolerated {tolerance}, or beyond; {}",
            needed(finding)
        ),
    }
}

fn tolerance(finding: &Finding) -> String {
    format!("{} %", number(100.0 * finding.tolerance))
}

/// How many pairs would tell.
fn needed(finding: &Finding) -> String {
    match finding.pairs_needed {
        Some(pairs) => format!(
            "{} pairs would tell, if difference and spread stay as they are",
            count(pairs.into())
        ),
        None => format!(
            "not even {} pairs would tell, if difference and spread stay as they are: it lies at the tolerance, or the spread is \
             too large",
            count(NEEDED_MAX.into())
        ),
    }
}

/// What must not be relied on, and what stands beside the verdict.
pub fn doubts(regression: &Regression) -> Vec<String> {
    let reasons = regression.invalid_reasons.iter();
    let mut doubts: Vec<String> = reasons
        .map(|why| format!("these numbers may not be used: {why}"))
        .collect();
    doubts.extend(regression.failed.iter().map(|what| format!("head broke: {what}")));
    for mode in &regression.modes {
        let (name, missing) = (&mode.mode, mode.missing());
        if missing > 0 {
            doubts.push(format!(
                "{name}: {missing} of {} pairs are missing: a run of theirs could not be used at any try",
                mode.pairs.len()
            ));
        }
        let unfinished = regression.settings.pairs as usize - mode.pairs.len().min(regression.settings.pairs as usize);
        if unfinished > 0 {
            doubts.push(format!(
                "{name}: {unfinished} of {} pairs have not run yet",
                regression.settings.pairs
            ));
        }
        let beyond = mode.findings.iter().filter(|finding| !finding.is_primary);
        for finding in beyond.filter(|finding| matches!(finding.verdict, Verdict::Worse | Verdict::Better)) {
            let ratio = finding.ratio.map_or_else(String::new, change);
            doubts.push(format!(
                "{name}, deciding nothing: {} {ratio}, {}",
                metric(finding.metric),
                word(finding.verdict).to_lowercase()
            ));
        }
    }
    doubts
}

/// The rule, for who meets it the first time.
pub const RULE: &str = "Worse and better: Student's and the bootstrap's 95 % interval both lie beyond the tolerance. Same: both lie \
    within it. Across its edge, nobody can tell. Of all other metrics Holm's correction is asked, too, and none of them decides.";

/// Headings of [`rows`]; the first two are words.
pub const HEADS: [&str; 11] = [
    "metric",
    "verdict",
    "base",
    "head",
    "change",
    "Student 95 %",
    "bootstrap 95 %",
    "tolerated",
    "spread",
    "p",
    "pairs",
];

/// One row a metric.
pub fn rows(mode: &ModePairs) -> Vec<Vec<String>> {
    let row = |finding: &Finding| {
        let p = finding.p_holm.or(finding.p);
        vec![
            name(finding),
            word(finding.verdict).to_lowercase(),
            value(finding.metric, finding.base_median),
            value(finding.metric, finding.head_median),
            finding.ratio.map_or_else(|| NONE.to_owned(), change),
            interval(finding.student),
            interval(finding.bootstrap),
            format!("± {}", tolerance(finding)),
            finding
                .spread
                .map_or_else(|| NONE.to_owned(), |spread| format!("{:.1} %", 100.0 * spread)),
            p.map_or_else(|| NONE.to_owned(), probability),
            count(finding.pairs.into()),
        ]
    };
    mode.findings.iter().map(row).collect()
}

fn probability(p: f64) -> String {
    if p < 0.001 {
        "< 0.001".to_owned()
    } else {
        format!("{p:.3}")
    }
}

/// Headings of [`pair_row`].
pub const PAIR_HEADS: [&str; 6] = ["pair", "first", "base", "head", "change", "tries"];

/// A pair by the primary metric.
pub fn pair_row(pair: &Pair, metric: Metric) -> Vec<String> {
    let of = |run: fn(&crossover_evidence::regress::Measured) -> &crossover_evidence::regress::Run| {
        let measured = pair.measured.as_ref();
        value(
            metric,
            measured.and_then(|measured| run(measured).values.get(&metric).copied()),
        )
    };
    vec![
        count(pair.number.into()),
        pair.first.name().to_owned(),
        of(|measured| &measured.base),
        of(|measured| &measured.head),
        pair.log_ratio(metric)
            .map_or_else(|| "missing".to_owned(), |log| change(log.exp())),
        count(pair.tries.into()),
    ]
}

/// What is known after a pair, in a line.
pub fn progress(mode: &ModePairs, wanted: u32) -> String {
    let Some((pair, finding)) = mode.pairs.last().zip(mode.primary()) else {
        return format!("{}: no pair yet", mode.mode);
    };
    let so_far = match finding.ratio {
        Some(ratio) => format!("; so far {} (95 %: {})", change(ratio), interval(finding.student)),
        None => String::new(),
    };
    let this = pair.log_ratio(finding.metric);
    let this = this.map_or_else(|| "missing".to_owned(), |log| change(log.exp()));
    format!(
        "{}: pair {} of {wanted}: {} {this}{so_far}",
        mode.mode,
        pair.number,
        metric(finding.metric)
    )
}
