//! Who leads, and what becomes of the rows when a leader dies, stops, or is not the only one.

use std::time::{Duration, Instant};

use crossover_testbed::Signal;

use super::bed::{Bed, SOON};
use crate::servers::wait_until;

/// What the design promises after SIGKILL of the leader.
const AFTER_KILL: Duration = Duration::from_secs(2);
/// … and after SIGSTOP.
const AFTER_STOP: Duration = Duration::from_secs(4);

/// Two relays, of which `r1` leads.
async fn two(bed: &Bed, flags: &[&str]) -> [String; 2] {
    let first = bed.relay("r1", flags).await;
    bed.leads("r1", SOON).await;
    [first, bed.relay("r2", flags).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_standby_takes_over_from_a_killed_leader_and_nothing_is_lost() {
    let bed = Bed::new().await;
    two(&bed, &["--window", "1000", "--batch", "200"]).await;
    bed.fill("work", 1_000, 20, 200).await;
    wait_until("some rows are sent", SOON, async || bed.pending().await < 19_000).await;
    bed.signal("r1", Signal::Kill).await;
    let took = bed.leads("r2", AFTER_KILL).await;
    assert!(bed.pending().await > 0, "the leader died too late for this test");
    bed.all_sent().await;
    let duplicates = bed.assert_all_arrived_in_order("work").await;
    println!("take-over after SIGKILL: {took:?}; {duplicates} duplicates");
    assert!(duplicates <= 1_000, "{duplicates}: more than the window");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_standby_takes_over_from_a_stopped_leader_which_then_sends_nothing_new() {
    let bed = Bed::new().await;
    let [first, _] = two(&bed, &["--window", "200", "--batch", "100"]).await;
    // Large answers: the stop comes while the server writes one, with the epoch's row locked.
    bed.fill("work", 30, 10, 200_000).await;
    wait_until("some rows are sent", SOON, async || bed.pending().await < 280).await;
    bed.signal("r1", Signal::Stop).await;
    let took = bed.leads("r2", AFTER_STOP).await;
    let last = bed.database.number("SELECT max(id) FROM outbox").await;
    bed.fill("work", 100, 5, 200).await;
    bed.signal("r1", Signal::Cont).await;
    bed.fill("work", 100, 5, 200).await;
    bed.all_sent().await;
    wait_until("the former leader stands by", SOON, async || {
        bed.metric(&first, "relay_is_leader").await == 0.0
    })
    .await;
    let duplicates = bed.assert_all_arrived_in_order("work").await;
    println!("take-over after SIGSTOP: {took:?}; {duplicates} duplicates");
    assert!(duplicates <= 200, "{duplicates}: more than the window");
    let new = bed.records("work").await;
    let new = new.iter().filter(|record| record.outbox > last);
    assert!(new.clone().count() >= 1_000);
    assert!(
        new.clone().all(|record| record.epoch == 2),
        "{:?}",
        new.min_by_key(|record| record.epoch)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_leader_that_is_asked_to_stop_marks_what_it_sent_and_hands_over_at_once() {
    let bed = Bed::new().await;
    two(&bed, &["--window", "1000", "--batch", "200"]).await;
    bed.fill("work", 1_000, 20, 200).await;
    wait_until("some rows are sent", SOON, async || bed.pending().await < 19_000).await;
    let begun = Instant::now();
    bed.signal("r1", Signal::Term).await;
    let exit = bed.servers.supervisor.wait_exit(&bed.name("r1"), SOON).await.unwrap();
    println!("ended after {:?}", begun.elapsed());
    assert_eq!(exit.code, Some(0), "{}", bed.log("r1"));
    bed.leads("r2", Duration::from_secs(1)).await;
    bed.all_sent().await;
    assert_eq!(bed.assert_all_arrived_in_order("work").await, 0, "duplicates");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_relay_that_is_superseded_under_its_lock_names_the_lock_and_stops_competing() {
    let bed = Bed::new().await;
    let first = bed.relay("r1", &["--lock-key", "1"]).await;
    bed.leads("r1", SOON).await;
    bed.fill("work", 10, 5, 100).await;
    bed.all_sent().await;
    let second = bed.relay("r2", &["--lock-key", "2"]).await;
    bed.leads("r2", SOON).await;
    wait_until("the first one gives up", SOON, async || {
        bed.metric(&first, "relay_lock_misconfigured").await == 1.0
    })
    .await;
    bed.fill("work", 10, 5, 100).await;
    bed.all_sent().await;
    bed.assert_all_arrived_in_order("work").await;
    let said = bed.log("r1");
    assert!(
        said.contains("the lock is misconfigured") && said.contains("--lock-key"),
        "{said}"
    );
    assert_eq!(bed.metric(&first, "relay_is_leader").await, 0.0);
    assert_eq!(bed.metric(&second, "relay_is_leader").await, 1.0);
    assert_eq!(
        bed.database.number("SELECT epoch FROM relay_lead").await,
        2,
        "it does not fight"
    );
}

/// The control of the test before: without the fence, both send, and only the engine absorbs what comes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn unfenced_relays_that_do_not_agree_on_the_lock_both_lead() {
    let bed = Bed::new().await;
    let first = bed.relay("r1", &["--unfenced", "--lock-key", "1"]).await;
    bed.leads("r1", SOON).await;
    let second = bed.relay("r2", &["--unfenced", "--lock-key", "2"]).await;
    bed.leads("r2", SOON).await;
    bed.fill("work", 500, 20, 200).await;
    bed.all_sent().await;
    let duplicates = bed.assert_all_arrived_in_order("work").await;
    println!("{duplicates} duplicates of 10,000");
    for address in [first, second] {
        assert_eq!(bed.metric(&address, "relay_is_leader").await, 1.0);
        assert_eq!(bed.metric(&address, "relay_lock_misconfigured").await, 0.0);
    }
}
