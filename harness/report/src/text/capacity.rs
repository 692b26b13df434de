//! Capacity searches in the terminal and in a pull request.

use super::grid::{code, grid, markdown, markdown_table, wrap};
use crate::capacity::{CapacityPage, SEARCH_HEADS, STEP_HEADS, search_row, step_row};
use crate::format::{moment, sentence};
use crate::html::claim_word;

/// The searches as a short text, at most 100 columns.
pub fn capacity_terminal(page: &CapacityPage) -> String {
    let mut out = wrap(
        &format!("{} · {} · {}", page.title, page.scenario, moment(page.started_at())),
        "",
    );
    for line in page.sentences().iter().chain(&page.grounds()).chain(&page.doubts()) {
        out.push_str(&wrap(&sentence(line), ""));
    }
    for claim in page.claims {
        let word = claim_word(claim.verdict).to_uppercase();
        out.push_str(&wrap(
            &format!("{} {word}. {}", claim.id, sentence(&claim.evidence)),
            "",
        ));
    }
    for search in page.searches {
        out.push('\n');
        if page.searches.len() > 1 {
            out.push_str(&wrap(&search.label(), "  "));
        }
        let heads = STEP_HEADS.map(str::to_owned).to_vec();
        let steps = search.capacity.steps.iter().map(step_row);
        let rows: Vec<Vec<String>> = std::iter::once(heads).chain(steps).collect();
        out.push_str(&grid(&rows, 2));
    }
    out
}

/// The searches as Markdown.
pub fn capacity_markdown(page: &CapacityPage) -> String {
    let mut out = format!("### Crossover: {}\n\n", markdown(page.title));
    for line in page.sentences().iter().chain(&page.grounds()).chain(&page.doubts()) {
        out.push_str(&format!("- {}\n", markdown(&sentence(line))));
    }
    for claim in page.claims {
        let (id, evidence) = (markdown(&claim.id), markdown(&sentence(&claim.evidence)));
        out.push_str(&format!("- **{id} {}.** {evidence}\n", claim_word(claim.verdict)));
    }
    let escaped = |row: Vec<String>| row.iter().map(|cell| markdown(cell)).collect();
    let rows: Vec<Vec<String>> = page.searches.iter().map(|search| escaped(search_row(search))).collect();
    out.push_str(&format!(
        "\n{}",
        markdown_table(&SEARCH_HEADS.map(str::to_owned), 2, &rows)
    ));
    for search in page.searches {
        let rows: Vec<Vec<String>> = search
            .capacity
            .steps
            .iter()
            .map(|step| escaped(step_row(step)))
            .collect();
        let table = markdown_table(&STEP_HEADS.map(str::to_owned), 2, &rows);
        out.push_str(&format!("\n{}:\n\n{table}", markdown(&search.label())));
    }
    out.push_str(&format!(
        "\n{} · {}. Every step is a run on a fresh database, on a shared machine. Repeat: {}\n",
        markdown(page.scenario),
        markdown(&moment(page.started_at())),
        code(page.command)
    ));
    out
}
