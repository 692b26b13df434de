//! A run for a pull request: the word, the sentences, one table, the checks that did not pass.

use crossover_evidence::result::{Percentiles, RunResult, Verdict};

use super::grid::{block, code, markdown, markdown_table};
use crate::format::{count, moment, ms_or_none, percent, percent_or_none, percentile, rate, sentence, words};
use crate::limit::headline;
use crate::verdict;

/// The run as Markdown.
pub fn run_markdown(result: &RunResult) -> String {
    let run = &result.run;
    let banner = verdict::banner(result);
    let interrupted = if banner.interrupted { ", INTERRUPTED" } else { "" };
    let mut out = format!(
        "### Crossover: {} · {}\n\n**{}{interrupted}.** {}\n\n",
        markdown(&run.scenario),
        markdown(&run.mode),
        banner.word.text(),
        markdown(&banner.headline)
    );
    for sentence in &banner.sentences {
        out.push_str(&format!("- {}\n", markdown(sentence)));
    }
    out.push('\n');
    out.push_str(&latency(result));
    out.push_str(&format!(
        "\n{} of {} starts accepted, {} completed, lock waits {} of active backends, host CPU {} busy.\n\n",
        percent(result.load.achieved_ratio),
        count(result.load.intended),
        rate(result.throughput.completed_per_s),
        percent_or_none(result.postgres.lock_wait_share),
        percent_or_none(result.instrument.host_cpu_share)
    ));
    if let Some(plateau) = &result.plateau {
        let (what, why) = (markdown(headline(plateau)), markdown(&plateau.detail));
        out.push_str(&format!("**It did not keep up: {what}.** {}\n\n", sentence(&why)));
    }
    out.push_str(&checks(result));
    out.push_str(&format!(
        "\nOne run on a shared machine, {}, seed {}. Repeat: {}\n",
        markdown(&moment(&run.started_at)),
        run.seed,
        code(&run.command)
    ));
    out
}

fn latency(result: &RunResult) -> String {
    let cells = |name: &str, of: &Percentiles| {
        let mut row = vec![name.to_owned(), count(of.count)];
        row.extend([of.p50, of.p99, of.p999].map(|value| percentile(value, of)));
        row.push(ms_or_none(of.max));
        row
    };
    let mut rows = vec![
        cells("dispatch, from intended", &result.latency_ms.dispatch),
        cells("dispatch, from send", &result.latency_ms.dispatch_from_send),
        cells("completion", &result.latency_ms.completion),
    ];
    let phases = result.phases.iter().filter(|phase| !phase.warmup);
    rows.extend(phases.map(|phase| {
        let name = format!("dispatch, {} ({})", markdown(&phase.name), markdown(&phase.arrivals));
        cells(&name, &phase.latency_ms.dispatch)
    }));
    markdown_table(
        &["latency", "jobs", "p50", "p99", "p99.9", "max"].map(str::to_owned),
        1,
        &rows,
    )
}

fn checks(result: &RunResult) -> String {
    let names = |verdict: Verdict| {
        let of = result.checks.iter().filter(|check| check.verdict == verdict);
        of.map(|check| markdown(&words(&check.name)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut out = format!(
        "Checks passed: {}.\n",
        Some(names(Verdict::Pass))
            .filter(|n| !n.is_empty())
            .unwrap_or("none".into())
    );
    for check in result.checks.iter().filter(|check| check.verdict != Verdict::Pass) {
        let word = if check.verdict == Verdict::Fail {
            "Failed"
        } else {
            "Not known"
        };
        out.push_str(&format!(
            "\n**{word}: {}.** {}\n",
            markdown(&words(&check.name)),
            markdown(&check.detail)
        ));
        if !check.story.is_empty() {
            out.push_str(&block(&check.story));
        }
    }
    out
}
