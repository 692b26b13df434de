//! A sweep in the terminal and in a pull request.

use super::grid::{code, grid, markdown, markdown_table, wrap};
use crate::format::{count, moment, percent_or_none, percentile_short, rate, sentence};
use crate::html::{claim_word, doubt, trust};
use crate::spread;
use crate::verdict;
use crate::{SweepPage, SweepPoint};

const HEADS: [&str; 6] = ["jobs", "p50", "p99", "completed", "lock waits", "verdict"];

/// The sweep as a short text, at most 100 columns.
pub fn sweep_terminal(page: &SweepPage) -> String {
    let mut out = wrap(
        &format!(
            "{} · {} · {} · {}",
            page.title,
            page.scenario,
            page.mode,
            moment(page.started_at)
        ),
        "",
    );
    out.push('\n');
    for finding in page.findings {
        let word = claim_word(finding.verdict).to_uppercase();
        out.push_str(&wrap(
            &format!("{} {word}. {}", finding.id, sentence(&finding.evidence)),
            "",
        ));
    }
    if let Some(doubt) = doubt(page.points) {
        out.push_str(&wrap(&doubt, ""));
    }
    out.push('\n');
    let heads = page.keys.iter().cloned().chain(HEADS.map(str::to_owned)).collect();
    let rows: Vec<Vec<String>> = std::iter::once(heads).chain(page.points.iter().map(row)).collect();
    out.push_str(&grid(&rows, page.keys.len()));
    if spread::is_repeated(page) {
        let heads = page
            .keys
            .iter()
            .cloned()
            .chain(spread::HEADS.map(str::to_owned))
            .collect();
        let rows: Vec<Vec<String>> = std::iter::once(heads).chain(spread::rows(page)).collect();
        out.push_str(&format!("\n{}", grid(&rows, page.keys.len())));
    }
    out
}

/// The sweep as Markdown.
pub fn sweep_markdown(page: &SweepPage) -> String {
    let mut out = format!("### Crossover: {}\n\n", markdown(page.title));
    for finding in page.findings {
        let word = claim_word(finding.verdict);
        out.push_str(&format!(
            "- **{} {word}.** {}\n",
            markdown(&finding.id),
            markdown(&sentence(&finding.evidence))
        ));
    }
    if let Some(doubt) = doubt(page.points) {
        out.push_str(&format!("- {doubt}\n"));
    }
    out.push('\n');
    let heads: Vec<String> = page
        .keys
        .iter()
        .map(|key| code(key))
        .chain(HEADS.map(str::to_owned))
        .collect();
    let rows: Vec<Vec<String>> = page
        .points
        .iter()
        .map(|point| row(point).iter().map(|cell| markdown(cell)).collect())
        .collect();
    out.push_str(&markdown_table(&heads, page.keys.len(), &rows));
    if spread::is_repeated(page) {
        let keys = page.keys.iter().map(|key| code(key));
        let heads: Vec<String> = keys.chain(spread::HEADS.map(str::to_owned)).collect();
        out.push_str(&format!(
            "\n{}",
            markdown_table(&heads, page.keys.len(), &spread::rows(page))
        ));
    }
    out.push_str(&format!(
        "\n{} · {} · {}. {} Repeat: {}\n",
        markdown(page.scenario),
        markdown(page.mode),
        markdown(&moment(page.started_at)),
        trust(page),
        code(page.command)
    ));
    out
}

fn row(point: &SweepPoint) -> Vec<String> {
    let result = &point.result;
    let of = &result.latency_ms.dispatch;
    let mut row = point.values.clone();
    row.extend([
        count(of.count),
        percentile_short(of.p50, of),
        percentile_short(of.p99, of),
        rate(result.throughput.completed_per_s),
        percent_or_none(result.postgres.lock_wait_share),
        verdict::word(result).text().to_owned(),
    ]);
    row
}
