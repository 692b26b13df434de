//! Images that are pulled, for real: from a registry on this machine, into an engine of the test's own. What goes wrong is the
//! registry, the link to it, or the engine's disk; each is told with its remedy, and when it is mended the same command works.
//!
//! One test, because each step needs what the last one left in the engine.

mod engine;
mod registry;

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Place, SHORT, Said, Turn, assert_checks_pass, read_json, said, wait_until};
use engine::{OwnEngine, require};
use registry::{Link, Registry};

/// Exit code of a testbed that is not available.
const UNAVAILABLE: Option<i32> = Some(3);
/// Of an invalid run, which a run of a debug build always is.
const INVALID: Option<i32> = Some(6);

const IMAGE: &str = "postgres:1";

/// Much less than the image, much more than its manifest.
const PART_BYTES: u64 = 20_000_000;

/// Pulls the image in more than the five seconds after which progress is told: it has more than 100 MB.
const SLOW_BYTES_PER_S: u64 = 15_000_000;

/// A disk stands still so long: a supervisor that waits for nothing is done long before.
const FROZEN: Duration = Duration::from_secs(4);

/// What a step needs.
struct Bench {
    place: Place,
    engine: OwnEngine,
    link: Link,
}

impl Bench {
    /// A short run on an image in the engine.
    fn command(&self, image: &str) -> std::process::Command {
        // Two runs of the same second would want the same directory.
        let _ = fs::remove_dir_all(self.place.path("runs"));
        let mut command = self
            .place
            .bench("pulled", SHORT, &["--testbed", "containers", "--postgres-image", image]);
        command.env("DOCKER_HOST", self.engine.address());
        command
    }

    /// One that is refused, in these words; nothing is left of it.
    fn refused(&self, what: &str, image: &str, words: &[&str]) -> Said {
        let begun = Instant::now();
        let said = said(&mut self.command(image));
        println!("{what}, {:?}: {}", begun.elapsed(), said.errors);
        assert_eq!(said.code, UNAVAILABLE, "{what}: {}", said.errors);
        for word in words {
            assert!(said.errors.contains(word), "{what}: no {word:?} in {}", said.errors);
        }
        assert_eq!(self.engine.containers(), "", "{what}");
        assert!(self.place.data().is_empty(), "{what}: {:?}", self.place.data());
        said
    }

    /// One that works.
    fn runs(&self, what: &str) -> Said {
        let begun = Instant::now();
        let said = said(&mut self.command(&self.link.image(IMAGE)));
        println!("{what}, {:?}: {}", begun.elapsed(), said.errors);
        assert_eq!(said.code, INVALID, "{what}: {}", said.errors);
        let result = read_json(&self.place.only_run().join("result.json"));
        assert_eq!(result["testbed"]["provider"], "containers");
        assert_checks_pass(&result);
        assert_eq!(self.engine.containers(), "", "{what}");
        said
    }
}

#[test]
#[cfg_attr(
    not(can_run_own_engine),
    ignore = "needs root, a Docker engine with its images, and dockerd, Go, setpriv, unshare, mkfs.ext4, fallocate and fsfreeze"
)]
fn what_keeps_an_image_from_being_pulled_is_told_with_its_remedy_and_when_it_is_mended_the_pull_goes_on() {
    let _turn = Turn::take();
    let begun = Instant::now();
    let (registry, engine) = (Registry::start(), OwnEngine::start());
    registry.push_postgres(IMAGE);
    println!("prepared after {:?}", begun.elapsed());
    let bench = Bench {
        place: Place::new(),
        engine,
        link: Link::to(&registry),
    };
    the_registry_does_not_have_it_or_is_not_there(&bench);
    the_registry_dies_in_the_middle(&bench);
    the_disk_is_full(&bench);
    slowly_it_comes_and_a_run_works_on_it(&bench);
    a_full_disk_has_no_room_for_a_container(&bench);
    a_container_that_comes_after_the_death_of_the_harness_is_waited_for(&bench);
    println!("all after {:?}", begun.elapsed());
}

