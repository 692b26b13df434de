//! Batches that grow by themselves: what comes while a call is under way goes into the next one.
//!
//! A lone item waits for nobody. A second call is made beside the first only when it is worth a commit of its own
//! ([`WORTH`]): with few items each, two calls at once would cost two commits and bring nothing forward.

use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Calls under way at once: while one waits for its commit, the next is gathered and made.
const CALLS_MAX: usize = 2;
/// Items that are worth a second call.
const WORTH: usize = 50;

/// May a call be made for this many items, beside so many that are under way?
pub(crate) fn may_call(waiting: usize, under_way: usize) -> bool {
    waiting > 0 && (under_way == 0 || under_way < CALLS_MAX && waiting >= WORTH)
}

/// Makes calls of what comes, until all senders are gone and all is answered. A call takes items while their sizes, as
/// `size` tells, add up to less than `max`.
pub(crate) async fn call_in_batches<T, C>(
    mut items: mpsc::UnboundedReceiver<T>,
    max: usize,
    size: impl Fn(&T) -> usize,
    call: impl Fn(Vec<T>) -> C,
) where
    C: Future<Output = ()> + Send + 'static,
{
    let mut calls = JoinSet::new();
    let mut batch = Vec::new();
    let mut waiting = 0;
    let mut closed = false;
    while !(closed && batch.is_empty() && calls.is_empty()) {
        tokio::select! {
            // What has come is taken first: it may ride along.
            biased;
            came = items.recv(), if !closed && waiting < max => {
                closed = came.is_none();
                let mut next = came;
                while let Some(item) = next {
                    waiting += size(&item);
                    batch.push(item);
                    next = if waiting < max { items.try_recv().ok() } else { None };
                }
            }
            // A panic in a call is logged by the runtime, and its items are not answered.
            Some(_) = calls.join_next() => {}
        }
        if may_call(waiting, calls.len()) {
            calls.spawn(call(std::mem::take(&mut batch)));
            waiting = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::sync::{Semaphore, mpsc};

    use super::*;

    #[test]
    fn a_second_call_must_be_worth_it_and_there_is_no_third() {
        assert!(!may_call(0, 0));
        assert!(may_call(1, 0));
        assert!(!may_call(WORTH - 1, 1));
        assert!(may_call(WORTH, 1));
        assert!(!may_call(10_000, CALLS_MAX));
    }

    #[tokio::test]
    async fn what_comes_while_a_call_is_under_way_goes_into_the_next_one() {
        let (sender, items) = mpsc::unbounded_channel();
        let seen = Arc::<Mutex<Vec<Vec<u32>>>>::default();
        let gate = Arc::new(Semaphore::new(0));
        let call = {
            let (seen, gate) = (seen.clone(), gate.clone());
            move |batch| {
                seen.lock().unwrap().push(batch);
                let gate = gate.clone();
                async move { gate.acquire().await.unwrap().forget() }
            }
        };
        let calling = tokio::spawn(call_in_batches(items, 60, |_| 1, call));
        let calls_made = async |count: usize| {
            while seen.lock().unwrap().len() < count {
                tokio::task::yield_now().await;
            }
        };
        sender.send(0).unwrap();
        calls_made(1).await;
        (1..=10).for_each(|item| sender.send(item).unwrap());
        gate.add_permits(1);
        calls_made(2).await;
        // Worth a second call beside it; then both are under way, and the rest waits.
        (11..=100).for_each(|item| sender.send(item).unwrap());
        calls_made(3).await;
        drop(sender);
        gate.add_permits(10);
        calling.await.unwrap();
        let seen = seen.lock().unwrap();
        assert_eq!(seen[0], [0]);
        assert_eq!(seen[1], (1..=10).collect::<Vec<_>>());
        assert!(seen[2].len() >= WORTH && seen[2].len() <= 60, "{seen:?}");
        assert_eq!(seen.iter().flatten().count(), 101, "each item once");
    }
}
