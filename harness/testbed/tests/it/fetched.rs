//! PostgreSQL where the machine has none. Needs the network and 15 MB, so it is run by name:
//! `cargo test -p crossover-testbed -- --ignored fetched`. XDG_CACHE_HOME decides where the fetched version goes.

use std::time::Instant;

use crossover_testbed::postgres::{Origin, Source};
use crossover_testbed::{LocalPostgres, PostgresOptions};
use sqlx::{Connection, PgConnection};

use crate::support::{supervisor, unique_run};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the network"]
async fn a_fetched_postgres_starts_and_answers() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    for attempt in ["first", "cached"] {
        let start = Instant::now();
        let options = PostgresOptions {
            source: Source::Fetched,
            ..PostgresOptions::new(&unique_run())
        };
        let options = PostgresOptions {
            name: attempt.to_owned(),
            ..options
        };
        let server = LocalPostgres::start(&supervisor, &options).await.unwrap();
        println!(
            "{attempt}: {} in {:?}: {:?}",
            server.installation().version,
            start.elapsed(),
            server.start_times()
        );
        assert_eq!(server.installation().origin, Origin::Fetched);
        PgConnection::connect(&server.url().reveal()).await.unwrap();
    }
    supervisor.shutdown().await.unwrap();
}
