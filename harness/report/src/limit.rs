//! What limited a run that did not keep up, in words: shared by the page and the texts.

use crossover_evidence::plateau::{Attribution, Cause};

/// What it was, or that nothing stood out.
pub fn headline(plateau: &Attribution) -> &'static str {
    plateau.dominant.map_or("no single cause", Cause::words)
}

/// What would lift the dominant cause.
pub fn lift(plateau: &Attribution) -> Option<&str> {
    let dominant = plateau.dominant?;
    let finding = plateau.findings.iter().find(|finding| finding.cause == dominant)?;
    Some(&finding.lift)
}
