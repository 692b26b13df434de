//! Whether consumer groups are formed: asked of the workers (`/metrics`), for brokers tell it of the classic protocol alone.

use std::time::{Duration, Instant};

use anyhow::Context;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// How many partitions of a job type's topic a worker has.
const GAUGE: &str = "worker_partitions_assigned";
/// A worker that is up answers in a millisecond.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until all partitions of each job type are assigned, to as many workers as there can be; says whether it came to
/// that.
pub async fn wait(workers: &[String], job_types: &[String], partitions: u32, deadline: Instant) -> bool {
    let client = Client::builder(TokioExecutor::new()).build_http();
    while Instant::now() < deadline {
        let mut pages = Vec::new();
        for address in workers {
            // One that does not answer has none yet.
            let asked = tokio::time::timeout(ANSWER_WITHIN, metrics(&client, address)).await;
            pages.push(asked.map_or_else(|_| String::new(), Result::unwrap_or_default));
        }
        if job_types.iter().all(|job_type| is_formed(&pages, job_type, partitions)) {
            return true;
        }
        tokio::time::sleep(PAUSE).await;
    }
    false
}

async fn metrics(client: &Client<HttpConnector, Empty<Bytes>>, address: &str) -> anyhow::Result<String> {
    let answer = client.get(format!("http://{address}/metrics").parse()?).await?;
    let bytes = answer.into_body().collect().await?.to_bytes();
    String::from_utf8(bytes.to_vec()).context("metrics are text")
}

/// While groups rebalance, a worker that came late has none yet, or partitions are with nobody.
fn is_formed(pages: &[String], job_type: &str, partitions: u32) -> bool {
    let assigned: Vec<u32> = pages.iter().map(|page| assigned(page, job_type)).collect();
    let busy = assigned.iter().filter(|count| **count > 0).count();
    assigned.iter().sum::<u32>() == partitions && busy == pages.len().min(partitions as usize)
}

fn assigned(page: &str, job_type: &str) -> u32 {
    let line = format!("{GAUGE}{{job_type=\"{job_type}\"}} ");
    let value = page.lines().find_map(|found| found.strip_prefix(&line));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
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
