//! What an engine's complaints mean, and what to do about each: pure.
//!
//! The engine says most of it in prose, so it is known by phrases that have been the same for many versions; what is not
//! known is passed on as it is.

use std::error::Error;
use std::io::ErrorKind;
use std::path::Path;

use testcontainers::TestcontainersError;
use testcontainers::bollard::errors::Error as EngineError;
use testcontainers::core::error::ClientError;

use super::images::Part;
use crate::error::TestbedError;

const START_IT: &str = "start it: systemctl start docker (or, without systemd, dockerd), or use --testbed local";
const JOIN_GROUP: &str = "usermod -aG docker $USER, and log in again (or run as root), or use --testbed local";
const FREE_DISK: &str =
    "free some on the engine's disk: docker system prune (docker info says where that is: Docker Root Dir)";

/// The socket can't be connected to.
pub(super) fn of_socket(socket: &Path, error: &std::io::Error) -> TestbedError {
    let shown = socket.display();
    match error.kind() {
        ErrorKind::NotFound => TestbedError::unavailable(
            format!("no container engine: there is no socket {shown}"),
            format!("install one (apt-get install docker.io) or {START_IT}"),
        ),
        ErrorKind::PermissionDenied => TestbedError::unavailable(
            format!("no right to use the container engine's socket {shown}"),
            JOIN_GROUP,
        ),
        ErrorKind::ConnectionRefused => TestbedError::unavailable(
            format!("the container engine does not run: nobody listens at {shown}"),
            START_IT,
        ),
        _ => TestbedError::unavailable(format!("no container engine at {shown}: {error}"), START_IT),
    }
}

/// The engine refused, or could not be asked. `act` completes "can't …".
pub(super) fn of_engine(act: &str, error: &EngineError) -> TestbedError {
    if let EngineError::SocketNotFoundError(socket) = error {
        return of_socket(Path::new(socket), &ErrorKind::NotFound.into());
    }
    if let Some(kind) = io_kind(error) {
        return match kind {
            ErrorKind::PermissionDenied => TestbedError::unavailable(
                format!("can't {act}: no right to use the container engine's socket"),
                JOIN_GROUP,
            ),
            ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                TestbedError::unavailable(format!("can't {act}: the container engine is gone"), START_IT)
            }
            _ => TestbedError::Other(format!("can't {act}: {error}")),
        };
    }
    of_message(act, &said(error))
}

/// As [`of_engine`], for an error that came by way of testcontainers.
pub(super) fn of_testcontainers(act: &str, error: &TestcontainersError) -> TestbedError {
    match engine_error(error) {
        Some(error) => of_engine(act, error),
        None => of_message(act, &error.to_string()),
    }
}

/// The engine's own client's error, if it is one.
fn engine_error(error: &TestcontainersError) -> Option<&EngineError> {
    match error {
        TestcontainersError::Client(
            ClientError::Init(error)
            | ClientError::CreateContainer(error)
            | ClientError::StartContainer(error)
            | ClientError::InspectContainer(error)
            | ClientError::RemoveContainer(error)
            | ClientError::ListNetworks(error)
            | ClientError::PullImage { err: error, .. },
        ) => Some(error),
        _ => None,
    }
}

/// Whether the engine has answered: it is at work on nothing for us any more.
pub(super) fn is_answer(error: &TestcontainersError) -> bool {
    matches!(engine_error(error), Some(EngineError::DockerResponseServerError { .. }))
}

/// An image can't be had.
pub(super) fn of_pull(part: Part, image: &str, error: &EngineError) -> TestbedError {
    let said = said(error);
    let lower = said.to_lowercase();
    if lower.contains("no space left") {
        return TestbedError::unavailable(
            format!("no space left on the container engine's disk for image {image}: {said}"),
            FREE_DISK,
        );
    }
    let says_one_of = |signs: &[&str]| signs.iter().any(|sign| lower.contains(sign));
    let in_part = || format!("image {image} came only in part: {said}");
    if says_one_of(&[
        "failed to register layer",
        "layer does not exist",
        "filesystem layer verification failed",
    ]) {
        let remedy = format!("docker image rm {image}; docker system prune; and try again");
        return TestbedError::unavailable(in_part(), remedy);
    }
    // A layer was asked for, so the registry has the image.
    if says_one_of(&["unexpected eof", "/blobs/"]) {
        let remedy = format!(
            "try again, the engine uses no part of it; if that does not help, name another with {}, or use --testbed local",
            part.variable()
        );
        return TestbedError::unavailable(in_part(), remedy);
    }
    if io_kind(error).is_some() {
        return of_engine(&format!("pull image {image}"), error);
    }
    let build = part.stand_in().map_or_else(String::new, |stand_in| {
        format!("build {stand_in} on this machine with ./just images, ")
    });
    TestbedError::unavailable(
        format!("image {image} is not on this machine and can't be pulled: {said}"),
        format!("{build}name another with {}, or use --testbed local", part.variable()),
    )
}

