//! Builds the stand-ins that are not there yet, each whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::base::with_proxy;
use super::names::{STAND_IN_LABEL, StandIn, base_reference};
use super::needs;
use crate::docker::{Engine, Trouble};
use crate::error::{Result, TestbedError};
use crate::kafka::fetch_libs;
use crate::lock::RunLock;
use crate::logs::{tail, without_colours};
use crate::owned::{OwnedDirectory, base_directory, require_base};
use crate::supervisor::{ProcessSpec, Signal, Supervisor};
use crate::toxiproxy::fetch_toxiproxy;

/// A minute is the longest step here; a slow mirror takes longer.
const STEP_WITHIN: Duration = Duration::from_secs(900);

const POSTGRES: &str = include_str!("postgres.Dockerfile");
const KAFKA: &str = include_str!("kafka.Dockerfile");
const TOXIPROXY: &str = include_str!("toxiproxy.Dockerfile");

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Which.
    pub stand_ins: &'a [StandIn],
    /// Also those that are there.
    pub rebuild: bool,
}

/// Builds what is wanted and not there; `tell` gets lines about progress.
///
/// # Errors
/// `Unavailable`, with the remedy, if there is no engine, a program is missing, or a build fails; `BadInput` if there is
/// something to build, and a run is under way.
pub async fn build(supervisor: &Supervisor, run_id: &str, wanted: Wanted<'_>, tell: &dyn Fn(&str)) -> Result<()> {
    let engine = Engine::reach().map_err(Trouble::into_error)?;
    let there = engine.images()?;
    let is_due = |reference: &String| wanted.rebuild || !there.contains(reference);
    let mut due = wanted.stand_ins.to_vec();
    due.retain(|stand_in| {
        let is_due = is_due(&stand_in.reference());
        if !is_due {
            tell(&format!("{}: already there", stand_in.reference()));
        }
        is_due
    });
    if due.is_empty() {
        return Ok(());
    }
    // A build would disturb a run, and a second build the first.
    let _lock = RunLock::acquire(run_id)?;
    let needs_base = due.iter().any(|&stand_in| stands_on_base(stand_in)) && is_due(&base_reference());
    let place = base_directory();
    require_base(&place)?;
    needs::require(&due, needs_base, &place)?;

    let scratch = OwnedDirectory::create(&place, run_id, "images")?;
    let registered = supervisor.remove_at_end(scratch.path()).await;
    registered.inspect_err(|_| drop(fs::remove_dir_all(scratch.path())))?;
    let build = Build {
        supervisor,
        run_id,
        engine: &engine,
        scratch: scratch.path(),
        rebuild: wanted.rebuild,
    };
    let built = build.all(&due, needs_base, tell).await;
    let _ = fs::remove_dir_all(scratch.path());
    built
}

/// Removes all stand-ins of the present tag, and their base; answers which there were.
///
/// # Errors
/// `Unavailable` without an engine; `Other` if a container uses one.
pub fn remove() -> Result<Vec<String>> {
    let engine = Engine::reach().map_err(Trouble::into_error)?;
    let mut removed = Vec::new();
    for reference in StandIn::ALL
        .map(StandIn::reference)
        .into_iter()
        .chain([base_reference()])
    {
        if engine.remove_image(&reference)? {
            removed.push(reference);
        }
    }
    Ok(removed)
}

/// Toxiproxy needs no system below it.
fn stands_on_base(stand_in: StandIn) -> bool {
    stand_in != StandIn::Toxiproxy
}

/// A build under way.
pub(super) struct Build<'a> {
    supervisor: &'a Supervisor,
    run_id: &'a str,
    engine: &'a Engine,
    pub(super) scratch: &'a Path,
    rebuild: bool,
}

