//! The engine: found, and refused if containers there would not be what they must be. `doctor` refuses by the same rules.
//!
//! Must not make anything.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use testcontainers::bollard::Docker;
use testcontainers::bollard::models::SystemInfo;

use super::failure::{of_socket, of_testcontainers};
use crate::docker::address;
use crate::error::{Result, TestbedError};

/// One that hangs still takes connections.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

const USE_LOCAL: &str = "use a Docker Engine on this machine, or --testbed local";

/// A client of the engine that DOCKER_HOST names, else of this machine's.
pub(super) async fn connect() -> Result<Docker> {
    let socket = socket_of(&address())?;
    // The client's own errors don't tell a missing engine from a missing right.
    UnixStream::connect(&socket).map_err(|error| of_socket(&socket, &error))?;
    let docker = testcontainers::core::client::docker_client_instance().await;
    let docker = docker.map_err(|error| of_testcontainers("reach the container engine", &error.into()))?;
    let asked = tokio::time::timeout(ANSWERS_WITHIN, docker.info()).await;
    let info = asked.map_err(|_| {
        let what = format!(
            "the container engine at {} does not answer within {ANSWERS_WITHIN:?}",
            address()
        );
        TestbedError::unavailable(what, "restart it (systemctl restart docker), or use --testbed local")
    })?;
    let info = info.map_err(|error| super::failure::of_engine("ask the container engine what it is", &error))?;
    require_fit(&info)?;
    Ok(docker)
}

/// Refuses an engine that a run would refuse, by its address and what it says of itself.
pub(crate) fn require_usable(address: &str, info: &SystemInfo) -> Result<()> {
    socket_of(address)?;
    require_fit(info)
}

fn socket_of(address: &str) -> Result<PathBuf> {
    address.strip_prefix("unix://").map(PathBuf::from).ok_or_else(|| {
        TestbedError::unavailable(
            format!("DOCKER_HOST is {address}: servers must share this machine's disk, network and process ids"),
            format!("{USE_LOCAL}; unset DOCKER_HOST for the former"),
        )
    })
}

/// Refuses an engine whose containers can't see this machine as it is.
fn require_fit(info: &SystemInfo) -> Result<()> {
    let system = info.operating_system.as_deref().unwrap_or_default();
    let options = info.security_options.as_deref().unwrap_or_default();
    if system.contains("Docker Desktop") {
        let what = "the container engine is Docker Desktop, whose containers run in a virtual machine with a network of its own";
        return Err(TestbedError::unavailable(what, USE_LOCAL));
    }
    if options.iter().any(|option| option.contains("name=rootless")) {
        let what = "the container engine is rootless: its containers can't have this machine's network and process ids";
        return Err(TestbedError::unavailable(what, USE_LOCAL));
    }
    match info.os_type.as_deref() {
        None | Some("linux") => Ok(()),
        Some(other) => Err(TestbedError::unavailable(
            format!("the container engine runs containers of {other}, and the servers are for Linux"),
            USE_LOCAL,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(system: &str, options: &[&str]) -> SystemInfo {
        SystemInfo {
            operating_system: Some(system.to_owned()),
            os_type: Some("linux".to_owned()),
            security_options: Some(options.iter().map(|&option| option.to_owned()).collect()),
            ..SystemInfo::default()
        }
    }

    #[test]
    fn an_engine_in_a_virtual_machine_or_without_rights_is_refused_with_the_remedy() {
        require_fit(&engine("Debian GNU/Linux 12", &["name=seccomp,profile=default"])).unwrap();
        for (info, sign) in [
            (engine("Docker Desktop", &[]), "Docker Desktop"),
            (engine("Ubuntu 24.04", &["name=seccomp", "name=rootless"]), "rootless"),
        ] {
            let error = require_fit(&info).unwrap_err();
            assert!(matches!(error, TestbedError::Unavailable { .. }), "{error}");
            let text = error.to_string();
            assert!(text.contains(sign) && text.contains("--testbed local"), "{text}");
        }
    }

    #[test]
    fn an_engine_on_another_machine_is_refused() {
        assert_eq!(socket_of("unix:///run/x.sock").unwrap(), PathBuf::from("/run/x.sock"));
        let text = socket_of("tcp://10.0.0.1:2375").unwrap_err().to_string();
        assert!(
            text.contains("tcp://10.0.0.1:2375") && text.contains("DOCKER_HOST"),
            "{text}"
        );
    }
}
