//! An assessment of a minute, built for tests: a busy, healthy table, and what is planted in it.

use super::{
    ConnectionCounts, Holder, LiveActive, LiveEvidence, LiveSample, Sampled, ServerFacts, TableCounts, Thresholds,
};
use crate::series::Series;

/// Looks of a minute, two a second.
const LOOKS: u32 = 120;
/// Looks between two at the counters.
const STATE_EVERY: u32 = 10;

/// What each look sees.
pub struct Scene {
    looks: u32,
    failing: u32,
    hidden: u32,
    is_active: bool,
    names_table: bool,
    event: &'static str,
    seen_row: bool,
    waiting: fn(u32) -> u32,
    on_lwlock: u32,
    writes_per_look: u64,
    /// Looks after which nothing is written any more.
    writes_until: u32,
    /// Time in which no look came back (s).
    hung_s: f64,
    seq_rows_per_look: u64,
    dead: u64,
    connections: u32,
    holders: Vec<Holder>,
}

impl Scene {
    /// 100 updates a second, two backends at work, nobody waits.
    pub fn busy() -> Self {
        Self {
            looks: LOOKS,
            failing: 0,
            hidden: 0,
            is_active: true,
            names_table: true,
            event: "transactionid",
            seen_row: true,
            waiting: |_| 0,
            on_lwlock: 0,
            writes_per_look: 50,
            writes_until: u32::MAX,
            hung_s: 0.0,
            seq_rows_per_look: 0,
            dead: 100,
            connections: 20,
            holders: Vec::new(),
        }
    }

    pub fn waiting(self, waiting: fn(u32) -> u32) -> Self {
        Self { waiting, ..self }
    }

    /// Waits that end before the look comes to `pg_locks`.
    pub fn waiting_unseen(self, waiting: fn(u32) -> u32) -> Self {
        Self {
            seen_row: false,
            ..self.waiting(waiting)
        }
    }

    pub fn waiting_for(self, event: &'static str, waiting: fn(u32) -> u32) -> Self {
        Self {
            event,
            ..self.waiting(waiting)
        }
    }

    pub fn writing(self, writes_per_look: u64) -> Self {
        Self {
            writes_per_look,
            ..self
        }
    }

    pub fn writing_until(self, writes_until: u32) -> Self {
        Self { writes_until, ..self }
    }

    pub fn hung(self, hung_s: f64) -> Self {
        Self { hung_s, ..self }
    }

    pub fn without_activity(self) -> Self {
        Self {
            is_active: false,
            ..self
        }
    }

    pub fn by_function(self) -> Self {
        Self {
            names_table: false,
            ..self
        }
    }

    pub fn hidden(self, hidden: u32) -> Self {
        Self { hidden, ..self }
    }

    pub fn looks(self, looks: u32) -> Self {
        Self { looks, ..self }
    }

    pub fn failing(self, failing: u32) -> Self {
        Self { failing, ..self }
    }

    pub fn dead(self, dead: u64) -> Self {
        Self { dead, ..self }
    }

    pub fn connected(self, connections: u32) -> Self {
        Self { connections, ..self }
    }

    pub fn scanning(self, seq_rows_per_look: u64) -> Self {
        Self {
            seq_rows_per_look,
            ..self
        }
    }

    pub fn on_lwlock(self, on_lwlock: u32) -> Self {
        Self { on_lwlock, ..self }
    }

    pub fn held_by(mut self, holder: Holder) -> Self {
        self.holders.push(holder);
        self
    }

    pub fn evidence(&self) -> LiveEvidence {
        let sampled = Sampled {
            id: "assess-job-20260101T000000Z".to_owned(),
            command: "./just assess --table public.job".to_owned(),
            git_commit: None,
            started_at: "2026-01-01T00:00:00Z".to_owned(),
            intended_s: 60.0,
            duration_s: f64::from(self.looks) / 2.0 + self.hung_s,
            interval_ms: 500,
            interrupted: self.looks < LOOKS,
        };
        let server = ServerFacts {
            version: "15.14".to_owned(),
            place: "db.example:5432/app".to_owned(),
            role: "watcher".to_owned(),
            table: "public.job".to_owned(),
            guessed: false,
            relations: 1,
            heap_bytes: Some(64 << 20),
            index_bytes: Some(16 << 20),
            connections_allowed: 97,
        };
        super::summarise(sampled, server, &self.samples(), None, Thresholds::default())
    }

    pub fn series(&self) -> Series {
        super::series(&self.samples())
    }

    fn samples(&self) -> Vec<LiveSample> {
        let mut samples = Vec::new();
        for look in 0..=self.looks {
            if look % STATE_EVERY == 0 {
                samples.push(self.state(look));
            }
            if look < self.looks {
                samples.push(self.activity(look));
            }
        }
        let failed = |number: u32| LiveSample::Failed {
            at_ms: u64::from(number),
            error: "canceling statement due to statement timeout".to_owned(),
        };
        samples.extend((0..self.failing).map(failed));
        samples
    }

    fn activity(&self, look: u32) -> LiveSample {
        let group = |wait_type: &str, event: &str, count: u32| LiveActive {
            wait_type: wait_type.to_owned(),
            event: event.to_owned(),
            statement: "1".to_owned(),
            names_table: self.names_table,
            relation: None,
            on_table: false,
            count,
        };
        let waiting = LiveActive {
            relation: self.seen_row.then(|| "job".to_owned()),
            on_table: self.seen_row,
            ..group("Lock", self.event, (self.waiting)(look))
        };
        let working = group("CPU", "", if self.is_active { 2 } else { 0 });
        let active = [working, waiting, group("LWLock", "WALWrite", self.on_lwlock)];
        LiveSample::Activity {
            at_ms: u64::from(look) * 500,
            query_us: 400,
            hidden: self.hidden,
            active: active.into_iter().filter(|group| group.count > 0).collect(),
        }
    }

    fn state(&self, look: u32) -> LiveSample {
        LiveSample::State {
            at_ms: u64::from(look) * 500,
            query_us: 900,
            table: TableCounts {
                updated: u64::from(look.min(self.writes_until)) * self.writes_per_look,
                seq_rows_read: u64::from(look) * self.seq_rows_per_look,
                live: 1_000,
                dead: self.dead,
                ..TableCounts::default()
            },
            connections: ConnectionCounts {
                total: self.connections,
                active: 2,
                idle: self.connections - 2,
                idle_in_transaction: 0,
            },
            holders: self.holders.clone(),
        }
    }
}
