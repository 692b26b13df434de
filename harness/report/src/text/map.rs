//! A crossover map in the terminal and in a pull request.

use super::grid::{code, grid, markdown, markdown_table, wrap};
use crate::format::{moment, sentence};
use crate::map::{self, HEADS, MapPage};

/// The map as a short text, at most 100 columns.
pub fn map_terminal(page: &MapPage) -> String {
    let started = page.map.started_at.as_deref().unwrap_or_default();
    let mut out = wrap(
        &format!("{} · {} · {}", page.title, page.map.scenario, moment(started)),
        "",
    );
    for line in map::sentences(page.map).iter().chain(&map::doubts(page.map)) {
        out.push_str(&wrap(&sentence(line), ""));
    }
    out.push('\n');
    let rows: Vec<Vec<String>> = std::iter::once(HEADS.map(str::to_owned).to_vec())
        .chain(map::rows(page.map))
        .collect();
    out.push_str(&grid(&rows, 1));
    out.push_str(&wrap(&format!("✕ did not hold. {}", map::rule()), "  "));
    out
}

/// The map as Markdown.
pub fn map_markdown(page: &MapPage) -> String {
    let mut out = format!("### Crossover: {}\n\n", markdown(page.title));
    for line in map::sentences(page.map).iter().chain(&map::doubts(page.map)) {
        out.push_str(&format!("- {}\n", markdown(&sentence(line))));
    }
    let escaped = |row: Vec<String>| row.iter().map(|cell| markdown(cell)).collect();
    let rows: Vec<Vec<String>> = map::rows(page.map).into_iter().map(escaped).collect();
    out.push_str(&format!("\n{}", markdown_table(&HEADS.map(str::to_owned), 1, &rows)));
    let started = page.map.started_at.as_deref().unwrap_or_default();
    out.push_str(&format!(
        "\n✕ did not hold. {} {} · {}. Repeat: {}\n",
        markdown(&map::rule()),
        markdown(&page.map.scenario),
        markdown(&moment(started)),
        code(&page.map.command)
    ));
    out
}
