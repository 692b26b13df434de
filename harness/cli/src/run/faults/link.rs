//! Proxies, and the probes that show what they do: a client of our own goes through each spoiled link, before and after.
//!
//! A bandwidth and a slow close can't be told from a probe of a few bytes: there, that the proxy says so must do.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use crossover_testbed::links::{Link, LinkEnds};
use crossover_testbed::{Links, Toxic, probe_broker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Timeline;
use crate::scenario::LinkFault;

/// A server on this machine answers a probe in a few milliseconds.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// Probes until one shows what is looked for.
const PROBES_MAX: usize = 3;
/// A delay is seen if this share of it is: probes are delayed once each way, and jitter takes some off.
const SEEN: f64 = 0.5;

/// PostgreSQL's `SSLRequest`: answered by one byte, before any log-in.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// What a probe found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The server answered after this.
    Answer(Duration),
    /// No connection, or its end.
    Broken,
    /// Neither answer nor end.
    Silence,
}

impl Timeline {
    /// True if every link was good before, and was seen to be spoiled after.
    pub(super) async fn spoil(&self, fault: &LinkFault, wanted: &[Link]) -> anyhow::Result<bool> {
        let links = self.links()?;
        let mut all = true;
        for (link, ends) in links.all().filter(|(link, _)| wanted.contains(link)) {
            let before = probe_until(link, ends, ANSWERS_WITHIN, |found| matches!(found, Found::Answer(_))).await;
            match fault {
                LinkFault::Down => links.cut(link).await?,
                LinkFault::Toxic(toxic, directions) => {
                    for direction in directions {
                        links.spoil(link, *toxic, *direction).await?;
                    }
                }
            }
            let after = probe_until(link, ends, patience(fault), |found| is_seen(fault, before, found)).await;
            let seen = is_seen(fault, before, after);
            if !seen {
                self.meta.event(format!(
                    "link {link}: a probe found {before:?} before and {after:?} after"
                ));
            }
            all &= seen;
        }
        Ok(all)
    }

    /// Goes on with the others if one can't be cleared.
    pub(super) async fn clear(&self, fault: &LinkFault, wanted: &[Link]) -> anyhow::Result<()> {
        let links = self.links()?;
        let mut outcome = Ok(());
        for link in wanted {
            match fault {
                LinkFault::Down => outcome = outcome.and(links.mend(*link).await),
                LinkFault::Toxic(toxic, directions) => {
                    for direction in directions {
                        outcome = outcome.and(links.clear(*link, *toxic, *direction).await);
                    }
                }
            }
        }
        Ok(outcome?)
    }

    fn links(&self) -> anyhow::Result<&Links> {
        let links = self.local()?.links.as_ref();
        links.context("this run has no proxies; set topology.proxied = true")
    }
}

/// How long a probe of a spoiled link waits.
fn patience(fault: &LinkFault) -> Duration {
    match fault {
        LinkFault::Toxic(Toxic::Latency { latency, jitter }, _) => ANSWERS_WITHIN + (*latency + *jitter) * 4,
        LinkFault::Toxic(Toxic::ResetPeer { after }, _) => ANSWERS_WITHIN + *after,
        // Silence is what is to be seen.
        LinkFault::Toxic(Toxic::Timeout { .. }, _) => Duration::from_millis(300),
        LinkFault::Down | LinkFault::Toxic(..) => ANSWERS_WITHIN,
    }
}

fn is_seen(fault: &LinkFault, before: Found, after: Found) -> bool {
    let Found::Answer(usual) = before else { return false };
    match (fault, after) {
        (LinkFault::Down | LinkFault::Toxic(Toxic::ResetPeer { .. }, _), after) => after == Found::Broken,
        (LinkFault::Toxic(Toxic::Timeout { .. }, _), after) => after != before && !matches!(after, Found::Answer(_)),
        (LinkFault::Toxic(Toxic::Latency { latency, .. }, _), Found::Answer(took)) => {
            took >= usual && (took - usual).as_secs_f64() >= SEEN * latency.as_secs_f64()
        }
        (LinkFault::Toxic(Toxic::Latency { .. }, _), _) => false,
        (LinkFault::Toxic(..), after) => after != Found::Broken,
    }
}

/// On a busy machine one probe may be held up by something else.
async fn probe_until(link: Link, ends: LinkEnds, patience: Duration, enough: impl Fn(Found) -> bool) -> Found {
    let mut found = probe(link, ends, patience).await;
    for _ in 1..PROBES_MAX {
        if enough(found) {
            break;
        }
        found = probe(link, ends, patience).await;
    }
    found
}

async fn probe(link: Link, ends: LinkEnds, patience: Duration) -> Found {
    let start = Instant::now();
    let asked = async {
        match link {
            Link::Kafka(..) => probe_broker(&ends.proxy.to_string())
                .await
                .map(drop)
                .map_err(io::Error::other),
            Link::Postgres(_) => ask_postgres(ends.proxy).await,
        }
    };
    match timeout(patience, asked).await {
        Ok(Ok(())) => Found::Answer(start.elapsed()),
        // The broker's probe has a patience of its own.
        Ok(Err(_)) if start.elapsed() >= ANSWERS_WITHIN => Found::Silence,
        Ok(Err(_)) => Found::Broken,
        Err(_) => Found::Silence,
    }
}

async fn ask_postgres(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&SSL_REQUEST).await?;
    stream.read_u8().await.map(drop)
}

#[cfg(test)]
mod tests {
    use crossover_testbed::toxiproxy::Direction;

    use super::*;

    fn answer(ms: u64) -> Found {
        Found::Answer(Duration::from_millis(ms))
    }

    fn toxic(toxic: Toxic) -> LinkFault {
        LinkFault::Toxic(toxic, vec![Direction::Upstream])
    }

    #[test]
    fn a_link_that_was_broken_before_shows_nothing() {
        assert!(is_seen(&LinkFault::Down, answer(1), Found::Broken));
        assert!(!is_seen(&LinkFault::Down, Found::Broken, Found::Broken));
        assert!(!is_seen(&LinkFault::Down, answer(1), answer(1)));
        assert!(!is_seen(&LinkFault::Down, answer(1), Found::Silence));
    }

    #[test]
    fn a_delay_is_seen_by_what_it_adds() {
        let slow = toxic(Toxic::Latency {
            latency: Duration::from_millis(100),
            jitter: Duration::ZERO,
        });
        assert!(is_seen(&slow, answer(2), answer(103)));
        assert!(!is_seen(&slow, answer(60), answer(100)));
        assert!(!is_seen(&slow, answer(2), Found::Silence));
    }

    #[test]
    fn silence_is_what_a_timeout_makes() {
        let silent = toxic(Toxic::Timeout { after: None });
        assert!(is_seen(&silent, answer(2), Found::Silence));
        assert!(!is_seen(&silent, answer(2), answer(3)));
    }
}
