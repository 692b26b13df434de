//! What each kind of part costs in each mode, over the run and at rest.

use crossover_evidence::result::RunResult;
use maud::{Markup, PreEscaped, html};

use crate::chart::bars;
use crate::compare::cost::{self, Cost};
use crate::compare::{Pair, change};
use crate::format::{NONE, count, mebibytes, number, seconds};
use crate::html::shell::section;
use crate::html::table::table;

type Show = fn(f64) -> String;

/// Over the whole run.
pub fn over_the_run(runs: Pair<&RunResult>) -> Markup {
    let costs = cost::over_the_run(runs);
    if costs.is_empty() {
        return html! {};
    }
    let body = html! {
        p { "Processes of one kind added up, over the whole run." }
        (pair_of_bars(&costs))
        (numbers(&costs))
    };
    section("cost", "What each part costs", true, &body)
}

/// At rest; nothing unless both runs have an idle phase.
pub fn at_rest(runs: Pair<&RunResult>) -> Markup {
    let costs = cost::at_rest(runs);
    let Some(idle) = runs.map(|run| run.idle.as_ref()).both() else {
        return html! {};
    };
    let body = html! {
        p {
            "Without arrivals, after the work before them was done: over " (seconds(idle.polling.seconds)) " in polling and "
            (seconds(idle.event.seconds)) " in event-driven mode."
        }
        (pair_of_bars(&costs))
        (numbers(&costs))
    };
    section("idle", "Cost at rest", true, &body)
}

fn pair_of_bars(costs: &[Cost]) -> Markup {
    let figure = |title: &str, note: &str, of: fn(&Cost) -> Pair<Option<f64>>, show: Show| {
        let rows: Vec<bars::Bars> = costs.iter().map(|cost| (cost.name.clone(), of(cost))).collect();
        let svg = bars::svg(&rows, show, show, title);
        html! {
            figure.card {
                figcaption { h3 { (title) } span { (note) } }
                p.legend { i.dot style="background:var(--polling)" {} "polling" i.dot style="background:var(--event)" {} "event-driven" }
                (PreEscaped(svg))
            }
        }
    };
    html! {
        div.pair {
            (figure("CPU", "cores, mean", |cost| cost.cores, number))
            (figure("Memory", "resident, the most of each process added up", |cost| cost.memory_mb, mebibytes))
        }
    }
}

fn numbers(costs: &[Cost]) -> Markup {
    let files = costs
        .iter()
        .any(|cost| cost.disk_mb.polling.is_some() || cost.disk_mb.event.is_some());
    let mut heads = vec!["", "processes", "", "CPU cores", "", "change", "memory", "", "change"];
    if files {
        heads.extend(["files", ""]);
    }
    let row = |cost: &Cost| {
        let show = |values: Pair<Option<f64>>, how: Show| {
            values
                .map(|value| value.map_or_else(|| NONE.to_owned(), how))
                .named()
                .map(|(_, text)| text)
        };
        let mut cells = vec![cost.name.clone()];
        cells.extend(cost.processes.map(count).named().map(|(_, text)| text));
        cells.extend(show(cost.cores, number));
        cells.push(change(cost.cores));
        cells.extend(show(cost.memory_mb, mebibytes));
        cells.push(change(cost.memory_mb));
        if files {
            cells.extend(show(cost.disk_mb, mebibytes));
        }
        cells
    };
    let rows: Vec<Vec<String>> = costs.iter().map(row).collect();
    html! { details.numbers-of { summary { "Numbers (polling, then event-driven)" } (table(&heads, 1, &rows)) } }
}
