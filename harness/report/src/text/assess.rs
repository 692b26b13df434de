//! An assessment in the terminal and in a pull request.

use crossover_evidence::assess::LiveEvidence;

use super::grid::{COLUMNS, code, cut, grid, markdown, markdown_table, wrap};
use crate::assess::{STATEMENT_HEADS, WAIT_HEADS, figures, finding_name, statement_row, subject, wait_row, word};
use crate::format::{moment, sentence};

/// Most rows of waits; the rest is in `assess.json`.
const WAITS_MAX: usize = 8;
/// Columns that a statement's text gets in the terminal.
const STATEMENT_COLUMNS: usize = 44;

/// The assessment as a short text, at most 100 columns.
pub fn assess_terminal(evidence: &LiveEvidence) -> String {
    let condition = &evidence.condition;
    let mut out = wrap(
        &format!("{}, {}", subject(evidence), moment(&evidence.sampled.started_at)),
        "",
    );
    out.push('\n');
    out.push_str(&wrap(&format!("Condition {}. {}", condition.id, condition.text), ""));
    out.push_str(&wrap(
        &format!("{}. {}", word(condition.answer), sentence(&condition.reason)),
        "",
    ));
    out.push_str(&wrap(&format!("→ {}", sentence(&condition.next)), "  "));
    out.push('\n');
    let pairs = figures(evidence);
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in pairs {
        out.push_str(&cut(&format!("  {name:width$}  {value}"), COLUMNS));
        out.push('\n');
    }
    if !evidence.waits.is_empty() {
        out.push('\n');
        out.push_str(&grid(
            &table(&WAIT_HEADS, evidence.waits.iter().take(WAITS_MAX).map(wait_row)),
            3,
        ));
    }
    if let Some(statements) = evidence.statements.as_deref().filter(|all| !all.is_empty()) {
        out.push('\n');
        let rows = statements.iter().map(statement_row).map(|mut row| {
            row[0] = cut(&row[0], STATEMENT_COLUMNS);
            row
        });
        out.push_str(&grid(&table(&STATEMENT_HEADS, rows), 1));
    }
    out.push('\n');
    for finding in &evidence.findings {
        let name = finding_name(finding.kind).to_uppercase();
        out.push_str(&wrap(&format!("{name}: {}", sentence(&finding.evidence)), ""));
        out.push_str(&wrap(&format!("→ {}", sentence(&finding.remedy)), "  "));
    }
    if evidence.findings.is_empty() {
        out.push_str("Nothing else was found.\n");
    }
    out.push_str("\nWhat this does not say:\n");
    for limit in &evidence.limits {
        out.push_str(&wrap(&format!("- {limit}"), "  "));
    }
    out
}

/// The assessment as Markdown.
pub fn assess_markdown(evidence: &LiveEvidence) -> String {
    let condition = &evidence.condition;
    let mut out = format!("### Crossover: {}\n\n", markdown(&subject(evidence)));
    out.push_str(&format!(
        "**Condition {}.** {}\n**{}.** {}\n\n→ {}\n\n",
        condition.id,
        markdown(&condition.text),
        word(condition.answer),
        markdown(&sentence(&condition.reason)),
        markdown(&sentence(&condition.next))
    ));
    for finding in &evidence.findings {
        out.push_str(&format!(
            "- **{}**: {} → {}\n",
            finding_name(finding.kind),
            markdown(&sentence(&finding.evidence)),
            markdown(&sentence(&finding.remedy))
        ));
    }
    if evidence.findings.is_empty() {
        out.push_str("- Nothing else was found.\n");
    }
    let rows = |rows: Vec<Vec<String>>| -> Vec<Vec<String>> {
        let escaped = |row: Vec<String>| row.iter().map(|cell| markdown(cell)).collect();
        rows.into_iter().map(escaped).collect()
    };
    let heads = |heads: &[&str]| heads.iter().map(|head| (*head).to_owned()).collect::<Vec<_>>();
    let pairs = figures(evidence).into_iter().map(|(name, value)| vec![name, value]);
    out.push_str(&format!(
        "\n{}",
        markdown_table(&heads(&["figure", "value"]), 2, &rows(pairs.collect()))
    ));
    if !evidence.waits.is_empty() {
        let waits = evidence.waits.iter().take(WAITS_MAX).map(wait_row).collect();
        out.push_str(&format!("\n{}", markdown_table(&heads(&WAIT_HEADS), 3, &rows(waits))));
    }
    if let Some(statements) = evidence.statements.as_deref().filter(|all| !all.is_empty()) {
        let statements = statements.iter().map(statement_row).collect();
        out.push_str(&format!(
            "\n{}",
            markdown_table(&heads(&STATEMENT_HEADS), 1, &rows(statements))
        ));
    }
    out.push_str("\nWhat this does not say:\n\n");
    for limit in &evidence.limits {
        out.push_str(&format!("- {}\n", markdown(limit)));
    }
    out.push_str(&format!(
        "\n{} · PostgreSQL {}. Repeat: {}\n",
        markdown(&moment(&evidence.sampled.started_at)),
        markdown(&evidence.server.version),
        code(&evidence.sampled.command)
    ));
    out
}

fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Vec<Vec<String>> {
    let heads = heads.iter().map(|head| (*head).to_owned()).collect();
    std::iter::once(heads).chain(rows).collect()
}
