//! A machine on which servers could not run: a port, a disk, a directory, programs.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::{BAD, UNAVAILABLE, refused};
use crate::support::{Place, SHORT, said};

#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let place = Place::new();
    let mut command = place.bench("port", SHORT, &["--postgres-port", &port]);
    refused(
        &place,
        &mut command,
        BAD,
        &[&format!("port {port} of 127.0.0.1 can't be used"), "choose another"],
    );
}

#[test]
fn more_processors_than_the_machine_has_are_refused() {
    let place = Place::new();
    let mut command = place.bench("processors", SHORT, &["--set", "topology.postgres_processors=1000"]);
    refused(
        &place,
        &mut command,
        BAD,
        &["topology.postgres_processors: found 1000", "this machine has"],
    );
}

#[test]
fn a_data_directory_that_is_none_is_named() {
    let place = Place::new();
    let mut command = place.bench("nowhere", SHORT, &[]);
    command.env("CROSSOVER_DATA_DIR", "/var/tmp/not/there");
    refused(
        &place,
        &mut command,
        BAD,
        &["/var/tmp/not/there is not a directory", "CROSSOVER_DATA_DIR"],
    );
}

/// A RAM disk of a few megabytes; unmounted when dropped.
struct TinyDisk(PathBuf);

impl TinyDisk {
    /// None where we may not mount.
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m,mode=755", "tiny"])
            .arg(&at)
            .output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_disk_without_room_is_named_with_what_is_needed() {
    let place = Place::new();
    let Some(disk) = TinyDisk::mount(place.path("tiny-disk")) else {
        println!("skipped: mounting a RAM disk takes root and CAP_SYS_ADMIN");
        return;
    };
    let path = disk.0.to_str().unwrap();
    // The servers' data.
    let mut command = place.bench("full", SHORT, &[]);
    command.env("CROSSOVER_DATA_DIR", path);
    refused(
        &place,
        &mut command,
        UNAVAILABLE,
        &["full disk", path, "needed", "free some space", "CROSSOVER_DATA_DIR"],
    );
    assert_eq!(entries(Path::new(path)), 0);
    // The run's own files.
    let file = place.write("full.toml", SHORT);
    let mut command = place.crossover(["bench", "polling"]);
    command.arg(file).arg("--output").arg(disk.0.join("runs"));
    refused(
        &place,
        &mut command,
        UNAVAILABLE,
        &["full disk", path, "needed", "--output"],
    );
}

fn entries(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[test]
fn without_postgres_and_without_a_network_it_says_what_to_do() {
    let place = Place::new();
    fs::create_dir(place.path("home")).unwrap();
    let mut command = place.bench("lonely", SHORT, &["--testbed", "local"]);
    command
        .env("CROSSOVER_POSTGRES_BIN", "fetched")
        .env("HOME", place.path("home"))
        .env_remove("XDG_CACHE_HOME");
    for name in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ] {
        // Port 9 is `discard`, where nobody listens.
        command.env(name, "http://127.0.0.1:9");
    }
    command.env_remove("NO_PROXY").env_remove("no_proxy");
    let begun = Instant::now();
    let said = said(&mut command);
    assert_eq!(said.code, UNAVAILABLE, "{}", said.errors);
    for word in [
        "no PostgreSQL on this machine",
        "can't be fetched",
        "apt-get install postgresql",
        "CROSSOVER_POSTGRES_BIN",
    ] {
        assert!(said.errors.contains(word), "no {word:?} in:\n{}", said.errors);
    }
    println!("it gave up after {:?}", begun.elapsed());
    assert_eq!(place.data(), [] as [PathBuf; 0]);
}

#[test]
fn a_directory_without_postgres_is_named() {
    let place = Place::new();
    let mut command = place.bench("empty-bin", SHORT, &["--testbed", "local"]);
    command.env("CROSSOVER_POSTGRES_BIN", place.path("data"));
    refused(
        &place,
        &mut command,
        BAD,
        &["CROSSOVER_POSTGRES_BIN is", "has no postgres", "initdb"],
    );
}
