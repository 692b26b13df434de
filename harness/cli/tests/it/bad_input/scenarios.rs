//! A scenario, or a change of one, that can not be meant: named with its place before anything is made.

use std::path::PathBuf;

use super::{BAD, refused, refused_scenario};
use crate::support::{Place, SHORT, TINY};

/// The tiny scenario with one thing changed.
fn tiny_with(from: &str, to: &str) -> String {
    assert!(TINY.contains(from), "{from}");
    TINY.replacen(from, to, 1)
}

#[test]
fn each_fault_of_a_scenario_is_named_with_its_place() {
    let fault = |kind: &str, target: &str, at: &str| {
        format!("{TINY}\n[[faults]]\nkind = \"{kind}\"\ntarget = \"{target}\"\nat = \"{at}\"\n")
    };
    let cases: [(String, &[&str]); 24] = [
        // The file, its line, the key, and the nearest name that is one.
        (
            tiny_with("rate_per_s", "rate_per_sec"),
            &[
                "bad.toml",
                "line 10, column 1",
                "unknown field `rate_per_sec`",
                "did you mean \"rate_per_s\"?",
            ],
        ),
        (
            tiny_with("[polling]", "[pooling]"),
            &["line 4", "unknown field `pooling`", "did you mean \"polling\"?"],
        ),
        (
            tiny_with("\"constant\"", "\"constnat\""),
            &["line 9", "unknown variant `constnat`", "did you mean \"constant\"?"],
        ),
        (
            tiny_with("rate_per_s = 40", "rate_per_s = \"40\""),
            &["line 10", "invalid type: string \"40\", expected f64"],
        ),
        (
            tiny_with("seed = 7", "seed = -7"),
            &["line 2", "invalid value: integer `-7`"],
        ),
        (
            tiny_with("title = \"a tiny run\"\n", ""),
            &["bad.toml", "missing field `title`"],
        ),
        // A duration needs its unit.
        (
            tiny_with("\"50ms\"", "50"),
            &["line 5", "invalid type: integer `50`, expected a duration"],
        ),
        (
            tiny_with("\"50ms\"", "\"50\""),
            &[
                "line 5",
                "string \"50\", expected a duration: a string with a unit, as in \"500ms\"",
            ],
        ),
        (
            tiny_with("rate_per_s = 40", "rate_per_s = 0"),
            &["line 10, load[0].rate_per_s: found 0; allowed is more than 0"],
        ),
        (
            tiny_with("rate_per_s = 40", "rate_per_s = -5"),
            &["line 10, load[0].rate_per_s: found -5; allowed is more than 0"],
        ),
        (
            tiny_with("\"500ms\"", "\"0s\""),
            &["line 11, load[0].duration: found 0s; allowed is more than 0s"],
        ),
        (
            format!("{TINY}\n[topology]\nreplicas = 0\n"),
            &["topology.replicas: found 0; allowed is 1 to 64"],
        ),
        (
            fault("kill", "worker:2", "0s"),
            &[
                "faults[0].target: found \"worker:2\"; allowed are postgres, replica:1 to replica:1, worker:1 to worker:1, relay:1 to relay:1",
            ],
        ),
        (
            fault("kill", "kafka", "0s"),
            &["faults[0].target: found \"kafka\"; allowed are postgres"],
        ),
        (
            fault("latency", "link:kafka", "0s"),
            &["faults[0].latency: found nothing that can be used; this kind of fault needs a duration"],
        ),
        (
            fault("down", "link:kafka", "0s"),
            &["faults[0].target: found \"link:kafka\"", "set topology.proxied = true"],
        ),
        (
            fault("kill", "worker:1", "0s") + "every = \"1s\"\n",
            &["faults[0].every: found 1s; with its time and its jitter, it can't come again before 1s 100ms"],
        ),
        (
            fault("kill", "worker:1", "0s") + "bytes = 7\n",
            &["faults[0].bytes: a fault of kind \"kill\" has none such key; take it out"],
        ),
        (
            fault("stop", "worker:1", "1500ms"),
            &["faults[0].at: found 1s 500ms for 1s; it must end within the load, which lasts 2s"],
        ),
        (
            fault("deny", "topic:reserve", "0s"),
            &["faults[0].kind: found \"deny\"", "event_driven.authorizer = true"],
        ),
        (
            fault("deny", "relay:1", "0s"),
            &["faults[0].target: found \"relay:1\"", "group:JOB_TYPE"],
        ),
        // Inside the workload too.
        (
            tiny_with(
                "[[workload.definitions]]",
                "[workload]\nhot_partition_share = 0.5\n[[workload.definitions]]",
            ) + "\n[event_driven]\npartitions = 1\n",
            &[
                "workload.hot_partition_share: found 0.5",
                "event_driven.partitions to 2 or more",
            ],
        ),
        (
            tiny_with("count = 2", "cuont = 2"),
            &["line 31", "unknown field `cuont`", "did you mean \"count\"?"],
        ),
        (
            tiny_with("\"charge-and-notify\"", "\"reserve\""),
            &["workload.definitions[0].definition.steps[1].name: the name \"reserve\" is used by an earlier step"],
        ),
    ];
    for (scenario, words) in cases {
        refused_scenario(&scenario, &[], words);
    }
}

