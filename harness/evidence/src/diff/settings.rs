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

/// All of them; those that are the same everywhere are left out.
pub(super) fn differing(sides: &[Side<'_>]) -> Vec<Setting> {
    let mut names: Vec<(SettingKind, String)> = Vec::new();
    let all: Vec<Vec<(SettingKind, String, String)>> = sides.iter().map(settings).collect();
    for (kind, name, _) in all.iter().flatten() {
        if !names.iter().any(|(_, known)| known == name) {
            names.push((*kind, name.clone()));
        }
    }
    names.sort_by_key(|(kind, _)| *kind);
    let value = |of: &Vec<(SettingKind, String, String)>, name: &str| {
        of.iter()
            .find(|(_, other, _)| other == name)
            .map(|(_, _, value)| value.clone())
    };
    let settings = names.into_iter().map(|(kind, name)| Setting {
        values: all.iter().map(|of| value(of, &name)).collect(),
        kind,
        name,
    });
    settings
        .filter(|setting| setting.values.iter().any(|value| *value != setting.values[0]))
        .collect()
}

fn settings(side: &Side<'_>) -> Vec<(SettingKind, String, String)> {
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
