//! The history: what each process did, appended before the act and readable whatever killed it.
//!
//! A history file is a sequence of 64-byte frames ([`FRAME_BYTES`]), each with its own checksum. The first frame
//! names the process. The frame of an act of the process's own (a call, a handler's start and end) reaches the kernel,
//! in one `write`, *before* the act, so SIGKILL hides none; answers and commits are recorded when they are known. A torn
//! or damaged frame ends the file, is dropped, and is counted.
//!
//! ```text
//!  0        4     5        6        8          16            32       40    42       44     48      56      64
//!  ├ crc32 ─┼kind─┼outcome─┼attempt─┼ at_ns ───┼ instance ───┼ job_id ┼step─┼ordinal─┼ zero ┼ mark ──┼ extra ┤
//! ```
//! Integers are little-endian; `crc32` covers bytes 4 to 63.

mod file;
mod reader;
mod record;
mod writer;

pub use file::{HistoryFile, Records};
pub use reader::{ReadError, read_file, read_file_up_to};
pub use record::{Event, FRAME_BYTES, JobKey, Outcome, Record};
pub use writer::{HistoryWriter, Recorder};
