//! The plan, the scenario and the command that repeats the run.

use maud::{Markup, html};

use super::shell::section;
use crate::RunPage;
use crate::format::NONE;

/// Text summary of the plan.
pub fn plan(text: &str) -> Markup {
    let body = html! { pre { (text.trim_end()) } };
    section("plan", "Plan", false, &body)
}

/// The scenario file, folded.
pub fn scenario(toml: &str) -> Markup {
    let body = html! { details { summary { "The TOML of this run" } pre { (toml.trim_end()) } } };
    section("scenario", "Scenario", false, &body)
}

/// The command, and what fixes what it does.
pub fn repeat(page: &RunPage) -> Markup {
    let run = &page.result.run;
    let body = html! {
        p {
            "Seed " (run.seed) " fixes the plan, not the interleaving. Written at commit "
            code { (run.git_commit.as_deref().unwrap_or(NONE)) } "."
        }
        pre { (run.command) }
    };
    section("repeat", "Repeat it", false, &body)
}
