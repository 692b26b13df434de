//! The Debian below the stand-ins: made by debootstrap, packed, and handed to the engine.

use std::path::Path;

use super::build::{Build, Step};
use super::mirror::{self, RELEASE};
use super::names::{STAND_IN_LABEL, base_reference};
use crate::error::Result;
use crate::supervisor::ProcessSpec;

impl Build<'_> {
    /// Makes the base image.
    pub(super) async fn base(&self) -> Result<()> {
        let (root, tar) = (self.scratch.join("root"), self.scratch.join("base.tar"));
        let system = self.run("debootstrap", |step| debootstrap(step, &root)).await;
        // Its own log says more than what it prints, and goes with the scratch directory.
        system.map_err(|error| self.with_end_of(error, &root.join("debootstrap/debootstrap.log")))?;
        self.run("pack-base", |step| pack(step, &root, &tar)).await?;
        self.run("import-base", |step| self.import(step, &tar)).await
    }

    fn import(&self, step: Step<'_>, tar: &Path) -> ProcessSpec {
        let label = format!("LABEL {STAND_IN_LABEL}");
        let tar = tar.display().to_string();
        self.docker(step)
            .args(["import", "--change", &label, &tar, &base_reference()])
    }
}

/// In namespaces of its own: what it mounts goes with its processes, and they go with it, however it ends. Packages are
/// checked against Debian's keys, or not used.
fn debootstrap(step: Step<'_>, root: &Path) -> ProcessSpec {
    let program = ["--mount", "--pid", "--fork", "--kill-child", "debootstrap"];
    let mirror = mirror::mirror();
    // Over https, apt in the image needs to know authorities.
    let over_tls = mirror.as_deref().is_some_and(|mirror| mirror.starts_with("https://"));
    let spec = step
        .run("unshare")
        .args(program)
        .args(["--force-check-gpg", "--variant=minbase"])
        .args(over_tls.then_some("--include=ca-certificates"))
        .args([RELEASE.to_owned(), root.display().to_string()])
        .args(mirror);
    with_proxy(spec)
}

fn pack(step: Step<'_>, root: &Path, tar: &Path) -> ProcessSpec {
    step.run("tar")
        .args(["--numeric-owner", "--exclude=./var/cache/apt/archives/*.deb"])
        .args(["--exclude=./var/lib/apt/lists/*_*"])
        .args([format!("--directory={}", root.display())])
        .args([format!("--file={}", tar.display())])
        .args(["--create", "."])
}

/// With apt's proxy, unless the environment has one. Not as an argument: it may have a password in it.
pub(super) fn with_proxy(spec: ProcessSpec) -> ProcessSpec {
    match mirror::proxy() {
        Some(proxy) if std::env::var_os("http_proxy").is_none() => spec.env("http_proxy", proxy),
        _ => spec,
    }
}
