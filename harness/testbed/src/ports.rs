//! TCP ports on 127.0.0.1 for servers.
//!
//! Not "bind port 0": the kernel takes those from the range that it also gives to outgoing connections. While a server
//! is down for a fault, a client that keeps reconnecting can be given the server's own port, connect to itself, and
//! hold the port when the server wants it back. So ports are drawn below that range.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::error::{Result, TestbedError};

/// Below are the ports of well-known servers.
const LOWEST: u16 = 15_000;

/// A quarter of the range may well be taken; then the chance of failing this often is nil.
const TRIES: usize = 200;

/// Ports that this process gave out: their servers may not listen yet.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that nobody listens on, and that no other call in this process was given.
///
/// # Errors
/// `Unavailable` if none is found.
pub fn free_port() -> Result<u16> {
    let range = range_below(outgoing_range_start());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..TRIES {
        let port = rand::random_range(range.clone());
        if is_free(port) && given.insert(port) {
            return Ok(port);
        }
    }
    Err(TestbedError::unavailable(
        format!(
            "no free TCP port on 127.0.0.1 between {} and {}",
            range.start, range.end
        ),
        "end some of the servers on this machine",
    ))
}

/// Checks a port that the user asked for.
///
/// # Errors
/// `BadInput` that names the port, if it is taken or may not be used.
pub fn require_free(port: u16) -> Result<()> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map(drop)
        .map_err(|error| {
            TestbedError::BadInput(format!(
                "port {port} of 127.0.0.1 can't be used: {error}; choose another, or none to get a free one"
            ))
        })
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// 17,000 ports are left with the default of Linux (32768); where an administrator lowered it, the top of all is used.
fn range_below(outgoing_start: u16) -> Range<u16> {
    if outgoing_start > LOWEST + 1_000 {
        LOWEST..outgoing_start
    } else {
        61_000..65_535
    }
}

fn outgoing_range_start() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range
        .split_whitespace()
        .next()
        .and_then(|start| start.parse().ok())
        .unwrap_or(32_768)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ_and_stay_below_the_outgoing_range() {
        let ports: BTreeSet<u16> = (0..50).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 50);
        assert!(
            ports
                .iter()
                .all(|port| range_below(outgoing_range_start()).contains(port))
        );
    }

    #[test]
    fn a_taken_port_is_refused_by_its_number() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = require_free(port).unwrap_err();
        assert!(
            matches!(&error, TestbedError::BadInput(message) if message.contains(&port.to_string())),
            "{error}"
        );
    }
}
