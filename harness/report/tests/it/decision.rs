//! The pages of verdicts and of claims.

use crossover_evidence::capacity::search::Settings;
use crossover_evidence::capacity::{Capacity, Interval, SCHEMA_VERSION, Variant};
use crossover_evidence::claims::standing::{self, ClaimsPage, Said};
use crossover_evidence::decide::profile::{Expertise, Growth, KafkaSkill};
use crossover_evidence::decide::{Decision, Evidence, Identity, Profile, RateKey, Thresholds, decide};
use crossover_evidence::plateau::{Attribution, Cause};
use crossover_evidence::result::{Claim, ClaimVerdict};
use crossover_report::{
    claims_html, claims_markdown, claims_terminal, decision_html, decision_markdown, decision_terminal,
};

use crate::fixture;

fn capacity(variant: Variant, replicas: u32, holds: (f64, f64)) -> Capacity {
    let run = fixture::held().result;
    let mut topology = run.topology;
    topology.replicas = replicas;
    Capacity {
        schema_version: SCHEMA_VERSION,
        id: format!("capacity-{variant:?}-{replicas}").to_lowercase(),
        scenario: "capacity".to_owned(),
        variant,
        seed: 7,
        command: "./just capacity".to_owned(),
        git_commit: None,
        started_at: "2026-11-22T08:00:00Z".to_owned(),
        testbed: run.testbed,
        topology,
        steps: Vec::new(),
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

/// A team that grows into polling's ceiling; without evidence, inconclusive.
pub fn decision(with_evidence: bool) -> Decision {
    let tuned = [1, 2, 4, 8].map(|replicas| capacity(Variant::PollingTuned, replicas, (1_450.0, 1_550.0)));
    let others = [
        capacity(Variant::PollingDefault, 2, (950.0, 1_050.0)),
        capacity(Variant::EventDriven, 2, (9_000.0, 9_500.0)),
    ];
    let capacities: Vec<Capacity> = tuned.into_iter().chain(others).filter(|_| with_evidence).collect();
    let identity = Identity {
        id: "decision-20261122T160000Z".to_owned(),
        command: "./just decide --profile team.toml".to_owned(),
        decided_at: "2026-11-22T16:00:00Z".to_owned(),
        machine: with_evidence.then(|| "A processor (0badcafe)".to_owned()),
        scenario: "capacity".to_owned(),
        rate_keys: vec![RateKey {
            path: "load.0.rate_per_s".to_owned(),
            per_job: 1.0,
        }],
        used: capacities.iter().map(|capacity| capacity.id.clone()).collect(),
        left_out: vec![("capacity-old".to_owned(), "of another machine, <b>".to_owned())],
        ..Identity::default()
    };
    let profile = Profile {
        team: "orders & <script>".to_owned(),
        peak_jobs_per_s: Some(900.0),
        growth: Some(Growth {
            percent_per_month_low: 5.0,
            percent_per_month_high: 9.0,
        }),
        latency: None,
        kafka: Some(KafkaSkill {
            expertise: Expertise::Experienced,
            plan: None,
        }),
    };
    let evidence = Evidence {
        capacities,
        ..Evidence::default()
    };
    decide(identity, &evidence, &profile, &Thresholds::default())
}

/// One claim refuted, all others not measured.
pub fn claims() -> ClaimsPage {
    let said = Said {
        run: "compare-compare-20261122T080000Z".to_owned(),
        at: "2026-11-22T08:00:00Z".to_owned(),
        valid: true,
        claim: Claim {
            id: "C04".to_owned(),
            text: String::new(),
            verdict: ClaimVerdict::Refuted,
            evidence: "p50 is 120 ms".to_owned(),
        },
    };
    ClaimsPage {
        schema_version: standing::SCHEMA_VERSION,
        id: "claims-20261122T160000Z".to_owned(),
        written_at: "2026-11-22T16:00:00Z".to_owned(),
        git_commit: None,
        runs: 2,
        valid_runs: 2,
        claims: standing::all(&[said], &[]),
    }
}

#[test]
fn the_verdict_tops_the_page_and_every_clause_has_its_row() {
    let decision = decision(true);
    let page = decision_html(&decision);
    let verdict = page
        .find("Move to event-driven dispatch:")
        .expect("the verdict is there");
    assert!(verdict < page.find("<table").expect("there is a table"));
    for clause in &decision.clauses {
        assert!(
            page.contains(&clause.detail.replace('&', "&amp;")[1..]),
            "{}",
            clause.detail
        );
    }
    assert!(page.contains("class=\"wide\"") && page.contains("class=\"narrow\""));
    assert!(page.contains("../capacity-pollingtuned-8/report.html"));
    assert!(page.contains("orders &amp; &lt;script&gt;") && !page.contains("orders & <script>"));
    assert!(!page.contains("Run next"));
}

#[test]
fn an_inconclusive_page_says_what_to_run_next() {
    let page = decision_html(&decision(false));
    assert!(page.contains("Inconclusive:") && page.contains("Run next"));
    assert!(page.contains("./just capacity polling capacity"));
}

#[test]
fn the_texts_of_a_verdict() {
    insta::assert_snapshot!("terminal_decision", decision_terminal(&decision(true)));
    insta::assert_snapshot!("terminal_decision_inconclusive", decision_terminal(&decision(false)));
    insta::assert_snapshot!("markdown_decision", decision_markdown(&decision(true)));
}

#[test]
fn the_claims_are_counted_first_and_the_refuted_one_shows_its_number() {
    let page = claims_html(&claims());
    let counted = "0 supported, 1 refuted, 0 not settled, 29 not yet measured.";
    assert!(page.contains(counted));
    assert!(page.contains("P50 is 120 ms.") || page.contains("p50 is 120 ms."));
    assert!(page.contains("../compare-compare-20261122T080000Z/report.html"));
    assert!(claims_terminal(&claims()).contains("C04 REFUTED."));
    assert!(claims_markdown(&claims()).contains(&format!("**{counted}**")));
}
