//! Pure judgement: scenario → plan, history + snapshot → ledger → checks → evidence.
//!
//! No clock, no socket, no database, no threads: what goes in is data, what comes out is data, and every rule here is
//! tested in milliseconds. Reading files and asking servers is the business of `cli` and `testbed`; only the records of a
//! history, too many to be held, come from their files by way of `proto` each time that they are passed over.
//!
//! In the order of a run:
//!
//! - [`load`]: the parts of a scenario file that shape the load, parsed and validated with their place;
//! - [`plan`]: scenario + seed → every arrival, and the payload of each; [`arrivals`] holds the arithmetic;
//! - [`snapshot`]: what the database says at the end of the run;
//! - [`ledger`]: history and snapshot brought together: what became of every instance and job;
//! - [`interval`]: where a figure lies;
//! - [`latency`]: one latency distribution, with the samples that never finished;
//! - [`measure`]: ledger → latencies, throughput, load figures and time series;
//! - [`checks`]: ledger → verdicts, one file per checker, with the story of what failed;
//! - [`samples`]: what the samplers saw, added up: waits, connections, CPU and memory, outbox and lag;
//! - [`downstream`]: the service that handlers call: its counts, and the jobs behind them, by policy;
//! - [`claims`]: finished runs → what they say of the seed's claims;
//! - [`recovery`]: how soon after a fault latency or backlog left what is normal, and when they were back; [`take_over`]: how
//!   long no relay led; [`availability`]: what could
//!   still be handed in while it lasted; [`unavailability`]: when nothing could be started, begun or completed; [`pauses`]: when
//!   a consumer group stood still; [`skew`]: how evenly records are spread over partitions;
//!   [`neighbours`]: what a bad record does to those behind it;
//! - [`compare`]: one run of each mode on the same plan → what both together say of the claims;
//! - [`diff`]: any finished runs against the first of them: what was different, and by how much;
//! - [`assess`]: looks at a live job table of the team's own → condition 1a of the rubric, and findings;
//! - [`plateau`]: why a run did not get faster; [`capacity`]: the highest rate
//!   that holds; [`map`]: who leads at which rate and size;
//! - [`decide`]: all of that and a team's profile → a verdict by the rubric;
//! - [`regress`]: pairs of runs of two builds → better, worse, the same, or can't tell;
//! - [`result`], [`series`]: the contracts of `result.json` and `series.json`.

pub mod arrivals;
pub mod assess;
pub mod availability;
pub mod capacity;
pub mod checks;
pub mod claims;
pub mod compare;
pub mod decide;
pub mod diff;
pub mod downstream;
pub mod interval;
pub mod latency;
pub mod ledger;
pub mod load;
pub mod map;
pub mod measure;
pub mod neighbours;
mod pairs;
pub mod pauses;
pub mod plan;
pub mod plateau;
pub mod recovery;
pub mod regress;
pub mod result;
pub mod samples;
pub mod series;
pub mod skew;
pub mod snapshot;
pub mod take_over;
mod text;
pub mod unavailability;

#[cfg(test)]
mod scene;
