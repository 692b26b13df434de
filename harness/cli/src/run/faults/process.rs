//! Signals to processes, and their start afterwards.

use std::time::Duration;

use crossover_testbed::Signal;

use super::Timeline;
use super::hit::Process;
use crate::scenario::ProcessFault;

/// A worker that is asked to end lets its handlers finish first.
const ENDS_WITHIN: Duration = Duration::from_secs(15);

impl Timeline {
    /// One right after the other; true if each was seen to end, or to stand still.
    pub(super) async fn signal_all(&self, fault: ProcessFault, processes: &[Process]) -> anyhow::Result<bool> {
        let mut all = true;
        for process in processes {
            all &= self.signal(fault, process).await?;
        }
        Ok(all)
    }

    async fn signal(&self, fault: ProcessFault, process: &Process) -> anyhow::Result<bool> {
        let name = process.name();
        let ending = match fault {
            ProcessFault::Stop => return Ok(self.supervisor.freeze(name).await?),
            ProcessFault::Kill => Signal::Kill,
            ProcessFault::Terminate => Signal::Term,
        };
        match process {
            // SIGTERM would wait for its clients.
            Process::Postgres(_) if ending == Signal::Term => self.postgres()?.halt(Signal::Int).await?,
            Process::Postgres(_) => self.postgres()?.halt(ending).await?,
            Process::Broker(id, _) => self.kafka()?.halt(*id, ending).await?,
            Process::Part(_) => {
                self.supervisor.signal(name, ending).await?;
                self.supervisor.wait_exit(name, ENDS_WITHIN).await?
            }
        };
        Ok(!self.supervisor.is_alive(name))
    }

    /// Those that are down, and those that are stopped; others are left alone.
    pub(super) async fn start_all_again(&self, fault: ProcessFault, processes: &[Process]) -> anyhow::Result<()> {
        if processes.len() > 1 && fault != ProcessFault::Stop {
            // Brokers: each needs the others to become ready.
            self.kafka()?.start_all_again().await?;
            return Ok(());
        }
        for process in processes {
            let is_alive = self.supervisor.is_alive(process.name());
            match process {
                // One that has died meanwhile is no more stopped.
                _ if fault == ProcessFault::Stop && is_alive => {
                    self.supervisor.signal_tree(process.name(), Signal::Cont).await?;
                }
                _ if fault == ProcessFault::Stop || is_alive => {}
                Process::Postgres(_) => {
                    self.postgres()?.start_again().await?;
                }
                Process::Broker(id, _) => {
                    self.kafka()?.start_again(*id).await?;
                }
                Process::Part(name) => self.parts.start_again(name).await?,
            }
        }
        Ok(())
    }
}
