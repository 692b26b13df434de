//! One file per command.

pub mod bench;
pub mod chaos;
pub mod claims;
pub mod clean;
mod compare;
pub mod decide;
pub mod dlq;
pub mod doctor;
pub mod images;
pub mod instrument;
pub mod relay;
pub mod report;
mod running;
pub mod setup;
mod sweep;
