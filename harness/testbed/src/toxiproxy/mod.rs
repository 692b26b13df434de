//! The proxy server that links go through, so that a link can be cut, slowed or silenced without touching its ends.
//!
//! ```text
//!   server: cached? ──no──▶ go install ─▶ cache
//!     └────────────────────────┴──▶ process under the supervisor ◀── HTTP, JSON ── client: proxies, toxics
//! ```
//!
//! **The client is ours.** `toxiproxy_rust` 0.1.6 blocks, so each call would need a thread; it brings reqwest 0.11 and with
//! it hyper 0.14, a second stack of HTTP beside the one in this tree. What faults need of the API is seven calls: they
//! stand on hyper 1 and hyper-util, which tonic and reqwest bring in any case, and which need neither TLS nor a look at
//! `HTTP_PROXY` to reach a port of 127.0.0.1.
//!
//! What the server does that surprises:
//! - it *accepts* connections for a server that is down, and closes them a moment later;
//! - cutting a proxy closes its listener and its connections; connecting is *refused* then, as with a dead process. For a
//!   link on which packets vanish, use [`Toxic::Timeout`] of none;
//! - taking a `Timeout` away closes the connections that it held: data were dropped, and a stream can't go on with a hole;
//! - a call that takes a toxic away can hang when a connection breaks at that moment (reported against 2.3): each call here
//!   has a bound.
//!
//! Must not know what a proxy is for: [`crate::links`] does.

mod client;
mod program;
mod server;
mod toxics;

pub use client::{ProxyState, ToxicState, ToxiproxyClient};
pub(crate) use program::require_go;
pub use program::{TOXIPROXY_VERSION, fetch_toxiproxy, find_toxiproxy};
pub use server::{LocalToxiproxy, ToxiproxyOptions};
pub use toxics::{Direction, Toxic};
