//! What this machine has: `doctor`, `setup`, and servers of the user's own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use crossover_testbed::images::StandIn;

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

/// A Docker engine that has these images and can do nothing, at a socket of the test's own; its address.
fn engine(place: &Place, images: &str) -> String {
    let (socket, images) = (place.path("docker.sock"), images.to_owned());
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let asked = lines.next().unwrap_or_default();
            // The rest of the request is read, or the answer is lost with what is unread.
            lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
            let body = match asked.split(' ').nth(1) {
                Some("/version") => r#"{"Version":"27.0"}"#.to_owned(),
                Some("/info") => r#"{"OSType":"linux"}"#.to_owned(),
                _ => format!(r#"[{{"RepoTags":[{images}]}}]"#),
            };
            write!(stream, "HTTP/1.0 200 OK\r\n\r\n{body}").unwrap();
        }
    });
    format!("unix://{}", socket.display())
}

#[test]
fn doctor_says_which_images_an_engine_has() {
    let place = Place::new();
    let none = engine(&place, "");
    let said_of_none = said(bare(&place, "doctor").env("DOCKER_HOST", none));
    let words = [
        "ready    Docker engine       27.0 at unix://",
        "PostgreSQL: none",
        "→ ./just images builds stand-ins here; or docker pull postgres:17",
        "containers       missing images",
    ];
    assert_says(&said_of_none, 0, &words);

    let place = Place::new();
    let all = StandIn::ALL
        .map(|stand_in| format!("{:?}", stand_in.reference()))
        .join(",");
    let all = engine(&place, &all);
    let said_of_all = said(bare(&place, "doctor").env("DOCKER_HOST", &all));
    let words = ["PostgreSQL: crossover-standin-postgres:", "containers       ready"];
    assert_says(&said_of_all, 0, &words);
    let built = said(place.crossover(["images", "kafka"]).env("DOCKER_HOST", &all));
    assert_says(&built, 0, &["crossover-standin-kafka:", "already there"]);
    assert!(!built.output.contains("postgres"), "{}", built.output);
}

#[test]
fn images_without_an_engine_say_what_to_do_and_an_unknown_one_is_refused() {
    let place = Place::new();
    let nowhere = format!("unix://{}", place.path("no.sock").display());
    let built = said(place.crossover(["images"]).env("DOCKER_HOST", &nowhere));
    assert_says(&built, 3, &["error: ", "no answer at unix://"]);
    let removed = place
        .crossover(["clean", "--images", "--output"])
        .arg(place.path("runs"))
        .env("DOCKER_HOST", &nowhere)
        .output()
        .unwrap();
    assert_eq!(removed.status.code(), Some(3));
    let unknown = said(&mut place.crossover(["images", "redpanda"]));
    assert_says(&unknown, 2, &["redpanda", "there are: postgres, kafka, toxiproxy"]);
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
