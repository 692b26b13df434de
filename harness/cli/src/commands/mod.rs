//! One file per command.

pub mod assess;
pub mod bench;
pub mod chaos;
pub mod clean;
mod compare;
pub mod dlq;
pub mod doctor;
pub mod images;
pub mod instrument;
pub mod relay;
pub mod report;
mod running;
pub mod setup;
mod sweep;
