//! `decide` and `claims`: from directories on disk to a verdict, and what they refuse. No server is needed.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crossover_evidence::capacity::search::Settings;
use crossover_evidence::capacity::{Capacity, Interval, SCHEMA_VERSION, Step, StepVerdict, Variant};
use crossover_evidence::claims::standing::{ClaimsPage, Stand};
use crossover_evidence::decide::{Answer, Decision, Verdict};
use crossover_evidence::plateau::{Attribution, Cause};
use crossover_evidence::result::{PostgresVersion, TestbedInfo, TopologyInfo};

use crate::support::{Place, Said, said};

const MACHINE: &str = "A processor (0badcafe)";

fn capacity(variant: Variant, replicas: u32, holds: (f64, f64)) -> Capacity {
    let step = |rate_per_s: f64, verdict, run: &str| Step {
        rate_per_s,
        verdict,
        why: Vec::new(),
        slope_per_s: None,
        achieved_ratio: Some(1.0),
        drain_s: Some(0.5),
        p50_ms: Some(20.0),
        p99_ms: Some(60.0),
        host_cpu_share: Some(0.6),
        limited_by_harness: false,
        failed_checks: Vec::new(),
        run: run.to_owned(),
    };
    let name = serde_json::to_value(variant).unwrap().as_str().unwrap().to_owned();
    Capacity {
        schema_version: SCHEMA_VERSION,
        id: format!("capacity-capacity-{name}-{replicas}"),
        scenario: "capacity".to_owned(),
        variant,
        seed: 7,
        command: "./just capacity".to_owned(),
        git_commit: Some("0123456789ab".to_owned()),
        started_at: "2026-11-22T08:00:00Z".to_owned(),
        testbed: TestbedInfo {
            provider: "local".to_owned(),
            postgres: PostgresVersion {
                version: "15.18".to_owned(),
                settings: Vec::new(),
            },
            broker: None,
            acknowledgement: Vec::new(),
            fsync_us_p50: None,
            file_system: "ext4".to_owned(),
            cpus: 2,
            memory_mb: 8_192,
            machine: Some(MACHINE.to_owned()),
            startup_ms: Vec::new(),
        },
        topology: TopologyInfo {
            replicas,
            relays: 0,
            workers: 2,
            partitions: 0,
            settings: Vec::new(),
        },
        steps: vec![
            step(holds.0, StepVerdict::Held, "01"),
            step(holds.1, StepVerdict::DidNotHold, "02"),
        ],
        search: Settings::default(),
        holds: Interval {
            low: Some(holds.0),
            high: Some(holds.1),
        },
        ended: Some("the interval is narrow enough".to_owned()),
        plateau: Some(Attribution {
            dominant: Some(Cause::ClaimLwlocks),
            detail: "62 % of the active backends".to_owned(),
            findings: Vec::new(),
        }),
        invalid_reasons: Vec::new(),
    }
}

fn write(place: &Place, capacity: &Capacity) {
    let directory = place.path("runs").join(&capacity.id);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("capacity.json"), serde_json::to_vec(capacity).unwrap()).unwrap();
}

/// Polling that neither replicas nor tuning save, event-driven that carries far more.
fn measured() -> Place {
    let place = Place::new();
    for replicas in [1, 2, 4, 8] {
        write(&place, &capacity(Variant::PollingDefault, replicas, (950.0, 1_050.0)));
        write(&place, &capacity(Variant::PollingTuned, replicas, (1_450.0, 1_550.0)));
    }
    write(&place, &capacity(Variant::EventDriven, 2, (40_000.0, 41_000.0)));
    place
}

fn run(place: &Place, command: &str, arguments: &[&str]) -> Said {
    let mut program = place.crossover([command]);
    program.args(arguments).arg("--output").arg(place.path("runs"));
    said(&mut program)
}

