//! Engines that are not there, do not run, refuse, keep silent, answer, or are something else: sockets of the test's own.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use super::trouble::Cause;
use super::{Engine, Host, Trouble, http};

fn host(programs: &[PathBuf]) -> Host {
    Host {
        programs: programs.to_vec(),
        has_systemd: true,
    }
}

/// A directory for a socket, and its address.
pub(crate) fn place() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let address = format!("unix://{}", directory.path().join("docker.sock").display());
    (directory, address)
}

/// An engine that gives these answers, one to each question; says what it was asked.
pub(crate) fn engine(address: &str, answers: &'static [&'static str]) -> std::thread::JoinHandle<Vec<String>> {
    let listener = UnixListener::bind(address.strip_prefix("unix://").unwrap()).unwrap();
    answering(move || listener.accept().unwrap().0, answers)
}

/// As [`engine`], to whoever is accepted.
pub(crate) fn answering<S: Read + Write>(
    accept: impl Fn() -> S + Send + 'static,
    answers: &'static [&'static str],
) -> std::thread::JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let answer = |answer: &&str| {
            let mut stream = accept();
            let lines = BufReader::new(&mut stream).lines().map(Result::unwrap);
            let asked: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            stream.write_all(answer.as_bytes()).unwrap();
            asked[0].clone()
        };
        answers.iter().map(answer).collect()
    })
}

pub(crate) const VERSION: &str = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"Version\":\"20.10.24\"}";

#[test]
fn an_engine_that_answers_says_its_version_and_its_images() {
    let (_directory, address) = place();
    let images = "HTTP/1.0 200 OK\r\n\r\n[{\"RepoTags\":[\"a:1\",\"b:2\"]},{\"RepoTags\":null},{\"RepoTags\":[]}]";
    let asked = engine(&address, Box::leak(Box::new([VERSION, images])));
    let engine = Engine::reach_at(&address, &host(&[])).unwrap();
    assert_eq!((engine.version(), engine.address()), ("20.10.24", address.as_str()));
    assert_eq!(engine.images().unwrap(), ["a:1", "b:2"]);
    assert_eq!(
        asked.join().unwrap(),
        ["GET /version HTTP/1.0", "GET /images/json HTTP/1.0"]
    );
}

#[test]
fn an_image_in_use_is_not_removed_and_the_engine_is_quoted() {
    let (_directory, address) = place();
    let refused = "HTTP/1.0 409 Conflict\r\n\r\n{\"message\":\"container 1 is using it\"}";
    let none = "HTTP/1.0 404 Not Found\r\n\r\n{\"message\":\"no such image\"}";
    let asked = engine(&address, Box::leak(Box::new([VERSION, refused, none])));
    let engine = Engine::reach_at(&address, &host(&[])).unwrap();
    let error = engine.remove_image("a:1").unwrap_err().to_string();
    assert!(error.contains("a:1: container 1 is using it"), "{error}");
    assert!(!engine.remove_image("a:1").unwrap());
    assert_eq!(asked.join().unwrap()[1], "DELETE /images/a:1 HTTP/1.0");
}

#[test]
fn no_socket_is_no_engine_installed_or_one_that_does_not_run() {
    let (directory, address) = place();
    let trouble = Engine::reach_at(&address, &host(&[])).unwrap_err();
    assert_eq!(trouble.cause, Cause::NotInstalled);
    assert!(trouble.remedy.starts_with("apt-get install docker.io"), "{trouble:?}");

    std::fs::write(directory.path().join("dockerd"), "").unwrap();
    let with_daemon = host(&[directory.path().to_owned()]);
    let trouble = Engine::reach_at(&address, &with_daemon).unwrap_err();
    assert_eq!(trouble.cause, Cause::NotRunning);
    assert!(trouble.remedy.contains("systemctl start docker"), "{trouble:?}");
    let without_systemd = Host {
        has_systemd: false,
        ..with_daemon.clone()
    };
    let trouble = Engine::reach_at(&address, &without_systemd).unwrap_err();
    assert!(trouble.remedy.contains("dockerd &"), "{trouble:?}");

    // A socket that a killed daemon left behind.
    drop(UnixListener::bind(directory.path().join("docker.sock")).unwrap());
    let trouble = Engine::reach_at(&address, &with_daemon).unwrap_err();
    assert_eq!(trouble.cause, Cause::NotRunning);
}

#[test]
fn a_socket_that_is_closed_to_us_names_the_group() {
    // Root may open every socket, so the refusal itself can't be played here: the reading of it can.
    let error = Error::from(ErrorKind::PermissionDenied);
    let trouble = Trouble::of("unix:///var/run/docker.sock", &error, &host(&[]));
    assert_eq!(trouble.cause, Cause::NoPermission);
    assert!(trouble.remedy.contains("usermod -aG docker"), "{trouble:?}");
}

#[test]
fn an_engine_that_keeps_silent_is_told_apart() {
    let (_directory, address) = place();
    let _listener = UnixListener::bind(address.strip_prefix("unix://").unwrap()).unwrap();
    let asked = http::ask(&address, "GET", "/version", Duration::from_millis(50));
    let trouble = Trouble::of(&address, &asked.err().unwrap(), &host(&[]));
    assert_eq!(trouble.cause, Cause::Silent);
    assert!(trouble.remedy.contains("restart docker"), "{trouble:?}");
}

#[test]
fn something_else_at_the_address_is_quoted() {
    for (answers, quoted) in [
        (&["220 mail.example ESMTP\r\n"], "220 mail.example"),
        (&["HTTP/1.0 500 Internal Server Error\r\n\r\n{}"], "500 Internal"),
    ] {
        let (_directory, address) = place();
        let asked = engine(&address, answers);
        let trouble = Engine::reach_at(&address, &host(&[])).unwrap_err();
        assert_eq!(trouble.cause, Cause::NoEngine);
        assert!(trouble.found.contains(quoted), "{trouble:?}");
        asked.join().unwrap();
    }
    let trouble = Engine::reach_at("ssh://me@there", &host(&[])).unwrap_err();
    assert!(trouble.found.contains("only unix:// and tcp://"), "{trouble:?}");
}
