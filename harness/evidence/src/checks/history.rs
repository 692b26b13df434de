//! `history-whole`: the history can be read to its end.
//!
//! A process writes a record before the act that it announces, all records of a call in one `write`. So a kill can tear
//! off at most part of one frame, and what that frame would have announced most likely never happened; but of a
//! commit, which is recorded after the fact, the moment is gone: `unknown`. A whole frame or more that can't be read is
//! damage: acts may have happened that no one can tell of, and the run can't be judged: `fail`.

use crossover_proto::history::{FRAME_BYTES, HistoryFile};

use super::{Check, fail, pass, unknown};
use crate::ledger::Ledger;
use crate::text::counted;

const NAME: &str = "history-whole";

pub(super) fn check(ledger: &Ledger<'_>) -> Check {
    let files = ledger.evidence().history;
    let records: u64 = files.iter().map(HistoryFile::record_count).sum();
    if records == 0 {
        return unknown(NAME, "no process recorded anything".to_owned());
    }
    let torn: Vec<&HistoryFile> = files.iter().filter(|file| file.dropped_bytes > 0).collect();
    let of = format!(
        "{} of {}",
        counted(records, "record"),
        counted(files.len() as u64, "file")
    );
    if torn.is_empty() {
        return pass(NAME, format!("{of} read, none torn"));
    }
    let story = torn.iter().map(|file| {
        format!(
            "{}: {} dropped after {} records",
            file.process,
            counted(file.dropped_bytes as u64, "byte"),
            file.record_count()
        )
    });
    let detail = format!(
        "{} torn off {}",
        counted(ledger.dropped_bytes(), "byte"),
        counted(torn.len() as u64, "file")
    );
    if torn.iter().all(|file| file.dropped_bytes < FRAME_BYTES) {
        return unknown(NAME, format!("{detail}: at most the last record of each"));
    }
    fail(NAME, format!("{detail}: damaged, not torn by a kill"), story.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Verdict;
    use crate::scene::Scene;

    #[test]
    fn a_history_read_to_its_end_passes_a_torn_one_is_unknown_a_damaged_one_fails() {
        let mut scene = Scene::new(&[1]);
        scene.start();
        scene.drain();
        assert_eq!(check(&scene.ledger()).verdict, Verdict::Pass);
        scene.history[2].dropped_bytes = FRAME_BYTES - 1;
        assert_eq!(check(&scene.ledger()).verdict, Verdict::Unknown);
        scene.history[2].dropped_bytes = FRAME_BYTES;
        let damaged = check(&scene.ledger());
        assert_eq!(damaged.verdict, Verdict::Fail);
        assert!(
            damaged.story[0].starts_with("worker-1: 64 bytes dropped after"),
            "{:?}",
            damaged.story
        );
    }

    #[test]
    fn no_history_at_all_is_no_evidence() {
        assert_eq!(check(&Scene::new(&[1]).ledger()).verdict, Verdict::Unknown);
    }
}
