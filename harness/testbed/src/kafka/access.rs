//! Access rules (ACLs): made, removed, and asked about where they hurt. librdkafka has such requests, its Rust client does
//! not; so they are here, in their oldest versions that Kafka 4 takes.
//!
//! Our clients all are `User:ANONYMOUS`, so a rule can't tell them apart by name, only by what they do: relays alone write to
//! topics, workers alone read in groups. A resource with any rule allows nothing that no rule allows, so a refusal comes
//! together with a rule that allows all the rest.
//!
//! Whether it is refused is asked by doing it, in a way that changes nothing if it is allowed: a batch without records, and a
//! heartbeat of a member that does not exist.

use std::time::{Duration, Instant};

use super::cluster::LocalKafka;
use super::probe::exchange;
use super::wire::{Reader, framed};
use crate::error::{Result, TestbedError};

/// From the controller to every broker: milliseconds, but for a broker that is busy starting.
const HEEDED_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(20);

const EVERYBODY: &str = "User:*";
const FROM_ANYWHERE: &str = "*";
/// The name of one resource, not the beginning of names.
const LITERAL: u8 = 3;
const ANY: u8 = 1;
const ALL: u8 = 2;
const DENY: u8 = 2;
const ALLOW: u8 = 3;
const TOPIC_REFUSED: i16 = 29;
const GROUP_REFUSED: i16 = 30;

/// What can be refused to all clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Writing to a topic.
    WriteTopic,
    /// Taking part in a consumer group.
    ReadGroup,
}

impl Access {
    fn resource(self) -> u8 {
        match self {
            Self::WriteTopic => 2,
            Self::ReadGroup => 3,
        }
    }

    fn operation(self) -> u8 {
        match self {
            Self::WriteTopic => 4,
            Self::ReadGroup => 3,
        }
    }

    /// Does it, without effect.
    fn attempt(self, name: &str) -> Vec<u8> {
        match self {
            Self::WriteTopic => {
                // No transaction, all acknowledgements, a second, one topic.
                let mut body = vec![0xff, 0xff, 0xff, 0xff, 0, 0, 3, 0xe8, 0, 0, 0, 1];
                text(&mut body, name);
                // Its partition 0, and a batch of no bytes.
                body.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
                framed(0, 3, &body)
            }
            Self::ReadGroup => {
                let mut body = Vec::new();
                text(&mut body, name);
                body.extend([0, 0, 0, 0]);
                text(&mut body, "nobody");
                framed(12, 0, &body)
            }
        }
    }

    /// Of the answer to [`Access::attempt`].
    fn is_refused_in(self, response: &[u8]) -> Option<bool> {
        let mut reader = Reader::of_response(response)?;
        Some(match self {
            Self::WriteTopic => {
                let _topics = reader.i32()?;
                let _name = reader.string()?;
                let (_partitions, _partition) = (reader.i32()?, reader.i32()?);
                reader.i16()? == TOPIC_REFUSED
            }
            Self::ReadGroup => reader.i16()? == GROUP_REFUSED,
        })
    }
}

/// Two rules: this is denied, and all else is allowed.
fn rules(access: Access, name: &str) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 2];
    for (operation, permission) in [(access.operation(), DENY), (ALL, ALLOW)] {
        body.push(access.resource());
        text(&mut body, name);
        body.push(LITERAL);
        text(&mut body, EVERYBODY);
        text(&mut body, FROM_ANYWHERE);
        body.extend([operation, permission]);
    }
    framed(30, 1, &body)
}

/// All rules of the resource, whatever they say.
fn no_rules(access: Access, name: &str) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 1, access.resource()];
    text(&mut body, name);
    // Of any user, from any host.
    body.extend([LITERAL, 0xff, 0xff, 0xff, 0xff, ANY, ANY]);
    framed(31, 1, &body)
}

/// The first complaint in the answer to either: the delay, then a list that begins with code and message.
fn complaint(response: &[u8]) -> Option<Option<(i16, String)>> {
    let mut reader = Reader::of_response(response)?;
    let (_delay, _count) = (reader.i32()?, reader.i32()?);
    let (code, message) = (reader.i16()?, reader.string()?);
    Some((code != 0).then_some((code, message)))
}

