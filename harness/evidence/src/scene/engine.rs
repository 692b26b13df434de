//! The model's database, replica and workers: the transitions of the real engine, one at a time.

use crossover_proto::history::{Event, Outcome};
use crossover_proto::{InstanceId, JobId};

use super::{Execution, REPLICA, Scene, Stage};
use crate::ledger::Mode;
use crate::snapshot::{AuditEvent, AuditRow, InstanceRow, InstanceState, JobRow, JobState};

const ATTEMPTS_MAX: u16 = 5;

impl Scene {
    // --- workers ---

    /// Claims the oldest queued job for worker 0 or 1; promotes the scheduled ones if none is queued.
    pub(crate) fn claim_next(&mut self, worker: usize) -> Option<usize> {
        if !self.snapshot.jobs.iter().any(|job| job.state == JobState::Queued) {
            self.promote();
        }
        let job = self
            .snapshot
            .jobs
            .iter()
            .position(|job| job.state == JobState::Queued)?;
        self.claim(job, worker);
        Some(job)
    }

    /// Polling: claims it. Event-driven: the worker receives its record, and begins it.
    pub(crate) fn claim(&mut self, job: usize, worker: usize) {
        let attempt = self.snapshot.jobs[job].attempt;
        let is_polling = self.mode == Mode::Polling;
        if !is_polling {
            self.relay();
            self.record(worker + 2, Event::Received(self.key(job, attempt)));
        }
        self.move_job(job, JobState::Running, attempt, AuditEvent::JobClaimed, attempt);
        let before = self.tick();
        self.record(
            REPLICA,
            Event::Claimed {
                key: self.key(job, attempt),
                before,
            },
        );
        self.executions.push(Execution {
            job,
            attempt,
            worker: worker + 2,
            stage: if is_polling { Stage::Claimed } else { Stage::Received },
        });
    }

    /// One step of an execution; the handler ends with `outcome`. The last step reports.
    pub(crate) fn advance(&mut self, execution: usize, outcome: Outcome) {
        let Execution {
            job,
            attempt,
            worker,
            stage,
        } = self.executions[execution];
        let key = self.key(job, attempt);
        let (event, next) = match stage {
            Stage::Claimed => (Event::Received(key), Stage::Received),
            Stage::Received => (Event::Started(key), Stage::Started),
            Stage::Started => (Event::Finished(key, outcome), Stage::Finished(outcome)),
            Stage::Finished(_) => return self.report(execution),
        };
        self.record(worker, event);
        self.executions[execution].stage = next;
    }

    fn report(&mut self, execution: usize) {
        let Execution {
            job, attempt, worker, ..
        } = self.executions[execution];
        let answer = self.apply_report(execution);
        self.record(worker, Event::Reported(self.key(job, attempt), answer));
        self.executions.remove(execution);
    }

    /// The report reaches the engine, its answer does not reach the worker, which keeps it to ask again.
    pub(crate) fn report_unanswered(&mut self, execution: usize) {
        let Execution {
            job,
            attempt,
            worker,
            stage,
        } = self.executions[execution];
        if matches!(stage, Stage::Finished(_)) {
            self.apply_report(execution);
            self.record(worker, Event::Reported(self.key(job, attempt), Outcome::Unknown));
        }
    }

    fn apply_report(&mut self, execution: usize) -> Outcome {
        let Execution {
            job, attempt, stage, ..
        } = self.executions[execution];
        let row = self.snapshot.jobs[job];
        match stage {
            _ if row.state == JobState::Completed => Outcome::Already,
            _ if row.state != JobState::Running || row.attempt != attempt => Outcome::Stale,
            Stage::Finished(Outcome::Done) => self.complete(job),
            Stage::Finished(Outcome::Transient) if attempt < ATTEMPTS_MAX => {
                self.move_job(job, JobState::Scheduled, attempt + 1, AuditEvent::JobRetried, attempt);
                Outcome::Done
            }
            _ => self.bury(job),
        }
    }

    /// Runs an execution to its end.
    pub(crate) fn finish(&mut self, execution: usize, outcome: Outcome) {
        let left = self.executions.len();
        while self.executions.len() == left {
            self.advance(execution, outcome);
        }
    }

    /// Works until nothing is left to do; leases without a worker run out.
    pub(crate) fn drain(&mut self) {
        loop {
            while !self.executions.is_empty() {
                self.finish(0, Outcome::Done);
            }
            for job in 0..self.snapshot.jobs.len() {
                match self.snapshot.jobs[job].state {
                    JobState::Running => self.expire(job),
                    JobState::Scheduled => self.promote(),
                    JobState::Queued => self.claim(job, 0),
                    _ => {}
                }
                while !self.executions.is_empty() {
                    self.finish(0, Outcome::Done);
                }
            }
            let unfinished = |state| matches!(state, JobState::Scheduled | JobState::Queued | JobState::Running);
            if !self.snapshot.jobs.iter().any(|job| unfinished(job.state)) {
                return self.settle();
            }
        }
    }

    // --- the database ---

    pub(super) fn create_instance(&mut self, id: InstanceId) {
        self.snapshot.instances.push(InstanceRow {
            id,
            definition: 1,
            state: InstanceState::Running,
            step: 0,
            remaining: 0,
        });
        self.audit_instance(id, AuditEvent::InstanceStarted);
        self.create_step(self.snapshot.instances.len() - 1, 0);
    }

