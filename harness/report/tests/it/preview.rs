//! A page of every kind, made from the fixtures: written to the directory that `CROSSOVER_PREVIEW` names, and opened in a
//! browser by `browser`.

use std::path::Path;

use crossover_evidence::capacity::Variant;
use crossover_report::{
    MapPage, capacity_html, claims_html, compare_html, decision_html, diff_html, map_html, regress_html, run_html,
    sweep_html,
};

use crate::fixture;
use crate::html::sweep_page;

/// Every kind of page by its name; some kinds more than once, where there is more than one thing to see.
pub fn pages() -> Vec<(&'static str, String)> {
    let mut long = fixture::Fixture {
        series: fixture::series(3_600),
        ..fixture::held()
    };
    for phase in &mut long.result.phases {
        (phase.start_s, phase.duration_s) = (phase.start_s * 58.0, phase.duration_s * 58.0);
    }
    let (points, findings, keys) = (fixture::sweep_points(), crate::html::findings(), crate::html::keys());
    let searches = [
        fixture::capacity::searched(Variant::PollingDefault, 2, 1_000.0, "polling"),
        fixture::capacity::searched(Variant::PollingTuned, 2, 1_900.0, "polling-tuned"),
        fixture::capacity::searched(Variant::EventDriven, 2, 1_500.0, "event-driven"),
    ];
    let map = fixture::capacity::map();
    let map = MapPage {
        title: "Capacity",
        map: &map,
    };
    vec![
        ("held", run_html(&fixture::held().page())),
        ("event-driven", run_html(&fixture::event_driven().page())),
        ("sick", run_html(&fixture::sick().page())),
        ("invalid", run_html(&fixture::invalid().page())),
        ("interrupted", run_html(&fixture::interrupted().page())),
        ("broken", run_html(&fixture::broken().page())),
        ("hour", run_html(&long.page())),
        ("compare", compare_html(&fixture::compared().page())),
        ("compare-broken", compare_html(&crate::compare::broken().page())),
        ("diff", crate::diff::diffed().with(diff_html)),
        ("sweep", sweep_html(&sweep_page(&points, &findings, &keys))),
        ("capacity", capacity_html(&crate::capacity::capacity_page(&searches))),
        ("map", map_html(&map)),
        ("regress", regress_html(&crate::regress::regression(1.15))),
        ("assess", crate::assess::contended()),
        ("decision", decision_html(&crate::decision::decision(true))),
        (
            "decision-inconclusive",
            decision_html(&crate::decision::decision(false)),
        ),
        ("claims", claims_html(&crate::decision::claims())),
    ]
}

#[test]
fn pages_can_be_written_to_look_at() {
    let Ok(directory) = std::env::var("CROSSOVER_PREVIEW") else {
        return;
    };
    let directory = Path::new(&directory);
    std::fs::create_dir_all(directory).expect("the directory can be made");
    for (name, page) in pages() {
        std::fs::write(directory.join(format!("{name}.html")), page).expect("the page can be written");
    }
}
