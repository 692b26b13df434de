//! A comparison in the terminal and in a pull request.

use crossover_evidence::result::{Check, Claim, Verdict};

use super::grid::{block, code, grid, markdown, markdown_table, wrap};
use crate::ComparePage;
use crate::compare::figures::groups;
use crate::compare::runs;
use crate::compare::verdict::{banner, caveat};
use crate::format::{moment, sentence, words};
use crate::html::claim_word;

const HEADS: [&str; 4] = ["", "polling", "event-driven", "change"];

/// The comparison as a short text, at most 100 columns.
pub fn compare_terminal(page: &ComparePage) -> String {
    let (comparison, runs) = (page.comparison, runs(page));
    let banner = banner(runs);
    let facts = format!(
        "{} · polling against event-driven · {} · seed {}",
        comparison.scenario,
        moment(&comparison.started_at),
        comparison.seed
    );
    let mut out = wrap(&facts, "");
    out.push('\n');
    out.push_str(&wrap(&format!("{}. {}", banner.words, banner.headline), ""));
    for sentence in banner.troubles.iter().chain(&banner.findings) {
        out.push_str(&wrap(sentence, "  "));
    }
    out.push('\n');
    // One grid for all groups, so that the columns line up; the headings and gaps stand between its lines.
    let groups = groups(runs);
    let rows = groups.iter().flat_map(|group| &group.rows).map(|row| {
        let [(_, polling), (_, event)] = row.values.clone().named();
        vec![format!("  {}", row.name), polling, event, row.change.clone()]
    });
    let table = grid(
        &std::iter::once(HEADS.map(str::to_owned).to_vec())
            .chain(rows)
            .collect::<Vec<_>>(),
        1,
    );
    let mut lines = table.lines();
    out.push_str(&format!("{}\n", lines.next().unwrap_or_default()));
    for group in &groups {
        out.push_str(&wrap(&group.title, "  "));
        for line in lines.by_ref().take(group.rows.len()) {
            out.push_str(&format!("{line}\n"));
        }
    }
    out.push('\n');
    // Runs that can't be compared leave every claim with the same words.
    let alike = |a: &Claim, b: &Claim| (a.verdict, &a.evidence) == (b.verdict, &b.evidence);
    for claims in comparison.claims.chunk_by(alike) {
        out.push_str(&wrap(&claim_line(claims), "  "));
    }
    for (mode, check) in not_passed(page) {
        let text = format!("{} {mode}: {}: {}", mark(check), words(&check.name), check.detail);
        out.push_str(&wrap(&text, "  "));
    }
    out.push('\n');
    out.push_str(&wrap(&caveat(runs), ""));
    out
}

/// The comparison as Markdown.
pub fn compare_markdown(page: &ComparePage) -> String {
    let (comparison, runs) = (page.comparison, runs(page));
    let banner = banner(runs);
    let mut out = format!(
        "### Crossover: {} · polling against event-driven\n\n**{}.** {}\n\n",
        markdown(&comparison.scenario),
        banner.words,
        markdown(&banner.headline)
    );
    for sentence in banner.troubles.iter().chain(&banner.findings) {
        out.push_str(&format!("- {}\n", markdown(sentence)));
    }
    out.push('\n');
    let heads = ["figure", "polling", "event-driven", "change"].map(str::to_owned);
    let mut rows: Vec<Vec<String>> = Vec::new();
    for group in groups(runs) {
        rows.push(vec![
            format!("**{}**", markdown(&group.title)),
            String::new(),
            String::new(),
            String::new(),
        ]);
        rows.extend(group.rows.into_iter().map(|row| {
            let [(_, polling), (_, event)] = row.values.named();
            [row.name, polling, event, row.change]
                .map(|cell| markdown(&cell))
                .to_vec()
        }));
    }
    out.push_str(&markdown_table(&heads, 1, &rows));
    out.push_str(&claims(&comparison.claims));
    out.push_str(&troubles(page));
    out.push_str(&format!(
        "\n{} {}, seed {}. Repeat: {}\n",
        markdown(&caveat(runs)),
        markdown(&moment(&comparison.started_at)),
        comparison.seed,
        code(&comparison.command)
    ));
    out
}

fn claims(claims: &[Claim]) -> String {
    if claims.is_empty() {
        return String::new();
    }
    let row = |claim: &Claim| {
        let text = format!("**{}** {}", markdown(&claim.id), markdown(&claim.text));
        vec![
            text,
            claim_word(claim.verdict).to_owned(),
            markdown(&sentence(&claim.evidence)),
        ]
    };
    let rows: Vec<Vec<String>> = claims.iter().map(row).collect();
    format!(
        "\n{}",
        markdown_table(&["claim", "verdict", "the number"].map(str::to_owned), 3, &rows)
    )
}

fn troubles(page: &ComparePage) -> String {
    let mut out = String::new();
    for (mode, check) in not_passed(page) {
        let word = if check.verdict == Verdict::Fail {
            "Failed"
        } else {
            "Not known"
        };
        let (name, detail) = (markdown(&words(&check.name)), markdown(&check.detail));
        out.push_str(&format!("\n**{word} in {mode}: {name}.** {detail}\n"));
        if !check.story.is_empty() {
            out.push_str(&block(&check.story));
        }
    }
    let unchecked = runs(page).named().into_iter().filter(|(_, run)| run.checks.is_empty());
    out.extend(unchecked.map(|(mode, _)| format!("\nNo check was run in {mode}.\n")));
    if out.is_empty() {
        out.push_str("\nAll checks of both runs passed.\n");
    }
    out
}

fn not_passed<'a>(page: &ComparePage<'a>) -> Vec<(&'static str, &'a Check)> {
    let of_run = |(mode, run): (&'static str, &'a crossover_evidence::result::RunResult)| {
        let checks = run.checks.iter().filter(|check| check.verdict != Verdict::Pass);
        checks.map(move |check| (mode, check))
    };
    runs(page).named().into_iter().flat_map(of_run).collect()
}

fn mark(check: &Check) -> &'static str {
    match check.verdict {
        Verdict::Pass => "ok",
        Verdict::Fail => "FAIL",
        Verdict::Unknown => "?",
    }
}

fn claim_line(claims: &[Claim]) -> String {
    let ids: Vec<&str> = claims.iter().map(|claim| claim.id.as_str()).collect();
    let said = claims.first().map_or_else(String::new, |claim| {
        let word = claim_word(claim.verdict).to_uppercase();
        format!("{word}. {}", sentence(&claim.evidence))
    });
    format!("{} {said}", ids.join(", "))
}