fn text(body: &mut Vec<u8>, text: &str) {
    // Names of topics and groups have at most 249 bytes.
    body.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    body.extend(text.as_bytes());
}

impl LocalKafka {
    /// Refuses it to all clients; true once every broker that runs does.
    ///
    /// # Errors
    /// If no broker answers, or Kafka was started without an authorizer.
    pub async fn deny(&self, access: Access, name: &str) -> Result<bool> {
        self.change(&rules(access, name)).await?;
        self.heeds(access, name, true).await
    }

    /// The end of [`LocalKafka::deny`]; true once every broker that runs allows it again.
    ///
    /// # Errors
    /// As [`LocalKafka::deny`].
    pub async fn permit(&self, access: Access, name: &str) -> Result<bool> {
        self.change(&no_rules(access, name)).await?;
        self.heeds(access, name, false).await
    }

    /// Any broker that answers passes it on to the controller.
    async fn change(&self, request: &[u8]) -> Result<()> {
        let mut silent = TestbedError::Other("no broker runs that could change access rules".to_owned());
        for address in self.addresses_alive() {
            match exchange(&address, request).await {
                Ok(response) => {
                    return match complaint(&response) {
                        Some(None) => Ok(()),
                        Some(Some((code, message))) => Err(TestbedError::Other(format!(
                            "Kafka does not change access rules: error {code}: {message}"
                        ))),
                        None => Err(TestbedError::Other(
                            "Kafka's answer about access rules can't be read".to_owned(),
                        )),
                    };
                }
                Err(failure) => silent = failure.explain(&address),
            }
        }
        Err(silent)
    }

    async fn heeds(&self, access: Access, name: &str, refused: bool) -> Result<bool> {
        let deadline = Instant::now() + HEEDED_WITHIN;
        for address in self.addresses_alive() {
            loop {
                let response = exchange(&address, &access.attempt(name)).await;
                if let Ok(response) = &response
                    && access.is_refused_in(response) == Some(refused)
                {
                    break;
                }
                // One that was killed meanwhile is not asked any more; one that starts answers soon.
                if !self.addresses_alive().contains(&address) {
                    break;
                }
                if Instant::now() > deadline {
                    return response.map(|_| false).map_err(|failure| failure.explain(&address));
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &[u8]) -> Vec<u8> {
        let asked = framed(0, 0, &[]);
        [&asked[8..12], body].concat()
    }

    #[test]
    fn a_refusal_comes_with_a_rule_that_allows_all_else() {
        let request = rules(Access::WriteTopic, "jobs.work");
        let body = &request[request.len() - 2 * 25 - 4 - 4..];
        let rule = |operation, permission| {
            let mut rule = vec![2];
            text(&mut rule, "jobs.work");
            rule.push(3);
            text(&mut rule, "User:*");
            text(&mut rule, "*");
            rule.extend([operation, permission]);
            rule
        };
        let wanted = [vec![0, 0, 0, 2], rule(4, 2), rule(2, 3)].concat();
        assert!(body.ends_with(&wanted), "{body:?}");
    }

    #[test]
    fn answers_are_read_and_broken_ones_are_none() {
        assert_eq!(Access::ReadGroup.is_refused_in(&answer(&[0, 30])), Some(true));
        assert_eq!(
            Access::ReadGroup.is_refused_in(&answer(&[0, 25])),
            Some(false),
            "no such member"
        );
        let produced = answer(b"\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0\0\x1d");
        assert_eq!(Access::WriteTopic.is_refused_in(&produced), Some(true));
        assert_eq!(Access::WriteTopic.is_refused_in(&produced[..18]), None);
        assert_eq!(
            complaint(&answer(&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0xff, 0xff])),
            Some(None)
        );
        let refused = complaint(&answer(b"\0\0\0\0\0\0\0\x01\0\x36\0\x02no"));
        assert_eq!(
            refused,
            Some(Some((54, "no".to_owned()))),
            "no authorizer is configured"
        );
    }
}
