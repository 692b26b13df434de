//! Every statement of the engine by its tag: for a test that prepares each, and for references driven without the engine.

use super::{
    begin, cancel, claim, complete, dead_letters, definitions, fail, inspect, lease, notify, outbox, outcome, schedule,
    start, sweep,
};

/// (tag, text) of each statement.
pub fn statements() -> impl Iterator<Item = (&'static str, &'static str)> {
    let all: [&[&'static str]; 15] = [
        &begin::STATEMENTS,
        &cancel::STATEMENTS,
        &claim::STATEMENTS,
        &complete::STATEMENTS,
        &dead_letters::STATEMENTS,
        &definitions::STATEMENTS,
        &fail::STATEMENTS,
        &inspect::STATEMENTS,
        &lease::STATEMENTS,
        &notify::STATEMENTS,
        &outbox::STATEMENTS,
        &outcome::STATEMENTS,
        &schedule::STATEMENTS,
        &start::STATEMENTS,
        &sweep::STATEMENTS,
    ];
    all.into_iter().flatten().map(|text| (tag_of(text), *text))
}

/// `claim` of `/* claim */ WITH …`.
fn tag_of(text: &str) -> &str {
    text.split(' ').nth(1).unwrap_or_default()
}
