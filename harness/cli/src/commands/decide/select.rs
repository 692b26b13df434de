//! Which evidence a verdict is drawn from: one machine, one scenario, one set of settings a variant; the rest is left out by name.

use std::collections::BTreeSet;

use crossover_evidence::capacity::{Capacity, Variant};
use crossover_evidence::decide::{Evidence, LockWaits};
use crossover_evidence::result::RunResult;

use super::gather::{Content, Item};
use crate::failure::bad_input;

/// The evidence, and what was left out of it.
#[derive(Debug, Default)]
pub struct Selection {
    /// What the verdict is drawn from.
    pub evidence: Evidence,
    /// Where it was measured.
    pub machine: Option<String>,
    /// What was measured.
    pub scenario: String,
    /// The directories that it comes from.
    pub used: Vec<String>,
    /// The directories that were left out, each with the reason.
    pub left_out: Vec<(String, String)>,
}

/// Settings by name, as a run has them.
type Settings = [(String, String)];

/// All that was named, if it can be brought together.
///
/// # Errors
/// Bad input: of several machines or scenarios, or of one that is not known; or no evidence at all.
pub fn exactly(items: Vec<Item>) -> anyhow::Result<Selection> {
    if items.is_empty() {
        return Err(bad_input(
            "none of these runs is evidence; allowed are runs, sweeps, comparisons, capacity searches and assessments",
        ));
    }
    one_machine(&items)?;
    let scenarios: BTreeSet<&str> = items.iter().filter_map(scenario_of).collect();
    if scenarios.len() > 1 {
        let told: Vec<&str> = scenarios.into_iter().collect();
        return Err(bad_input(format!(
            "the runs are of several scenarios ({}): their rates are not of the same jobs; name those of one",
            told.join(", ")
        )));
    }
    Ok(gather(items, Vec::new()))
}

/// Absolute numbers of two machines say nothing of each other.
fn one_machine(items: &[Item]) -> anyhow::Result<()> {
    let measured: Vec<(&str, Option<&str>)> = items
        .iter()
        .filter_map(|item| Some((item.name.as_str(), item.machine()?)))
        .collect();
    let Some((first, machine)) = measured.first() else {
        return Ok(());
    };
    let shown = |machine: &Option<&str>| machine.unwrap_or("a machine that it does not name").to_owned();
    if let Some((other, elsewhere)) = measured.iter().find(|(_, elsewhere)| elsewhere != machine) {
        return Err(bad_input(format!(
            "the runs are of several machines: {first} is of {}, {other} of {}; absolute numbers are not compared across machines: \
             name those of one",
            shown(machine),
            shown(elsewhere)
        )));
    }
    // Those of one command are of one machine, whether it has a name or not.
    let commands: BTreeSet<&str> = measured.iter().filter_map(|(name, _)| name.split('/').next()).collect();
    if machine.is_none() && commands.len() > 1 {
        let told: Vec<&str> = commands.into_iter().collect();
        return Err(bad_input(format!(
            "these runs do not name their machine, for they are of an older version, so they may be of several: {}; run them again, \
             or name one",
            told.join(", ")
        )));
    }
    Ok(())
}

/// Of all that there is, the machine and scenario of the newest usable search, or else of the newest polling run.
pub fn newest(items: Vec<Item>, scenario: Option<&str>) -> Selection {
    let wanted = |item: &&Item| scenario.is_none_or(|wanted| scenario_of(item) == Some(wanted));
    let by_time = |of: fn(&Item) -> Option<&str>| {
        items
            .iter()
            .filter(wanted)
            .filter_map(move |item| Some((of(item)?, item)))
    };
    let anchor = by_time(usable_search)
        .max_by(|a, b| a.0.cmp(b.0))
        .or_else(|| by_time(usable_run).max_by(|a, b| a.0.cmp(b.0)))
        .map(|(_, item)| item);
    let machine = anchor.and_then(|anchor| anchor.machine()?).map(str::to_owned);
    let scenario = anchor.and_then(scenario_of).or(scenario).map(str::to_owned);
    let (mut fitting, mut left_out) = (Vec::new(), Vec::new());
    for item in items {
        match why_not(&item, machine.as_deref(), scenario.as_deref()) {
            None => fitting.push(item),
            Some(reason) if is_worth_telling(&item, scenario.as_deref()) => left_out.push((item.name, reason)),
            Some(_) => {}
        }
    }
    let (fitting, older) = without_older(fitting);
    left_out.extend(older);
    Selection {
        scenario: scenario.unwrap_or_default(),
        ..gather(fitting, left_out)
    }
}

