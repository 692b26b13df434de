//! The threads of the generator: they come before all others, where the machine permits it.
//!
//! The scheduler shares a full machine among its processes, and the generator would wait like any other: its arrivals would be
//! late just when they matter most. Real-time threads of the lowest priority wait for none of them, as if the load came from
//! another machine; the processor time that they cost stands among that of the processes.

use anyhow::Context;
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::runtime::{Builder, Handle, Runtime};

use super::clients::Clients;

/// What to do where they are not permitted.
pub const HOW_TO_PERMIT: &str = "run it as root, or permit CAP_SYS_NICE";

/// A runtime for calls, and for nothing else.
pub struct Generator {
    /// `None` once it was dropped.
    runtime: Option<Runtime>,
    handle: Handle,
    refused: Option<String>,
}

impl Generator {
    /// Starts as many threads as the current runtime has.
    ///
    /// # Errors
    /// If there can be none.
    pub fn start() -> anyhow::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(Handle::current().metrics().num_workers());
        builder.thread_name("generator").on_thread_start(|| {
            // What is permitted to one thread is permitted to all; it is said once.
            let _ = hasten();
        });
        let runtime = builder.enable_all().build().context("can't start the generator")?;
        let tried = std::thread::spawn(hasten).join();
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
            refused: tried.unwrap_or(Ok(())).err(),
        })
    }

    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Why its threads are like all others; `None` if they come first.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Clients whose connections its threads serve.
    ///
    /// # Errors
    /// If an address is not one.
    pub fn clients(&self, addresses: &[String]) -> anyhow::Result<Clients> {
        let _inside = self.handle.enter();
        Clients::new(addresses)
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        // A task may drop it, and must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Puts the calling thread before all others.
///
/// # Errors
/// Why it is not permitted.
pub fn hasten() -> Result<(), String> {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    let hastened = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy);
    hastened.map_err(|error| format!("real-time threads are not permitted ({error}); {HOW_TO_PERMIT}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn its_threads_are_real_time_or_it_says_why_not() {
        let generator = Generator::start().unwrap();
        let policy = || thread_priority::unix::thread_schedule_policy().unwrap();
        let (inside, here) = (
            generator.handle().spawn(async move { policy() }).await.unwrap(),
            policy(),
        );
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
