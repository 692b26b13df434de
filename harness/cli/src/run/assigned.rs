//! Whether consumer groups are formed: asked of the workers (`/metrics`), for brokers tell it of the classic protocol alone.

use std::time::{Duration, Instant};

use super::metrics::{self, Metrics};

/// How many partitions of a job type's topic a worker has.
const GAUGE: &str = "worker_partitions_assigned";
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until all partitions of each job type are assigned, to as many workers as there can be; says whether it came to
/// that.
pub async fn wait(workers: &[String], job_types: &[String], partitions: u32, deadline: Instant) -> bool {
    let metrics = Metrics::new();
    while Instant::now() < deadline {
        let mut pages = Vec::new();
        for address in workers {
            // One that does not answer has none yet.
            pages.push(metrics.page(address).await);
        }
        if job_types.iter().all(|job_type| is_formed(&pages, job_type, partitions)) {
            return true;
        }
        tokio::time::sleep(PAUSE).await;
    }
    false
}

/// While groups rebalance, a worker that came late has none yet, or partitions are with nobody.
fn is_formed(pages: &[String], job_type: &str, partitions: u32) -> bool {
    let series = format!("{GAUGE}{{job_type=\"{job_type}\"}}");
    let assigned = pages.iter().map(|page| metrics::value(page, &series).unwrap_or(0.0));
    let (mut sum, mut busy) = (0.0, 0);
    for count in assigned.filter(|count| *count > 0.0) {
        sum += count;
        busy += 1;
    }
    sum == f64::from(partitions) && busy == pages.len().min(partitions as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(of_work: u32) -> String {
        format!("# TYPE {GAUGE} gauge\n{GAUGE}{{job_type=\"work\"}} {of_work}\n{GAUGE}{{job_type=\"mail\"}} 12\n")
    }

    #[test]
    fn a_group_is_formed_when_all_partitions_are_with_all_workers() {
        let formed =
            |counts: &[u32]| is_formed(&counts.iter().map(|count| page(*count)).collect::<Vec<_>>(), "work", 12);
        assert!(formed(&[6, 6]) && formed(&[12]) && formed(&[5, 7]));
        assert!(!formed(&[12, 0]), "the second has not joined yet");
        assert!(
            !formed(&[6, 0]),
            "the first has given up what the second has not got yet"
        );
        assert!(
            !is_formed(&[page(12), String::new()], "work", 12),
            "the second does not answer"
        );
    }

    #[test]
    fn workers_beyond_the_partitions_have_none() {
        assert!(is_formed(&[page(1), page(1), page(0)], "work", 2));
    }
}
