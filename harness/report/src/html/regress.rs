//! The page of a comparison of two builds: the verdict, the intervals of all metrics, the pairs with their runs.

use crossover_evidence::regress::{Build, ModePairs, Pair, Regression};
use maud::{Markup, PreEscaped, html};

use super::shell::{self, link, section};
use super::table::{settings, table};
use crate::chart::regress as chart;
use crate::format::{moment, sentence};
use crate::regress::{self, HEADS, PAIR_HEADS, metric, pair_row, primary_verdict, word};

/// The report of a comparison of two builds as one self-contained file.
pub fn regress_html(regression: &Regression) -> String {
    let class = regress::class(regression);
    let body = html! {
        (banner(regression, class))
        @for mode in &regression.modes { (metrics(mode)) (pairs(mode)) }
        (section("rule", "When it is worse", false, &html! {
            p { (regress::RULE) }
            p {
                "A pair is one run of each build, right after each other, and pairs turn round: base first, head first. Ratios are "
                "head ÷ base, their mean is that of their logarithms, and the spread is that by which one pair is off."
            }
        }))
        (builds(regression))
        (section("repeat", "Repeat it", false, &html! { pre { (regression.command) } }))
    };
    let facts = [
        regression.scenario.clone(),
        "regression".to_owned(),
        moment(&regression.started_at),
    ];
    let body_class = if class == "invalid" { "invalid" } else { "" };
    shell::page(
        &format!("{} · regression · Crossover", regression.title),
        body_class,
        &facts,
        &body,
    )
}

fn banner(regression: &Regression, class: &str) -> Markup {
    html! {
        div class={ "banner " (class) } {
            h1 { "Is " (regression.head.name) " slower than " (regression.base.name) "? " (regression.title) }
            @for mode in &regression.modes {
                p.lead {
                    span.word { (word(primary_verdict(mode))) "." }
                    (sentence(&format!("{}: {}", mode.mode, regress::sentence(mode, regression.settings.pairs))))
                }
            }
            @for doubt in regress::doubts(regression) { p { (sentence(&doubt)) } }
            p.source { "On this machine now: another machine may make more or less of the same change." }
        }
    }
}

fn metrics(mode: &ModePairs) -> Markup {
    let drawing = chart::intervals(mode);
    let body = html! {
        @if !drawing.is_empty() {
            p { "Change from base to head with its 95 % interval: Student's as a bar, the bootstrap's as a line below. Shaded: what is tolerated." }
            div.card { figure { div.plot { (PreEscaped(drawing)) } } }
        }
        (table(&HEADS, 2, &regress::rows(mode)))
    };
    section(
        &format!("metrics-{}", mode.mode),
        &format!("What changed: {}", mode.mode),
        true,
        &body,
    )
}

fn pairs(mode: &ModePairs) -> Markup {
    let Some(primary) = mode.primary().map(|finding| finding.metric) else {
        return html! {};
    };
    let drawing = chart::pairs(mode);
    let body = html! {
        @if !drawing.is_empty() {
            p { "A dot is a pair that began with base, a ring one that began with head: if they part, order matters more than the builds." }
            div.card { figure {
                figcaption { (metric(primary)) ", head against base" }
                div.plot { (PreEscaped(drawing)) }
            } }
        }
        div.scroll {
            table {
                thead { tr { @for head in PAIR_HEADS { th { (head) } } th { "reports" } } }
                tbody { @for pair in &mode.pairs {
                    tr { @for cell in pair_row(pair, primary) { td { (cell) } } td { (reports(pair)) } }
                } }
            }
        }
        (unusable(mode))
    };
    section(
        &format!("pairs-{}", mode.mode),
        &format!("Pairs: {}", mode.mode),
        true,
        &body,
    )
}

fn reports(pair: &Pair) -> Markup {
    html! {
        @if let Some(measured) = &pair.measured {
            a href=(link(&format!("{}/report.html", measured.base.run))) { "base" } " "
            a href=(link(&format!("{}/report.html", measured.head.run))) { "head" }
        }
    }
}

fn unusable(mode: &ModePairs) -> Markup {
    let lines = mode.pairs.iter().flat_map(|pair| {
        pair.unusable
            .iter()
            .map(move |why| format!("pair {}: {why}", pair.number))
    });
    let lines: Vec<String> = lines.collect();
    html! {
        @if !lines.is_empty() {
            details {
                summary { "Runs that could not be used (" (lines.len()) ")" }
                @for line in &lines { p { (sentence(line)) } }
            }
        }
    }
}

fn builds(regression: &Regression) -> Markup {
    let pair = |name: &str, value: String| (name.to_owned(), value);
    let told = |build: &Build| match &build.commit {
        Some(commit) => format!("{commit} ({})", build.chosen),
        None => format!("{} ({})", build.name, build.chosen),
    };
    let mut rows = vec![
        pair("base", told(&regression.base)),
        pair("head", told(&regression.head)),
    ];
    if let Some(testbed) = &regression.testbed {
        let machine = testbed.machine.as_deref().unwrap_or("unknown machine");
        rows.push(pair("machine", format!("{machine}, {} processors", testbed.cpus)));
        rows.push(pair(
            "PostgreSQL",
            format!("{} ({})", testbed.postgres.version, testbed.provider),
        ));
    }
    section("builds", "What was held against what", false, &settings(&rows))
}