#[test]
fn each_setting_of_the_event_driven_mode_is_named_with_what_is_allowed() {
    let with = |table: &str, line: &str| format!("{TINY}\n[{table}]\n{line}\n");
    let cases: [(String, &[&str]); 8] = [
        (
            with("event_driven", "strategy = \"sleep\""),
            &["unknown variant `sleep`", "notify", "poll"],
        ),
        (
            with("event_driven", "partitions = 0"),
            &["event_driven.partitions: found 0; allowed is 1 to 1000"],
        ),
        (
            with("event_driven", "batch = 500\nwindow = 100"),
            &["event_driven.window: found 100; allowed is 500 to"],
        ),
        (
            with("event_driven", "redispatch_after = \"10ms\""),
            &["event_driven.redispatch_after: found 10ms; allowed is 1s to"],
        ),
        (
            with("event_driven", "group_protocol = \"eager\""),
            &["unknown variant `eager`", "classic", "consumer"],
        ),
        (
            with("topology", "brokers = 2"),
            &["topology.brokers: found 2; allowed are 1 and 3"],
        ),
        (
            with("topology", "relays = 0"),
            &["topology.relays: found 0; allowed is 1 to 16"],
        ),
        (
            TINY.replacen("duration = \"500ms\"", "duration = \"500ms\"\ndefinition = \"ordr\"", 1),
            &["load[0].definition", "ordr", "order"],
        ),
    ];
    for (scenario, words) in cases {
        refused_scenario(&scenario, &[], words);
    }
}

