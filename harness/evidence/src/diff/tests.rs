//! Runs of the claims' fixture, changed by hand.

use super::*;
use crate::claims::fixture::Runs;
use crate::measure::seconds::Piece;
use crate::result::FaultInfo;

fn pieces(name: &str, step: u16) -> PhasePieces {
    let piece = |second: u16| Piece {
        dispatch: vec![(step + second % 5, 30), (step + 200 + second % 7, 2)],
        censored: 0,
        completed: 200 + u32::from(second % 3),
    };
    PhasePieces {
        name: name.to_owned(),
        piece_s: 1,
        pieces: (0..30).map(piece).collect(),
    }
}

fn identity() -> Identity {
    Identity {
        id: "diff-1".to_owned(),
        command: "./just diff a b".to_owned(),
        written_at: "2026-11-22T16:00:00Z".to_owned(),
        git_commit: None,
    }
}

struct Run {
    result: RunResult,
    series: Series,
    plan: &'static str,
    scenario: Vec<(String, String)>,
    pieces: Vec<PhasePieces>,
}

impl Run {
    fn new() -> Self {
        let mut result = Runs::new().polling;
        result.testbed.machine = Some("A processor (0badcafe)".to_owned());
        let names = result
            .phases
            .iter()
            .filter(|phase| !phase.warmup && phase.load.intended > 0);
        let pieces = names.map(|phase| pieces(&phase.name, 1_800)).collect();
        result.faults.clear();
        let steady = result.phases.iter().find(|phase| phase.name == "steady").unwrap();
        result.latency_ms = steady.latency_ms.clone();
        Self {
            result,
            series: Series::default(),
            plan: "0123",
            scenario: vec![("polling.interval".to_owned(), "500ms".to_owned())],
            pieces,
        }
    }

    fn side(&self) -> Side<'_> {
        Side {
            path: "../run",
            result: &self.result,
            series: &self.series,
            plan: self.plan,
            scenario: &self.scenario,
            pieces: &self.pieces,
        }
    }
}

fn figure<'a>(diff: &'a Diff, title: &str, name: &str) -> &'a Figure {
    let group = diff.groups.iter().find(|group| group.title.starts_with(title));
    let figures = &group
        .unwrap_or_else(|| panic!("no group {title}: {:?}", diff.groups))
        .figures;
    figures.iter().find(|figure| figure.name == name).unwrap()
}

#[test]
fn a_run_against_itself_differs_in_nothing() {
    let run = Run::new();
    let diff = diff(identity(), &[run.side(), run.side()]);
    assert!(
        diff.settings.is_empty() && diff.doubts.is_empty(),
        "{:?}",
        (diff.settings, diff.doubts)
    );
    let p50 = figure(&diff, "whole run", "dispatch p50");
    let change = p50.changes[1].unwrap();
    let interval = change.interval.unwrap();
    assert_eq!(change.ratio, 1.0);
    assert!(
        interval.low < 1.0 && interval.high > 1.0 && interval.high < 1.01,
        "{interval:?}"
    );
    assert_eq!(p50.changes[0], None);
}

#[test]
fn what_was_set_differently_is_named_with_the_plan_first() {
    let (a, mut b) = (Run::new(), Run::new());
    b.scenario = vec![
        ("load.rate_per_s".to_owned(), "400".to_owned()),
        ("workload.definitions.2.weight".to_owned(), "1".to_owned()),
        (
            "workload.definitions.2.definition.name".to_owned(),
            "mailing".to_owned(),
        ),
        ("polling.interval".to_owned(), "50ms".to_owned()),
        ("title".to_owned(), "another".to_owned()),
    ];
    b.result.run.git_commit = Some("fedcba9".to_owned());
    b.result.testbed.postgres.version = "18.6".to_owned();
    let diff = diff(identity(), &[a.side(), b.side()]);
    let named: Vec<(SettingKind, &str)> = diff.settings.iter().map(|one| (one.kind, one.name.as_str())).collect();
    assert_eq!(
        named,
        [
            (SettingKind::Plan, "load.rate_per_s"),
            (SettingKind::Plan, "workload.definitions.2"),
            (SettingKind::Host, "PostgreSQL"),
            (SettingKind::Build, "commit"),
            (SettingKind::Engine, "polling.interval"),
        ]
    );
    assert_eq!(diff.settings[0].values, [None, Some("400".to_owned())]);
}

#[test]
fn what_makes_runs_hard_to_compare_is_said() {
    let (a, mut b, mut c) = (Run::new(), Run::new(), Run::new());
    b.result.run.seed += 1;
    b.plan = "4567";
    b.result.run.valid = false;
    b.result.run.invalid_reasons = vec!["the generator was late".to_owned()];
    c.result.testbed.machine = Some("Another (12345678)".to_owned());
    let doubts = diff(identity(), &[a.side(), b.side(), c.side()]).doubts;
    assert_eq!(doubts.len(), 3, "{doubts:?}");
    assert!(doubts[0].contains("B is not valid") && doubts[0].contains("late"));
    assert!(doubts[1].contains("machines differ") && doubts[2].contains("seeds differ"));
    c.result.testbed.machine = None;
    let doubts = diff(identity(), &[a.side(), c.side()]).doubts;
    assert!(doubts[0].contains("machine of B is not known"), "{doubts:?}");
}

#[test]
fn one_run_gives_no_interval_for_what_a_fault_did_to_it() {
    let (a, mut b) = (Run::new(), Run::new());
    let hit = b
        .result
        .phases
        .iter()
        .find(|phase| !phase.warmup && phase.load.intended > 0)
        .unwrap();
    b.result.faults = vec![FaultInfo {
        kind: "kill".to_owned(),
        target: "worker:1".to_owned(),
        injected_s: hit.start_s + 1.0,
        healed_s: Some(hit.start_s + 2.0),
        ..FaultInfo::default()
    }];
    let diff = diff(identity(), &[a.side(), b.side()]);
    let p50 = figure(&diff, "whole run", "dispatch p50");
    assert!(p50.intervals[0].is_some() && p50.intervals[1].is_none());
    assert!(p50.changes[1].unwrap().interval.is_none());
    assert!(
        p50.no_interval
            .as_ref()
            .unwrap()
            .contains("the fault kill on worker:1 came into phase")
    );
    let cpu = figure(&diff, "PostgreSQL", "connections of the engine, most");
    assert_eq!(cpu.no_interval.as_deref(), Some(super::figures::FROM_SUMS));
}
