//! The page of a comparison: what differs first, then the numbers side by side, then the charts with both modes in each.

mod banner;
mod checks;
mod claims;
mod cost;
mod figures;
mod over_time;
mod setup;
mod way;

use maud::html;

use super::repeat;
use super::shell;
use crate::ComparePage;
use crate::compare::runs;
use crate::format::{count, moment};
use crate::verdict::Word;

/// The report of a comparison as one self-contained file.
pub fn compare_html(page: &ComparePage) -> String {
    let comparison = page.comparison;
    let runs = runs(page);
    let verdict = crate::compare::verdict::banner(runs);
    let body = html! {
        (banner::banner(page, &verdict))
        (banner::at_a_glance(runs))
        (checks::checks(runs))
        (figures::figures(runs))
        (claims::claims(&comparison.claims))
        (over_time::over_time(page))
        (way::where_the_time_goes(runs))
        (cost::over_the_run(runs))
        (cost::at_rest(runs))
        (checks::faults(runs))
        (repeat::plan(page.plan))
        (setup::topology(runs))
        (setup::testbed(runs))
        (setup::instrument(runs))
        (repeat::scenario(page.scenario_toml))
        (setup::repeat(page))
        footer { (comparison.id) " · compare.json schema " (count(comparison.schema_version.into())) }
    };
    let facts = [
        comparison.scenario.clone(),
        "polling against event-driven".to_owned(),
        moment(&comparison.started_at),
        format!("seed {}", comparison.seed),
    ];
    let class = if verdict.word == Word::Invalid { "invalid" } else { "" };
    shell::page(
        &format!("{} · comparison · Crossover", comparison.scenario),
        class,
        &facts,
        &body,
    )
}
