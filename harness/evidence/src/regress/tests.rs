//! Verdicts on planted differences.
