//! `/metrics` of the engine's processes, for what they alone know.

use std::time::Duration;

use anyhow::Context;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// A process that is up answers in a millisecond.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// A client of all of them.
pub struct Metrics {
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Metrics {
    /// Connects to nothing yet.
    pub fn new() -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// The page of the process at `host:port`; an empty one if it does not answer.
    pub async fn page(&self, address: &str) -> String {
        let asked = tokio::time::timeout(ANSWER_WITHIN, self.ask(address)).await;
        asked.map_or_else(|_| String::new(), Result::unwrap_or_default)
    }

    async fn ask(&self, address: &str) -> anyhow::Result<String> {
        let answer = self.client.get(format!("http://{address}/metrics").parse()?).await?;
        let bytes = answer.into_body().collect().await?.to_bytes();
        String::from_utf8(bytes.to_vec()).context("metrics are text")
    }
}

/// The value of a series, such as `up` or `up{role="relay"}`.
pub fn value(page: &str, series: &str) -> Option<f64> {
    let of_line = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.trim().parse().ok();
    page.lines().find_map(of_line)
}