/// What the one new directory of this kind holds.
fn written<T: serde::de::DeserializeOwned>(runs: &Path, kind: &str) -> T {
    let entries = fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let newest = entries
        .filter(|path| name(path).starts_with(&format!("{kind}-2")))
        .max()
        .unwrap();
    for page in ["report.html", "report.md"] {
        assert!(fs::metadata(newest.join(page)).unwrap().len() > 500, "{page}");
    }
    let file = if kind == "claims" {
        "claims.json"
    } else {
        "decision.json"
    };
    serde_json::from_slice(&fs::read(newest.join(file)).unwrap()).unwrap()
}

fn decided(place: &Place, arguments: &[&str]) -> Decision {
    let begun = Instant::now();
    let said = run(place, "decide", arguments);
    let took = begun.elapsed();
    assert_eq!(said.code, Some(0), "{}", said.errors);
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    assert!(said.output.trim_end().ends_with("report.html"), "{}", said.output);
    written(&place.path("runs"), "decision")
}

fn refused(place: &Place, arguments: &[&str], words: &[&str]) {
    let said = run(place, "decide", arguments);
    assert_eq!(said.code, Some(2), "{}\n{}", said.output, said.errors);
    for word in words {
        assert!(said.errors.contains(word), "no {word:?} in:\n{}", said.errors);
    }
}

#[test]
fn the_three_teams_of_ours_get_their_verdicts_from_disk_in_under_a_second() {
    let place = measured();
    let small = decided(&place, &["--profile", "scenarios/teams/small.toml"]);
    assert_eq!(small.verdict, Verdict::StayPolling, "{}", small.sentence);
    assert_eq!(small.used.len(), 9);
    assert_eq!(small.machine.as_deref(), Some(MACHINE));
    for profile in ["scenarios/team.example.toml", "scenarios/teams/large.toml"] {
        let place = measured();
        let decision = decided(&place, &["--profile", profile]);
        assert_eq!(decision.verdict, Verdict::MoveToEventDriven, "{}", decision.sentence);
        assert_eq!((decision.condition_1, decision.condition_2), (Answer::Yes, Answer::Yes));
    }
}

#[test]
fn searches_inside_a_command_s_directory_are_found_and_cited_by_their_place() {
    let place = Place::new();
    let all = place.path("runs").join("capacity-capacity-all-20261122T080000Z");
    let search = all.join("polling-default-1");
    fs::create_dir_all(&search).unwrap();
    fs::write(all.join("capacities.json"), "{}").unwrap();
    let capacity = capacity(Variant::PollingDefault, 1, (950.0, 1_050.0));
    fs::write(search.join("capacity.json"), serde_json::to_vec(&capacity).unwrap()).unwrap();
    let decision = decided(&place, &["--profile", "scenarios/teams/small.toml"]);
    assert_eq!(decision.verdict, Verdict::StayPolling, "{}", decision.sentence);
    let cited = decision
        .clauses
        .iter()
        .find(|clause| clause.id == "meets-default")
        .unwrap();
    assert_eq!(
        cited.run.as_deref(),
        Some("capacity-capacity-all-20261122T080000Z/polling-default-1")
    );
}

#[test]
fn a_live_system_that_waits_for_its_job_rows_counts_as_a_ceiling_that_is_hit() {
    let place = measured();
    let assessed = place.path("runs").join("assess-job-20261122T080000Z");
    fs::create_dir_all(&assessed).unwrap();
    let text = r#"{"schema_version": 1, "sampled": {"duration_s": 60.0}, "condition": {"answer": "yes"},
        "lock_waits": {"lock_wait_share": {"estimate": 0.4, "low": 0.3, "high": 0.5}, "lock_wait_share_at_most": null}}"#;
    fs::write(assessed.join("assess.json"), text).unwrap();
    let decision = decided(&place, &["--profile", "scenarios/teams/large.toml"]);
    let waits = decision
        .clauses
        .iter()
        .find(|clause| clause.id == "lock-waits")
        .unwrap();
    assert_eq!(
        (waits.answer, waits.run.as_deref()),
        (Answer::Yes, Some("assess-job-20261122T080000Z"))
    );
}