fn the_registry_does_not_have_it_or_is_not_there(bench: &Bench) {
    let absent = bench.link.image("postgres:no-such");
    let words = [
        &absent,
        "is not on this machine and can't be pulled",
        "CROSSOVER_IMAGE_POSTGRES",
    ];
    bench.refused("an image that is not there", &absent, &words);
    bench.link.cut_after(0);
    let away = bench.link.image(IMAGE);
    let words = [
        &away,
        "is not on this machine and can't be pulled",
        "./just images",
        "--testbed local",
    ];
    bench.refused("a registry that is away", &away, &words);
    bench.link.mend();
}

fn the_registry_dies_in_the_middle(bench: &Bench) {
    let image = bench.link.image(IMAGE);
    bench.link.cut_after(PART_BYTES);
    let words = [&format!("image {image} came only in part"), "try again"];
    bench.refused("half an image", &image, &words);
    bench.link.mend();
}

fn the_disk_is_full(bench: &Bench) {
    let image = bench.link.image(IMAGE);
    let _filler = bench.engine.fill(PART_BYTES);
    let words = [
        &format!("no space left on the container engine's disk for image {image}"),
        "docker system prune",
    ];
    bench.refused("a full disk", &image, &words);
}

fn slowly_it_comes_and_a_run_works_on_it(bench: &Bench) {
    bench.link.slow_down(SLOW_BYTES_PER_S);
    let said = bench.runs("all is mended");
    let progress = format!("pulling image {}: ", bench.link.image(IMAGE));
    let told = said.errors.lines().filter(|line| line.starts_with(&progress));
    let told: Vec<&str> = told.filter(|line| line.contains(" MB of the layers begun")).collect();
    assert!(!told.is_empty(), "{}", said.errors);
    bench.link.slow_down(0);
}

fn a_full_disk_has_no_room_for_a_container(bench: &Bench) {
    let image = bench.link.image(IMAGE);
    let filler = bench.engine.fill(0);
    bench.refused(
        "no room for a container",
        &image,
        &["no space left on device", "docker system prune"],
    );
    drop(filler);
    bench.runs("with room for a container");
}

/// The engine takes the name, and can't write: the container is made when its disk writes again, and not before is the cleanup
/// over. Were it over, nobody would remove what comes (if the engine does not give up because files of ours are gone).
fn a_container_that_comes_after_the_death_of_the_harness_is_waited_for(bench: &Bench) {
    let freezing = bench.engine.freeze(FROZEN);
    let frozen = Instant::now();
    let mut harness = bench.command(&bench.link.image(IMAGE)).spawn().unwrap();
    let being_made = || {
        let directories = bench.place.data().into_iter().map(|it| it.join("being-made"));
        directories.flat_map(fs::read_dir).flatten().count()
    };
    wait_until("a container is being made", FROZEN, || being_made() > 0);
    // From the announcement to the engine.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(being_made(), 1, "the engine has not answered");
    kill(Pid::from_raw(harness.id().cast_signed()), Signal::SIGKILL).unwrap();
    harness.wait().unwrap();
    std::thread::sleep(FROZEN.saturating_sub(frozen.elapsed() + Duration::from_millis(500)));
    assert_eq!(bench.engine.containers(), "", "it is not listed yet");
    assert!(!bench.place.data().is_empty(), "the supervisor waits for it");
    freezing.join().unwrap();
    wait_until("the supervisor has done its work", Duration::from_secs(20), || {
        bench.place.data().is_empty()
    });
    assert_eq!(bench.engine.containers(), "");
    // Whatever came after that.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(bench.engine.containers(), "");
    require(
        bench
            .engine
            .docker()
            .args(["image", "inspect", &bench.link.image(IMAGE)]),
    );
}
