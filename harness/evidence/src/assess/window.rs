//! Looks in windows of equal length, and the waits for rows of the job table in them.

use super::interval::{Part, share};
use super::{LiveSample, LockWaits, Thresholds};

/// Windows of an assessment: enough for an interval, few enough that each has several looks.
pub const WINDOWS: u32 = 12;

/// What the looks of a window saw.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Window {
    looks: u32,
    /// Backends active on the job table, summed over the looks.
    active: u32,
    waiting: u32,
    may_wait: u32,
    looks_waiting: u32,
    looks_may_wait: u32,
    /// Most waiting in one look.
    waiting_max: u32,
    /// Rows written.
    writes: f64,
}

/// The windows of `window_ms` that lie in the samples; the last may be a piece.
pub(super) fn windows(samples: &[LiveSample], window_ms: f64) -> Vec<Window> {
    let on_table = statements_on_table(samples);
    let mut windows = vec![Window::default(); WINDOWS as usize];
    let place = |at_ms: u64| ((at_ms as f64 / window_ms) as usize).min(WINDOWS as usize - 1);
    for sample in samples {
        let LiveSample::Activity { at_ms, active, .. } = sample else {
            continue;
        };
        let of_table = active.iter().filter(|group| on_table(group));
        let (mut count, mut waiting, mut may_wait) = (0, 0, 0);
        for group in of_table {
            count += group.count;
            waiting += if group.waits_for_row() { group.count } else { 0 };
            may_wait += if group.may_wait_for_row() { group.count } else { 0 };
        }
        let window = &mut windows[place(*at_ms)];
        window.looks += 1;
        window.active += count;
        window.waiting += waiting;
        window.may_wait += may_wait;
        window.looks_waiting += u32::from(waiting > 0);
        window.looks_may_wait += u32::from(may_wait > 0);
        window.waiting_max = window.waiting_max.max(waiting);
    }
    for (from, to, writes) in written(samples) {
        windows[place(u64::midpoint(from, to))].writes += writes;
    }
    windows
}

/// Is this group at work on the job table? Its text names the table, or it waits for its rows; so does, by another name
/// (a function of the queue's), every group with a text that was ever seen to wait for them.
fn statements_on_table(samples: &[LiveSample]) -> impl Fn(&super::LiveActive) -> bool {
    let groups = samples.iter().filter_map(|sample| match sample {
        LiveSample::Activity { active, .. } => Some(active),
        _ => None,
    });
    let waited: std::collections::HashSet<String> = groups
        .flatten()
        .filter(|group| group.waits_for_row())
        .map(|group| group.statement.clone())
        .collect();
    move |group| group.names_table || group.on_table || waited.contains(&group.statement)
}

/// Rows written between each two looks at the counters. Counters that were reset meanwhile count from zero.
pub(super) fn written(samples: &[LiveSample]) -> Vec<(u64, u64, f64)> {
    let states: Vec<_> = samples
        .iter()
        .filter_map(|sample| match sample {
            LiveSample::State { at_ms, table, .. } => Some((*at_ms, table.writes())),
            _ => None,
        })
        .collect();
    let between = |pair: &[(u64, u64)]| {
        let [(from, before), (to, after)] = pair else {
            return None;
        };
        Some((*from, *to, after.checked_sub(*before).unwrap_or(*after) as f64))
    };
    states.windows(2).filter_map(between).collect()
}

/// All windows together.
pub(super) fn lock_waits(windows: &[Window], thresholds: &Thresholds) -> LockWaits {
    let looked: Vec<&Window> = windows.iter().filter(|window| window.looks > 0).collect();
    let of_active = |of: fn(&Window) -> u32| {
        let part = |window: &&Window| Part {
            of: of(window),
            among: window.active,
            looks: window.looks.min(window.active),
        };
        share(&looked.iter().map(part).collect::<Vec<_>>())
    };
    let of_looks = |of: fn(&Window) -> u32| {
        let part = |window: &&Window| Part {
            of: of(window),
            among: window.looks,
            looks: window.looks,
        };
        share(&looked.iter().map(part).collect::<Vec<_>>())
    };
    let looks: u32 = looked.iter().map(|window| window.looks).sum();
    let active: u32 = looked.iter().map(|window| window.active).sum();
    let number = |is: &dyn Fn(&Window) -> bool| looked.iter().filter(|window| is(window)).count() as u32;
    LockWaits {
        lock_wait_share: of_active(|window| window.waiting),
        waiting_looks_share: of_looks(|window| window.looks_waiting),
        lock_wait_share_at_most: of_active(|window| window.may_wait),
        waiting_looks_share_at_most: of_looks(|window| window.looks_may_wait),
        waiting_max: looked.iter().map(|window| window.waiting_max).max().unwrap_or(0),
        windows: looked.len() as u32,
        windows_with_load: number(&Window::has_load),
        windows_contended: number(&|window| window.is_contended(thresholds)),
        active_mean: if looks == 0 {
            0.0
        } else {
            f64::from(active) / f64::from(looks)
        },
    }
}

impl Window {
    fn has_load(&self) -> bool {
        self.writes > 0.0 || self.active > 0
    }

    fn is_contended(&self, thresholds: &Thresholds) -> bool {
        let share = |of: u32, among: u32| f64::from(of) / f64::from(among.max(1));
        self.waiting > 0
            && share(self.waiting, self.active) >= thresholds.lock_wait_share
            && share(self.looks_waiting, self.looks) >= thresholds.waiting_looks_share
    }
}
