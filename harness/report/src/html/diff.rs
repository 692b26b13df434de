//! The page of a diff: doubts and what was set differently first, then how the figures differ, then the curves.

use crossover_evidence::diff::{Figure, Setting, SettingKind};
use crossover_evidence::result::Percentiles;
use maud::{Markup, PreEscaped, html};

use super::latency::latency_table;
use super::over_time::on_one_axis;
use super::shell::{self, link, section};
use crate::chart::overlaid::Overlaid;
use crate::chart::time::Frame;
use crate::chart::{Ink, diff as charts, percentiles};
use crate::diff::{self, DiffPage};
use crate::format::{NONE, count, jobs, moment, sentence};

/// The report of a diff as one self-contained file.
pub fn diff_html(page: &DiffPage) -> String {
    let diff = page.diff;
    let body = html! {
        (banner(page))
        (settings(page))
        (figures(page))
        (over_time(page))
        (by_percentile(page))
        (runs(page))
        (section("repeat", "Repeat it", false, &html! {
            p { "All runs were judged again by this build, at commit " code { (diff.git_commit.as_deref().unwrap_or(NONE)) } "." }
            pre { (diff.command) }
        }))
        footer { (diff.id) " · diff.json schema " (count(diff.schema_version.into())) }
    };
    let facts = [
        format!("{} runs", count(diff.runs.len() as u64)),
        "diff".to_owned(),
        moment(&diff.written_at),
    ];
    let all_valid = diff.runs.iter().all(|run| run.valid);
    shell::page(
        "diff · Crossover",
        if all_valid { "" } else { "invalid" },
        &facts,
        &body,
    )
}

fn banner(page: &DiffPage) -> Markup {
    let diff = page.diff;
    let tone = if diff.doubts.is_empty() {
        "banner both finding"
    } else {
        "banner both degraded"
    };
    html! {
        div class=(tone) {
            h1 { (legend(page)) }
            p.lead { (diff::headline(diff)) }
            @for doubt in &diff.doubts { p.trouble { (sentence(doubt)) } }
            @for finding in diff::findings(diff) { p { (finding) } }
            p.source { (diff::caveat()) }
        }
    }
}

/// Each run's letter in its colour, with its name and the way to its own report.
fn legend(page: &DiffPage) -> Markup {
    html! {
        @for (index, run) in page.diff.runs.iter().enumerate() {
            span.run {
                (dot(index)) strong { (run.label) } " "
                a href=(link(&format!("{}/report.html", run.path))) { (run.id) }
            }
        }
    }
}

fn dot(index: usize) -> Markup {
    html! { i.dot style={ "background:var(--" (Ink::run(index).name) ")" } {} }
}

/// Names of the runs as headings of a table.
fn heads(page: &DiffPage) -> Markup {
    html! { @for (index, run) in page.diff.runs.iter().enumerate() { th { (dot(index)) (run.label) } } }
}

fn settings(page: &DiffPage) -> Markup {
    let columns = page.diff.runs.len() + 1;
    let body = html! {
        @if page.diff.settings.is_empty() {
            p { "Nothing: same scenario, mode, seed, machine, servers, commit and settings." }
        } @else {
            div.scroll {
                table.figures-of {
                    thead { tr { th.t { "setting" } (heads(page)) } }
                    @for of_kind in page.diff.settings.chunk_by(|a, b| a.kind == b.kind) {
                        tbody {
                            tr.group { th colspan=(columns) { (kind(of_kind[0].kind)) } }
                            @for setting in of_kind { (setting_row(setting)) }
                        }
                    }
                }
            }
        }
    };
    section("settings", "What was set differently", false, &body)
}

fn setting_row(setting: &Setting) -> Markup {
    html! {
        tr {
            td.t { (setting.name) }
            @for value in &setting.values { td.value { (value.as_deref().unwrap_or(NONE)) } }
        }
    }
}

/// In words.
pub fn kind(kind: SettingKind) -> &'static str {
    match kind {
        SettingKind::Plan => "plan",
        SettingKind::Host => "machine and servers",
        SettingKind::Build => "build",
        SettingKind::Engine => "other settings",
    }
}

fn figures(page: &DiffPage) -> Markup {
    let columns = page.diff.runs.len() * 2;
    let body = html! {
        p { "Below a value, its interval; × is the value ÷ A's. Marked: outside its interval and more than a tenth." }
        div.scroll {
            table.figures-of.diff {
                thead {
                    tr {
                        th.t { "figure" }
                        @for (index, run) in page.diff.runs.iter().enumerate() {
                            th { (dot(index)) (run.label) }
                            @if index > 0 { th { (run.label) " ÷ A" } }
                        }
                    }
                }
                @for group in &page.diff.groups {
                    tbody {
                        tr.group { th colspan=(columns) { (group.title) } }
                        @for figure in &group.figures { (figure_row(figure)) }
                    }
                }
            }
        }
        (reasons(page))
    };
    section("figures", "By how much the figures differ", true, &body)
}

