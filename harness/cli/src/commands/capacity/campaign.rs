//! Which searches a command comes to, kept in `capacities.json` so that a broken-off one can go on.

use std::path::PathBuf;

use crossover_evidence::capacity::Variant;
use crossover_evidence::capacity::search::Settings;
use serde::{Deserialize, Serialize};

use super::args::{CapacityArgs, CapacityMode};
use crate::args::Mode;
use crate::commands::running::run_name;
use crate::commands::variants;
use crate::failure::bad_input;
use crate::scenario::{Document, Rates};

/// `capacities.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Campaign {
    /// Scenario name.
    pub scenario: String,
    /// What was asked for, as it is written in names: a variant, or `all`.
    pub mode: String,
    /// The command that repeats it.
    pub command: String,
    /// What each search is asked for.
    pub settings: Settings,
    /// In the order in which they run.
    pub searches: Vec<Search>,
}

/// One search of a campaign.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Search {
    /// Directory, relative to the campaign's; empty for the only one, which lies in the campaign's own.
    pub directory: String,
    /// What is searched.
    pub variant: Variant,
    /// Engine replicas, where they are not the scenario's.
    pub replicas: Option<u32>,
}

impl Search {
    /// Its dispatch mode.
    pub fn mode(&self) -> Mode {
        variants::mode_of(self.variant)
    }

    /// The overrides that make the scenario its own, but for the rate.
    pub fn overrides(&self, document: &Document) -> Vec<String> {
        variants::overrides(self.variant, self.replicas, document)
    }
}

impl Campaign {
    /// From the flags.
    ///
    /// # Errors
    /// Bad input, with what is allowed.
    pub fn of(
        args: &CapacityArgs,
        mode: CapacityMode,
        scenario: &str,
        document: &Document,
        command: String,
    ) -> anyhow::Result<Self> {
        let rates = Rates::of(document).map_err(|why| bad_input(format!("{scenario}: {why}")))?;
        if !(0.005..=1.0).contains(&args.tolerance) {
            let found = args.tolerance;
            return Err(bad_input(format!("--tolerance: found {found}; allowed is 0.005 to 1")));
        }
        if let Some(found) = args.replicas.iter().find(|count| !(1..=64).contains(*count)) {
            return Err(bad_input(format!("--replicas: found {found}; allowed are 1 to 64")));
        }
        let variants: &[Variant] = match mode {
            CapacityMode::Polling => &[Variant::PollingDefault],
            CapacityMode::PollingTuned => &[Variant::PollingTuned],
            CapacityMode::EventDriven => &[Variant::EventDriven],
            CapacityMode::All => &variants::ALL,
        };
        let replicas: Vec<Option<u32>> = match args.replicas.as_slice() {
            [] => vec![None],
            counts => counts.iter().copied().map(Some).collect(),
        };
        let mut searches = Vec::new();
        for variant in variants {
            for replicas in &replicas {
                searches.extend((1..=args.repeat).map(|turn| Search {
                    directory: name_of(*variant, *replicas, args.repeat, turn),
                    variant: *variant,
                    replicas: *replicas,
                }));
            }
        }
        if let [only] = searches.as_mut_slice() {
            only.directory.clear();
        }
        let mode = match mode {
            CapacityMode::All => "all",
            _ => variants[0].name(),
        };
        Ok(Self {
            scenario: scenario.to_owned(),
            mode: mode.to_owned(),
            command: format!("{command}{}", flags(args)),
            settings: Settings {
                first_per_s: rates.jobs_per_s(),
                tolerance: args.tolerance,
                steps_max: args.steps as usize,
                ..Settings::default()
            },
            searches,
        })
    }

    /// Directory name: `capacity-<scenario>-<variant>-<utc>`.
    pub fn directory_name(&self) -> PathBuf {
        run_name(&format!("capacity-{}", self.scenario), &self.mode)
    }
}

fn name_of(variant: Variant, replicas: Option<u32>, repeats: u32, turn: u32) -> String {
    let mut name = variant.name().to_owned();
    if let Some(count) = replicas {
        name.push_str(&format!("-replicas-{count}"));
    }
    if repeats > 1 {
        name.push_str(&format!("-{turn}"));
    }
    name
}

/// The flags of its own, as a person would type them.
fn flags(args: &CapacityArgs) -> String {
    let defaults = Settings::default();
    let mut flags = String::new();
    if !args.replicas.is_empty() {
        let counts: Vec<String> = args.replicas.iter().map(u32::to_string).collect();
        flags.push_str(&format!(" --replicas {}", counts.join(",")));
    }
    if args.repeat > 1 {
        flags.push_str(&format!(" --repeat {}", args.repeat));
    }
    if (args.tolerance - defaults.tolerance).abs() > f64::EPSILON {
        flags.push_str(&format!(" --tolerance {}", args.tolerance));
    }
    if args.steps as usize != defaults.steps_max {
        flags.push_str(&format!(" --steps {}", args.steps));
    }
    flags
}
