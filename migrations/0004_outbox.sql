-- The event-driven mode: what is to be sent to the broker, and who may send it.

-- One row for each dispatch of a job, written by the statement that makes the job ready. It holds the fields of the message
-- and not its bytes: a job's id is drawn inside that statement, so encoding first would cost a second round trip under
-- the instance locks. The relay encodes what it sends.
CREATE TABLE outbox (
    -- Drawn under the lock of the instance: for any one instance, ids follow its commits. Over instances they do not.
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at    timestamptz NOT NULL DEFAULT now(),
    instance_id   uuid NOT NULL,
    job_id        bigint NOT NULL,
    -- When the broker's acknowledgement was noted; NULL: still to be sent.
    sent_at       timestamptz,
    -- Where the record is; NULL on a sent row: the broker refused the record for good, and the job is a dead letter.
    record_offset bigint,
    partition     integer,
    step          smallint NOT NULL,
    ordinal       smallint NOT NULL,
    attempt       smallint NOT NULL,
    job_type      text COLLATE "C" NOT NULL,
    -- The process that wrote the row.
    source        text NOT NULL,
    payload       bytea NOT NULL
);

-- The relay: what is still to be sent, in id order. `id + 0` is an order that only this index has, as with `job_ready`.
CREATE INDEX outbox_pending ON outbox ((id + 0)) WHERE sent_at IS NULL;
-- The sweeper and "where is my job?": the dispatches of a job.
CREATE INDEX outbox_of_job ON outbox (job_id);

-- One row: who leads. Taking the lead raises the epoch; a relay reads the outbox only while its epoch is the current one.
CREATE TABLE relay_lead (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    epoch     bigint NOT NULL,
    leader    text NOT NULL,
    taken_at  timestamptz NOT NULL
);
INSERT INTO relay_lead (epoch, leader, taken_at) VALUES (0, '', now());
