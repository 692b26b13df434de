//! What this machine has: `doctor`, `setup`, and servers of the user's own.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::servers::servers;
use crate::support::{Place, Said, said};

/// A machine with a C compiler and a PostgreSQL, and neither Java nor Maven nor Go; nothing was ever fetched.
fn bare(place: &Place, argument: &str) -> Command {
    fs::create_dir(place.path("bin")).unwrap();
    for program in ["cc", "sh"] {
        symlink(format!("/usr/bin/{program}"), place.path("bin").join(program)).unwrap();
    }
    let mut command = place.crossover([argument]);
    command
        .env("PATH", place.path("bin"))
        .env("XDG_CACHE_HOME", place.path("cache"))
        .env_remove("JAVA_HOME");
    command
}

fn assert_says(said: &Said, code: i32, words: &[&str]) {
    let text = format!("{}{}", said.output, said.errors);
    assert_eq!(said.code, Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "no {word:?} in:\n{text}");
    }
}

#[test]
fn a_machine_without_java_and_go_is_well_enough_for_polling() {
    let place = Place::new();
    let said = said(&mut bare(&place, "doctor"));
    let words = [
        "missing  Java",
        "→ apt-get install default-jre-headless",
        "missing  Go",
        "(builds Toxiproxy, for faults on links)",
        "polling          ready",
        "event-driven     missing Java, Apache Kafka",
        "faults on links  missing Toxiproxy",
    ];
    assert_says(&said, 0, &words);
}

#[test]
fn setup_tells_what_it_does_not_fetch_and_is_content() {
    let place = Place::new();
    let said = said(&mut bare(&place, "setup"));
    let words = [
        "PostgreSQL",
        "already there",
        "not fetched, it is for event-driven mode: no Java",
        "not fetched, it is for faults on links: no Go",
        "→ install Go",
    ];
    assert_says(&said, 0, &words);
}

#[test]
fn setup_says_why_a_fetch_fails() {
    let place = Place::new();
    let mut command = bare(&place, "setup");
    let go = place.path("bin").join("go");
    let script = "#!/bin/sh\n[ \"$1\" = version ] && { echo go version go1.26.8 linux/amd64; exit 0; }\necho dial tcp: no such host; exit 1\n";
    fs::write(&go, script).unwrap();
    fs::set_permissions(&go, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let words = [
        "building it by Go",
        "toxiproxy can't be fetched",
        "no such host",
        "connect to the network",
    ];
    assert_says(&said(&mut command), 3, &words);
    assert_eq!(
        fs::read_dir(place.path("cache/crossover")).unwrap().count(),
        0,
        "nothing is left"
    );
}

/// `doctor --testbed external` of the tests' PostgreSQL.
async fn of_ours(place: &Place, flags: &[&str]) -> Said {
    let url = servers().await.postgres.url();
    let mut command = place.crossover(["doctor"]);
    command.args(flags).env("CROSSOVER_EXTERNAL_DATABASE_URL", url.reveal());
    let said = said(&mut command);
    let text = format!("{}{}", said.output, said.errors);
    assert!(!text.contains(url.reveal_password()), "{text}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_the_users_own_are_looked_at() {
    let place = Place::new();
    let said = of_ours(&place, &["--testbed", "external"]).await;
    assert_says(
        &said,
        0,
        &["ready    PostgreSQL", "flushed to disk", "a round trip to it takes"],
    );
    let url = servers().await.postgres.url();
    let postgres = format!("{}:{}", url.host(), url.port());
    let said = of_ours(&place, &["--testbed", "external", "--external-broker", &postgres]).await;
    assert_says(
        &said,
        2,
        &[&format!("error: {postgres} is a PostgreSQL, not a Kafka broker")],
    );
    let said = of_ours(&place, &["--external-broker", &postgres]).await;
    assert_says(&said, 2, &["add --testbed external"]);
}

#[test]
fn a_password_on_the_command_line_is_refused_and_never_shown() {
    let place = Place::new();
    for flag in [
        "postgres://ann:hunter2@127.0.0.1/x",
        "postgres://ann:hunter2@127.0.0.1:x/x",
    ] {
        let said = said(&mut place.crossover(["doctor", "--testbed", "external", "--external-database", flag]));
        assert_says(&said, 2, &["error: "]);
        assert!(!said.errors.contains("hunter2"), "{}", said.errors);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleanup_leaves_a_database_of_others_alone() {
    let database = servers().await.database().await;
    let place = Place::new();
    let mut command = place.crossover([
        "external-cleanup",
        "--marker",
        "crossover run r, marker 1",
        "--database",
    ]);
    command.arg(&database.name).env(
        "CROSSOVER_EXTERNAL_DATABASE_URL",
        servers().await.postgres.url().reveal(),
    );
    assert_says(
        &said(&mut command),
        2,
        &["has no marker, not this run's: it is left alone"],
    );
    assert_eq!(database.number("SELECT 1::int8").await, 1);
}