impl Build<'_> {
    async fn all(&self, due: &[StandIn], needs_base: bool, tell: &dyn Fn(&str)) -> Result<()> {
        self.remove_fragments_at_end().await?;
        if needs_base {
            tell(&format!("{}: making it by debootstrap", base_reference()));
            let begun = Instant::now();
            self.base().await?;
            tell(&took(&base_reference(), begun));
        }
        for &stand_in in due {
            tell(&format!("{}: building it", stand_in.reference()));
            let begun = Instant::now();
            self.stand_in(stand_in).await?;
            tell(&took(&stand_in.reference(), begun));
        }
        Ok(())
    }

    async fn stand_in(&self, stand_in: StandIn) -> Result<()> {
        let (recipe, context) = match stand_in {
            StandIn::Postgres => (POSTGRES, self.empty_context()?),
            // Kafka's jars and Toxiproxy are what the local testbed runs, and fetched as it does.
            StandIn::Kafka => (KAFKA, parent(fetch_libs(self.supervisor, self.run_id).await?)),
            StandIn::Toxiproxy => (TOXIPROXY, parent(fetch_toxiproxy(self.supervisor, self.run_id).await?)),
        };
        let file = self.scratch.join(format!("{stand_in}.Dockerfile"));
        fs::write(&file, recipe).map_err(|error| TestbedError::io("write", &file, &error))?;
        let name = format!("build-{stand_in}");
        self.run(&name, |step| self.docker_build(step, stand_in, &file, &context))
            .await
    }

    fn docker_build(&self, step: Step<'_>, stand_in: StandIn, file: &Path, context: &Path) -> ProcessSpec {
        let base = format!("BASE={}", base_reference());
        let spec = self
            .docker(step)
            // The builder of old is in every engine; the new one is a package of its own.
            .env("DOCKER_BUILDKIT", "0")
            .args(["build", "--network=host", "--rm", "--force-rm"])
            .args(self.rebuild.then_some("--no-cache"))
            .args([format!("--file={}", file.display())])
            .args([format!("--tag={}", stand_in.reference())]);
        let spec = match stands_on_base(stand_in) {
            // Without a value: as in the environment.
            true => with_proxy(spec).args(["--build-arg", &base, "--build-arg", "http_proxy"]),
            false => spec,
        };
        spec.args([context.display().to_string()])
    }

    /// The client, for the engine that was reached.
    pub(super) fn docker(&self, step: Step<'_>) -> ProcessSpec {
        step.run("docker").args(["--host", self.engine.address()])
    }

    /// What a rebuild replaced stays behind as an image without a name, and so do the steps of a build that is broken off
    /// after the first (during the first, there is nothing but the base yet). Only those with our label go.
    async fn remove_fragments_at_end(&self) -> Result<()> {
        let filter = format!("--filter=label={STAND_IN_LABEL}");
        let prune = self
            .docker(self.step("prune", &self.log("prune")))
            .args(["image", "prune", "--force", &filter]);
        self.supervisor.run_at_end(prune).await
    }

    fn empty_context(&self) -> Result<PathBuf> {
        let context = self.scratch.join("empty");
        fs::create_dir_all(&context).map_err(|error| TestbedError::io("make", &context, &error))?;
        Ok(context)
    }

    /// Runs one program to its end.
    pub(super) async fn run(&self, name: &str, spec: impl FnOnce(Step<'_>) -> ProcessSpec) -> Result<()> {
        let log = self.log(name);
        self.supervisor.spawn(spec(self.step(name, &log))).await?;
        let exited = self.supervisor.wait_exit(name, STEP_WITHIN).await;
        let exit = match exited {
            Ok(exit) => exit,
            Err(_) => self.supervisor.stop(name).await?,
        };
        if exit.is_success() {
            return Ok(());
        }
        Err(failed(&exit.to_string(), &without_colours(&tail(&log))))
    }

    /// The error with the end of another log.
    pub(super) fn with_end_of(&self, error: TestbedError, log: &Path) -> TestbedError {
        match error {
            TestbedError::Unavailable { what, remedy } if log.is_file() => {
                TestbedError::unavailable(format!("{what} | {}", tail(log)), remedy)
            }
            other => other,
        }
    }

    fn step<'s>(&self, name: &'s str, log: &'s Path) -> Step<'s> {
        Step { name, log }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.supervisor.log_dir().join(format!("images-{name}.log"))
    }
}

/// What every program of a build is started with.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    name: &'a str,
    log: &'a Path,
}

impl Step<'_> {
    /// Killed at once when it has to stop: the engine drops a build whose client is gone.
    pub(super) fn run(self, program: &str) -> ProcessSpec {
        ProcessSpec::new(self.name, program, self.log).stop(Signal::Kill, Duration::from_secs(1))
    }
}

fn failed(how: &str, end_of_log: &str) -> TestbedError {
    let has = |signs: &[&str]| signs.iter().any(|sign| end_of_log.contains(sign));
    let remedy = if has(&["no space left", "No space left"]) {
        "free some disk: docker system prune removes what no container uses"
    } else if has(&["keyring"]) {
        "apt-get install debian-archive-keyring"
    } else if has(&["unexpected EOF", "Cannot connect to the Docker daemon"]) {
        "the Docker engine ended meanwhile: start it, and try again"
    } else {
        "connect to the network, or point apt at a mirror of Debian that can be reached, and try again"
    };
    TestbedError::unavailable(
        format!("a stand-in image can't be built: {how}; its log ends: {end_of_log}"),
        remedy,
    )
}

fn parent(path: PathBuf) -> PathBuf {
    path.parent().map_or(path.clone(), Path::to_path_buf)
}

fn took(reference: &str, begun: Instant) -> String {
    format!("{reference}: done in {:.0} s", begun.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_has_the_label_from_the_base_or_by_itself() {
        for (stand_in, recipe) in [
            (StandIn::Postgres, POSTGRES),
            (StandIn::Kafka, KAFKA),
            (StandIn::Toxiproxy, TOXIPROXY),
        ] {
            let wanted = match stands_on_base(stand_in) {
                true => "\nFROM ${BASE}\nRUN ".to_owned(),
                false => format!("\nLABEL {STAND_IN_LABEL}\n"),
            };
            let lines: Vec<&str> = recipe.lines().filter(|line| !line.starts_with('#')).collect();
            assert!(format!("\n{}\n", lines.join("\n")).contains(&wanted), "{recipe}");
        }
    }

    #[test]
    fn the_remedy_follows_the_log() {
        let remedy = |log: &str| match failed("exited", log) {
            TestbedError::Unavailable { remedy, .. } => remedy,
            other => panic!("{other}"),
        };
        assert!(remedy("write /x: no space left on device").contains("docker system prune"));
        assert!(remedy("E: No pgp program / keyring file not available").contains("debian-archive-keyring"));
        assert!(remedy("Get:35 http://… | unexpected EOF").contains("start it"));
        assert!(remedy("Temporary failure resolving 'x'").contains("network"));
    }
}
