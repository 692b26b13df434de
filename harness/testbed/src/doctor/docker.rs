//! Whether a Docker engine answers: its own ping, over its socket. Starts no container.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::{Finding, Part, State};

/// A local daemon that does not answer by then is not one to build on.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

pub(super) fn engine() -> Finding {
    let part = Part::Docker;
    let address = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    match answers(&address) {
        Ok(()) => Finding {
            part,
            state: State::Ready,
            found: format!("answers at {address}"),
            remedy: None,
        },
        Err(error) => {
            let found = format!("no answer at {address}: {error}; the local testbed is used");
            Finding {
                part,
                state: State::Missing,
                found,
                remedy: Some("start it, if containers are wanted".to_owned()),
            }
        }
    }
}

/// Asks the engine's `_ping`.
fn answers(address: &str) -> std::io::Result<()> {
    if let Some(path) = address.strip_prefix("unix://") {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        return ping(stream);
    }
    let stream = TcpStream::connect(address.strip_prefix("tcp://").unwrap_or(address))?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    ping(stream)
}

fn ping(mut stream: impl Read + Write) -> std::io::Result<()> {
    stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let mut answer = [0; 64];
    let count = stream.read(&mut answer)?;
    let status = String::from_utf8_lossy(&answer[..count]).into_owned();
    if status.contains(" 200 ") {
        Ok(())
    } else {
        Err(std::io::Error::other(format!("it says {:?}", status.lines().next())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_does_not_listen_does_not_answer() {
        assert!(answers("unix:///nonexistent/docker.sock").is_err());
    }
}
