//! The thread of the generator: it comes before all others, where the machine permits it.
//!
//! The scheduler shares a full machine among its processes, and the generator would wait like any other: its arrivals would be
//! late just when they matter most. A real-time thread of the lowest priority waits for none of them, as if the load came from
//! another machine; the processor time that it costs stands among that of the processes. It takes that time from whoever has
//! the processor, so it is one thread, which waits for the next moment and makes the call itself: each hand-over to another
//! thread would be a wake-up more per job, before all others.

use std::pin::Pin;
use std::sync::mpsc;
use std::thread;

use anyhow::Context;
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::clients::Clients;

/// What to do where it is not permitted.
pub const HOW_TO_PERMIT: &str = "run it as root, or permit CAP_SYS_NICE";
/// Tasks between two looks at the timer and the sockets. What was given to [`Generator::first`] goes on after each look, before
/// all tasks; the calls that it makes are tasks, and take their turn among the answers.
const TASKS_BETWEEN_LOOKS: u32 = 7;

type Pending = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A thread with a runtime of its own for calls, and for nothing else. It ends when this is dropped.
pub struct Generator {
    handle: Handle,
    refused: Option<String>,
    first: UnboundedSender<Pending>,
    _stop: oneshot::Sender<()>,
}

impl Generator {
    /// Starts the thread.
    ///
    /// # Errors
    /// If there can be none.
    pub fn start() -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread()
            .event_interval(TASKS_BETWEEN_LOOKS)
            .enable_all()
            .build()
            .context("can't start the generator")?;
        let handle = runtime.handle().clone();
        let (say, said) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let (first, mut given) = unbounded_channel::<Pending>();
        let thread = thread::Builder::new().name("generator".to_owned());
        let thread = thread.spawn(move || {
            let _ = say.send(hasten().err());
            runtime.block_on(async {
                let firsts = async {
                    while let Some(first) = given.recv().await {
                        first.await;
                    }
                };
                // An error is that the generator was dropped.
                tokio::select! { () = firsts => {}, _ = stopped => {} }
            });
        });
        thread.context("can't start the generator")?;
        Ok(Self {
            handle,
            refused: said.recv().context("the generator's thread ended")?,
            first,
            _stop: stop,
        })
    }

    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs one that must not wait for the other tasks of the thread; one at a time.
    ///
    /// # Errors
    /// If it panicked.
    pub async fn first<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let (done, result) = oneshot::channel();
        let pending = async move {
            // Whoever gave it may not wait any more.
            let _ = done.send(future.await);
        };
        let _ = self.first.send(Box::pin(pending));
        result.await.context("the generator's thread ended")
    }

    /// Why its thread is like all others; `None` if it comes first.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Clients whose connections its thread serves.
    ///
    /// # Errors
    /// If an address is not one.
    pub fn clients(&self, addresses: &[String]) -> anyhow::Result<Clients> {
        let _inside = self.handle.enter();
        Clients::new(addresses)
    }
}

/// Puts the calling thread before all others.
///
/// # Errors
/// Why it is not permitted.
fn hasten() -> Result<(), String> {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    let hastened = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy);
    hastened.map_err(|error| format!("real-time threads are not permitted ({error}); {HOW_TO_PERMIT}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn its_thread_is_real_time_or_it_says_why_not() {
        let generator = Generator::start().unwrap();
        let policy = || thread_priority::unix::thread_schedule_policy().unwrap();
        let (inside, first, here) = (
            generator.handle().spawn(async move { policy() }).await.unwrap(),
            generator.first(async move { policy() }).await.unwrap(),
            policy(),
        );
        assert_eq!(inside, first);
        let realtime = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
        assert_eq!(
            inside == realtime,
            generator.refused().is_none(),
            "{:?}",
            generator.refused()
        );
        assert_ne!(here, realtime, "no other thread is");
    }
}
