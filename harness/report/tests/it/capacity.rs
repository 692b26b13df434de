//! Pages and texts of capacity searches and of a map.

use crossover_evidence::capacity::Variant;
use crossover_report::{
    CapacityPage, MapPage, Searched, capacity_html, capacity_markdown, capacity_terminal, map_html, map_markdown,
    map_terminal,
};

use crate::fixture::capacity::{map, searched};
use crate::html::{EVIL, assert_order};

pub fn capacity_page(searches: &[Searched]) -> CapacityPage<'_> {
    CapacityPage {
        title: "Capacity: the highest arrival rate that holds",
        scenario: "capacity",
        command: "./just capacity all capacity",
        searches,
        claims: &[],
    }
}

fn assert_narrow(text: &str) {
    let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > 100).collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn a_search_says_its_interval_first_then_shows_the_curves_and_links_each_step() {
    let searches = [searched(Variant::PollingTuned, 2, 1_000.0, "")];
    let page = capacity_page(&searches);
    let html = capacity_html(&page);
    assert_order(
        &html,
        &[
            "1,000 to 1,080 jobs/s holds (width 7.69 %)",
            "<svg",
            "<svg",
            "href=\"1000/report.html\"",
            "did not hold",
        ],
    );
    assert!(html.contains("not settled (host)") && html.contains("var(--tuned)"));
    for text in [capacity_terminal(&page), capacity_markdown(&page)] {
        assert!(text.contains("1,000 to 1,080 jobs/s holds"), "{text}");
    }
    assert_narrow(&capacity_terminal(&page));
}

#[test]
fn repeats_say_whether_their_intervals_overlap_and_how_wide_they_are() {
    let repeat = |low: f64, path: &str| searched(Variant::PollingDefault, 2, low, path);
    let told = |lows: [f64; 2]| {
        let searches = [repeat(lows[0], "polling-1"), repeat(lows[1], "polling-2")];
        capacity_terminal(&capacity_page(&searches)).replace('\n', " ")
    };
    let near = told([1_000.0, 1_050.0]);
    assert!(
        near.contains("2 repeats: their intervals overlap; the widest is 7.69 % wide"),
        "{near}"
    );
    let far = told([1_000.0, 1_500.0]);
    assert!(far.contains("do not all overlap"), "{far}");
}

#[test]
fn several_searches_are_on_one_scale() {
    let searches = [
        searched(Variant::PollingDefault, 1, 1_000.0, "a"),
        searched(Variant::EventDriven, 1, 1_400.0, "b"),
    ];
    let html = capacity_html(&capacity_page(&searches));
    assert_order(
        &html,
        &[
            "id=\"intervals\"",
            "var(--polling)",
            "var(--event)",
            "href=\"a/500/report.html\"",
        ],
    );
}

#[test]
fn a_map_says_where_the_lead_changes_and_each_cell_says_what_its_colour_says() {
    let map = map();
    let page = MapPage {
        title: "Capacity",
        map: &map,
    };
    let html = map_html(&page);
    assert_order(
        &html,
        &[
            "Against polling, with 1, 2 and 4 replicas: event-driven leads from the lowest rate on",
            "Against polling, tuned, with 1, 2 and 4 replicas: event-driven leads from somewhere between 250 and 1,000 jobs/s on",
            "Not settled (host)",
            "tuned 2.75×",
            "none holds",
        ],
    );
    assert!(html.contains("events 3×") && html.contains("✕"));
    assert_narrow(&map_terminal(&page));
    assert!(map_markdown(&page).contains("| 1 | 1,000 | 530 ms | 90.0 ms | 30.0 ms | events 3× |"));
}

#[test]
fn text_from_outside_is_escaped() {
    let mut map = map();
    map.scenario = EVIL.to_owned();
    map.command = EVIL.to_owned();
    let html = map_html(&MapPage { title: EVIL, map: &map });
    let mut search = searched(Variant::EventDriven, 2, 1_000.0, "");
    search.capacity.steps[0].why = vec![EVIL.to_owned()];
    search.capacity.ended = Some(EVIL.to_owned());
    let searches = [search];
    for page in [html, capacity_html(&capacity_page(&searches))] {
        assert!(!page.contains("<script>alert(1)") && !page.contains("<b onload"));
    }
}