fn usable_search(item: &Item) -> Option<&str> {
    match &item.content {
        Content::Capacity(search, _) if search.invalid_reasons.is_empty() && search.testbed.machine.is_some() => {
            Some(&search.started_at)
        }
        _ => None,
    }
}

fn usable_run(item: &Item) -> Option<&str> {
    match &item.content {
        Content::Run(result) if !LockWaits::of(result, &item.name, Variant::PollingDefault).is_empty() => {
            result.testbed.machine.as_ref()?;
            Some(&result.run.started_at)
        }
        _ => None,
    }
}

fn scenario_of(item: &Item) -> Option<&str> {
    match &item.content {
        Content::Capacity(search, _) => Some(&search.scenario),
        Content::Run(result) => Some(&result.run.scenario),
        Content::Live(_) | Content::Unusable(_) => None,
    }
}

fn why_not(item: &Item, machine: Option<&str>, scenario: Option<&str>) -> Option<String> {
    match &item.content {
        Content::Unusable(reason) => return Some(reason.clone()),
        Content::Capacity(search, _) if !search.invalid_reasons.is_empty() => {
            return Some(not_valid(&search.invalid_reasons));
        }
        _ => {}
    }
    match (item.machine(), scenario_of(item)) {
        (Some(None), _) => Some("it does not name its machine: it is of an older version".to_owned()),
        (_, Some(found)) if Some(found) != scenario => Some(format!("of another scenario, {found}")),
        (Some(found), _) if found != machine => Some(format!("of another machine, {}", found.unwrap_or_default())),
        _ => None,
    }
}

fn not_valid(reasons: &[String]) -> String {
    format!("it is not valid: {}", reasons.join("; "))
}

/// A chaos run of another scenario is not missed by anybody.
fn is_worth_telling(item: &Item, scenario: Option<&str>) -> bool {
    match &item.content {
        Content::Run(result) => {
            result.run.mode == "polling" && scenario.is_none_or(|scenario| result.run.scenario == scenario)
        }
        _ => true,
    }
}

/// Only the searches of the commit that searched last, whatever for; of live systems only the newest look.
fn without_older(items: Vec<Item>) -> (Vec<Item>, Vec<(String, String)>) {
    let searches = items.iter().filter_map(|item| match &item.content {
        Content::Capacity(search, _) if search.invalid_reasons.is_empty() && search.ended.is_some() => Some(search),
        _ => None,
    });
    let newest = searches.max_by(|a, b| a.started_at.cmp(&b.started_at));
    let newest_commit = newest.map(|search| search.git_commit.clone());
    let live = items.iter().filter(|item| matches!(item.content, Content::Live(_)));
    let newest_live = live.map(|item| item.name.clone()).max();
    let reason = |item: &Item| match &item.content {
        Content::Capacity(search, _)
            if newest_commit
                .as_ref()
                .is_some_and(|newest| *newest != search.git_commit) =>
        {
            let commit = search.git_commit.as_deref().unwrap_or("unknown");
            Some(format!("of an older commit, {commit}"))
        }
        Content::Live(_) if newest_live.as_ref() != Some(&item.name) => Some("there is a newer look".to_owned()),
        _ => None,
    };
    let reasons: Vec<Option<String>> = items.iter().map(reason).collect();
    let (mut kept, mut older) = (Vec::new(), Vec::new());
    for (item, reason) in items.into_iter().zip(reasons) {
        match reason {
            None => kept.push(item),
            Some(reason) => older.push((item.name, reason)),
        }
    }
    (kept, older)
}

