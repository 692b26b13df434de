//! Machines that lack Java, Maven, Go or a network: played by a PATH and a cache of the test's own.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crossover_testbed::kafka::find_java;

use crate::support::{HELPER, unique_run};

/// A machine with these programs alone, and an empty cache.
struct Machine {
    directory: tempfile::TempDir,
}

impl Machine {
    fn with_java() -> Self {
        let machine = Self::bare();
        let java = find_java().unwrap().program;
        let places = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|place| place.join("java"))
            .find(|place| place.is_file());
        let java = if java.is_absolute() { java } else { places.unwrap() };
        symlink(java.canonicalize().unwrap(), machine.bin().join("java")).unwrap();
        machine
    }

    fn bare() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("bin")).unwrap();
        Self { directory }
    }

    fn bin(&self) -> PathBuf {
        self.directory.path().join("bin")
    }

    /// A program that is a shell script.
    fn program(self, name: &str, script: &str) -> Self {
        let path = self.bin().join(name);
        std::fs::write(&path, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// What a harness says that tries to start a server here.
    fn complaint(&self, server: &str) -> String {
        let output = Command::new(HELPER)
            .args([Path::new(server), self.directory.path(), Path::new(&unique_run())])
            // About this machine's programs, whatever the other tests run on.
            .env_remove("CROSSOVER_TESTBED")
            .env_remove("JAVA_HOME")
            .env("PATH", self.bin())
            .env("XDG_CACHE_HOME", self.directory.path().join("cache"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        println!("{said}");
        assert!(!output.status.success(), "{said}");
        said
    }

    /// What is in the cache.
    fn cached(&self) -> Vec<PathBuf> {
        let cache = self.directory.path().join("cache/crossover");
        let entries = std::fs::read_dir(cache).map(|entries| entries.map(|entry| entry.unwrap().path()));
        entries.map(Iterator::collect).unwrap_or_default()
    }
}

fn assert_says(said: &str, wanted: &[&str]) {
    assert!(wanted.iter().all(|part| said.contains(part)), "{said}");
}

#[test]
fn without_java_the_remedy_is_named() {
    assert_says(&Machine::bare().complaint("kafka"), &["no Java", "apt-get install"]);
    let old = Machine::bare().program("java", "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2");
    assert_says(&old.complaint("kafka"), &["Java is 11", "needs 17", "apt-get install"]);
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn without_maven_or_go_the_remedy_is_named() {
    assert_says(
        &Machine::with_java().complaint("kafka"),
        &["no Maven", "apt-get install maven"],
    );
    assert_says(&Machine::bare().complaint("toxiproxy"), &["no Go", "install Go"]);
    let old = Machine::bare().program("go", "echo go version go1.19.8 linux/amd64");
    assert_says(&old.complaint("toxiproxy"), &["too old", "go1.19.8", "install Go"]);
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn half_a_fetch_is_never_used_and_leaves_nothing() {
    let version = "if [ \"$1\" = --version ]; then echo Maven; exit 0; fi";
    // Broken off, with the broker's jar but not all; then an end that claims success.
    for status in [1, 0] {
        let script = format!(
            "{version}\nfor a; do case $a in -DoutputDirectory=*) d=${{a#*=}};; esac; done\nmkdir -p $d; \
             touch $d/kafka_2.13-{}.jar\necho 'no route to host'; exit {status}",
            crossover_testbed::kafka::KAFKA_VERSION
        );
        let machine = Machine::with_java().program("mvn", &script);
        assert_says(
            &machine.complaint("kafka"),
            &["kafka can't be fetched", "no route to host", "connect to the network"],
        );
        assert_eq!(machine.cached(), Vec::<PathBuf>::new());
    }
}

#[test]
fn a_go_that_can_not_build_is_quoted() {
    let script = "[ \"$1\" = version ] && { echo go version go1.26.8 linux/amd64; exit 0; }\necho 'dial tcp: no such host'; exit 1";
    let machine = Machine::bare().program("go", script);
    assert_says(
        &machine.complaint("toxiproxy"),
        &["toxiproxy can't be fetched", "no such host", "connect to the network"],
    );
    assert_eq!(machine.cached(), Vec::<PathBuf>::new());
}
