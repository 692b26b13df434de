//! What one statement of the reaper or the scheduler did.

use std::collections::HashSet;

use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::EngineError;

/// Jobs that were taken back, or promoted, by one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// How many.
    pub jobs: usize,
    /// The types of those that are ready now.
    pub ready: HashSet<String>,
    /// There may be others behind them: as many were looked at as were asked for, though some may have been passed over, and
    /// something was done. (Otherwise the same ones would be looked at again.)
    pub more: bool,
}

impl Page {
    /// Of an answer whose rows each say how many jobs were looked at, in the column `looked`.
    pub(super) fn of(rows: &[PgRow], max: u32, ready: HashSet<String>) -> Result<Self, EngineError> {
        let looked: i64 = match rows.first() {
            Some(row) => row.try_get("looked")?,
            None => 0,
        };
        Ok(Self {
            jobs: rows.len(),
            ready,
            more: looked >= i64::from(max),
        })
    }
}