/// By what the engine said.
fn of_message(act: &str, said: &str) -> TestbedError {
    let lower = said.to_lowercase();
    let what = format!("can't {act}: {said}");
    if lower.contains("no space left") {
        return TestbedError::unavailable(what, FREE_DISK);
    }
    if lower.contains("is already in use by container") {
        return TestbedError::unavailable(
            what,
            "remove what another run left: crossover clean (or docker rm -f that container)",
        );
    }
    if lower.contains("bind source path does not exist") {
        let remedy = "the container engine sees other files than this program does: run both on the same machine, outside of \
                      containers, or use --testbed local";
        return TestbedError::unavailable(what, remedy);
    }
    if lower.contains("unable to start container process: exec") || lower.contains("executable file not found") {
        let remedy = "this image will not do: name another with CROSSOVER_IMAGE_POSTGRES, CROSSOVER_IMAGE_REDPANDA, \
                      CROSSOVER_IMAGE_KAFKA or CROSSOVER_IMAGE_TOXIPROXY";
        return TestbedError::unavailable(what, remedy);
    }
    TestbedError::Other(what)
}

/// The engine's own words, without ours around them.
fn said(error: &EngineError) -> String {
    match error {
        EngineError::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        EngineError::DockerStreamError { error } => error.trim().to_owned(),
        other => other.to_string(),
    }
}

/// The operating system's reason, wherever in the chain it is.
fn io_kind(error: &EngineError) -> Option<ErrorKind> {
    // Transparent errors hide what they hold from the chain.
    if let EngineError::IOError { err } = error {
        return Some(err.kind());
    }
    let mut link: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = link {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        link = error.source();
    }
    None
}

/// Whether the engine says that something is not there (any more).
pub(super) fn is_absent(error: &EngineError) -> bool {
    matches!(error, EngineError::DockerResponseServerError { status_code: 404, .. })
}

/// Whether the engine says that something is so already, or is just being done.
pub(super) fn is_conflict(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::DockerResponseServerError {
            status_code: 409 | 304,
            ..
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status_code: u16, message: &str) -> EngineError {
        EngineError::DockerResponseServerError {
            status_code,
            message: message.to_owned(),
        }
    }

    fn assert_remedy(error: &TestbedError, sign: &str) {
        let text = error.to_string();
        assert!(
            matches!(error, TestbedError::Unavailable { .. }) && text.contains(sign),
            "{error:?}"
        );
    }

    #[test]
    fn a_socket_says_whether_the_engine_is_missing_stopped_or_closed_to_us() {
        let socket = Path::new("/run/docker.sock");
        for (kind, sign) in [
            (ErrorKind::NotFound, "apt-get install docker.io"),
            (ErrorKind::ConnectionRefused, "systemctl start docker"),
            (ErrorKind::PermissionDenied, "usermod -aG docker"),
        ] {
            let error = of_socket(socket, &kind.into());
            assert_remedy(&error, sign);
            assert!(error.to_string().contains("/run/docker.sock"), "{error}");
        }
        let gone = EngineError::IOError {
            err: ErrorKind::PermissionDenied.into(),
        };
        assert_remedy(&of_engine("start postgres", &gone), "usermod -aG docker");
        let gone = EngineError::IOError {
            err: ErrorKind::ConnectionRefused.into(),
        };
        assert_remedy(&of_engine("start postgres", &gone), "systemctl start docker");
    }

    #[test]
    fn each_refusal_of_the_engine_has_its_remedy() {
        for (message, sign) in [
            (
                "mkdir /var/lib/docker/overlay2/x: no space left on device",
                "docker system prune",
            ),
            (
                "Conflict. The container name \"/crossover-r1-postgres\" is already in use by container \"abc\".",
                "crossover clean",
            ),
            (
                "invalid mount config for type \"bind\": bind source path does not exist: /x",
                "same machine",
            ),
            (
                "OCI runtime create failed: exec: \"initdb\": executable file not found in $PATH: unknown",
                "CROSSOVER_IMAGE_POSTGRES",
            ),
            (
                "runc create failed: unable to start container process: exec: \"/bin/sh\": stat /bin/sh: no such file or directory",
                "CROSSOVER_IMAGE_POSTGRES",
            ),
        ] {
            let error = of_engine("start postgres", &response(500, message));
            assert_remedy(&error, sign);
            assert!(error.to_string().contains(message), "{error}");
        }
        let other = of_engine("start postgres", &response(500, "something new"));
        assert!(
            matches!(&other, TestbedError::Other(text) if text.contains("something new")),
            "{other:?}"
        );
    }

    #[test]
    fn an_image_that_can_not_be_pulled_names_image_reason_and_remedies() {
        let error = of_pull(
            Part::Postgres,
            "postgres:17",
            &response(
                500,
                "Get \"https://registry.example/v2/\": dial tcp: lookup: no such host",
            ),
        );
        for sign in [
            "postgres:17",
            "no such host",
            "./just images",
            "CROSSOVER_IMAGE_POSTGRES",
            "--testbed local",
        ] {
            assert_remedy(&error, sign);
        }
        let error = of_pull(Part::Redpanda, "redpanda", &response(404, "manifest unknown"));
        assert!(
            !error.to_string().contains("./just images"),
            "there is no stand-in: {error}"
        );
        let part = EngineError::DockerStreamError {
            error: "failed to register layer: unexpected EOF".to_owned(),
        };
        assert_remedy(&of_pull(Part::Kafka, "kafka", &part), "docker image rm kafka");
        let broken = EngineError::DockerStreamError {
            error: "Get \"http://127.0.0.1:5000/v2/kafka/blobs/sha256:03\": EOF".to_owned(),
        };
        let broken = of_pull(Part::Kafka, "kafka", &broken);
        assert_remedy(&broken, "came only in part");
        assert_remedy(&broken, "try again");
        let full = EngineError::DockerStreamError {
            error: "write /x: no space left on device".to_owned(),
        };
        assert_remedy(&of_pull(Part::Kafka, "kafka", &full), "docker system prune");
    }
}
