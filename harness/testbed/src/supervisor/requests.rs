//! Reading requests and carrying them out.
//!
//! A line that can't be read is a bug of ours: it is reported on standard error and skipped, so that the end of the
//! run still comes.

use std::os::fd::AsFd;

use nix::errno::Errno;

use super::ending::Manner;
use super::kept::Keeping;
use super::protocol::{Event, Request, RequestBody};
use super::serve::{Next, Supervision, send};
use crate::owned::Removable;

/// Standard input, cut into lines. Not a `BufReader`: what it buffers, `poll` doesn't see.
#[derive(Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// The lines that one read completes; nothing at the end of file.
    pub(super) fn read(&mut self) -> Option<Vec<String>> {
        let mut buffer = [0; 16 * 1024];
        let stdin = std::io::stdin();
        match nix::unistd::read(stdin.as_fd(), &mut buffer) {
            Ok(0) => return None,
            Ok(count) => self.rest.extend_from_slice(&buffer[..count]),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => return None,
        }
        Some(self.take_complete())
    }

    fn take_complete(&mut self) -> Vec<String> {
        let Some(end) = self.rest.iter().rposition(|&byte| byte == b'\n') else {
            return Vec::new();
        };
        let after = self.rest.split_off(end + 1);
        let complete = std::mem::replace(&mut self.rest, after);
        String::from_utf8_lossy(&complete).lines().map(str::to_owned).collect()
    }
}

impl Supervision {
    pub(super) fn handle(&mut self, line: &str) -> Next {
        let request: Request = match serde_json::from_str(line) {
            Ok(request) => request,
            Err(error) => {
                // Not the line itself: it may hold a secret.
                eprintln!("supervisor: bug: unreadable request of {} bytes: {error}", line.len());
                return Next::Go;
            }
        };
        let id = request.id;
        if matches!(request.body, RequestBody::Shutdown) {
            let ended = self.end(Manner::Orderly);
            let code = u8::from(ended.is_err());
            send(&answer(id, ended.map(|()| Event::Done { id })));
            return Next::Leave(code);
        }
        send(&answer(id, self.carry_out(id, request.body)));
        Next::Go
    }

    fn carry_out(&mut self, id: u64, body: RequestBody) -> Result<Event, String> {
        match body {
            RequestBody::Hello | RequestBody::Shutdown => {}
            RequestBody::Spawn(spec) => {
                let pid = self.children.spawn(&spec)?.as_raw().unsigned_abs();
                return Ok(Event::Spawned {
                    id,
                    name: spec.name,
                    pid,
                    stop: spec.stop,
                });
            }
            RequestBody::Signal { name, signal, reach } => self.children.signal(&name, signal, reach)?,
            RequestBody::RemoveDirectoryAtEnd { path } => self.directories.push(Removable::check(&path)?),
            RequestBody::RunAtEnd(spec) => self.commands.push(spec),
            RequestBody::Keep { file, containers } => {
                let keeping = Keeping { file, containers };
                keeping.try_record(self)?;
                self.keeping = Some(keeping);
            }
        }
        Ok(Event::Done { id })
    }
}

fn answer(id: u64, result: Result<Event, String>) -> Event {
    result.unwrap_or_else(|message| Event::Error { id, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_comes_in_two_reads_is_whole() {
        let mut lines = Lines::default();
        lines.rest.extend_from_slice(b"one\ntw");
        assert_eq!(lines.take_complete(), ["one"]);
        lines.rest.extend_from_slice(b"o\n");
        assert_eq!(lines.take_complete(), ["two"]);
        assert!(lines.take_complete().is_empty());
    }
}