/// Brings items of one machine and scenario together.
fn gather(items: Vec<Item>, left_out: Vec<(String, String)>) -> Selection {
    let mut selection = Selection {
        machine: items.iter().find_map(|item| item.machine()?.map(str::to_owned)),
        scenario: items.iter().find_map(scenario_of).unwrap_or_default().to_owned(),
        left_out,
        ..Selection::default()
    };
    let variants = variants(&items);
    for item in items {
        let outcome = match item.content {
            Content::Capacity(search, steps) => add_search(&mut selection.evidence, *search, &steps, &variants),
            Content::Run(result) => add_run(&mut selection.evidence, &result, &item.name, &variants),
            Content::Live(live) => {
                selection.evidence.live = Some(live);
                Ok(())
            }
            Content::Unusable(reason) => Err(reason),
        };
        match outcome {
            Ok(()) => selection.used.push(item.name),
            Err(reason) => selection.left_out.push((item.name, reason)),
        }
    }
    selection
}

fn add_search(
    evidence: &mut Evidence,
    search: Capacity,
    steps: &[(String, RunResult)],
    variants: &[(Variant, Vec<(String, String)>)],
) -> Result<(), String> {
    if !search.invalid_reasons.is_empty() {
        return Err(not_valid(&search.invalid_reasons));
    }
    if search.ended.is_none() {
        return Err(format!("it was broken off; go on with {} --resume DIR", search.command));
    }
    // Such as a positive control, whose claim blocks: joined with the others, it would be taken for their noise.
    let known = variants.iter().find(|(variant, _)| *variant == search.variant);
    if let Some((_, known)) = known.filter(|(_, known)| *known != search.topology.settings) {
        let differs = difference(&search.topology.settings, known);
        return Err(format!(
            "its settings differ from those of the newest search: {differs}"
        ));
    }
    let waits = steps
        .iter()
        .flat_map(|(run, result)| LockWaits::of(result, run, search.variant));
    evidence.lock_waits.extend(waits);
    evidence.capacities.push(search);
    Ok(())
}

fn add_run(
    evidence: &mut Evidence,
    result: &RunResult,
    name: &str,
    variants: &[(Variant, Vec<(String, String)>)],
) -> Result<(), String> {
    if !result.run.valid {
        return Err(not_valid(&result.run.invalid_reasons));
    }
    if result.run.mode != "polling" {
        return Err(
            "an event-driven run claims nothing, so it has no say on waits; its ceiling is searched for by capacity"
                .to_owned(),
        );
    }
    let settings = &result.topology.settings;
    let Some((variant, _)) = variants.iter().find(|(_, known)| known == settings) else {
        return Err(format!(
            "its settings are of none of the others: {}",
            difference(
                settings,
                variants.first().map(|(_, known)| known.as_slice()).unwrap_or_default()
            )
        ));
    };
    let waits = LockWaits::of(result, name, *variant);
    if waits.is_empty() {
        return Err("it has no phase with load, or faults that disturb it".to_owned());
    }
    evidence.lock_waits.extend(waits);
    Ok(())
}

/// The settings of each variant, as its newest search has them; without any search, those of the newest polling run.
fn variants(items: &[Item]) -> Vec<(Variant, Vec<(String, String)>)> {
    let searches = || {
        items.iter().filter_map(|item| match &item.content {
            Content::Capacity(search, _) if search.invalid_reasons.is_empty() => Some(search),
            _ => None,
        })
    };
    let of = |variant: Variant| {
        let newest = searches()
            .filter(|search| search.variant == variant)
            .max_by(|a, b| a.started_at.cmp(&b.started_at))?;
        Some((variant, newest.topology.settings.clone()))
    };
    let all = [Variant::PollingDefault, Variant::PollingTuned, Variant::EventDriven];
    let mut known: Vec<_> = all.into_iter().filter_map(of).collect();
    if known.is_empty() {
        let runs = items.iter().filter_map(|item| match &item.content {
            Content::Run(result) if result.run.valid && result.run.mode == "polling" => Some(result),
            _ => None,
        });
        let newest = runs.max_by(|a, b| a.run.started_at.cmp(&b.run.started_at));
        known.extend(newest.map(|result| (Variant::PollingDefault, result.topology.settings.clone())));
    }
    known
}

/// The first setting in which a run differs from the others.
fn difference(found: &Settings, known: &Settings) -> String {
    let differs = found.iter().find(|setting| !known.contains(setting));
    differs.map_or_else(
        || "some are missing".to_owned(),
        |(name, value)| format!("{name} is {value}"),
    )
}
