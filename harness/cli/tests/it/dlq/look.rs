//! Looking: what `list` and `show` say.

use crossover_proto::load::Work;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::{BAD, Kept, assert_says, prefix};
use crate::conformance::Mode;
use crate::conformance::system::{SOON, flow, job};
use crate::conformance::workers::start_work;
use crate::servers::wait_until;
use crate::support::{Place, SHORT, Turn, read_json, said};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_polling_system_shows_any_job_and_has_no_topic_to_replay_from() {
    let kept = Kept::start(Mode::Polling).await;
    kept.fail_some(1).await;
    let words = ["is a polling system: it has no topic", "--all, --reason or --job"];
    kept.refused(&["replay", "--from", "jobs.work"], BAD, &words);
    assert_says(
        &kept.told(&["show", "1"]),
        &["of one version 1: failed", "dead_letter, attempt 1", "job_dead"],
    );
    let listed = kept.told(&["list"]);
    assert_says(&listed, &["job 1  one/work  attempt 1", "1 dead letters"]);
    assert!(!listed.contains("no worker could read"), "{listed}");
    assert_says(&kept.told(&["replay", "--all"]), &["1 brought back"]);
    let shown = kept.told(&["show", "1"]);
    assert_says(
        &shown,
        &[
            "of one version 1: running",
            "queued, attempt 2",
            "job_replayed  attempt 2",
        ],
    );
    assert!(!shown.contains("checkpoints"), "{shown}");
    kept.refused(&["show", "2"], BAD, &["no job 2", "dlq list"]);
    kept.refused(&["show", "0"], BAD, &["0 is not in 1.."]);
    kept.system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_job_is_shown_at_each_checkpoint_on_its_way() {
    let kept = Kept::start(Mode::EventDriven).await;
    let system = &kept.system;
    system.register(&flow("one", [vec![job("work")]])).await;
    system.start_one("one").await;
    let sent = "SELECT count(*) FROM outbox WHERE sent_at IS NOT NULL";
    wait_until("it is sent", SOON, || async { system.database.number(sent).await == 1 }).await;
    let (_, partition, offset) = kept.records().await[0];
    let group = format!("{}workers.work", prefix(system));
    let acknowledged = format!(
        "acknowledgement noted: {}jobs.work:{partition}@{offset}",
        prefix(system)
    );
    let waiting = [
        "of one version 1: running",
        "queued, attempt 1",
        "attempt 1, outbox row 1\n",
        "  written\n",
        &acknowledged,
        "the record is there (the partition holds 0 to 0)",
        &format!("{group} has committed nothing"),
        "not begun on this attempt",
    ];
    assert_says(&kept.told(&["show", "1"]), &waiting);

    let worker = system.add_worker(&["work"], &[]).await;
    let done = format!("{group} is past it: committed {}", offset + 1);
    wait_until("the group is past it", SOON, || async {
        kept.told(&["show", "1"]).contains(&done)
    })
    .await;
    let begun = format!("begun by {}", worker.name);
    let shown = kept.told(&["show", "1"]);
    assert_says(
        &shown,
        &[
            "of one version 1: completed",
            "completed, attempt 1",
            &acknowledged,
            &begun,
        ],
    );

    let gone = "DELETE FROM outbox";
    assert_eq!(system.database.execute(gone).await, 1);
    assert_says(
        &kept.told(&["show", "1"]),
        &["no outbox row", "sent so long ago that it is removed"],
    );
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn records_that_no_worker_could_read_are_listed_with_their_origin_and_error() {
    let kept = Kept::start(Mode::EventDriven).await;
    let system = &kept.system;
    system.register(&flow("one", [vec![job("work")]])).await;
    system.add_worker(&["work"], &[]).await;
    start_work(system, "one", 1, &Work::default()).await;
    let completed = "SELECT count(*) FROM job WHERE state = 'completed'";
    wait_until("one is done", SOON, || async {
        system.database.number(completed).await == 1
    })
    .await;
    let topic = format!("{}jobs.work", prefix(system));
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", system.servers.kafka().await.bootstrap())
        .create()
        .unwrap();
    for _ in 0..7 {
        let record = BaseRecord::to(&topic).key("a").payload("not protobuf").partition(2);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    tokio::task::block_in_place(|| producer.flush(SOON)).unwrap();
    let all = "7 records that no worker could read";
    wait_until("all are dead letters", SOON, || async {
        kept.told(&["list"]).contains(all)
    })
    .await;
    let listed = kept.told(&["list"]);
    let from = format!("  from {topic}:2@");
    let counted = format!("       7  {}dead-letters.work", prefix(system));
    let words = [
        &*counted,
        &from,
        "is not a crossover.event.v1.Event",
        "… and 2 more",
        "redispatch_after",
    ];
    assert_says(&listed, &["0 dead letters"]);
    assert_says(&listed, &words);
    assert_eq!(listed.matches(&from).count(), 5, "{listed}");

    let told = kept.told(&["replay", "--from", &topic]);
    assert_says(
        &told,
        &[
            "8 records of",
            "7 of them unreadable; they name 1 jobs",
            "0 brought back",
            "1 skipped: done",
        ],
    );
    system.finish().await;
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn a_kept_run_says_where_its_brokers_are() {
    let place = Place::new();
    let scenario = format!("{SHORT}handler = {{ permanent_failure_rate = 0.5 }}\n");
    let file = place.write("kept.toml", &scenario);
    {
        let _turn = Turn::take();
        let mut bench = place.crossover(["bench", "event-driven"]);
        let bench = said(bench.arg(file).arg("--keep").arg("--output").arg(place.path("runs")));
        assert!(bench.errors.contains("left running"), "{}", bench.errors);
    }
    let run = place.only_run();
    let dlq = |arguments: &[&str]| {
        let said = said(place.crossover(["dlq"].iter().chain(arguments)).arg("--run").arg(&run));
        assert_eq!(said.code, Some(0), "{arguments:?}: {}", said.errors);
        said.output
    };
    let dead = read_json(&run.join("result.json"))["ledger"]["dead_lettered"]
        .as_u64()
        .unwrap();
    assert!(dead > 0, "the planned failures did not happen");
    assert_says(
        &dlq(&["list"]),
        &[&format!("{dead} dead letters"), "0 records that no worker could read"],
    );
    assert_says(
        &dlq(&["show", "1"]),
        &["checkpoints of job 1", "begun by worker-1 (logs/worker-1.log)"],
    );
    assert_says(
        &dlq(&["replay", "--from", "jobs.work"]),
        &[&format!("{dead} brought back")],
    );
    let cleaned = said(place.crossover(["clean", "--output"]).arg(place.path("runs")));
    assert_eq!(cleaned.code, Some(0), "{}", cleaned.errors);
}
