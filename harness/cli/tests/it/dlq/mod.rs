//! `dlq` on systems that run on: of each, a run's directory is written as `bench … --keep` would leave it; one is a real
//! kept run.

mod look;
mod replay;

use std::fs;

use serde_json::json;
use sqlx::Row;

use crate::conformance::Mode;
use crate::conformance::system::{SOON, System, flow, job};
use crate::servers::wait_until;
use crate::support::{Place, Said, said};

const BAD: Option<i32> = Some(2);
const UNAVAILABLE: Option<i32> = Some(3);
/// Job, partition, offset.
type Record = (i64, i32, i64);

/// A system and what `dlq` knows of it.
struct Kept {
    system: System,
    place: Place,
}

impl Kept {
    async fn start(mode: Mode) -> Self {
        let system = System::start(mode).await;
        let kafka = match mode {
            Mode::Polling => None,
            Mode::EventDriven => Some(json!({
                "bootstrap": system.servers.kafka().await.bootstrap(),
                "prefix": prefix(&system),
            })),
        };
        let kept = Self {
            system,
            place: Place::new(),
        };
        kept.write_run(&json!(kafka));
        kept
    }

    fn write_run(&self, kafka: &serde_json::Value) {
        for folder in ["logs", "ready"] {
            fs::create_dir_all(self.place.path(folder)).unwrap();
        }
        self.place.write("logs/kept.json", "{}");
        self.place.write("ready/replica-1", &self.system.replica().address);
        let meta = json!({
            "id": "kept", "scenario": "none", "mode": "none", "command": "none", "started_at": "never", "finished": true,
            "interrupted": false, "history": false, "invalid_reasons": [], "faults": [], "events": [], "kafka": kafka,
        });
        self.place.write("run.json", &meta.to_string());
    }

    fn dlq(&self, arguments: &[&str]) -> Said {
        let mut command = self.place.crossover(["dlq"].iter().chain(arguments));
        tokio::task::block_in_place(|| said(command.arg("--run").arg(self.place.path(""))))
    }

    /// What it prints when all is well.
    fn told(&self, arguments: &[&str]) -> String {
        let said = self.dlq(arguments);
        assert_eq!(said.code, Some(0), "{arguments:?}: {}\n{}", said.errors, said.output);
        said.output
    }

    fn refused(&self, arguments: &[&str], code: Option<i32>, words: &[&str]) {
        let said = self.dlq(arguments);
        assert_eq!(said.code, code, "{arguments:?}: {}", said.errors);
        for word in words {
            assert!(said.errors.contains(word), "no {word:?} in:\n{}", said.errors);
        }
    }

    /// Starts jobs of one type, and lets them fail for good.
    async fn fail_some(&self, count: usize) {
        self.system.register(&flow("one", [vec![job("work")]])).await;
        self.system.start_many("one", count).await;
        for job in self.system.take("work", count).await {
            self.system.fail(&job, true).await;
        }
    }

    /// The records of the first attempts, as the relay noted them.
    async fn records(&self) -> Vec<Record> {
        let unsent = "SELECT count(*) FROM outbox WHERE sent_at IS NULL";
        wait_until("the relay has noted all", SOON, || async {
            self.system.database.number(unsent).await == 0
        })
        .await;
        let query = "SELECT job_id, partition, record_offset FROM outbox WHERE attempt = 1 AND sent_at IS NOT NULL
                     ORDER BY partition, record_offset";
        let rows = sqlx::query(query).fetch_all(&self.system.database.pool).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    }

    async fn state_of(&self, job: i64) -> String {
        let query = "SELECT state::text FROM job WHERE id = $1";
        let state = sqlx::query_scalar(query).bind(job);
        state.fetch_one(&self.system.database.pool).await.unwrap()
    }
}

fn prefix(system: &System) -> String {
    format!("{}.", system.database.name)
}

fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no {word:?} in:\n{text}");
    }
}
