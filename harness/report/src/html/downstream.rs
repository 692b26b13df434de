//! The service that handlers call: who asked it how often, above all while it was sick, and what became of their jobs.

use crossover_evidence::result::{DownstreamPolicy, RunResult};
use maud::{Markup, html};

use super::shell::section;
use super::table::table;
use crate::format::{NONE, count, number, percent_or_none, percentile_short};

/// The section; nothing for a run without such a service.
pub fn downstream(result: &RunResult) -> Markup {
    let Some(downstream) = &result.downstream else {
        return html! {};
    };
    let rows = |row: fn(&DownstreamPolicy) -> Vec<String>| downstream.policies.iter().map(row).collect::<Vec<_>>();
    let asked = [
        "policy",
        "requests",
        "while sick",
        "share while sick",
        "ok",
        "late",
        "refused: full",
        "failed: sick",
        "caller left",
    ];
    let became = [
        "policy",
        "jobs",
        "requests per job",
        "completed",
        "dead letters",
        "unfinished",
        "completion p50",
        "p99",
        "max",
    ];
    let body = html! {
        p {
            "Every request that reached the service, by its own count. Callers of all policies share its capacity: those that "
            "ask at once and without limit take it from the others too."
        }
        (table(&asked, 1, &rows(at_the_service)))
        p { "What became of the jobs that called. The price of holding back is time: see the completion." }
        (table(&became, 1, &rows(of_the_jobs)))
    };
    section("downstream", "The downstream service", true, &body)
}

fn at_the_service(policy: &DownstreamPolicy) -> Vec<String> {
    vec![
        policy.name.clone(),
        count(policy.requests),
        count(policy.requests_while_sick),
        percent_or_none(policy.share_while_sick),
        count(policy.ok),
        count(policy.slow),
        count(policy.refused),
        count(policy.failed),
        count(policy.abandoned),
    ]
}

fn of_the_jobs(policy: &DownstreamPolicy) -> Vec<String> {
    let completion = &policy.completion_ms;
    vec![
        policy.name.clone(),
        count(policy.jobs),
        policy.requests_per_job.map_or_else(|| NONE.to_owned(), number),
        count(policy.completed),
        count(policy.dead_lettered),
        count(policy.unfinished),
        percentile_short(completion.p50, completion),
        percentile_short(completion.p99, completion),
        percentile_short(completion.max, completion),
    ]
}