fn figure_row(figure: &Figure) -> Markup {
    html! {
        tr {
            td.t { (figure.name) }
            @for index in 0..figure.values.len() {
                td { (diff::value(figure, index)) @if let Some(interval) = diff::interval(figure, index) { div.small.detail { (interval) } } }
                @if index > 0 { (change_cell(figure, index)) }
            }
        }
    }
}

fn change_cell(figure: &Figure, index: usize) -> Markup {
    let differs = figure.changes[index].as_ref().is_some_and(diff::differs);
    html! {
        td class=[differs.then_some("differs")] {
            @if differs { span.mark.warn title="more than noise and a tenth" {} }
            (diff::change(figure, index).as_deref().unwrap_or(NONE))
        }
    }
}

/// Why figures have no interval, each reason once with the figures that it is the reason of.
fn reasons(page: &DiffPage) -> Markup {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for figure in page.diff.groups.iter().flat_map(|group| &group.figures) {
        let Some(why) = &figure.no_interval else { continue };
        match reasons.iter_mut().find(|(known, _)| known == why) {
            Some((_, names)) if names.contains(&figure.name.as_str()) => {}
            Some((_, names)) => names.push(&figure.name),
            None => reasons.push((why, vec![&figure.name])),
        }
    }
    html! {
        @if !reasons.is_empty() {
            details {
                summary { "Why some have no interval" }
                ul.plain { @for (why, names) in reasons { li { (sentence(why)) " " span.detail { (names.join(", ")) "." } } } }
            }
        }
    }
}

fn overlaid<'a>(page: &DiffPage<'a>) -> Vec<Overlaid<'a>> {
    let runs = page.diff.runs.iter().zip(page.runs).enumerate();
    runs.map(|(index, (run, (_, series)))| Overlaid {
        label: &run.label,
        ink: Ink::run(index),
        series,
    })
    .collect()
}

fn over_time(page: &DiffPage) -> Markup {
    let runs: Vec<_> = page
        .diff
        .runs
        .iter()
        .zip(page.runs)
        .map(|(run, (result, series))| (run.label.as_str(), *result, *series))
        .collect();
    let frame = Frame::of_runs(&runs);
    let one_plan = page.diff.runs.iter().all(|run| run.plan == page.diff.runs[0].plan);
    let charts = charts::charts(&overlaid(page), one_plan, &frame);
    let body = if charts.is_empty() {
        html! { p { "No series was recorded." } }
    } else {
        on_one_axis(&charts, &frame)
    };
    section("over-time", "Over time, all runs", true, &body)
}

fn by_percentile(page: &DiffPage) -> Markup {
    let sets: Vec<(&str, Ink, &Percentiles)> = page
        .diff
        .runs
        .iter()
        .zip(page.runs)
        .enumerate()
        .map(|(index, (run, (result, _)))| (run.label.as_str(), Ink::run(index), &result.latency_ms.dispatch))
        .collect();
    let svg = percentiles::svg_of(&sets, "Dispatch latency by percentile, all runs");
    let rows: Vec<(&str, &Percentiles)> = sets.iter().map(|(label, _, of)| (*label, *of)).collect();
    let counts: Vec<String> = rows
        .iter()
        .map(|(label, of)| format!("{label} {}", jobs(of.count)))
        .collect();
    let body = html! {
        figure.card {
            figcaption { h3 { "Dispatch" } span { "from intended, whole run; " (counts.join(", ")) "; log scales" } }
            div.plot.lone { (PreEscaped(&svg)) }
            @for (label, of) in &rows {
                @if of.censored > 0 { p.detail { "The curve of " (label) " ends where " (jobs(of.censored)) " never started." } }
            }
            details.numbers-of open[svg.is_empty()] { summary { "Numbers" } (latency_table(&rows)) }
        }
    };
    section("by-percentile", "Latency by percentile", true, &body)
}

fn runs(page: &DiffPage) -> Markup {
    let body = html! {
        @for (index, run) in page.diff.runs.iter().enumerate() {
            p { (dot(index)) strong { (run.label) } " " (run.scenario) " · " (run.mode) " · " (moment(&run.started_at)) " · plan " code { (run.plan) } }
            pre { (run.command) }
        }
    };
    section("runs", "The runs", false, &body)
}
