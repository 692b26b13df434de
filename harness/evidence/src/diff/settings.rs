//! What was set differently: the plan first, then where it ran, then what was built, then all other keys.

use serde::{Deserialize, Serialize};

use super::Side;

/// A setting that is not the same in all runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// What it belongs to.
    pub kind: SettingKind,
    /// A key of the scenario, or what it is in words.
    pub name: String,
    /// One value a run; `null` where a run has no such setting.
    pub values: Vec<Option<String>>,
}

/// What a setting belongs to, in the order of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingKind {
    /// What was done: scenario, mode, load, workload, faults.
    Plan,
    /// Machine and servers.
    Host,
    /// The commit of the engine and of the harness.
    Build,
    /// All other keys of the scenario.
    Engine,
}

/// Keys of a scenario that make its plan.
const PLAN_KEYS: [&str; 4] = ["load", "workload", "faults", "downstream"];
/// Keys of a scenario that change nothing of what is measured.
const SILENT: [&str; 5] = ["title", "claims", "hypotheses", "sweep", "seed"];

type Named = (SettingKind, String, String);

/// All of them; those that are the same everywhere are left out, and an item of a list that a run lacks is one setting.
pub(super) fn differing(sides: &[Side<'_>]) -> Vec<Setting> {
    let all: Vec<Vec<Named>> = sides.iter().map(settings).collect();
    let mut found: Vec<Setting> = Vec::new();
    for (kind, name, _) in all.iter().flatten() {
        let setting = values(*kind, name, &all);
        let known = found.iter().any(|other| other.name == setting.name);
        if !known && setting.values.iter().any(|value| *value != setting.values[0]) {
            found.push(setting);
        }
    }
    found.sort_by_key(|setting| setting.kind);
    found
}

/// A key's value in every run; of a list's item that is not in every run, whether it is there.
fn values(kind: SettingKind, name: &str, all: &[Vec<Named>]) -> Setting {
    let has = |of: &[Named], under: &str| of.iter().any(|(_, key, _)| key.starts_with(under));
    let item = items(name).find(|item| all.iter().any(|of| !has(of, &format!("{item}."))));
    let value = |of: &Vec<Named>| match item {
        Some(item) => has(of, &format!("{item}.")).then(|| "given".to_owned()),
        None => of
            .iter()
            .find(|(_, key, _)| key == name)
            .map(|(_, _, value)| value.clone()),
    };
    Setting {
        kind,
        name: item.unwrap_or(name).to_owned(),
        values: all.iter().map(value).collect(),
    }
}

/// The items of lists that a key lies in, the outermost first: `load.0` of `load.0.name`.
fn items(name: &str) -> impl Iterator<Item = &str> {
    let ends = name.match_indices('.').map(|(at, _)| &name[..at]);
    ends.filter(|item| {
        item.rsplit('.')
            .next()
            .is_some_and(|step| step.parse::<usize>().is_ok())
    })
}

fn settings(side: &Side<'_>) -> Vec<Named> {
    let (run, testbed) = (&side.result.run, &side.result.testbed);
    let mut all = Vec::new();
    let mut add = |kind, name: &str, value: String| all.push((kind, name.to_owned(), value));
    add(SettingKind::Plan, "scenario", run.scenario.clone());
    add(SettingKind::Plan, "mode", run.mode.clone());
    add(SettingKind::Plan, "seed", run.seed.to_string());
    for (key, value) in side.scenario {
        let first = key.split('.').next().unwrap_or_default();
        if SILENT.contains(&first) {
            continue;
        }
        let kind = if PLAN_KEYS.contains(&first) {
            SettingKind::Plan
        } else {
            SettingKind::Engine
        };
        add(kind, key, value.clone());
    }
    let machine = testbed.machine.clone().unwrap_or_else(|| "not known".to_owned());
    add(SettingKind::Host, "machine", machine);
    add(SettingKind::Host, "processors", testbed.cpus.to_string());
    add(SettingKind::Host, "memory", format!("{} MiB", testbed.memory_mb));
    add(SettingKind::Host, "servers", testbed.provider.clone());
    add(SettingKind::Host, "file system", testbed.file_system.clone());
    add(SettingKind::Host, "PostgreSQL", testbed.postgres.version.clone());
    if let Some(broker) = &testbed.broker {
        add(
            SettingKind::Host,
            "broker",
            format!("{} {}", broker.kind, broker.version),
        );
    }
    for (name, value) in &testbed.postgres.settings {
        add(SettingKind::Host, name, value.clone());
    }
    let commit = run.git_commit.clone().unwrap_or_else(|| "not known".to_owned());
    add(SettingKind::Build, "commit", commit);
    all
}
