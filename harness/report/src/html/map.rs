//! The page of a crossover map: where the lead changes, the heat map, the numbers.

use maud::{Markup, PreEscaped, html};

use super::shell::{self, link, section};
use crate::chart::heat;
use crate::format::{moment, sentence};
use crate::map::{self, HEADS, MapPage, VARIANTS, replicas};

/// The report of a map as one self-contained file.
pub fn map_html(page: &MapPage) -> String {
    let map = page.map;
    let body = html! {
        (banner(page))
        (section("map", "Who leads", true, &html! {
            p { (map::rule()) " Right of the line, event-driven leads for good." }
            div.card { figure { div.plot { (PreEscaped(heat::leaders(map))) } } }
        }))
        (section("p99", "p99 of each", true, &html! {
            p { "The stronger the colour, the slower; ✕ did not hold, ? tells nothing." }
            @for variant in VARIANTS {
                div.card { figure {
                    figcaption { (crate::capacity::variant(variant)) }
                    div.plot { (PreEscaped(heat::latencies(map, variant))) }
                } }
            }
        }))
        (numbers(page))
        (section("repeat", "Repeat it", false, &html! { pre { (map.command) } }))
    };
    let started = map.started_at.as_deref().unwrap_or_default();
    let facts = [map.scenario.clone(), "map".to_owned(), moment(started)];
    shell::page(&format!("{} · map · Crossover", page.title), "", &facts, &body)
}

fn banner(page: &MapPage) -> Markup {
    html! {
        div.banner.finding {
            h1 { "Crossover map: " (page.title) }
            @for line in map::sentences(page.map) { p.lead { (sentence(&line)) } }
            @for doubt in map::doubts(page.map) { p { (sentence(&doubt)) } }
            p.source { "One run a point, on this machine now." }
        }
    }
}

fn numbers(page: &MapPage) -> Markup {
    let map = page.map;
    let body = html! {
        (super::table::table(&HEADS, 1, &map::rows(map)))
        details {
            summary { "Each point's rules" }
            @for point in &map.points {
                p {
                    a href=(link(&format!("{}/report.html", point.step.run))) {
                        (crate::capacity::variant(point.variant)) ", " (replicas(point.replicas)) ", "
                        (crate::format::rate(point.step.rate_per_s))
                    }
                    ": " (sentence(&point.step.why.join("; ")))
                }
            }
        }
    };
    section("points", "Points", true, &body)
}