#[test]
fn a_service_that_handlers_call_needs_its_table_and_policies_that_are_known() {
    let table = "[downstream.policies.naive]\n[downstream.policies.protected]\ncalls_per_s = 20\n";
    let calling = |policy: &str| {
        tiny_with(
            "mean = \"2ms\",",
            &format!("mean = \"2ms\", downstream = \"{policy}\","),
        )
    };
    let fault = |kind: &str, target: &str, rest: &str| {
        format!("[[faults]]\nkind = \"{kind}\"\ntarget = \"{target}\"\nat = \"0s\"\n{rest}\n")
    };
    let cases: [(String, &[&str]); 11] = [
        (
            calling("naive"),
            &[
                "line 21, workload.definitions[0].handler.downstream: found \"naive\"; the scenario has no service",
                "add a table [downstream]",
            ],
        ),
        (
            format!("{}{table}", calling("careful")),
            &["handler.downstream: found the policy \"careful\"; allowed are naive, protected"],
        ),
        (
            format!("{TINY}{}", fault("downstream-fail", "downstream", "")),
            &["faults[0].kind: found \"downstream-fail\"; the scenario has no service"],
        ),
        (
            format!("{TINY}{table}{0}{0}", fault("downstream-fail", "downstream", "")),
            &[
                "faults[1].at: found 0s; 0s into the load faults[0], of kind \"downstream-fail\" and on \"downstream\" as well",
            ],
        ),
        (
            format!("{TINY}{table}{}", fault("downstream-fail", "worker:1", "")),
            &["faults[0].target: found \"worker:1\"; a fault of kind \"downstream-fail\" allows downstream"],
        ),
        (
            format!("{TINY}{table}{}", fault("downstream-slow", "downstream", "share = 0.5")),
            &["faults[0].share: a fault of kind \"downstream-slow\" has latency; take it out"],
        ),
        (
            format!("{TINY}[downstream]\n"),
            &["downstream.policies: found none; give at least one, as in [downstream.policies.naive]"],
        ),
        (
            format!("{TINY}[downstream]\ncapacity = 0\n{table}"),
            &["downstream.capacity: found 0; allowed is 1 to 100000"],
        ),
        (
            format!("{TINY}[downstream.policies.naive]\nburst = 3\n"),
            &["downstream.policies.naive.burst: belongs to a limit; give calls_per_s too, or take it out"],
        ),
        (
            format!("{TINY}[downstream.policies.naive]\ncalls_per_s = 0\n"),
            &["downstream.policies.naive.calls_per_s: found 0; allowed is 0.001"],
        ),
        (
            format!("{TINY}[downstream.policies.\"a b\"]\n"),
            &["found the name \"a b\"; allowed are 1 to 60 of a-z A-Z 0-9 _ -"],
        ),
    ];
    for (scenario, words) in cases {
        refused_scenario(&scenario, &[], words);
    }
}

#[test]
fn servers_of_the_users_own_are_not_to_be_broken_nor_set() {
    let place = Place::new();
    let external = [
        "--testbed",
        "external",
        "--external-database",
        "postgres://ann@127.0.0.1:1/x",
    ];
    let fault = "\n[[faults]]\nkind = \"kill\"\ntarget = \"postgres\"\nat = \"1s\"\nfor = \"100ms\"\n";
    let cases: [(String, &[&str]); 5] = [
        (
            format!("{TINY}\n[event_driven]\nauthorizer = true\n"),
            &["event_driven.authorizer: found true", "yours to make"],
        ),
        (
            format!("{TINY}\n[event_driven]\nsession_timeout = \"5s\"\n"),
            &["event_driven.session_timeout: found 5s", "6s"],
        ),
        (
            format!("{TINY}{fault}"),
            &["faults[0].target: found \"postgres\"", "--allow-faults"],
        ),
        (
            format!("{TINY}\n[postgres]\nwork_mem = \"8MB\"\n"),
            &["postgres.work_mem", "your servers"],
        ),
        (
            format!("{TINY}\n[topology]\nproxied = true\n"),
            &["topology.proxied: found true"],
        ),
    ];
    for (index, (scenario, words)) in cases.into_iter().enumerate() {
        let mut command = place.bench(&format!("external-{index}"), &scenario, &external);
        refused(&place, &mut command, BAD, words);
    }
}

#[test]
fn an_empty_or_broken_scenario_is_refused() {
    refused_scenario("", &[], &["bad.toml", "missing field"]);
    refused_scenario("title = \"unclosed", &[], &["bad.toml", "line 1"]);
    refused_scenario(
        &TINY.replace(
            "[[load]]",
            "[[sweep]]\nkey = \"polling.batch\"\nvalues = []\n\n[[load]]",
        ),
        &[],
        &["line"],
    );
}

#[test]
fn an_override_that_can_not_be_is_named() {
    refused_scenario(
        TINY,
        &["--set", "topology.workers"],
        &["--set topology.workers: expected KEY=VALUE"],
    );
    refused_scenario(
        TINY,
        &["--set", "title.x=1"],
        &["--set title.x=1: title.x leads through a key that is not a table"],
    );
    refused_scenario(
        TINY,
        &["--set", "load.7.rate_per_s=1"],
        &["--set load.7.rate_per_s=1: load.7.rate_per_s leads"],
    );
    refused_scenario(
        TINY,
        &["--set", "topology.wokers=4"],
        &[
            "--set topology.wokers=4",
            "unknown field `wokers`",
            "did you mean \"workers\"?",
        ],
    );
    refused_scenario(
        TINY,
        &["--set", "polling.interval=50"],
        &[
            "--set polling.interval=50",
            "invalid type: integer `50`, expected a duration",
        ],
    );
    refused_scenario(
        TINY,
        &["--seed", "first"],
        &["invalid value 'first' for '--seed <SEED>'"],
    );
}

