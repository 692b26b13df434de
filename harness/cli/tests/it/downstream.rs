//! A service that handlers call is made sick in whole runs, in both modes: every request is counted, those that hold back
//! send less than those that do not, and all jobs come through.

use serde_json::Value;

use crate::support::{Place, assert_otherwise_valid, check, number};

/// Two kinds of jobs that call the service, at the same rate; it fails, and is slow later.
const SICK: &str = r#"title = "a sick service"
seed = 9

[topology]
workers = 2

[engine]
housekeeping_interval = "50ms"

[polling]
interval = "50ms"

[downstream]
capacity = 8
service_time = "2ms"
timeout = "300ms"

[downstream.policies.naive]

[downstream.policies.protected]
calls_per_s = 10
burst = 2

[[load]]
name = "steady"
arrivals = "constant"
rate_per_s = 20
duration = "6s"

[[faults]]
kind = "downstream-fail"
target = "downstream"
at = "1s"
for = "2s"

[[faults]]
kind = "downstream-slow"
target = "downstream"
latency = "1s"
at = "4s"
for = "1s"

[[workload.definitions]]
handler = { downstream = "naive" }
[workload.definitions.definition]
name = "naive"
steps = [{ name = "call", jobs = [{ job_type = "naive", retry = { max_attempts = 1000, initial_backoff = "0s" } }] }]

[[workload.definitions]]
handler = { downstream = "protected" }
[workload.definitions.definition]
name = "protected"
steps = [{ name = "call", jobs = [{ job_type = "protected", retry = { max_attempts = 50, jitter = 0.5, max_backoff = "1s" } }] }]
"#;

fn policy<'a>(result: &'a Value, name: &str) -> &'a Value {
    let policies = result["downstream"]["policies"].as_array().unwrap();
    policies.iter().find(|policy| policy["name"] == name).unwrap()
}

fn assert_naive_hits_harder(mode: &str) {
    let place = Place::new();
    let finished = place.run_in(mode, "sick", SICK, &[]);
    let result = finished.result();
    assert_otherwise_valid(&result);
    for fault in result["faults"].as_array().unwrap() {
        assert_eq!(fault["took_effect"], true, "{fault:#}");
    }
    // The service's own count is what the history has: a request for each attempt.
    let agree = check(&result, "downstream-counts-agree");
    assert_eq!(agree["verdict"], "pass", "{agree:#}");
    for key in ["lost", "unknown", "double_effects", "unfinished", "dead_lettered"] {
        assert_eq!(number(&result, &format!("/ledger/{key}")), 0, "{key}: {result:#}");
    }
    let (naive, protected) = (policy(&result, "naive"), policy(&result, "protected"));
    for policy in [naive, protected] {
        let answers: u64 = ["ok", "slow", "refused", "failed", "abandoned"]
            .map(|answer| number(policy, &format!("/{answer}")))
            .iter()
            .sum();
        assert_eq!(answers, number(policy, "/requests"), "each has one answer: {policy:#}");
        assert!(number(policy, "/failed") > 0, "{policy:#}");
        assert_eq!(number(policy, "/completed"), number(policy, "/jobs"), "{policy:#}");
    }
    let while_sick = |policy| number(policy, "/requests_while_sick");
    assert!(
        while_sick(naive) > 2 * while_sick(protected),
        "naive {naive:#}, protected {protected:#}"
    );
    // Two workers, each with its burst, for both sicknesses.
    assert!(while_sick(protected) <= 2 * (10 * 3 + 2 * 2) + 4, "{protected:#}");
    let page = finished.text("report.html");
    assert!(page.contains("id=\"downstream\"") && page.contains("data-chart=\"downstream\""));
}

#[test]
fn naive_retries_hit_a_sick_service_harder_than_those_that_hold_back_polling() {
    assert_naive_hits_harder("polling");
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn naive_retries_hit_a_sick_service_harder_than_those_that_hold_back_event_driven() {
    assert_naive_hits_harder("event-driven");
}

#[test]
fn a_fault_that_no_caller_noticed_makes_the_run_invalid() {
    let place = Place::new();
    // Nobody calls: its sickness touches nobody.
    let quiet = SICK
        .replace("downstream = \"naive\"", "")
        .replace("downstream = \"protected\"", "");
    let result = place.run("quiet", &quiet, &[]).result();
    let reasons = result["run"]["invalid_reasons"].to_string();
    assert!(
        reasons.contains("downstream-fail on downstream was not seen to take effect"),
        "{reasons}"
    );
    assert_eq!(result["downstream"]["policies"].as_array().map(Vec::len), Some(0));
}
