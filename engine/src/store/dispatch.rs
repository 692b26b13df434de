//! How ready jobs reach workers: workers claim them (polling), or each is dispatched by an outbox row (event-driven).
//!
//! In event-driven mode every statement that makes jobs `queued` writes their outbox rows itself, so job and row commit
//! together. Both variants of such a statement are made from one text; the polling ones know nothing of an outbox.
//!
//! Invariant: outbox ids of one instance follow its commits. A statement holds the instance's row lock before it draws
//! them, and draws those of one statement in the order of the jobs' ids.

use std::sync::Arc;

use metrics::counter;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row};

use super::Store;
use crate::EngineError;

/// Ends the part of a statement that returned `$jobs`, and dispatches those of them that are queued; `$source` is the
/// parameter that names the process.
macro_rules! to_outbox {
    ($jobs:literal, $source:literal) => {
        concat!(
            "
    ), dispatched AS (
        INSERT INTO outbox (instance_id, job_id, attempt, step, ordinal, job_type, payload, source)
        SELECT instance_id, id, attempt, step, ordinal, job_type, payload, ",
            $source,
            "::text
        FROM ",
            $jobs,
            " WHERE state = 'queued' ORDER BY instance_id, id
        RETURNING 1"
        )
    };
}

/// A last column: the outbox rows that the statement wrote.
macro_rules! counted {
    () => {
        ", (SELECT count(*) FROM dispatched) AS outbox_rows"
    };
}

/// A statement with some of its parameters.
pub(super) type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

pub(super) use {counted, to_outbox};

impl Store {
    /// The same database in event-driven mode: jobs that become ready are dispatched by outbox rows, and `source` is the
    /// process that wrote them.
    #[must_use]
    pub fn dispatching_to_outbox(self, source: &str) -> Self {
        Self {
            source: Some(Arc::from(source)),
            ..self
        }
    }

    /// Are jobs dispatched by outbox rows?
    #[must_use]
    pub fn dispatches_to_outbox(&self) -> bool {
        self.source.is_some()
    }

    /// The statement's variant of the mode.
    pub(super) fn either(&self, polling: &'static str, to_outbox: &'static str) -> &'static str {
        if self.dispatches_to_outbox() {
            to_outbox
        } else {
            polling
        }
    }

    /// Binds the last parameter of [`Store::either`]'s second variant.
    pub(super) fn with_source<'q>(&'q self, query: PgQuery<'q>) -> PgQuery<'q> {
        match &self.source {
            Some(source) => query.bind(&**source),
            None => query,
        }
    }

    /// All rows of a statement in the variant of the mode, its outbox rows counted.
    ///
    /// # Errors
    /// As [`Store::rows`].
    pub(super) async fn rows_dispatching(&self, query: PgQuery<'_>) -> Result<Vec<PgRow>, EngineError> {
        let rows = self.rows(self.with_source(query)).await?;
        self.count_outbox_rows(&rows)?;
        Ok(rows)
    }

    /// Counts what [`counted`] tells: each row of an answer says the same.
    pub(super) fn count_outbox_rows(&self, rows: &[PgRow]) -> Result<(), EngineError> {
        if let (true, Some(row)) = (self.dispatches_to_outbox(), rows.first()) {
            let written: i64 = row.try_get("outbox_rows")?;
            counter!("engine_outbox_rows_total").increment(written.unsigned_abs());
        }
        Ok(())
    }
}
