//! A diff in the terminal and in a pull request.

use crossover_evidence::diff::{Diff, Figure};

use super::grid::{code, cut, grid, markdown, markdown_table, wrap};
use crate::diff::{self, DiffPage};
use crate::format::{NONE, moment, sentence};

/// Settings that the terminal shows; the page and the pull request have all.
const SETTINGS_MAX: usize = 12;
/// Widest name or value of a setting in the terminal (columns).
const CELL_MAX: usize = 32;

/// The diff as a short text, at most 100 columns.
pub fn diff_terminal(page: &DiffPage) -> String {
    let diff = page.diff;
    let mut out = String::new();
    for run in &diff.runs {
        out.push_str(&wrap(&format!("{}  {}", run.label, run.id), ""));
    }
    out.push('\n');
    out.push_str(&wrap(&diff::headline(diff), ""));
    for line in diff.doubts.iter().map(|doubt| format!("! {}", sentence(doubt))) {
        out.push_str(&wrap(&line, "  "));
    }
    for line in diff::findings(diff) {
        out.push_str(&wrap(&line, "  "));
    }
    if !diff.settings.is_empty() {
        out.push('\n');
        let mut rows = settings(diff);
        let left_out = rows.len().saturating_sub(SETTINGS_MAX + 1);
        rows.truncate(SETTINGS_MAX + 1);
        rows.iter_mut().flatten().for_each(|cell| *cell = cut(cell, CELL_MAX));
        out.push_str(&grid(&rows, diff.runs.len() + 1));
        if left_out > 0 {
            out.push_str(&wrap(&format!("and {left_out} more: see the page"), "  "));
        }
    }
    out.push('\n');
    let figures: Vec<&Figure> = diff.groups.iter().flat_map(|group| &group.figures).collect();
    // Three columns of intervals are wider than a terminal; the page has them all.
    let change: Change = if diff.runs.len() > 2 {
        diff::change_short
    } else {
        diff::change
    };
    // One grid for all groups, so that the columns line up; the headings stand between its lines.
    let rows = std::iter::once(heads(diff)).chain(figures.iter().map(|figure| row(figure, "  ", change)));
    let table = grid(&rows.collect::<Vec<_>>(), 1);
    let mut lines = table.lines();
    out.push_str(&format!("{}\n", lines.next().unwrap_or_default()));
    for group in &diff.groups {
        out.push_str(&wrap(&group.title, "  "));
        for line in lines.by_ref().take(group.figures.len()) {
            out.push_str(&format!("{line}\n"));
        }
    }
    out.push('\n');
    out.push_str(&wrap(&diff::caveat(), ""));
    out
}

/// The diff as Markdown.
pub fn diff_markdown(page: &DiffPage) -> String {
    let diff = page.diff;
    let mut out = "### Crossover: diff\n\n".to_owned();
    for run in &diff.runs {
        out.push_str(&format!("- **{}** {}\n", run.label, markdown(&run.id)));
    }
    out.push_str(&format!("\n**{}**\n\n", markdown(&diff::headline(diff))));
    for doubt in &diff.doubts {
        out.push_str(&format!("- **Doubt:** {}\n", markdown(&sentence(doubt))));
    }
    for line in diff::findings(diff) {
        out.push_str(&format!("- {}\n", markdown(&line)));
    }
    let escaped = |row: Vec<String>| row.iter().map(|cell| markdown(cell)).collect::<Vec<_>>();
    if !diff.settings.is_empty() {
        let mut rows = settings(diff).into_iter().map(escaped);
        let heads = rows.next().unwrap_or_default();
        out.push_str(&format!(
            "\n{}",
            markdown_table(&heads, diff.runs.len() + 1, &rows.collect::<Vec<_>>())
        ));
    }
    let heads = heads(diff);
    let mut rows = Vec::new();
    for group in &diff.groups {
        let mut title = vec![String::new(); heads.len()];
        title[0] = format!("**{}**", markdown(&group.title));
        rows.push(title);
        rows.extend(
            group
                .figures
                .iter()
                .map(|figure| escaped(row(figure, "", diff::change))),
        );
    }
    out.push_str(&format!("\n{}", markdown_table(&heads, 1, &rows)));
    out.push_str(&format!(
        "\n{} Written {}. Repeat: {}\n",
        markdown(&diff::caveat()),
        markdown(&moment(&diff.written_at)),
        code(&diff.command)
    ));
    out
}

fn heads(diff: &Diff) -> Vec<String> {
    let mut heads = vec![String::new()];
    for (index, run) in diff.runs.iter().enumerate() {
        heads.push(run.label.clone());
        if index > 0 {
            heads.push(format!("{} ÷ A", run.label));
        }
    }
    heads
}

type Change = fn(&Figure, usize) -> Option<String>;

fn row(figure: &Figure, indent: &str, change: Change) -> Vec<String> {
    let mut row = vec![format!("{indent}{}", figure.name)];
    for index in 0..figure.values.len() {
        row.push(diff::value(figure, index));
        if index > 0 {
            let differs = figure.changes[index].as_ref().is_some_and(diff::differs);
            let change = change(figure, index).unwrap_or_else(|| NONE.to_owned());
            row.push(if differs { format!("▲ {change}") } else { change });
        }
    }
    row
}

fn settings(diff: &Diff) -> Vec<Vec<String>> {
    let labels = diff.runs.iter().map(|run| run.label.clone());
    let heads = std::iter::once("setting".to_owned()).chain(labels).collect();
    let row = |setting: &crossover_evidence::diff::Setting| {
        let values = setting
            .values
            .iter()
            .map(|value| value.clone().unwrap_or_else(|| NONE.to_owned()));
        std::iter::once(setting.name.clone()).chain(values).collect()
    };
    std::iter::once(heads).chain(diff.settings.iter().map(row)).collect()
}
