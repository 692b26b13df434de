//! The ends of logs, which say why a program ended.
//!
//! Must not write any.

use std::path::Path;

/// The last lines of a log, on one line.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(6)..].join(" | ")
}

/// How long a log is now: a later look can skip what was there before.
pub(crate) fn length(log: &Path) -> usize {
    let bytes = std::fs::metadata(log).map_or(0, |metadata| metadata.len());
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// The first line beyond `from` bytes with one of the `signs` in it.
pub(crate) fn first_line_with(log: &Path, from: usize, signs: &[&str]) -> Option<String> {
    let bytes = std::fs::read(log).ok()?;
    let text = String::from_utf8_lossy(bytes.get(from..)?);
    let found = text.lines().find(|line| signs.iter().any(|sign| line.contains(sign)));
    found.map(|line| line.trim().to_owned())
}

/// What a program printed, without the colours that some print even for a pipe.
pub(crate) fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| {
        plain + part.split_once('m').map_or(part, |(_, rest)| rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_taken_out() {
        assert_eq!(without_colours("\u{1b}[1mApache Maven\u{1b}[m 3"), "Apache Maven 3");
    }

    #[test]
    fn a_sign_from_before_is_not_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        std::fs::write(&log, "ERROR old\n").unwrap();
        let from = length(&log);
        assert_eq!(first_line_with(&log, from, &["ERROR"]), None);
        std::fs::write(&log, "ERROR old\nfine\n ERROR new\n").unwrap();
        assert_eq!(first_line_with(&log, from, &["ERROR"]).as_deref(), Some("ERROR new"));
    }
}
