//! Which two builds are held against each other: commits of this checkout, or programs that are there already.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crossover_evidence::regress::Build;
use crossover_testbed::TestbedError;

use super::RegressArgs;
use crate::failure::bad_input;

/// Names under which the main branch may be known here; a checkout by CI has only the second.
const MAIN: [&str; 2] = ["main", "origin/main"];

/// Base and head.
///
/// # Errors
/// Bad input: no such commit or program, or changes that are in no commit.
pub fn chosen(root: &Path, args: &RegressArgs) -> anyhow::Result<(Build, Build)> {
    let head = match &args.head_program {
        Some(program) => given("--head-program", program)?,
        None => {
            refuse_uncommitted(root)?;
            commit(root, "HEAD", "HEAD".to_owned())?
        }
    };
    let base = match (&args.base_program, &args.base) {
        (Some(program), _) => given("--base-program", program)?,
        (None, Some(named)) => commit(root, named, format!("BASE = {named}"))?,
        (None, None) => by_default(root)?,
    };
    Ok((base, head))
}

/// What was changed and not committed is in neither build: who looks for its effect must not be told *the same*.
fn refuse_uncommitted(root: &Path) -> anyhow::Result<()> {
    let status = git(root, &["status", "--porcelain", "--untracked-files=no"])?.unwrap_or_default();
    let Some(first) = status.lines().next() else {
        return Ok(());
    };
    let more = match status.lines().count() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Err(bad_input(format!(
        "the work tree differs from HEAD ({}{more}), and what is built is HEAD; commit or stash the changes, or build them and \
         give --head-program",
        first.trim()
    )))
}

/// The merge base with main, or what came before it if that is HEAD itself.
fn by_default(root: &Path) -> anyhow::Result<Build> {
    let head = resolved(root, "HEAD")?;
    for main in MAIN {
        let Some(base) = git(root, &["merge-base", "HEAD", main])? else {
            continue;
        };
        if Some(base.trim()) != head.as_deref() {
            return commit(root, base.trim(), format!("merge base with {main}"));
        }
        return commit(root, "HEAD~1", format!("HEAD~1, as HEAD is on {main}"));
    }
    Err(bad_input(format!(
        "there is no merge base with {}: give BASE, a commit, branch or tag (in a shallow clone, git fetch --unshallow first)",
        MAIN.join(" or ")
    )))
}

fn commit(root: &Path, named: &str, chosen: String) -> anyhow::Result<Build> {
    let Some(id) = resolved(root, named)? else {
        return Err(bad_input(match named {
            "HEAD" => "this is no git checkout with a commit: give --base-program and --head-program".to_owned(),
            _ => format!(
                "BASE: found {named:?}, which is no commit here; allowed are a commit, branch or tag (in a shallow clone, git \
                 fetch --unshallow first)"
            ),
        }));
    };
    Ok(Build {
        name: id[..id.len().min(12)].to_owned(),
        chosen,
        commit: Some(id),
    })
}

fn resolved(root: &Path, named: &str) -> anyhow::Result<Option<String>> {
    let commit = format!("{named}^{{commit}}");
    let id = git(root, &["rev-parse", "--verify", "--quiet", "--end-of-options", &commit])?;
    Ok(id.map(|id| id.trim().to_owned()))
}

fn given(flag: &str, program: &Path) -> anyhow::Result<Build> {
    let is_program = |path: &Path| {
        path.metadata()
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let found = std::fs::canonicalize(program).ok().filter(|path| is_program(path));
    let found = found.ok_or_else(|| {
        bad_input(format!(
            "{flag}: found {}, which is no program; allowed is the path of a built crossover",
            program.display()
        ))
    })?;
    Ok(Build {
        name: found.display().to_string(),
        chosen: flag.to_owned(),
        commit: None,
    })
}

/// What git prints; `None` if it answers no.
fn git(root: &Path, arguments: &[&str]) -> anyhow::Result<Option<String>> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output();
    let output = output.map_err(|error| {
        TestbedError::unavailable(
            format!("git can't be run: {error}"),
            "apt-get install git (Debian), dnf install git (Fedora)",
        )
    })?;
    Ok(output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
}
