-- The audit log (J08): one row per transition, in the transaction of the transition. Replayed, it gives the tables (J09).

CREATE TYPE audit_event AS ENUM (
    'instance_started', 'instance_completed', 'instance_failed', 'instance_resumed', 'instance_cancelled',
    'job_queued', 'job_scheduled', 'job_claimed', 'job_completed', 'job_retried', 'job_lease_expired',
    'job_released', 'job_dead_lettered', 'job_replayed', 'job_discarded', 'job_cancelled'
);

CREATE TABLE audit (
    -- Drawn under the lock of the job or instance: for any one of them, ids follow its transitions.
    id          bigint GENERATED ALWAYS AS IDENTITY,
    at          timestamptz NOT NULL DEFAULT now(),
    instance_id uuid NOT NULL,
    -- NULL for transitions of the instance itself.
    job_id      bigint,
    attempt     smallint NOT NULL,
    event       audit_event NOT NULL
);

-- "Where is my job?" reads by instance. Instance ids are UUIDv7, so the log is nearly in their order, and a BRIN index
-- costs a B-tree's thousandth in the hot path.
CREATE INDEX audit_of_instance ON audit USING brin (instance_id uuid_minmax_multi_ops) WITH (pages_per_range = 16, autosummarize = on);

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only: % refused', TG_OP;
END $$;

CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
