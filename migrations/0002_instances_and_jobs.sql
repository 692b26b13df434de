-- The state machine: instances and their jobs. The `job` row is the truth of the polling mode.
--
-- No foreign keys between these tables: each would run one row-locking query per inserted row (FOR KEY SHARE on the
-- definition would be the hottest row of the system). The statements insert by joining, and the ledger checks it.

CREATE TYPE instance_state AS ENUM ('running', 'completed', 'failed', 'cancelled');
CREATE TYPE job_state AS ENUM ('scheduled', 'queued', 'running', 'completed', 'dead_letter', 'cancelled', 'discarded');

-- fillfactor: every instance is updated at least once, and no indexed column changes, so the update can stay on its
-- page (HOT) if there is room.
CREATE TABLE instance (
    id            uuid PRIMARY KEY,
    definition_id bigint NOT NULL,
    state         instance_state NOT NULL,
    step          smallint NOT NULL,
    -- Jobs of the current step that have not completed: the join.
    remaining     integer NOT NULL,
    payload       bytea NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE job (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance_id uuid NOT NULL,
    -- Only while scheduled.
    run_at      timestamptz,
    -- Only while running.
    lease_until timestamptz,
    state       job_state NOT NULL,
    step        smallint NOT NULL,
    ordinal     smallint NOT NULL,
    -- The current attempt, from 1.
    attempt     smallint NOT NULL,
    -- The retry policy counts attempts from here: 0, or the last attempt before a replay from the dead letters.
    retries_from smallint NOT NULL DEFAULT 0,
    job_type    text COLLATE "C" NOT NULL,
    worker      text,
    last_error  text,
    payload     bytea NOT NULL
);

-- Claims: oldest first within a job type. `id + 0` is an order that only this index has: with statistics from a moment
-- when most jobs were queued, the planner would take the primary key's order and walk past every finished job.
CREATE INDEX job_ready ON job (job_type, (id + 0)) WHERE state = 'queued';
-- The scheduler: what is due. The reaper: whose lease ran out. Their predicates name no state: a planner that believes
-- hardly any job to be running (statistics from a quiet moment) would take an index on running jobs to find the jobs of a
-- completion, and compare each with each.
CREATE INDEX job_due ON job (run_at) WHERE run_at IS NOT NULL;
CREATE INDEX job_leased ON job (lease_until) WHERE lease_until IS NOT NULL;
-- Cancel and inspect.
CREATE INDEX job_of_instance ON job (instance_id);
-- Dead letters are few and looked at by people.
CREATE INDEX job_dead ON job (id) WHERE state = 'dead_letter';
