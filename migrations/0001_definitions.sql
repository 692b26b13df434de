-- Workflow definitions: what an instance runs. Written once per version, read by every start and every completion.

CREATE TABLE definition (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL,
    version     integer NOT NULL,
    document    text NOT NULL,
    -- Jobs per step: the join counter of an instance is set from it without reading `definition_job`.
    step_widths integer[] NOT NULL,
    UNIQUE (name, version)
);

-- One row for each job that a step starts, so that the next step is one INSERT … SELECT.
CREATE TABLE definition_job (
    definition_id      bigint NOT NULL REFERENCES definition (id),
    step               smallint NOT NULL,
    ordinal            smallint NOT NULL,
    job_type           text COLLATE "C" NOT NULL,
    delay_ms           bigint NOT NULL,
    max_attempts       smallint NOT NULL,
    initial_backoff_ms bigint NOT NULL,
    multiplier         double precision NOT NULL,
    max_backoff_ms     bigint NOT NULL,
    jitter             double precision NOT NULL,
    PRIMARY KEY (definition_id, step, ordinal)
);
