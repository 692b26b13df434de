//! Dead letters brought back from a topic.

use std::time::Duration;

use crossover_proto::load::Work;
use serde_json::json;

use super::{BAD, Kept, Record, UNAVAILABLE, assert_says, prefix};
use crate::conformance::Mode;
use crate::conformance::system::{flow, job};
use crate::conformance::workers::start_work;
use crate::servers::wait_until;

/// More than one page of the API's.
const MASS: u64 = 10_000;
/// Done before the failure.
const GOOD: u64 = 500;
/// Ten thousand jobs through debug builds on a busy machine of two processors.
const MASS_WITHIN: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_replay_from_an_offset_leaves_what_came_before() {
    let kept = Kept::start(Mode::EventDriven).await;
    // Three partitions: one of them has two or more.
    kept.fail_some(7).await;
    let topic = format!("{}jobs.work", prefix(&kept.system));
    let records = kept.records().await;
    let (_, partition, offset) = *records
        .windows(2)
        .find(|two| two[0].1 == two[1].1)
        .map(|two| &two[1])
        .unwrap();
    let all = records.len();
    let (meant, others): (Vec<Record>, Vec<Record>) = records
        .into_iter()
        .partition(|record| record.1 == partition && record.2 >= offset);
    let meant_count = meant.len();

    // A time at which nothing was sent yet, and a reason that none has.
    let late = kept.told(&["replay", "--from", &format!("{topic}@2100-01-01T00:00:00Z")]);
    assert_says(
        &late,
        &[
            "0 records of",
            "they name 0 jobs",
            "0 were dead letters, 0 brought back",
        ],
    );
    let other = kept.told(&["replay", "--from", &topic, "--reason", "nobody said this"]);
    assert_says(
        &other,
        &[
            "7 records of",
            "(3 partitions) read, 0 of them unreadable",
            "0 brought back",
            "7 skipped",
        ],
    );

    let from = format!("{topic}:{partition}@{offset}");
    let told = kept.told(&["replay", "--from", &from]);
    let brought_back = format!("{meant_count} were dead letters, {meant_count} brought back\n0 skipped");
    assert_says(&told, &[&format!("{meant_count} records of {from} to "), &brought_back]);
    for (job, ..) in &meant {
        assert_eq!(kept.state_of(*job).await, "queued");
    }
    for (job, ..) in &others {
        assert_eq!(kept.state_of(*job).await, "dead_letter");
    }

    // From the topic's start since a time before all: the others, and those that are on their way are skipped.
    let told = kept.told(&["replay", "--from", &format!("{topic}@2000-01-01T00:00:00Z")]);
    let rest = all - meant_count;
    assert_says(
        &told,
        &[
            &format!("they name {all} jobs"),
            &format!("{rest} were dead letters, {rest} brought back"),
        ],
    );
    assert_says(
        &told,
        &[&format!("{meant_count} skipped: done, given up, or on their way")],
    );
    assert_says(
        &kept.told(&["list"]),
        &["0 dead letters", "0 records that no worker could read"],
    );
    kept.system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_replay_from_what_is_not_there_is_refused_with_what_there_is() {
    let kept = Kept::start(Mode::EventDriven).await;
    kept.fail_some(1).await;
    let topic = format!("{}jobs.work", prefix(&kept.system));
    let (_, partition, _) = kept.records().await[0];
    let refused = |from: &str, words: &[&str]| kept.refused(&["replay", "--from", from], BAD, words);
    let near = format!("{}jobs.wrok", prefix(&kept.system));
    refused(
        &near,
        &["no topic", &format!("did you mean {topic:?}?"), "those with jobs are: "],
    );
    refused(
        &format!("{topic}:3"),
        &[&format!("{topic} has no partition 3; it has 0 to 2")],
    );
    let past = format!("{topic}:{partition}@2");
    refused(
        &past,
        &["has no offset 2; it holds 0 to 0, and the next record will be 1"],
    );
    refused(&format!("{topic}@17"), &["name it, as in"]);
    refused(&format!("{topic}:0@soon"), &["neither an offset, from 0, nor a time"]);
    kept.refused(&["replay"], BAD, &["--all"]);
    kept.refused(&["replay", "--from", &topic, "--all"], BAD, &["cannot be used with"]);
    kept.refused(&["discard", "--from", &topic], BAD, &["unexpected argument '--from'"]);

    // Nothing was changed by all that, and a broker that is away is told apart from bad input.
    assert_says(&kept.told(&["list"]), &["1 dead letters"]);
    kept.write_run(&json!({ "bootstrap": "127.0.0.1:9", "prefix": "" }));
    let away = ["the broker at 127.0.0.1:9 does not answer"];
    kept.refused(&["replay", "--from", &topic], UNAVAILABLE, &away);
    let listed = kept.dlq(&["list"]);
    assert_eq!(listed.code, UNAVAILABLE, "{}", listed.errors);
    assert_says(&listed.output, &["1 dead letters"]);
    let shown = kept.dlq(&["show", "1"]);
    assert_eq!(shown.code, UNAVAILABLE, "{}", shown.errors);
    assert_says(
        &shown.output,
        &["dead_letter, attempt 1", "topic   unknown", "group   unknown"],
    );
    kept.system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_mass_failure_is_replayed_from_a_topic_skipping_what_is_done() {
    let kept = Kept::start(Mode::EventDriven).await;
    let system = &kept.system;
    system.register(&flow("one", [vec![job("work")]])).await;
    let broken = system.add_worker(&["work"], &["--concurrency", "1000"]).await;
    start_work(system, "one", GOOD, &Work::default()).await;
    let broken_work = Work {
        permanent_failure_rate: 1.0,
        ..Work::default()
    };
    for _ in 0..4 {
        start_work(system, "one", MASS / 4, &broken_work).await;
    }
    let dead = "SELECT count(*) FROM job WHERE state = 'dead_letter'";
    let mass = i64::try_from(MASS).unwrap();
    wait_until("all have failed", MASS_WITHIN, || async {
        system.database.number(dead).await == mass
    })
    .await;
    system.stop_worker(&broken).await;
    system
        .add_worker(&["work"], &["--concurrency", "1000", "--handler", "fixed"])
        .await;

    let topic = format!("{}jobs.work", prefix(system));
    let told = kept.told(&["replay", "--from", &topic]);
    assert_says(
        &told,
        &[
            "10500 records of",
            "they name 10500 jobs",
            "10000 were dead letters, 10000 brought back",
        ],
    );
    assert_says(&told, &["500 skipped: done"]);
    let completed = "SELECT count(*) FROM instance WHERE state = 'completed'";
    let all = i64::try_from(MASS + GOOD).unwrap();
    wait_until("all are done", MASS_WITHIN, || async {
        system.database.number(completed).await == all
    })
    .await;
    let twice = "SELECT count(*) FROM (SELECT job_id FROM audit WHERE event = 'job_completed'
                 GROUP BY job_id HAVING count(*) > 1) AS twice";
    assert_eq!(system.database.number(twice).await, 0);

    // Again: all of it is done.
    let told = kept.told(&["replay", "--from", &topic]);
    assert_says(
        &told,
        &[
            "they name 10500 jobs",
            "0 were dead letters, 0 brought back",
            "10500 skipped",
        ],
    );
    system.finish().await;
}
