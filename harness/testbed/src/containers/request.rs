//! A process's spec as a request for a container: pure.

use std::path::{Path, PathBuf};

use testcontainers::bollard::models::{HostConfig, HostConfigLogConfig};
use testcontainers::core::{AccessMode, Mount};
use testcontainers::{ContainerRequest, GenericImage, ImageExt};

use super::accounts::ours;
use super::images::split;
use crate::error::{Result, TestbedError};
use crate::supervisor::ProcessSpec;

/// Carried by every container: which run's it is.
pub(super) const RUN_LABEL: &str = "crossover.run";
/// Whose death makes it a left-over: a process id, and the start of that process (clock ticks since boot).
pub(super) const SUPERVISOR_LABEL: &str = "crossover.supervisor-pid";
pub(super) const SUPERVISOR_START_LABEL: &str = "crossover.supervisor-start";

/// PostgreSQL's parallel queries share memory by way of it. The engine's default, 64 MiB, would be a limit that the local
/// testbed does not have; only what is used counts.
const SHARED_MEMORY_BYTES: i64 = 1 << 30;

/// Whose containers they are.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    pub run_id: String,
    pub supervisor_pid: u32,
    pub supervisor_start: u64,
}

impl Owner {
    /// The name of the container of a process. Names have letters, digits, and three signs.
    pub(super) fn container_name(&self, process: &str) -> String {
        let plain = |character: char| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' | '-' => character,
            _ => '-',
        };
        format!("crossover-{}-{process}", self.run_id)
            .chars()
            .map(plain)
            .collect()
    }
}

/// The container of a process; `accounts` are the files of [`super::accounts`].
pub(super) fn of(spec: &ProcessSpec, owner: &Owner, accounts: &[PathBuf; 2]) -> Result<ContainerRequest<GenericImage>> {
    let image = spec
        .image
        .as_deref()
        .ok_or_else(|| TestbedError::Other(format!("bug: {} has no image", spec.name)))?;
    let (name, tag) = split(image);
    let user = spec.user.unwrap_or_else(ours);
    let [passwd, group] = accounts;
    let mut request = GenericImage::new(name, tag)
        .with_entrypoint(text(&spec.program)?)
        .with_cmd(spec.args.iter().cloned())
        .with_container_name(owner.container_name(&spec.name))
        .with_labels([
            (RUN_LABEL, owner.run_id.clone()),
            (SUPERVISOR_LABEL, owner.supervisor_pid.to_string()),
            (SUPERVISOR_START_LABEL, owner.supervisor_start.to_string()),
        ])
        .with_user(format!("{}:{}", user.uid, user.gid))
        .with_network("host")
        .with_mount(read_only(passwd, "/etc/passwd")?)
        .with_mount(read_only(group, "/etc/group")?)
        .with_host_config_modifier(on_this_host);
    for (name, value) in &spec.env {
        request = request.with_env_var(name, value);
    }
    if let Some(directory) = &spec.directory {
        let path = text(directory)?;
        request = request.with_mount(Mount::bind_mount(path, path)).with_working_dir(path);
    }
    Ok(request)
}

/// What the process would have here.
fn on_this_host(config: &mut HostConfig) {
    config.pid_mode = Some("host".to_owned());
    // An engine that maps user ids would refuse the host's process ids, and give files to strangers.
    config.userns_mode = Some("host".to_owned());
    config.shm_size = Some(SHARED_MEMORY_BYTES);
    // What it prints is read back, whatever the engine's own driver is.
    config.log_config = Some(HostConfigLogConfig {
        typ: Some("json-file".to_owned()),
        config: None,
    });
    // There is nothing to publish on the host's own network; asking for it makes the engine warn.
    config.publish_all_ports = Some(false);
}

fn read_only(from: &Path, to: &str) -> Result<Mount> {
    Ok(Mount::bind_mount(text(from)?, to).with_access_mode(AccessMode::ReadOnly))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        TestbedError::BadInput(format!(
            "the path {} is not valid UTF-8, which container engines need; point CROSSOVER_DATA_DIR elsewhere",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use testcontainers::Image;

    use super::*;
    use crate::supervisor::UserIds;

    fn request_of(spec: &ProcessSpec) -> ContainerRequest<GenericImage> {
        let owner = Owner {
            run_id: "r 1".to_owned(),
            supervisor_pid: 4711,
            supervisor_start: 99,
        };
        of(spec, &owner, &["/own/passwd".into(), "/own/group".into()]).unwrap()
    }

    #[test]
    fn a_container_runs_the_program_of_the_spec_as_its_user_with_its_directory_and_labels() {
        let spec = ProcessSpec::new("postgres", "postgres", "/log")
            .image(Some("postgres:17".to_owned()))
            .args(["-D", "/own/data"])
            .env("LC_ALL", "C")
            .user(Some(UserIds { uid: 107, gid: 113 }))
            .directory(Path::new("/own"));
        let request = request_of(&spec);
        assert_eq!(request.descriptor(), "postgres:17");
        assert_eq!(request.entrypoint(), Some("postgres"));
        assert_eq!(request.cmd().collect::<Vec<_>>(), ["-D", "/own/data"]);
        assert_eq!(request.user(), Some("107:113"));
        assert_eq!(request.network().as_deref(), Some("host"));
        assert_eq!(request.working_dir(), Some("/own"));
        assert_eq!(request.container_name().as_deref(), Some("crossover-r-1-postgres"));
        assert_eq!(request.env_vars().collect::<Vec<_>>(), [("LC_ALL".into(), "C".into())]);
        assert_eq!(request.labels()[RUN_LABEL], "r 1");
        assert_eq!(request.labels()[SUPERVISOR_LABEL], "4711");
        let mounts: Vec<_> = request
            .mounts()
            .map(|mount| {
                (
                    mount.source().unwrap_or_default(),
                    mount.target().unwrap_or_default(),
                    mount.access_mode(),
                )
            })
            .collect();
        assert_eq!(
            mounts,
            [
                ("/own/passwd", "/etc/passwd", AccessMode::ReadOnly),
                ("/own/group", "/etc/group", AccessMode::ReadOnly),
                ("/own", "/own", AccessMode::ReadWrite),
            ]
        );
        assert!(request.image().expose_ports().is_empty());
    }

    #[test]
    fn a_container_has_the_hosts_process_ids_and_publishes_nothing() {
        let mut config = HostConfig::default();
        let spec = ProcessSpec::new("a", "a", "/log").image(Some("a".to_owned()));
        request_of(&spec).host_config_modifier().unwrap()(&mut config);
        assert_eq!(config.pid_mode.as_deref(), Some("host"));
        assert_eq!(config.publish_all_ports, Some(false));
        assert_eq!(config.restart_policy, None);
        assert_eq!(config.auto_remove, None);
    }

    #[test]
    fn our_environment_is_not_passed_on() {
        let spec = ProcessSpec::new("a", "a", "/log").image(Some("a".to_owned()));
        assert!(spec.inherit_env);
        assert_eq!(request_of(&spec).env_vars().count(), 0);
    }
}
