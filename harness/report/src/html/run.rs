//! The page of one run: the sections in the order in which a reader asks.

use maud::html;

use super::{banner, checks, downstream, figures, latency, limit, over_time, queues, repeat, shell, testbed};
use crate::RunPage;
use crate::format::{count, moment};

/// The report of a run as one self-contained file.
pub fn run_html(page: &RunPage) -> String {
    let result = page.result;
    let run = &result.run;
    let body = html! {
        (banner::banner(result))
        (figures::strip(result, page.series))
        (banner::marks(result))
        (over_time::section_over_time(page))
        (latency::where_the_time_goes(result))
        (latency::waits(&result.postgres))
        (limit::limit(result.plateau.as_ref()))
        (queues::queues(result))
        (downstream::downstream(result))
        (latency::phases(result))
        (checks::faults_and_events(&result.faults, &page.series.events))
        (checks::checks(result))
        (checks::claims(&result.claims))
        (testbed::cost(&result.processes))
        (testbed::idle(result.idle.as_ref()))
        (repeat::plan(page.plan))
        (testbed::topology(&result.topology))
        (testbed::testbed(&result.testbed))
        (testbed::instrument(result))
        (repeat::scenario(page.scenario_toml))
        (repeat::repeat(page))
        footer { (run.id) " · result.json schema " (count(result.schema_version.into())) }
    };
    let facts = [
        run.scenario.clone(),
        run.mode.clone(),
        moment(&run.started_at),
        format!("seed {}", run.seed),
    ];
    let class = if run.valid { "" } else { "invalid" };
    shell::page(
        &format!("{} · {} · Crossover", run.scenario, run.mode),
        class,
        &facts,
        &body,
    )
}
