//! A verdict in the terminal and in a pull request, and the words that its page shares.

use crossover_evidence::decide::profile::Expertise;
use crossover_evidence::decide::{Answer, Clause, Decision};

use super::grid::{code, grid, markdown, markdown_table, wrap};
use crate::format::{NONE, moment, number, sentence};

/// The verdict as a short text, at most 100 columns.
pub fn decision_terminal(decision: &Decision) -> String {
    let mut out = wrap(&facts(decision).join(" · "), "");
    out.push('\n');
    let (verdict, rest) = parts(decision);
    out.push_str(&wrap(&format!("{}: {rest}", verdict.to_uppercase()), ""));
    out.push_str(&wrap(&sentence(&decision.forecast.sentence()), ""));
    out.push('\n');
    let mut rows = vec![vec![
        "clause".to_owned(),
        "answer".to_owned(),
        "value".to_owned(),
        "interval".to_owned(),
    ]];
    rows.extend(decision.clauses.iter().map(|clause| {
        vec![
            clause.id.clone(),
            answer_word(clause.answer).to_owned(),
            value(clause.value),
            interval(clause),
        ]
    }));
    out.push_str(&grid(&rows, 2));
    out.push('\n');
    for clause in decision
        .clauses
        .iter()
        .filter(|clause| clause.answer == Answer::Unknown)
    {
        out.push_str(&wrap(&format!("{}: {}", clause.id, clause.detail), "  "));
    }
    for next in &decision.next {
        out.push_str(&wrap(&format!("run next: {}  ({})", next.command, next.why), ""));
    }
    for (run, reason) in &decision.left_out {
        out.push_str(&wrap(&format!("left out: {run}: {reason}"), ""));
    }
    for caveat in &decision.caveats {
        out.push_str(&wrap(caveat, ""));
    }
    out
}

/// The verdict as Markdown.
pub fn decision_markdown(decision: &Decision) -> String {
    let (verdict, rest) = parts(decision);
    let mut out = format!(
        "### Crossover: do we need Kafka, and when?\n\n**{}:** {}\n\n- {}\n",
        markdown(verdict),
        markdown(rest),
        markdown(&sentence(&decision.forecast.sentence()))
    );
    for next in &decision.next {
        out.push_str(&format!(
            "- Run next: {} ({})\n",
            code(&next.command),
            markdown(&next.why)
        ));
    }
    for caveat in &decision.caveats {
        out.push_str(&format!("- {}\n", markdown(caveat)));
    }
    out.push('\n');
    let heads = ["clause", "answer", "the number", "run", "would change it"].map(str::to_owned);
    let rows: Vec<Vec<String>> = decision
        .clauses
        .iter()
        .map(|clause| {
            let run = clause.run.as_deref().map_or_else(|| NONE.to_owned(), code);
            vec![
                markdown(&sentence(&clause.text)),
                answer_word(clause.answer).to_owned(),
                markdown(&sentence(&clause.detail)),
                run,
                markdown(&clause.would_change),
            ]
        })
        .collect();
    out.push_str(&markdown_table(&heads, heads.len(), &rows));
    if !decision.left_out.is_empty() {
        let left: Vec<String> = decision
            .left_out
            .iter()
            .map(|(run, reason)| format!("{} ({})", code(run), markdown(reason)))
            .collect();
        out.push_str(&format!("\nLeft out: {}.\n", left.join(", ")));
    }
    out.push_str(&format!(
        "\n{} · {}. Repeat: {}\n",
        markdown(team(decision)),
        markdown(&moment(&decision.decided_at)),
        code(&decision.command)
    ));
    out
}

/// The team's name, or that it has none.
pub fn team(decision: &Decision) -> &str {
    match decision.profile.team.trim() {
        "" => "a team without a name",
        team => team,
    }
}

/// Team, scenario and moment.
pub fn facts(decision: &Decision) -> Vec<String> {
    let facts = [
        team(decision).to_owned(),
        decision.scenario.clone(),
        moment(&decision.decided_at),
    ];
    facts.into_iter().filter(|fact| !fact.is_empty()).collect()
}

/// The sentence begins with the verdict and a colon; both apart.
pub fn parts(decision: &Decision) -> (&str, &str) {
    decision.sentence.split_once(": ").unwrap_or((&decision.sentence, ""))
}

/// The answer in words.
pub fn answer_word(answer: Answer) -> &'static str {
    match answer {
        Answer::Yes => "holds",
        Answer::No => "does not hold",
        Answer::Unknown => "unknown",
    }
}

/// The number of a clause.
pub fn value(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), number)
}

/// `950 to 1,050`; an open end is a dash.
pub fn interval(clause: &Clause) -> String {
    match clause.interval {
        Some(interval) => format!("{} to {}", value(interval.low), value(interval.high)),
        None => NONE.to_owned(),
    }
}

/// What the team said, by name.
pub fn profile(decision: &Decision) -> Vec<(String, String)> {
    let profile = &decision.profile;
    let not_said = || "not said".to_owned();
    let growth = profile.growth.map(|growth| {
        let (low, high) = (growth.percent_per_month_low, growth.percent_per_month_high);
        format!("{} to {} % a month", number(low), number(high))
    });
    let expertise = profile.kafka.as_ref().map(|kafka| match kafka.expertise {
        Expertise::None => "none".to_owned(),
        Expertise::Plan => "a plan".to_owned(),
        Expertise::Experienced => "experienced".to_owned(),
    });
    let latency = profile
        .latency
        .map(|latency| format!("p99 {} ms", number(latency.dispatch_p99_ms)));
    [
        (
            "peak",
            profile.peak_jobs_per_s.map(|peak| format!("{} jobs/s", number(peak))),
        ),
        ("growth", growth),
        ("latency objective", latency),
        ("Kafka", expertise),
    ]
    .map(|(name, value)| (name.to_owned(), value.unwrap_or_else(not_said)))
    .to_vec()
}
