//! The story of one job or instance, checkpoint by checkpoint: what a reader needs to believe a counter-example.

use std::fmt::Write;

use crossover_proto::clock::MonotonicNs;

use super::{Act, Ledger, Mode, Start};
use crate::snapshot::{AuditRow, OutboxRow};

/// Most lines of one story: a job that was retried a thousand times is told by its beginning.
const LINES_MAX: usize = 40;

impl Ledger<'_> {
    /// What the load, the history, the audit log and the tables say of a job, a line each.
    #[must_use]
    pub fn job_story(&self, job: usize) -> Vec<String> {
        let facts = &self.jobs()[job];
        let mut title = format!(
            "job {} of instance {}: step {}, place {}, ",
            facts.id,
            self.instance_of(job).id,
            facts.step,
            facts.ordinal
        );
        // Writing to a String can't fail.
        let _ = match facts.state {
            Some(state) => write!(title, "attempt {}, {state:?}", facts.attempt),
            None => write!(title, "not in the database"),
        };
        let mut lines = vec![title];
        if let Some(created) = self.created(facts.instance as usize, facts.step) {
            lines.push(format!("  {}  created", self.clock(created)));
        }
        for moment in self.moments(job) {
            let process = self
                .evidence()
                .history
                .get(usize::from(moment.process))
                .map_or("", |file| &file.process);
            let act = act(moment.act, self.evidence().mode);
            lines.push(format!(
                "  {}  {act}, attempt {}, by {process}",
                self.clock(moment.at),
                moment.attempt
            ));
        }
        let dispatches = self.evidence().snapshot.outbox.iter().filter(|row| row.job == facts.id);
        lines.extend(dispatches.map(outbox_line));
        lines.extend(self.audit_lines(|row| row.job.id() == Some(facts.id)));
        lines.truncate(LINES_MAX);
        lines
    }

    /// What is known of an instance, its jobs in short.
    #[must_use]
    pub fn instance_story(&self, instance: usize) -> Vec<String> {
        let facts = &self.instances()[instance];
        let number = facts
            .number
            .map_or_else(String::new, |number| format!(" (arrival {number})"));
        let state = match self.row(facts) {
            Some(row) => format!("{:?}, step {}, {} to go", row.state, row.step, row.remaining),
            None => "not in the database".to_owned(),
        };
        let mut lines = vec![format!("instance {}{number}: {state}", facts.id)];
        if let Some(sent) = facts.sent {
            lines.push(format!(
                "  {}  sent, wanted at {}",
                self.clock(sent),
                self.clock(facts.intended)
            ));
        }
        match (facts.accepted, facts.start) {
            (Some(accepted), _) => lines.push(format!("  {}  answered: accepted", self.clock(accepted))),
            (None, Start::Rejected) => lines.push("  answered: rejected".to_owned()),
            (None, _) => lines.push("  no answer is known".to_owned()),
        }
        for place in self.members(instance) {
            let job = &self.jobs()[*place as usize];
            let state = job
                .state
                .map_or_else(|| "not in the database".to_owned(), |state| format!("{state:?}"));
            let (step, ordinal, attempt) = (job.step, job.ordinal, job.attempt);
            lines.push(format!(
                "  job {}: step {step}, place {ordinal}, attempt {attempt}, {state}",
                job.id
            ));
        }
        lines.extend(self.audit_lines(|row| row.job.id().is_none() && row.instance == facts.id));
        lines.truncate(LINES_MAX);
        lines
    }

    fn audit_lines(&self, wanted: impl Fn(&AuditRow) -> bool) -> Vec<String> {
        let rows = self
            .evidence()
            .snapshot
            .audit
            .iter()
            .filter(|row| wanted(row))
            .take(LINES_MAX);
        rows.map(|row| format!("  audit: {:?}, attempt {}", row.event, row.attempt))
            .collect()
    }

    /// Seconds from the start of the load.
    fn clock(&self, moment: MonotonicNs) -> String {
        let nanos = moment.signed_since(self.evidence().origin);
        format!("{:+.6} s", nanos as f64 / 1e9)
    }
}

fn outbox_line(row: &OutboxRow) -> String {
    let whereabouts = match (row.sent, row.record) {
        (false, _) => "still to be sent".to_owned(),
        (true, None) => "refused by the broker for good".to_owned(),
        (true, Some((partition, offset))) => format!("sent to partition {partition}, offset {offset}"),
    };
    format!("  outbox: row {}, attempt {}, {whereabouts}", row.id, row.attempt)
}

fn act(act: Act, mode: Mode) -> String {
    match act {
        Act::Claimed if mode == Mode::EventDriven => "begun".to_owned(),
        Act::Picked => "picked up by the relay".to_owned(),
        Act::Acked => "acknowledged by the broker".to_owned(),
        Act::Claimed => "claimed".to_owned(),
        Act::Received => "received".to_owned(),
        Act::Started => "handler started".to_owned(),
        Act::Finished(outcome) => format!("handler ended: {outcome:?}"),
        Act::Reported(outcome) => format!("report answered: {outcome:?}"),
    }
}
