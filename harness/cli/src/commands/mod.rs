//! One file per command.

pub mod assess;
pub mod bench;
pub mod capacity;
pub mod chaos;
pub mod claims;
pub mod clean;
mod compare;
pub mod decide;
pub mod diff;
pub mod dlq;
pub mod doctor;
pub mod downstream;
pub mod export;
pub mod images;
pub mod instrument;
pub mod map;
pub mod regress;
pub mod relay;
pub mod report;
mod running;
pub mod setup;
pub mod sweep;
mod variants;
