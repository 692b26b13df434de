//! A client of the server's HTTP API: what faults need of it.
//!
//! Must not keep state: the server is asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::toxics::{Direction, Toxic};
use crate::error::{Result, TestbedError};

/// A call takes a millisecond; while it changes toxics, it waits for the connections that have them.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A proxy, as the server has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProxyState {
    /// Its name.
    pub name: String,
    /// Where clients connect.
    pub listen: String,
    /// Where it connects.
    pub upstream: String,
    /// Whether it listens.
    pub enabled: bool,
    /// What spoils it.
    pub toxics: Vec<ToxicState>,
}

/// A toxic, as the server has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ToxicState {
    /// Its name on the proxy.
    pub name: String,
    /// `latency` and so on.
    #[serde(rename = "type")]
    pub kind: String,
    /// `upstream` or `downstream`.
    pub stream: String,
}

/// A client of one server. Clones are alike.
#[derive(Debug, Clone)]
pub struct ToxiproxyClient {
    address: SocketAddr,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl ToxiproxyClient {
    /// Of the server whose API listens at `address`. Connects to nothing yet.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        // A connection a call: calls are rare, and one that was kept may be dead when it is wanted.
        let http = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(HttpConnector::new());
        Self { address, http }
    }

    /// Where the API listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server's version.
    ///
    /// # Errors
    /// `Other` if it does not answer as Toxiproxy does.
    pub async fn version(&self) -> Result<String> {
        let answer = self.call(Method::GET, "/version", None).await?;
        let version = answer.get("version").and_then(Value::as_str).map(str::to_owned);
        version.ok_or_else(|| TestbedError::Other(format!("{} is no Toxiproxy: it says {answer}", self.address)))
    }

    /// Makes a proxy that listens at `listen` and connects to `upstream`, which need not be there yet.
    ///
    /// # Errors
    /// `BadInput` if `listen` is taken; `Other` if the name is, or the server does not answer.
    pub async fn create(&self, name: &str, listen: SocketAddr, upstream: SocketAddr) -> Result<()> {
        let body = json!({
            "name": name, "listen": listen.to_string(), "upstream": upstream.to_string(), "enabled": true,
        });
        let made = self.call(Method::POST, "/proxies", Some(body)).await;
        made.map(drop).map_err(|error| match error {
            TestbedError::Other(message) if message.contains("address already in use") => TestbedError::BadInput(
                format!("{listen}, where proxy {name} is to listen, is taken; {message}"),
            ),
            other => other,
        })
    }

    /// Cuts a proxy: its connections are closed, and new ones refused.
    ///
    /// # Errors
    /// `Other` if there is none of that name, or the server does not answer.
    pub async fn disable(&self, name: &str) -> Result<()> {
        self.set_enabled(name, false).await
    }

    /// The end of [`ToxiproxyClient::disable`].
    ///
    /// # Errors
    /// As there.
    pub async fn enable(&self, name: &str) -> Result<()> {
        self.set_enabled(name, true).await
    }

    /// Adds a toxic, for connections there are and those to come; its name is [`Toxic::name`].
    ///
    /// # Errors
    /// `Other` if there is no such proxy, it has a toxic of that name, or the server does not answer.
    pub async fn add_toxic(&self, proxy: &str, toxic: Toxic, direction: Direction) -> Result<()> {
        let (path, body) = (format!("/proxies/{proxy}/toxics"), toxic.to_json(direction));
        self.call(Method::POST, &path, Some(body)).await.map(drop)
    }

    /// Takes a toxic away.
    ///
    /// # Errors
    /// `Other` if there is none of that name, or the server does not answer.
    pub async fn remove_toxic(&self, proxy: &str, toxic: &str) -> Result<()> {
        let path = format!("/proxies/{proxy}/toxics/{toxic}");
        self.call(Method::DELETE, &path, None).await.map(drop)
    }

    /// All proxies, by name.
    ///
    /// # Errors
    /// `Other` if the server does not answer.
    pub async fn proxies(&self) -> Result<BTreeMap<String, ProxyState>> {
        let answer = self.call(Method::GET, "/proxies", None).await?;
        serde_json::from_value(answer)
            .map_err(|error| TestbedError::Other(format!("Toxiproxy lists its proxies in an unknown form: {error}")))
    }

    /// Enables all proxies and takes all toxics away.
    ///
    /// # Errors
    /// `Other` if a proxy can't listen again, or the server does not answer.
    pub async fn reset(&self) -> Result<()> {
        self.call(Method::POST, "/reset", None).await.map(drop)
    }

    async fn set_enabled(&self, name: &str, enabled: bool) -> Result<()> {
        let path = format!("/proxies/{name}");
        let body = json!({ "enabled": enabled });
        self.call(Method::PATCH, &path, Some(body)).await.map(drop)
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let what = format!("{method} {path}");
        let failed = |why: &dyn std::fmt::Display| {
            TestbedError::Other(format!("Toxiproxy at {} does not do {what}: {why}", self.address))
        };
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|error| failed(&error))?;
        let exchange = async {
            let response = self.http.request(request).await.map_err(|error| failed(&error))?;
            let status = response.status();
            let collected = response.into_body().collect().await.map_err(|error| failed(&error))?;
            Ok((status, collected.to_bytes()))
        };
        let exchanged = timeout(ANSWER_WITHIN, exchange).await;
        let (status, bytes) = exchanged.map_err(|_| failed(&format!("no answer within {ANSWER_WITHIN:?}")))??;
        read(status, &bytes).map_err(|why| failed(&why))
    }
}

/// The JSON of a good answer, null if it has none; of a bad one, what it says.
fn read(status: StatusCode, bytes: &[u8]) -> Result<Value, String> {
    let text = || String::from_utf8_lossy(bytes).trim().to_owned();
    if !status.is_success() {
        let said: Option<Value> = serde_json::from_slice(bytes).ok();
        let error = said.as_ref().and_then(|said| said.get("error")?.as_str());
        return Err(error.map_or_else(|| format!("{status} {}", text()), str::to_owned));
    }
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(bytes).map_err(|_| format!("not JSON: {:?}", text()))
}
