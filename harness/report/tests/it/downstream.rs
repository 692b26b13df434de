//! The service that handlers call: its section and its chart, where a run has one.

use crossover_report::{run_html, run_terminal};

use crate::fixture;
use crate::html::{EVIL, assert_order};

#[test]
fn the_requests_of_each_policy_stand_in_a_table_and_in_a_chart_with_the_fault_shaded() {
    let page = run_html(&fixture::sick().page());
    let parts = [
        "data-chart=\"downstream\"",
        "id=\"downstream\"",
        "share while sick",
        "naive",
        "3,860",
        "94.1 %",
        "protected",
        "240",
        "5.85 %",
        "requests per job",
    ];
    assert_order(&page, &parts);
    assert!(page.contains("downstream fail · downstream"), "the shade has its name");
}

#[test]
fn the_terminal_says_what_each_policy_sent_to_the_sick_service() {
    let text = run_terminal(&fixture::sick().result);
    let parts = [
        "downstream, naive",
        "4,760 requests, 3,860 while it was sick: 94.1 % of all",
        "downstream, protected",
    ];
    assert_order(&text, &parts);
}

#[test]
fn a_run_without_such_a_service_says_nothing_of_it() {
    let page = run_html(&fixture::held().page());
    assert!(!page.contains("downstream"), "no section, no chart");
}

#[test]
fn the_name_of_a_policy_is_escaped() {
    let mut fixture = fixture::sick();
    fixture.result.downstream.as_mut().unwrap().policies[0].name = EVIL.to_owned();
    fixture.series.downstream[0].name = EVIL.to_owned();
    let page = run_html(&fixture.page());
    assert!(!page.contains("<script>alert") && !page.contains("<b onload"));
}