#[test]
fn a_value_of_a_sweep_that_does_not_fit_is_found_before_the_first_point_runs() {
    let sweep = |values: &str| format!("{SHORT}\n[[sweep]]\nkey = \"topology.workers\"\nvalues = [{values}]\n");
    refused_scenario(
        &sweep("1, 0"),
        &[],
        &["sweep: ", "topology.workers: found 0; allowed is 1 to 256"],
    );
    refused_scenario(&sweep(""), &[], &["sweep[0].values: found none"]);
}

#[test]
fn a_sweep_can_not_be_kept_running() {
    let scenario = format!("{SHORT}\n[[sweep]]\nkey = \"topology.workers\"\nvalues = [1, 2]\n");
    refused_scenario(&scenario, &["--keep"], &["--keep: ", "is a sweep", "--set"]);
}

#[test]
fn a_hypothesis_that_could_never_apply_is_refused() {
    let hypothesis = |when: &str, bound: &str| {
        format!("{SHORT}\n[[hypotheses]]\ntext = \"t\"\nmetric = \"ledger.lost\"\nwhen = \"{when}\"\n{bound}\n")
    };
    let words = ["hypotheses[0].when: found \"poling.claim=blocking\"; a scenario has no key \"poling.claim\""];
    refused_scenario(&hypothesis("poling.claim=blocking", "at_most = 0"), &[], &words);
    let second = ["a scenario has no key \"topology.wokers\""];
    refused_scenario(
        &hypothesis("polling.claim=blocking, topology.wokers=2", "at_most = 0"),
        &[],
        &second,
    );
    refused_scenario(
        &hypothesis("polling.claim", "at_most = 0"),
        &[],
        &["hypotheses[0].when: expected KEY=VALUE"],
    );
    refused_scenario(
        &hypothesis("polling.claim=blocking", ""),
        &[],
        &["hypotheses[0]: found neither at_least nor at_most"],
    );
}

#[test]
fn a_broken_trace_is_named_with_its_line() {
    let (before, after) = SHORT.split_once("[[load]]").unwrap();
    let (_, after) = after.split_once("[[workload").unwrap();
    let load = "[[load]]\nname = \"trace\"\narrivals = \"trace\"\nfile = \"arrivals.csv\"\n\n[[workload";
    let scenario = format!("{before}{load}{after}");
    let place = Place::new();
    refused(
        &place,
        &mut place.bench("bad", &scenario, &[]),
        BAD,
        &["can't read the trace", "arrivals.csv", "No such file"],
    );
    let header = "offset_ms,definition,service_ms,payload_bytes";
    for (rows, words) in [
        (
            "0,single,1,1\n5,sngle,1,1",
            "arrivals.csv: line 3: definition: found \"sngle\"; allowed are single",
        ),
        ("0,single,1", "arrivals.csv: line 2: found 3 cells; allowed are 4"),
        (
            "9,single,1,1\n\n5,single,1,1",
            "arrivals.csv: line 4: offset_ms: found 5, after 9",
        ),
    ] {
        place.write("arrivals.csv", &format!("{header}\n{rows}\n"));
        refused(&place, &mut place.bench("bad", &scenario, &[]), BAD, &[words]);
    }
    assert_eq!(place.runs(), [] as [PathBuf; 0]);
}

#[test]
fn a_setting_that_would_weaken_durability_is_refused() {
    let place = Place::new();
    let scenario = format!("{SHORT}\n[postgres]\nfsync = \"off\"\n");
    refused(
        &place,
        &mut place.bench("weak", &scenario, &[]),
        BAD,
        &["fsync can't be changed", "durable"],
    );
}
