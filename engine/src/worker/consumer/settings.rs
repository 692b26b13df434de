//! How a consumer is set up.

use std::time::Duration;

use rdkafka::ClientConfig;

use crate::command::{GroupProtocol, WorkerArgs};
use crate::kafka::Kafka;

/// Signs of life to the group's coordinator; its answer is also how a member learns of a rebalance.
const HEARTBEAT_MAX: Duration = Duration::from_millis(500);

/// Settings of the consumer of one job type.
pub(super) fn consumer(kafka: &Kafka, args: &WorkerArgs, job_type: &str) -> ClientConfig {
    let mut config = kafka.config(&args.process.name);
    config
        .set("group.id", kafka.group(job_type))
        // What is settled is stored by the tracker, and committed five times a second: or the lag would look like a saw.
        .set("enable.auto.commit", "true")
        .set("enable.auto.offset.store", "false")
        .set("auto.commit.interval.ms", "200")
        .set("auto.offset.reset", "earliest")
        // A record is answered with at once. The wait bounds how long a partition that is resumed or assigned has to wait
        // for the fetch that is under way without it.
        .set("fetch.min.bytes", "1")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.queue.backoff.ms", "5")
        .set("fetch.error.backoff.ms", "100")
        // A pause throws away what was fetched ahead: so not much more than a window is.
        .set("queued.min.messages", args.partition_window.max(1).to_string())
        .set("queued.max.messages.kbytes", "16384")
        .set("max.partition.fetch.bytes", "262144")
        // A topic that is made later, or again, is found within a second or two; the relay makes it, not this process.
        .set("topic.metadata.refresh.interval.ms", "1000")
        .set("allow.auto.create.topics", "false");
    // The last commit before a partition is given away waits for its answer, on the consumer's thread; a minute would be
    // longer than the group waits.
    if config.get("socket.timeout.ms").is_none() {
        config.set("socket.timeout.ms", "5000");
    }
    match args.group_protocol {
        GroupProtocol::Classic => {
            let session = args.session_timeout.max(Duration::from_millis(1));
            let heartbeat = (session / 3).min(HEARTBEAT_MAX);
            config
                .set("group.protocol", "classic")
                .set("partition.assignment.strategy", "cooperative-sticky")
                .set("session.timeout.ms", session.as_millis().to_string())
                .set("heartbeat.interval.ms", heartbeat.as_millis().max(1).to_string())
                .set("max.poll.interval.ms", session.as_millis().max(300_000).to_string());
        }
        // The broker keeps the times and the assignor; the client refuses to be given them.
        GroupProtocol::Consumer => {
            config.set("group.protocol", "consumer");
        }
    }
    config
}

/// Settings of the producer of dead letters.
pub(super) fn producer(kafka: &Kafka, args: &WorkerArgs) -> ClientConfig {
    let mut config = kafka.config(&args.process.name);
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", "0")
        // A later batch that gets through must not stand for an earlier one: see the relay's `partitions`.
        .set("max.in.flight", "1")
        // What was read can be as large as the broker allows; it decides about the copy, too.
        .set("message.max.bytes", "1000000000")
        // Then it is tried again from here, with a word in the log.
        .set("message.timeout.ms", "5000")
        .set("allow.auto.create.topics", "false");
    config
}

/// How long a partition that is to be given away may wait for what is in hand: well before the group gives up on this
/// member, and no longer than a stop would wait.
pub(super) fn revoke_within(args: &WorkerArgs) -> Duration {
    args.grace.min(args.session_timeout / 2)
}

/// Records of one key that may have begun at once: an eighth of the slots, so that a few keys with slow jobs can't hold all
/// of them, and at most 16.
pub(super) fn ahead(concurrency: u32) -> usize {
    (concurrency / 8).clamp(1, 16) as usize
}