#[test]
fn without_anything_measured_it_is_inconclusive_and_says_what_to_run() {
    let place = Place::new();
    fs::create_dir(place.path("runs")).unwrap();
    let decision = decided(&place, &["--profile", "scenarios/teams/large.toml"]);
    assert_eq!(decision.verdict, Verdict::Inconclusive);
    assert!(
        decision.next[0].command.starts_with("./just capacity polling"),
        "{:?}",
        decision.next
    );
}

#[test]
fn other_thresholds_apply_to_old_runs_and_nonsense_is_refused_with_its_line() {
    let place = measured();
    let thresholds = place.write("thresholds.toml", "[forecast]\nhorizon_months = 1\n");
    let arguments = [
        "--profile",
        "scenarios/team.example.toml",
        "--thresholds",
        thresholds.to_str().unwrap(),
    ];
    let decision = decided(&place, &arguments);
    assert_eq!(decision.thresholds.forecast.horizon_months, 1.0);
    assert_eq!(decision.forecast.meets_within_horizon, Answer::No);
    let thresholds = place.write("thresholds.toml", "[lock_waits]\n\nshare_max = 12\n");
    let words = ["line 3", "lock_waits.share_max: found 12; allowed is 0 to 1"];
    refused(&place, &["--thresholds", thresholds.to_str().unwrap()], &words);
}

#[test]
fn a_profile_that_contradicts_itself_is_refused_with_its_line() {
    let place = measured();
    let profile = place.write(
        "p.toml",
        "[kafka]\nexpertise = \"none\"\n[kafka.plan]\nowner = \"Ada\"\n",
    );
    let words = ["line 3", "kafka.plan", "contradicts kafka.expertise = \"none\""];
    refused(&place, &["--profile", profile.to_str().unwrap()], &words);
    let profile = place.write("p.toml", "peak_job_per_s = 3\n");
    refused(
        &place,
        &["--profile", profile.to_str().unwrap()],
        &["did you mean \"peak_jobs_per_s\"?"],
    );
    refused(
        &place,
        &["--profile", "nowhere.toml"],
        &["can't read the profile nowhere.toml"],
    );
}

#[test]
fn runs_of_different_machines_are_not_mixed() {
    let place = measured();
    let mut elsewhere = capacity(Variant::EventDriven, 4, (90_000.0, 91_000.0));
    elsewhere.testbed.machine = Some("Another (12345678)".to_owned());
    elsewhere.started_at = "2026-11-21T08:00:00Z".to_owned();
    write(&place, &elsewhere);
    let path = |name: &str| place.path("runs").join(name).to_str().unwrap().to_owned();
    let (here, there) = (path("capacity-capacity-polling-tuned-1"), path(&elsewhere.id));
    let words = ["several machines", MACHINE, "Another (12345678)", "name those of one"];
    refused(&place, &[&here, &there], &words);
    let mut old = capacity(Variant::PollingTuned, 16, (1_000.0, 1_100.0));
    old.testbed.machine = None;
    write(&place, &old);
    let words = ["several machines", "a machine that it does not name"];
    refused(&place, &[&here, &path(&old.id)], &words);
    // Left to itself, it takes those of the newest search's machine, and says what it left out.
    let decision = decided(&place, &["--profile", "scenarios/teams/large.toml"]);
    assert_eq!(decision.machine.as_deref(), Some(MACHINE));
    let left = decision.left_out.iter().find(|(run, _)| *run == elsewhere.id);
    assert!(
        left.is_some_and(|(_, why)| why.contains("another machine")),
        "{:?}",
        decision.left_out
    );
}

