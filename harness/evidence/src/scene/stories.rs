//! Small stories of jobs, told in one call.

use crossover_proto::history::Outcome;

use super::Scene;

impl Scene {
    /// The next job fails, for a time or for good.
    pub(crate) fn fail_next(&mut self, transient: bool) {
        self.claim_next(0).unwrap();
        let outcome = if transient {
            Outcome::Transient
        } else {
            Outcome::Permanent
        };
        self.finish(self.executions.len() - 1, outcome);
    }

    /// The next job is claimed and given back.
    pub(crate) fn release_next(&mut self) {
        self.claim_next(0).unwrap();
        self.release(self.executions.len() - 1);
    }

    /// Worker 1 succeeds and dies before it reports; worker 2 does it again.
    pub(crate) fn execute_twice(&mut self) {
        let job = self.claim_next(0).unwrap();
        (0..3).for_each(|_| self.advance(0, Outcome::Done));
        self.executions.clear();
        self.expire(job);
        self.claim(job, 1);
        self.finish(0, Outcome::Done);
    }

    /// Worker 1 is slow and loses its lease; worker 2 does the job; worker 1 reports while worker 2 still works.
    pub(crate) fn report_late(&mut self) {
        let job = self.claim_next(0).unwrap();
        self.advance(0, Outcome::Done);
        self.expire(job);
        self.claim(job, 1);
        self.finish(0, Outcome::Done);
        self.finish(0, Outcome::Done);
    }
}
