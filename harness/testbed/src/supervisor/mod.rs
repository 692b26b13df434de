//! The supervisor: a process of its own that owns every child of a run, so that SIGKILL of the harness leaves nothing.
//!
//! ```text
//!   harness ──stdin (requests, JSON lines)──▶ supervisor ──fork, exec──▶ engine processes, PostgreSQL, …
//!           ◀─stdout (events, JSON lines)────     │   ◀── SIGCHLD, orphans (child subreaper)
//!                                                 └──▶ commands to run and directories to remove at the end
//! ```
//!
//! How each death ends:
//!
//! | who dies | what follows |
//! |---|---|
//! | the harness, by whatever | end of file on stdin: all children are continued, asked to stop (2 s in all), and killed with every descendant; then commands run, and the directories go |
//! | a child | [`Exit`] is sent at once; the name may be spawned again |
//! | a child that left children behind | they fall to the supervisor (it is their subreaper) and die at the end |
//! | the supervisor | its children die by `PR_SET_PDEATHSIG`; the harness sees end of file; directories stay behind |
//!
//! With *keep*, the supervisor itself stays behind the harness instead, holding what runs, and SIGTERM makes it end
//! all in the same order: see [`kept`].
//!
//! Containers are children of their engine, and not of the supervisor. Its client runs them under the same names and reports
//! their exits the same way ([`Supervisor::with_containers`]); a command at the end removes them.
//!
//! Must not know what the children are: engines and servers are a [`ProcessSpec`] alike.

mod children;
mod client;
mod descendants;
mod ending;
pub mod kept;
mod protocol;
mod requests;
mod serve;
mod state;
mod stopped;

pub use client::Supervisor;
pub(crate) use kept::start_ticks;
pub use protocol::{Exit, ProcessSpec, Reach, Signal, StopRule, UserIds};
pub use serve::supervise;
