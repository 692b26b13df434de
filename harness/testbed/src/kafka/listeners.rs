//! The addresses of one broker: a listener a role, and for roles behind a proxy the proxy's port too.
//!
//! Owns numbers only; nothing listens yet.

use std::net::{Ipv4Addr, SocketAddr};

use crate::error::Result;
use crate::ports::{free_port, require_free};

/// Where a broker listens for a role, and what it tells clients of that role about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// Port on 127.0.0.1 that the broker listens on.
    pub port: u16,
    /// Port on 127.0.0.1 that it advertises: its own, or its proxy's.
    pub advertised_port: u16,
}

impl Listener {
    /// Where the broker listens.
    #[must_use]
    pub fn address(self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Where clients go.
    #[must_use]
    pub fn advertised(self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.advertised_port).into()
    }

    fn direct() -> Result<Self> {
        let port = free_port()?;
        Ok(Self {
            port,
            advertised_port: port,
        })
    }

    fn proxied() -> Result<Self> {
        Ok(Self {
            port: free_port()?,
            advertised_port: free_port()?,
        })
    }
}

/// All listeners of one broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerListeners {
    /// Between brokers.
    pub internal: Listener,
    /// Between controllers.
    pub controller: Listener,
    /// Of the harness.
    pub harness: Listener,
    /// Of relays.
    pub relay: Listener,
    /// Of workers.
    pub worker: Listener,
}

impl BrokerListeners {
    /// Draws free ports, those of the proxies included.
    ///
    /// # Errors
    /// `Unavailable` if there are none.
    pub fn draw() -> Result<Self> {
        Ok(Self {
            internal: Listener::direct()?,
            controller: Listener::direct()?,
            harness: Listener::direct()?,
            relay: Listener::proxied()?,
            worker: Listener::proxied()?,
        })
    }

    /// With their names, which are those in the broker's settings.
    pub(super) fn named(&self) -> [(&'static str, Listener); 5] {
        [
            ("INTERNAL", self.internal),
            (CONTROLLER, self.controller),
            ("HARNESS", self.harness),
            ("RELAY", self.relay),
            ("WORKER", self.worker),
        ]
    }

    pub(super) fn require_free(&self) -> Result<()> {
        self.named()
            .iter()
            .try_for_each(|(_, listener)| require_free(listener.port))
    }
}

/// The one that no client sees, and that may not be advertised.
pub(super) const CONTROLLER: &str = "CONTROLLER";

/// Five ports in a row; the proxies' are ten higher.
#[cfg(test)]
pub(super) fn numbered(first: u16) -> BrokerListeners {
    let listener = |port, advertised_port| Listener { port, advertised_port };
    BrokerListeners {
        internal: listener(first, first),
        controller: listener(first + 1, first + 1),
        harness: listener(first + 2, first + 2),
        relay: listener(first + 3, first + 13),
        worker: listener(first + 4, first + 14),
    }
}
