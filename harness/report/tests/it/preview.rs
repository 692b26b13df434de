//! Writes the fixtures' pages to the directory that `CROSSOVER_PREVIEW` names.

use std::path::Path;

use crossover_evidence::capacity::Variant;
use crossover_report::{
    MapPage, capacity_html, claims_html, compare_html, decision_html, diff_html, map_html, run_html, sweep_html,
};

use crate::fixture;
use crate::html::sweep_page;

#[test]
fn pages_can_be_written_to_look_at() {
    let Ok(directory) = std::env::var("CROSSOVER_PREVIEW") else {
        return;
    };
    let directory = Path::new(&directory);
    std::fs::create_dir_all(directory).expect("the directory can be made");
    let write = |name: &str, page: String| {
        std::fs::write(directory.join(format!("{name}.html")), page).expect("the page can be written")
    };
    write("held", run_html(&fixture::held().page()));
    write("event-driven", run_html(&fixture::event_driven().page()));
    write("sick", run_html(&fixture::sick().page()));
    write("compare", compare_html(&fixture::compared().page()));
    write("compare-broken", compare_html(&crate::compare::broken().page()));
    write("assess", crate::assess::contended());
    write("decision", decision_html(&crate::decision::decision(true)));
    write(
        "decision-inconclusive",
        decision_html(&crate::decision::decision(false)),
    );
    write("diff", crate::diff::diffed().with(diff_html));
    write("claims", claims_html(&crate::decision::claims()));
    write("invalid", run_html(&fixture::invalid().page()));
    write("interrupted", run_html(&fixture::interrupted().page()));
    write("broken", run_html(&fixture::broken().page()));
    let mut long = fixture::Fixture {
        series: fixture::series(3_600),
        ..fixture::held()
    };
    for phase in &mut long.result.phases {
        (phase.start_s, phase.duration_s) = (phase.start_s * 58.0, phase.duration_s * 58.0);
    }
    write("hour", run_html(&long.page()));
    let (points, findings, keys) = (fixture::sweep_points(), crate::html::findings(), crate::html::keys());
    let searches = [
        fixture::capacity::searched(Variant::PollingDefault, 2, 1_000.0, "polling"),
        fixture::capacity::searched(Variant::PollingTuned, 2, 1_900.0, "polling-tuned"),
        fixture::capacity::searched(Variant::EventDriven, 2, 1_500.0, "event-driven"),
    ];
    write("capacity", capacity_html(&crate::capacity::capacity_page(&searches)));
    let map = fixture::capacity::map();
    write(
        "map",
        map_html(&MapPage {
            title: "Capacity",
            map: &map,
        }),
    );
    write("sweep", sweep_html(&sweep_page(&points, &findings, &keys)));
}
