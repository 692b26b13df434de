//! Who descends from whom, by one walk over the process table.
//!
//! Must not signal anything: it answers with process ids.

use std::collections::HashMap;

use procfs::process::all_processes;

/// All descendants of `root` that are not zombies, in no order; `root` itself is not among them.
///
/// A process that vanishes during the walk is left out; one that is forked during it may be missed, so whoever wants
/// all of them dead asks again until the answer is empty.
pub(super) fn descendants_of(root: i32) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<(i32, bool)>> = HashMap::new();
    let Ok(processes) = all_processes() else {
        return Vec::new();
    };
    for stat in processes.filter_map(|process| process.ok()?.stat().ok()) {
        children
            .entry(stat.ppid)
            .or_default()
            .push((stat.pid, stat.state != 'Z'));
    }

    let mut found = Vec::new();
    let mut to_visit = vec![root];
    while let Some(parent) = to_visit.pop() {
        for &(pid, is_live) in children.get(&parent).map_or(&[][..], Vec::as_slice) {
            to_visit.push(pid);
            if is_live {
                found.push(pid);
            }
        }
    }
    found
}
