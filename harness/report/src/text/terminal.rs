//! A run in the terminal: plain text, no colour codes, at most 100 columns.

use crossover_evidence::result::{Percentiles, RunResult, Verdict};

use super::grid::{COLUMNS, cut, grid, wrap};
use crate::format::{
    NONE, count, jobs, moment, ms_or_none, percent, percent_or_none, percentile_short, phase, rate, seconds, words,
};
use crate::limit::headline;
use crate::verdict;

/// The run as a short text.
pub fn run_terminal(result: &RunResult) -> String {
    let run = &result.run;
    let banner = verdict::banner(result);
    let mut out = wrap(
        &format!(
            "{} · {} · {} · seed {}",
            run.scenario,
            run.mode,
            moment(&run.started_at),
            run.seed
        ),
        "",
    );
    out.push('\n');
    let interrupted = if banner.interrupted { ", INTERRUPTED" } else { "" };
    out.push_str(&wrap(
        &format!("{}{interrupted}. {}", banner.word.text(), banner.headline),
        "",
    ));
    for sentence in &banner.sentences {
        out.push_str(&wrap(sentence, "  "));
    }
    out.push('\n');
    out.push_str(&latency(result));
    out.push('\n');
    out.push_str(&phases(result));
    out.push('\n');
    out.push_str(&figures(result));
    out.push('\n');
    out.push_str(&checks(result));
    out
}

fn cells(name: &str, of: &Percentiles) -> Vec<String> {
    let mut row = vec![name.to_owned(), count(of.count)];
    row.extend([of.p50, of.p90, of.p99, of.p999].map(|value| percentile_short(value, of)));
    row.push(ms_or_none(of.max));
    row
}

fn latency(result: &RunResult) -> String {
    let latency = &result.latency_ms;
    let heads = ["latency", "jobs", "p50", "p90", "p99", "p99.9", "max"]
        .map(str::to_owned)
        .to_vec();
    let rows = [
        heads,
        cells("dispatch, from intended", &latency.dispatch),
        cells("dispatch, from send", &latency.dispatch_from_send),
        cells("completion", &latency.completion),
    ];
    let mut out = grid(&rows, 1);
    if latency.dispatch.censored > 0 {
        out.push_str(&wrap(
            &format!("{} never started.", jobs(latency.dispatch.censored)),
            "  ",
        ));
    }
    out
}

fn phases(result: &RunResult) -> String {
    let heads = [
        "phase",
        "arrivals",
        "for",
        "jobs",
        "p50",
        "p99",
        "completed",
        "lock waits",
    ]
    .map(str::to_owned)
    .to_vec();
    let rows = result.phases.iter().map(|each| {
        let of = &each.latency_ms.dispatch;
        let name = phase(&each.name, each.warmup);
        vec![
            name,
            each.arrivals.clone(),
            seconds(each.duration_s),
            count(of.count),
            percentile_short(of.p50, of),
            percentile_short(of.p99, of),
            rate(each.throughput.completed_per_s),
            percent_or_none(each.lock_wait_share),
        ]
    });
    grid(&std::iter::once(heads).chain(rows).collect::<Vec<_>>(), 2)
}

fn figures(result: &RunResult) -> String {
    let load = &result.load;
    let host = result.instrument.host_cpu_share;
    let mut rows = vec![
        vec![
            "accepted".to_owned(),
            format!("{} of {} starts", percent(load.achieved_ratio), count(load.intended)),
        ],
        vec![
            "lock waits on job".to_owned(),
            format!(
                "{} of active backends",
                percent_or_none(result.postgres.lock_wait_share)
            ),
        ],
        vec!["sent over 10 ms late".to_owned(), percent(load.late_share)],
        vec!["host CPU busy".to_owned(), percent_or_none(host)],
    ];
    if let Some(plateau) = &result.plateau {
        rows.push(vec!["what limits it".to_owned(), headline(plateau).to_owned()]);
    }
    if let Some(outbox) = &result.outbox {
        let drained = outbox.drain_s.map_or_else(|| NONE.to_owned(), seconds);
        let text = format!(
            "most {}, at the end {}, drained in {drained}",
            count(outbox.backlog_max),
            count(outbox.backlog_end)
        );
        rows.push(vec!["outbox backlog".to_owned(), text]);
    }
    if let Some(most) = result.lag.iter().map(|lag| lag.max).max() {
        rows.push(vec![
            "consumer lag".to_owned(),
            format!("most {} records on one partition", count(most)),
        ]);
    }
    for policy in result.downstream.iter().flat_map(|downstream| &downstream.policies) {
        let while_sick = policy.share_while_sick.map_or_else(String::new, |share| {
            format!(
                ", {} while it was sick: {} of all",
                count(policy.requests_while_sick),
                percent(share)
            )
        });
        rows.push(vec![
            format!("downstream, {}", policy.name),
            format!("{} requests{while_sick}", count(policy.requests)),
        ]);
    }
    grid(&rows, 2)
}

fn checks(result: &RunResult) -> String {
    let mut out = String::new();
    for check in &result.checks {
        let mark = match check.verdict {
            Verdict::Pass => "ok  ",
            Verdict::Fail => "FAIL",
            Verdict::Unknown => "?   ",
        };
        let text = wrap(&format!("{}: {}", words(&check.name), check.detail), "       ");
        out.push_str(&format!("  {mark} {}", text.trim_start()));
        for line in check.story.iter().take(6) {
            out.push_str(&format!("{}\n", cut(&format!("         {line}"), COLUMNS)));
        }
    }
    out
}