#[test]
fn only_the_commit_that_searched_last_is_heard_whatever_it_searched_for() {
    let place = measured();
    let newer = Capacity {
        git_commit: Some("ba9876543210".to_owned()),
        started_at: "2026-11-22T09:00:00Z".to_owned(),
        ..capacity(Variant::EventDriven, 2, (40_000.0, 41_000.0))
    };
    write(&place, &newer);
    let decision = decided(&place, &["--profile", "scenarios/teams/large.toml"]);
    assert_eq!(decision.used, [newer.id]);
    assert_eq!(decision.verdict, Verdict::Inconclusive, "{}", decision.sentence);
    assert!(
        decision
            .left_out
            .iter()
            .all(|(_, why)| why == "of an older commit, 0123456789ab"),
        "{:?}",
        decision.left_out
    );
}

#[test]
fn a_search_with_other_settings_is_not_joined_with_the_newest() {
    let place = measured();
    let mut control = capacity(Variant::PollingDefault, 8, (10.0, 11.0));
    control.id = "capacity-control".to_owned();
    control.started_at = "2026-11-22T07:00:00Z".to_owned();
    control.topology.settings = vec![("claim".to_owned(), "blocking".to_owned())];
    write(&place, &control);
    let decision = decided(&place, &["--profile", "scenarios/teams/small.toml"]);
    assert_eq!(decision.verdict, Verdict::StayPolling, "{}", decision.sentence);
    let left = decision.left_out.iter().find(|(run, _)| run == "capacity-control");
    assert!(
        left.is_some_and(|(_, why)| why.ends_with("claim is blocking")),
        "{:?}",
        decision.left_out
    );
}

#[test]
fn evidence_of_another_version_is_refused_by_name_and_left_out_by_default() {
    let place = measured();
    let newer = Capacity {
        schema_version: 99,
        id: "capacity-newer".to_owned(),
        ..capacity(Variant::EventDriven, 2, (1.0, 2.0))
    };
    write(&place, &newer);
    let path = place.path("runs").join("capacity-newer");
    let words = ["capacity.json: schema_version: found 99; this program reads 1"];
    refused(&place, &[path.to_str().unwrap()], &words);
    let decision = decided(&place, &["--profile", "scenarios/teams/large.toml"]);
    assert_eq!(decision.verdict, Verdict::MoveToEventDriven);
    assert!(
        decision.left_out.iter().any(|(run, _)| run == "capacity-newer"),
        "{:?}",
        decision.left_out
    );
}

#[test]
fn every_claim_has_its_place_and_without_runs_none_is_settled() {
    let place = Place::new();
    fs::create_dir(place.path("runs")).unwrap();
    let said = run(&place, "claims", &[]);
    assert_eq!(said.code, Some(0), "{}", said.errors);
    let page: ClaimsPage = written(&place.path("runs"), "claims");
    assert_eq!(page.claims.len(), 30);
    assert!(page.claims.iter().all(|claim| claim.stand == Stand::NotYetMeasured));
}

#[test]
fn what_a_comparison_says_of_a_claim_is_on_the_page() {
    let place = Place::new();
    let directory = place.path("runs").join("compare-compare-20261122T080000Z");
    fs::create_dir_all(&directory).unwrap();
    let said_of = |verdict: &str| {
        format!(
            r#"{{"started_at": "2026-11-22T08:00:00Z", "claims": [{{"id": "C04", "text": "t", "verdict": "{verdict}", "evidence": "p50 is 240 ms"}}]}}"#
        )
    };
    fs::write(directory.join("compare.json"), said_of("refuted")).unwrap();
    let said = run(&place, "claims", &[]);
    assert!(said.output.contains("C04 REFUTED"), "{}", said.output);
    let page: ClaimsPage = written(&place.path("runs"), "claims");
    let c04 = page.claims.iter().find(|claim| claim.id == "C04").unwrap();
    assert_eq!((c04.stand, c04.evidence.as_str()), (Stand::Refuted, "p50 is 240 ms"));
    assert_eq!(c04.run.as_deref(), Some("compare-compare-20261122T080000Z"));
}
