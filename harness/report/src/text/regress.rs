//! A comparison of two builds in the terminal and in a pull request.

use crossover_evidence::regress::{Build, Regression};

use super::grid::{code, grid, markdown, markdown_table, wrap};
use crate::format::{moment, sentence};
use crate::regress::{self, HEADS, primary_verdict, word};

/// Columns of the table that a terminal has room for.
const NARROW: [usize; 7] = [0, 1, 2, 3, 4, 5, 7];

/// The comparison as a short text, at most 100 columns.
pub fn regress_terminal(regression: &Regression) -> String {
    let mut out = wrap(
        &format!("{} · {}", regression.title, moment(&regression.started_at)),
        "",
    );
    out.push_str(&wrap(
        &format!("base {}, head {}", build(&regression.base), build(&regression.head)),
        "",
    ));
    for mode in &regression.modes {
        let told = sentence(&regress::sentence(mode, regression.settings.pairs));
        out.push_str(&wrap(
            &format!("{}: {}. {told}", mode.mode, word(primary_verdict(mode))),
            "",
        ));
    }
    for doubt in regress::doubts(regression) {
        out.push_str(&wrap(&sentence(&doubt), ""));
    }
    for mode in regression.modes.iter().filter(|mode| !mode.findings.is_empty()) {
        out.push_str(&format!("\n{}\n", mode.mode));
        let narrow = |row: &[String]| -> Vec<String> { NARROW.iter().map(|index| row[*index].clone()).collect() };
        let heads = narrow(&HEADS.map(str::to_owned));
        let rows = regress::rows(mode);
        let rows: Vec<Vec<String>> = std::iter::once(heads)
            .chain(rows.iter().map(|row| narrow(row)))
            .collect();
        out.push_str(&grid(&rows, 2));
    }
    out.push_str(&wrap(regress::RULE, "  "));
    out
}

fn build(build: &Build) -> String {
    format!("{} ({})", build.name, build.chosen)
}

/// The comparison as Markdown, for the summary of a job.
pub fn regress_markdown(regression: &Regression) -> String {
    let mut out = format!("### Regression: {}\n\n", markdown(&regression.title));
    for mode in &regression.modes {
        let told = sentence(&regress::sentence(mode, regression.settings.pairs));
        out.push_str(&format!(
            "- **{}, {}.** {}\n",
            markdown(&mode.mode),
            word(primary_verdict(mode)),
            markdown(&told)
        ));
    }
    for doubt in regress::doubts(regression) {
        out.push_str(&format!("- {}\n", markdown(&sentence(&doubt))));
    }
    let escaped = |row: Vec<String>| row.iter().map(|cell| markdown(cell)).collect();
    for mode in regression.modes.iter().filter(|mode| !mode.findings.is_empty()) {
        let rows: Vec<Vec<String>> = regress::rows(mode).into_iter().map(escaped).collect();
        let table = markdown_table(&HEADS.map(str::to_owned), 2, &rows);
        out.push_str(&format!("\n#### {}\n\n{table}", markdown(&mode.mode)));
    }
    out.push_str(&format!(
        "\nBase {}, head {}. {} {} · {}. Repeat: {}\n",
        markdown(&build(&regression.base)),
        markdown(&build(&regression.head)),
        markdown(regress::RULE),
        markdown(&regression.scenario),
        markdown(&moment(&regression.started_at)),
        code(&regression.command)
    ));
    out
}
