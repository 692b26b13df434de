//! All claims of the seed, in its words, each with what can settle it.

use super::Claimed;
use super::Source::{AuditCheck, Chaos, FailureModes, Nothing, Runs, Test};

/// Failure modes of the event-driven mode, each with the chaos scenario that provokes it, if there is one.
pub(super) const FAILURE_MODES: [(&str, &str); 10] = [
    ("broker outage", "broker-outage"),
    ("consumer rebalance storm", "rebalance-storm"),
    ("partition imbalance", "partition-imbalance"),
    ("relay crash mid-batch", "relay-kill"),
    ("relay lag", "relay-lag"),
    ("split brain", "split-brain"),
    ("topic deletion", "topic-deletion"),
    ("ACL misconfiguration", "acl-denied"),
    ("large-payload rejection", "large-payload"),
    ("schema renumbering", "schema-renumbering"),
];

const COMPARE: &str = "./just bench compare";

const fn claimed(id: &'static str, text: &'static str, source: super::Source, command: &'static str) -> Claimed {
    Claimed {
        id,
        text,
        source,
        command,
    }
}

/// C01 to C20 of *Tradeoffs: Polling vs Event-Driven*, J01 to J10 of *Jobs vs Events*.
pub(super) const CLAIMS: [Claimed; 30] = [
    claimed(
        "C01",
        "infrastructure: polling needs PostgreSQL only, event-driven PostgreSQL and a broker",
        Runs,
        COMPARE,
    ),
    claimed(
        "C02",
        "source of truth: the job row; or outbox row and broker offsets, which reconcile",
        Runs,
        COMPARE,
    ),
    claimed(
        "C03",
        "delivery: polling by the row lock; event-driven at least once, so workers must be idempotent",
        Runs,
        COMPARE,
    ),
    claimed(
        "C04",
        "p50 dispatch latency: polling not below half the poll interval, event-driven milliseconds",
        Runs,
        COMPARE,
    ),
    claimed(
        "C05",
        "throughput ceiling: polling's is row-lock contention, the broker's is orders of magnitude higher",
        Runs,
        "./just capacity all",
    ),
    claimed(
        "C06",
        "adding replicas: polling gets more connections and no more throughput, event-driven is roughly linear",
        Runs,
        "./just capacity all --replicas 1,2,4,8",
    ),
    claimed(
        "C07",
        "ordering: polling FIFO per job type, event-driven FIFO per workflow instance only",
        Runs,
        COMPARE,
    ),
    claimed(
        "C08",
        "backpressure: polling's is seen only as lock waits, event-driven's as backlog and lag",
        Runs,
        COMPARE,
    ),
    claimed(
        "C09",
        "replay, dead letters, retention: built by hand in polling, broker primitives in event-driven",
        Test("dlq::replay"),
        "./just dlq list on a kept system",
    ),
    claimed(
        "C10",
        "multi-region and disaster recovery: hard with polling, broker replication with event-driven",
        Nothing,
        "an experiment: mirror to a second cluster, fail over, count loss and time",
    ),
    claimed(
        "C11",
        "“where's my job?”: one SQL query; four to five checkpoints in event-driven mode",
        Test("dlq::look"),
        "./just dlq show JOB on a kept system",
    ),
    claimed(
        "C12",
        "wire schema: none; Protobuf's field-number rules, where one wrong renumber is an outage",
        Test("compatibility"),
        "./just test --package crossover-proto",
    ),
    claimed(
        "C13",
        "cost when idle: near zero with polling, not trivial with a broker",
        Runs,
        COMPARE,
    ),
    claimed(
        "C14",
        "what the team must know: a SQL state machine; partitions, groups, offsets, rebalances, elections",
        Nothing,
        "an experiment: parts, settings and failure modes counted",
    ),
    claimed(
        "C15",
        "blast radius: PostgreSQL down is engine down; broker down stops dispatch, writes are still accepted",
        Runs,
        COMPARE,
    ),
    claimed(
        "C16",
        "what tests need: PostgreSQL; PostgreSQL, a broker, and outages and rebalances simulated",
        Runs,
        COMPARE,
    ),
    claimed(
        "C17",
        "event-driven dispatch brings failure modes of its own, each of which can be provoked and survived",
        FailureModes,
        "./just chaos all",
    ),
    claimed(
        "C18",
        "idle single-job latency: polling can be the lower one; event-driven is commit, relay, broker, fetch",
        Runs,
        COMPARE,
    ),
    claimed(
        "C19",
        "isolation: a bad worker fleet can hurt PostgreSQL; event-driven workers talk to the broker",
        Runs,
        COMPARE,
    ),
    claimed(
        "C20",
        "idempotent completion, audit, retries and leases are the same in both modes",
        Test("conformance"),
        "./just test --package crossover conformance",
    ),
    claimed(
        "J01",
        "permanent failure goes to a dead-letter queue and must not block the ones behind it",
        Chaos("poison"),
        "./just chaos poison",
    ),
    claimed(
        "J02",
        "transient failure: retry, back off, limit the rate, or the sender kicks it when it's down",
        Runs,
        "a chaos scenario with a sick downstream service",
    ),
    claimed(
        "J03",
        "job frameworks are good at registering, scheduling, retrying, troubleshooting",
        Test("conformance::schedule"),
        "./just test --package crossover conformance",
    ),
    claimed(
        "J04",
        "leveraging both: a Kafka consumer that creates job records",
        Nothing,
        "an experiment: a mode that takes records in and makes jobs of them",
    ),
    claimed(
        "J05",
        "everything in the record, or a reference to it",
        Runs,
        "a sweep of payload sizes, inline beside claim-check",
    ),
    claimed(
        "J06",
        "a generic event has a type, keys and values, a timestamp and a source",
        Test("event::tests"),
        "./just test --package crossover-proto",
    ),
    claimed(
        "J07",
        "change data capture can stand in for polling the outbox",
        Nothing,
        "an experiment: a relay that reads the write-ahead log",
    ),
    claimed(
        "J08",
        "an audit trail of every transition, the same in both modes",
        AuditCheck,
        COMPARE,
    ),
    claimed(
        "J09",
        "event sourcing: the state rebuilt from the audit log equals the tables",
        AuditCheck,
        COMPARE,
    ),
    claimed(
        "J10",
        "several applications read one topic, each at its own offset",
        Nothing,
        "an experiment: a second consumer group on one topic, with its own lag",
    ),
];
