-- The state machine: instances and their jobs. The `job` row is the truth of the polling mode.
--
-- No foreign keys between these tables: each would run one row-locking query per inserted row (FOR KEY SHARE on the
-- definition would be the hottest row of the system). The statements insert by joining, and the ledger checks it.

CREATE TYPE instance_state AS ENUM ('running', 'completed', 'failed', 'cancelled');
CREATE TYPE job_state AS ENUM ('scheduled', 'queued', 'running', 'completed', 'dead_letter', 'cancelled');

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
    job_type    text COLLATE "C" NOT NULL,
    worker      text,
    last_error  text,
    payload     bytea NOT NULL
);

-- Claims: oldest first within a job type.
CREATE INDEX job_ready ON job (job_type, id) WHERE state = 'queued';
-- The scheduler: what is due.
CREATE INDEX job_due ON job (run_at) WHERE state = 'scheduled';
-- The reaper: whose lease ran out.
CREATE INDEX job_leased ON job (lease_until) WHERE state = 'running';
-- Cancel and inspect.
CREATE INDEX job_of_instance ON job (instance_id);
-- Dead letters are few and looked at by people.
CREATE INDEX job_dead ON job (id) WHERE state = 'dead_letter';
