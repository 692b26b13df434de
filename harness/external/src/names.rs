//! What a run calls its database and topics, and how it knows them again.

use crossover_testbed::{Result, TestbedError};
use uuid::Uuid;

/// PostgreSQL cuts longer names off without a word.
const DATABASE_NAME_BYTES: usize = 63;

/// Begins the name of every database of ours.
const DATABASE: &str = "crossover_";

/// Begins the name of every topic and group of ours.
const TOPICS: &str = "crossover-";

/// Kafka's longest topic name is 249; a job type and what stands before it need room too.
const TOPIC_PREFIX_BYTES: usize = 128;

/// Hexadecimal digits of the marker that are in both names: the end of it, which is random.
const RANDOM_DIGITS: usize = 10;

/// The names of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Of the database: small letters, digits and underscores, so that it needs no quotes.
    pub database: String,
    /// What the comment on the database says: the run, and something that nobody can guess.
    pub marker: String,
    /// Begins topics and groups, and ends with a dot.
    pub topic_prefix: String,
}

impl Names {
    /// New names. Two runs with the same id have different ones, for what ends one of them takes topics by their prefix.
    #[must_use]
    pub fn of_run(run_id: &str) -> Self {
        let random = Uuid::now_v7().simple().to_string();
        let run_with_random = format!("{run_id}-{}", end(&random, RANDOM_DIGITS));
        let plain = |character: char, other: char| match character.to_ascii_lowercase() {
            letter if letter.is_ascii_alphanumeric() => letter,
            _ => other,
        };
        let in_database: String = run_with_random.chars().map(|character| plain(character, '_')).collect();
        let in_topics: String = run_with_random.chars().map(|character| plain(character, '-')).collect();
        // What tells runs apart stands at the end: what is cut off is the scenario's name.
        Self {
            database: format!("{DATABASE}{}", end(&in_database, DATABASE_NAME_BYTES - DATABASE.len())),
            marker: format!("crossover run {run_id}, marker {random}"),
            topic_prefix: format!("{TOPICS}{}.", end(&in_topics, TOPIC_PREFIX_BYTES)),
        }
    }
}

/// Whether a database has the random part of a marker in its name: nobody else's has.
#[must_use]
pub fn is_named_by(database: &str, marker: &str) -> bool {
    let random = end(marker, RANDOM_DIGITS);
    let is_random = random.len() == RANDOM_DIGITS && random.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_random && database.strip_suffix(random).is_some_and(|rest| rest.ends_with('_'))
}

/// Refuses a prefix that is not of the form above: with a shorter one, the end of a run would take others' topics.
///
/// # Errors
/// `BadInput`.
pub fn require_prefix(prefix: &str) -> Result<()> {
    let inner = prefix.strip_prefix(TOPICS).and_then(|rest| rest.strip_suffix('.'));
    match inner {
        Some(inner) if !inner.is_empty() => Ok(()),
        _ => Err(TestbedError::BadInput(format!(
            "{prefix:?} is not a prefix of a run's topics; expected {TOPICS}<run>."
        ))),
    }
}

/// Whether a topic is one that the engine makes under this prefix.
#[must_use]
pub fn is_topic_of(prefix: &str, topic: &str) -> bool {
    topic
        .strip_prefix(prefix)
        .is_some_and(|rest| ["jobs.", "dead-letters."].iter().any(|kind| rest.starts_with(kind)))
}

/// Whether a consumer group is one of the engine's under this prefix.
#[must_use]
pub fn is_group_of(prefix: &str, group: &str) -> bool {
    group
        .strip_prefix(prefix)
        .is_some_and(|rest| rest.starts_with("workers."))
}

fn end(text: &str, bytes: usize) -> &str {
    text.get(text.len().saturating_sub(bytes)..).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_need_no_quotes_and_keep_the_end_of_the_run() {
        let names = Names::of_run("Event-driven-20260101T101112Z-7'; DROP");
        let random = end(&names.marker, RANDOM_DIGITS);
        assert_eq!(
            names.database,
            format!("crossover_event_driven_20260101t101112z_7___drop_{random}")
        );
        assert_eq!(
            names.topic_prefix,
            format!("crossover-event-driven-20260101t101112z-7---drop-{random}.")
        );
        assert!(names.marker.starts_with("crossover run Event-driven-"));
        let long = Names::of_run(&format!("{}-20260101T101112Z-77", "x".repeat(300)));
        assert_eq!(long.database.len(), DATABASE_NAME_BYTES);
        assert!(long.database.contains("_20260101t101112z_77_"));
        assert!(long.topic_prefix.len() < 249 - 64);
    }

    #[test]
    fn two_runs_of_one_id_share_no_name() {
        let (one, other) = (Names::of_run("r"), Names::of_run("r"));
        assert_ne!(one.marker, other.marker);
        assert_ne!(one.database, other.database);
        assert_ne!(one.topic_prefix, other.topic_prefix);
    }

    #[test]
    fn a_database_is_known_by_its_name_only_if_nobody_could_have_guessed_it() {
        let (ours, others) = (Names::of_run("r"), Names::of_run("r"));
        assert!(is_named_by(&ours.database, &ours.marker));
        assert!(!is_named_by(&others.database, &ours.marker));
        assert!(!is_named_by("crossover_r", "crossover run r"));
        assert!(!is_named_by("orders_", ""));
    }

    #[test]
    fn a_prefix_that_would_take_others_topics_is_refused() {
        for prefix in ["", ".", "crossover-", "crossover-.", "crossover-x", "orders."] {
            assert!(require_prefix(prefix).is_err(), "{prefix}");
        }
        assert!(require_prefix(&Names::of_run("r").topic_prefix).is_ok());
    }

    #[test]
    fn only_what_the_engine_makes_is_ours() {
        assert!(is_topic_of("crossover-r.", "crossover-r.jobs.mail"));
        assert!(is_topic_of("crossover-r.", "crossover-r.dead-letters.mail"));
        assert!(!is_topic_of("crossover-r.", "crossover-r.orders"));
        assert!(!is_topic_of("crossover-r.", "crossover-r2.jobs.mail"));
        assert!(is_group_of("crossover-r.", "crossover-r.workers.mail"));
        assert!(!is_group_of("crossover-r.", "workers.mail"));
    }
}
