//! The page and the texts of a diff.

use crossover_evidence::diff::{Diff, Identity, Side, diff};
use crossover_evidence::measure::seconds::{PhasePieces, Piece};
use crossover_report::{DiffPage, diff_html, diff_markdown, diff_terminal};

use crate::fixture::{self, Fixture};

/// Runs and what was found of them.
pub struct Diffed {
    runs: Vec<Fixture>,
    diff: Diff,
}

impl Diffed {
    pub fn with<T>(&self, see: impl FnOnce(&DiffPage) -> T) -> T {
        let runs: Vec<_> = self.runs.iter().map(|run| (&run.result, &run.series)).collect();
        see(&DiffPage {
            diff: &self.diff,
            runs: &runs,
        })
    }
}

fn pieces(run: &Fixture, step: u16) -> Vec<PhasePieces> {
    let piece = |second: u16| Piece {
        dispatch: vec![
            (step + (second * 7) % 31 + step % 5 * (second % 3), 150),
            (step + 130 + second % 7, 30),
        ],
        censored: 0,
        completed: 200 + u32::from(second % 3),
    };
    let measured = run.result.phases.iter().filter(|phase| !phase.warmup);
    measured
        .map(|phase| PhasePieces {
            name: phase.name.clone(),
            piece_s: 1,
            pieces: (0..phase.duration_s as u16).map(piece).collect(),
        })
        .collect()
}

/// A polling run, a tuned one of another commit, and an event-driven one in which a check failed.
pub fn diffed() -> Diffed {
    let mut tuned = fixture::held();
    tuned.result.run.id = "surge-polling-20261122T150000Z".into();
    tuned.result.run.git_commit = Some("fedcba9".into());
    for set in tuned
        .result
        .phases
        .iter_mut()
        .map(|phase| &mut phase.latency_ms)
        .chain([&mut tuned.result.latency_ms])
    {
        let dispatch = &mut set.dispatch;
        for value in [
            &mut dispatch.p50,
            &mut dispatch.p90,
            &mut dispatch.p99,
            &mut dispatch.p999,
        ] {
            *value = value.map(|value| value * 0.4);
        }
        dispatch.curve.iter_mut().for_each(|(_, value)| *value *= 0.4);
    }
    for bucket in tuned.series.dispatch_ms.iter_mut().flatten() {
        for value in [&mut bucket.p50, &mut bucket.p99, &mut bucket.max] {
            *value = value.map(|value| value * 0.4);
        }
    }
    let runs = vec![fixture::held(), tuned, fixture::broken()];
    let pieces: Vec<_> = runs
        .iter()
        .zip([2_300, 2_120, 1_700])
        .map(|(run, step)| pieces(run, step))
        .collect();
    let key = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let scenarios = ["200ms", "50ms", "200ms"].map(|interval| vec![key("polling.interval", interval)]);
    let sides: Vec<Side<'_>> = runs
        .iter()
        .enumerate()
        .map(|(index, run)| Side {
            path: "../run",
            result: &run.result,
            series: &run.series,
            plan: "0123456789abcdef",
            scenario: &scenarios[index],
            pieces: &pieces[index],
        })
        .collect();
    let identity = Identity {
        id: "diff-20261122T160000Z".to_owned(),
        command: "./just diff a b c".to_owned(),
        written_at: "2026-11-22T16:00:00Z".to_owned(),
        git_commit: Some("3f9c1ab".to_owned()),
    };
    let diff = diff(identity, &sides);
    Diffed { diff, runs }
}

#[test]
fn doubts_and_settings_come_before_any_figure() {
    let page = diffed().with(diff_html);
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text:?}"));
    let doubt = place("C did not hold: nothing-lost failed");
    let settings = place("What was set differently");
    assert!(doubt < settings && settings < place("By how much the figures differ"));
    assert!(place("polling.interval") > settings && place("50ms") > settings);
    assert!(place("<td class=\"t\">dispatch p99</td>") > settings);
    assert!(page.contains("class=\"differs\""), "a fifth of A's latency differs");
    assert!(page.contains("came into phase"), "one run tells nothing of a fault");
    assert!(page.contains("href=\"../run/report.html\""));
}

#[test]
fn each_run_has_its_line_and_its_table_in_every_chart() {
    let page = diffed().with(diff_html);
    for chart in ["p99", "p50", "throughput", "queues", "cpu"] {
        assert!(page.contains(&format!("data-chart=\"{chart}\"")), "{chart}");
    }
    for run in 1..=3 {
        assert!(page.contains(&format!("stroke=\"var(--run-{run})\"")), "{run}");
    }
}

#[test]
fn the_texts_of_a_diff() {
    let diffed = diffed();
    insta::assert_snapshot!("terminal_diff", diffed.with(diff_terminal));
    insta::assert_snapshot!("markdown_diff", diffed.with(diff_markdown));
}