    fn create_step(&mut self, instance: usize, step: u16) {
        let width = self.snapshot.definitions[0].step_widths[usize::from(step)];
        let row = &mut self.snapshot.instances[instance];
        (row.step, row.remaining) = (step, width);
        let instance = row.id;
        for ordinal in 0..u16::try_from(width).unwrap() {
            let id = JobId(i64::try_from(self.snapshot.jobs.len()).unwrap() + 1);
            self.snapshot.jobs.push(JobRow {
                id,
                instance,
                job_type: 0,
                step,
                ordinal,
                state: JobState::Queued,
                attempt: 1,
            });
            self.snapshot.audit.push(AuditRow {
                instance,
                job: Some(id).into(),
                attempt: 1,
                event: AuditEvent::JobQueued,
            });
            self.dispatch(self.snapshot.jobs.len() - 1);
        }
        let before = self.tick();
        self.record(REPLICA, Event::Created { instance, step, before });
    }

    fn complete(&mut self, job: usize) -> Outcome {
        let attempt = self.snapshot.jobs[job].attempt;
        self.move_job(job, JobState::Completed, attempt, AuditEvent::JobCompleted, attempt);
        let place = self.instance_of(job);
        let row = &mut self.snapshot.instances[place];
        row.remaining -= 1;
        if row.remaining > 0 {
            return Outcome::Done;
        }
        let (id, next) = (row.id, row.step + 1);
        if usize::from(next) < self.snapshot.definitions[0].step_widths.len() {
            self.create_step(place, next);
        } else {
            row.state = InstanceState::Completed;
            self.audit_instance(id, AuditEvent::InstanceCompleted);
        }
        Outcome::Done
    }

    fn bury(&mut self, job: usize) -> Outcome {
        let attempt = self.snapshot.jobs[job].attempt;
        self.move_job(job, JobState::DeadLetter, attempt, AuditEvent::JobDeadLettered, attempt);
        let place = self.instance_of(job);
        let row = &mut self.snapshot.instances[place];
        if row.state == InstanceState::Running {
            row.state = InstanceState::Failed;
            let id = row.id;
            self.audit_instance(id, AuditEvent::InstanceFailed);
        }
        Outcome::Done
    }

    pub(crate) fn expire(&mut self, job: usize) {
        let JobRow { state, attempt, .. } = self.snapshot.jobs[job];
        match state {
            JobState::Running if attempt < ATTEMPTS_MAX => {
                self.move_job(job, JobState::Queued, attempt + 1, AuditEvent::JobLeaseExpired, attempt);
            }
            JobState::Running => drop(self.bury(job)),
            _ => {}
        }
    }

    pub(crate) fn release(&mut self, execution: usize) {
        let Execution {
            job, attempt, stage, ..
        } = self.executions[execution];
        let row = self.snapshot.jobs[job];
        let unstarted = matches!(stage, Stage::Claimed | Stage::Received);
        if unstarted && row.state == JobState::Running && row.attempt == attempt {
            self.move_job(job, JobState::Queued, attempt, AuditEvent::JobReleased, attempt);
            self.executions.remove(execution);
        }
    }

    /// All scheduled jobs are due.
    pub(crate) fn promote(&mut self) {
        for job in 0..self.snapshot.jobs.len() {
            let JobRow { state, attempt, .. } = self.snapshot.jobs[job];
            if state == JobState::Scheduled {
                self.move_job(job, JobState::Queued, attempt, AuditEvent::JobQueued, attempt);
            }
        }
    }

    /// Brings a dead letter back, the only one of its instance.
    pub(crate) fn bring_back(&mut self, job: usize) {
        let JobRow { instance, attempt, .. } = self.snapshot.jobs[job];
        self.move_job(job, JobState::Queued, attempt + 1, AuditEvent::JobReplayed, attempt + 1);
        let place = self
            .snapshot
            .instances
            .iter()
            .position(|row| row.id == instance)
            .unwrap();
        self.snapshot.instances[place].state = InstanceState::Running;
        self.audit_instance(instance, AuditEvent::InstanceResumed);
    }

    pub(crate) fn cancel(&mut self, id: InstanceId) {
        let place = self.snapshot.instances.iter().position(|row| row.id == id).unwrap();
        let open = [InstanceState::Running, InstanceState::Failed];
        if !open.contains(&self.snapshot.instances[place].state) {
            return;
        }
        self.snapshot.instances[place].state = InstanceState::Cancelled;
        self.audit_instance(id, AuditEvent::InstanceCancelled);
        for job in 0..self.snapshot.jobs.len() {
            let JobRow {
                instance,
                state,
                attempt,
                ..
            } = self.snapshot.jobs[job];
            if instance == id && matches!(state, JobState::Scheduled | JobState::Queued | JobState::Running) {
                self.move_job(job, JobState::Cancelled, attempt, AuditEvent::JobCancelled, attempt);
            }
        }
    }

    fn move_job(&mut self, job: usize, state: JobState, attempt: u16, event: AuditEvent, audited_attempt: u16) {
        let row = &mut self.snapshot.jobs[job];
        (row.state, row.attempt) = (state, attempt);
        let (instance, id) = (row.instance, row.id);
        self.snapshot.audit.push(AuditRow {
            instance,
            job: Some(id).into(),
            attempt: audited_attempt,
            event,
        });
        if state == JobState::Queued {
            self.dispatch(job);
        }
    }

    fn audit_instance(&mut self, instance: InstanceId, event: AuditEvent) {
        self.snapshot.audit.push(AuditRow {
            instance,
            job: None.into(),
            attempt: 0,
            event,
        });
    }

    /// Instances are numbered from 1 by the model, in any order of creation.
    pub(super) fn instance_of(&self, job: usize) -> usize {
        let id = self.snapshot.jobs[job].instance;
        let near = usize::try_from(id.0.as_u128()).unwrap() - 1;
        let is_it = |place: usize| self.snapshot.instances.get(place).is_some_and(|row| row.id == id);
        if is_it(near) {
            near
        } else {
            self.snapshot.instances.iter().position(|row| row.id == id).unwrap()
        }
    }
}
