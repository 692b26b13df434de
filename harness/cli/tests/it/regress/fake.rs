//! Programs that answer `bench` at once with a result that was made up, and a checkout whose commits "build" such programs: what the
//! command makes of its runs is tested with these, in seconds and to the digit.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Place, SHORT, tiny};

/// Settings for the made-up runs: CPU alone.
pub const SETTINGS: &str = r#"scenario = "regress"
modes = ["polling"]
pairs = 8
tries = 2

[primary]
metric = "cpu_ms_per_job"
tolerance = 0.05
"#;

/// Takes the place of a run's cores in the result.
const CORES: f64 = 987_654.5;

/// The program: notes that it was called, and writes the result with cores that scatter a little from call to call. A file
/// beside it changes what is done by the call after so many: once (`late`, `failed`) or from then on (`slow`).
const PROGRAM: &str = r#"#!/bin/sh
here=SHARED
[ "$1" = bench ] || exit 2
count=$(($(cat "$here/calls" 2>/dev/null || echo 0) + 1))
echo "$count" >"$here/calls"
echo "NAME $PWD $CROSSOVER_LOCK" >>"$here/order"
if [ -e "$here/slow" ] && [ "$count" -gt "$(cat "$here/slow")" ]; then
    touch "$here/under-way"
    exec sleep 60
fi
result=good
for other in late failed; do
    if [ -e "$here/$other" ] && [ "$count" -gt "$(cat "$here/$other")" ]; then
        rm "$here/$other"
        result=$other
    fi
done
mkdir "$5/run"
echo "the plan" >"$5/run/plan.txt"
sed "s/987654.5/SPEED$((count % 5))/" "$here/$result.json" >"$5/run/result.json"
"#;

/// Where programs find what they answer, and note that they were called.
pub struct Fake {
    /// Scratch directory.
    pub place: Place,
    shared: PathBuf,
}

impl Fake {
    /// The answers: a run of our own, with numbers of ours.
    pub fn new() -> Self {
        let place = Place::new();
        let shared = place.path("shared");
        fs::create_dir(&shared).unwrap();
        let mut good = tiny().result();
        good["run"]["valid"] = json!(true);
        good["run"]["invalid_reasons"] = json!([]);
        for check in good["checks"].as_array_mut().unwrap() {
            check["verdict"] = json!("pass");
        }
        good["processes"] = json!([
            { "name": "replica-1", "cpu_s": 1.0, "cpu_cores_mean": CORES, "memory_mb_max": 20.0 },
            { "name": "harness", "cpu_s": 1.0, "cpu_cores_mean": 1_000.0, "memory_mb_max": 20.0 },
        ]);
        let mut late = good.clone();
        late["run"]["valid"] = json!(false);
        late["run"]["invalid_reasons"] = json!(["the generator was late"]);
        let mut failed = good.clone();
        failed["checks"][0]["verdict"] = json!("fail");
        for (name, result) in [("good", &good), ("late", &late), ("failed", &failed)] {
            fs::write(shared.join(format!("{name}.json")), result.to_string()).unwrap();
        }
        Self { place, shared }
    }

    /// A program that takes `speed` cores and some hundredths, such as `1.0`.
    pub fn program(&self, name: &str, speed: &str) -> PathBuf {
        let path = self.place.write(name, &self.text(name, speed));
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn text(&self, name: &str, speed: &str) -> String {
        let shared = self.shared.display().to_string();
        PROGRAM
            .replace("SHARED", &shared)
            .replace("NAME", name)
            .replace("SPEED", speed)
    }

    /// Changes what is done by the call after so many.
    pub fn plant(&self, what: &str, calls: u32) {
        fs::write(self.shared.join(what), calls.to_string()).unwrap();
    }

    /// Ends that.
    pub fn lift(&self, what: &str) {
        fs::remove_file(self.shared.join(what)).unwrap();
    }

    /// Is that there?
    pub fn has(&self, what: &str) -> bool {
        self.shared.join(what).exists()
    }

    /// Who was called, with the directory in which it was and the lock that it was told.
    pub fn calls(&self) -> Vec<[String; 3]> {
        let text = fs::read_to_string(self.shared.join("order")).unwrap_or_default();
        let words = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
        text.lines().map(|line| words(line).try_into().unwrap()).collect()
    }

    /// `regress` with these settings and flags, in a directory.
    pub fn regress(&self, directory: &Path, flags: &[&str]) -> Command {
        let mut command = self.place.crossover(["regress"]);
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .args(flags)
            .current_dir(directory)
            .env("XDG_CACHE_HOME", self.place.path("cache"))
            .env("PATH", format!("{}:{path}", self.place.path("bin").display()));
        if !flags.contains(&"--resume") {
            command.arg("--output").arg(self.place.path("runs"));
        }
        command
    }

    /// A checkout with a commit of each of these speeds, the first on `main` and all on `work`; its `cargo` builds our programs.
    pub fn checkout(&self, speeds: &[&str]) -> PathBuf {
        let checkout = self.place.path("checkout");
        fs::create_dir_all(checkout.join("scenarios/bench")).unwrap();
        fs::write(checkout.join("regress.toml"), SETTINGS).unwrap();
        fs::write(checkout.join("scenarios/bench/regress.toml"), SHORT).unwrap();
        fs::create_dir_all(self.place.path("bin")).unwrap();
        let cargo = self.place.write(
            "bin/cargo",
            &format!(
                "#!/bin/sh\necho \"$PWD\" >>{}/builds\n[ -e broken ] && {{ echo 'error: it is broken'; exit 101; }}\n\
                 mkdir -p \"$CARGO_TARGET_DIR/release\"\ncp program \"$CARGO_TARGET_DIR/release/crossover\"\n\
                 chmod 755 \"$CARGO_TARGET_DIR/release/crossover\"\n",
                self.shared.display()
            ),
        );
        fs::set_permissions(&cargo, Permissions::from_mode(0o755)).unwrap();
        git(&checkout, &["init", "--quiet", "--initial-branch", "main"]);
        for (index, speed) in speeds.iter().enumerate() {
            fs::write(checkout.join("program"), self.text(&format!("commit-{index}"), speed)).unwrap();
            commit(&checkout, &format!("speed {speed}"));
            if index == 0 {
                git(&checkout, &["checkout", "--quiet", "-b", "work"]);
            }
        }
        checkout
    }

    /// How often something was built.
    pub fn builds(&self) -> usize {
        let text = fs::read_to_string(self.shared.join("builds")).unwrap_or_default();
        text.lines().count()
    }
}

/// Commits everything.
pub fn commit(checkout: &Path, message: &str) {
    git(checkout, &["add", "--all"]);
    git(checkout, &["commit", "--quiet", "--allow-empty", "--message", message]);
}

/// What git says.
pub fn git(checkout: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(checkout)
        .args([
            "-c",
            "user.name=test",
            "-c",
            "user.email=test@example.com",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The verdict on the primary metric.
pub fn verdict(regression: &Value) -> &str {
    regression["modes"][0]["findings"][0]["verdict"].as_str().unwrap()
}
