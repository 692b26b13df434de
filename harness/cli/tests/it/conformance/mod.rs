//! The engine over its API.
