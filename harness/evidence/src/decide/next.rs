//! What to run next when the evidence does not tell: a command for each clause that is unknown and could decide.

use serde::{Deserialize, Serialize};

use super::RateKey;
use super::answer::Answer::{No, Unknown};
use super::clauses::Basis;
use super::forecast::Need;
use super::verdict::{Facts, Reason, Verdict, judge};
use crate::capacity::Variant;

/// So far above and below the need it is looked: what a run offers and completes scatters about its rate.
const LOOK_BESIDE: f64 = 0.03;

/// A command, and what it would settle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// As it is typed.
    pub command: String,
    /// What it settles.
    pub why: String,
}

/// The commands, the one that settles most first; none if the verdict needs none. Of a scenario that has no rate to search for,
/// the searches are of the one that is made for them.
#[must_use]
pub fn commands(basis: &Basis<'_>, facts: &Facts, scenario: &str, rate_keys: &[RateKey]) -> Vec<Next> {
    // Where the ceiling is known and not met, another search would look where the last one did.
    let looks = match facts.meets_default {
        No => looks(basis.need(), scenario, rate_keys),
        _ => Vec::new(),
    };
    let scenario = Some(scenario).filter(|_| !rate_keys.is_empty());
    let (verdict, reason) = judge(facts);
    if verdict != Verdict::Inconclusive {
        return Vec::new();
    }
    let mut all: Vec<Next> = Vec::new();
    let mut add = |command: String, why: &str| {
        if !all.iter().any(|next| next.command == command) {
            all.push(Next {
                command,
                why: why.to_owned(),
            });
        }
    };
    let profile = || "./just decide --profile FILE".to_owned();
    if basis.profile.peak_jobs_per_s.is_none() || basis.profile.growth.is_none() {
        add(
            profile(),
            "the profile has no peak or no growth; see scenarios/team.example.toml",
        );
    }
    if reason == Reason::HostLimit {
        add(
            search(Variant::PollingTuned, scenario),
            "not settled (host): on a machine with more processors, so that a mode is the limit and not the machine",
        );
        if facts.event_host_limit {
            add(
                search(Variant::EventDriven, scenario),
                "not settled (host): on that machine as well, to be compared with it",
            );
        }
        return all;
    }
    if reason == Reason::NeitherCarries {
        add(
            search(Variant::EventDriven, scenario),
            "neither mode carries the need here: on a larger machine, or with more partitions and workers",
        );
        return all;
    }
    // What condition 1 still needs; once it holds, only what tuned polling and event-driven dispatch carry is left.
    let open = facts.ceiling_hit() == Unknown;
    let plateau_open = open && facts.plateau() != No;
    let tuned = || search(Variant::PollingTuned, scenario);
    let searched_for_waits = open && looks.is_empty();
    let looks = looks
        .into_iter()
        .map(|(command, why)| (open, facts.lock_waits, command, why));
    for (is_open, answer, command, why) in looks.chain([
        (
            open,
            facts.meets_default,
            search(Variant::PollingDefault, scenario),
            "what default polling carries is not known, or not well enough",
        ),
        (
            open || facts.event_above_tuned == Unknown,
            facts.meets_tuned,
            tuned(),
            "what tuned polling carries is not known, or not well enough",
        ),
        (
            plateau_open,
            facts.replicas_do_not_lift,
            format!("{} --replicas 1,2,4,8", tuned()),
            "whether replicas lift polling's ceiling is not known, or not well enough",
        ),
        (
            searched_for_waits,
            facts.lock_waits,
            search(Variant::PollingDefault, scenario),
            "waits for rows of job were not looked at under the load of the need",
        ),
        (
            plateau_open,
            facts.in_claiming,
            tuned(),
            "what limits polling is not known",
        ),
        (
            true,
            facts.event_carries.and(facts.event_above_tuned),
            search(Variant::EventDriven, scenario),
            "what event-driven dispatch carries is not known, or not well enough",
        ),
    ]) {
        if is_open && answer == Unknown {
            add(command, why);
        }
    }
    if facts.expertise == Unknown {
        add(
            profile(),
            "the profile does not say what the team knows of Kafka: [kafka]",
        );
    }
    all
}

/// The runs that look at default polling just above and just below the need, each with what it settles; a search has steps of its
/// own.
fn looks(need: Need, scenario: &str, rate_keys: &[RateKey]) -> Vec<(String, &'static str)> {
    if rate_keys.is_empty() {
        return Vec::new();
    }
    let run = |jobs_per_s: f64| {
        let set = rate_keys
            .iter()
            .map(|key| format!(" --set {}={:.1}", key.path, jobs_per_s * key.per_job));
        format!("./just bench polling {scenario}{}", set.collect::<String>())
    };
    let above = need.high.map(|need| {
        let why = "a little above the need: where it is calm there, polling does not wait for rows of job";
        (run(need * (1.0 + LOOK_BESIDE)), why)
    });
    let below = need.low.map(|need| {
        let why = "a little below the need: where it waits there, sustained, it does";
        (run(need * (1.0 - LOOK_BESIDE)), why)
    });
    above.into_iter().chain(below).collect()
}

/// The command that searches for a variant's ceiling.
fn search(variant: Variant, scenario: Option<&str>) -> String {
    let mode = match variant {
        Variant::PollingDefault => "polling",
        Variant::PollingTuned => "polling-tuned",
        Variant::EventDriven => "event-driven",
    };
    let scenario = scenario.unwrap_or_default();
    format!("./just capacity {mode} {scenario}").trim_end().to_owned()
}
