//! Whether brokers of the user's own can be used as they were given: each address, in the protocol that the user says, and
//! every address that a broker sends clients on to.
//!
//! | found | said |
//! |---|---|
//! | nobody listens, no such host, silence | the address, and what to correct |
//! | another server | which, where its answer shows it |
//! | plain text spoken to TLS, or TLS to plain text | which `security.protocol` is right |
//! | a broker that wants to know who asks | that SASL is needed |
//! | a broker that advertises an address which can't be reached | both addresses, and `advertised.listeners` |
//!
//! What lies behind TLS, and whether a password is right, a client library has to find out.

use std::fmt;
use std::str::FromStr;

use super::identify::{Speaker, by_answer, by_greeting};
use super::probe::{BrokerAddress, BrokerAnswer, Failure, ask_brokers, ask_versions, foreign};
use crate::error::{Result, TestbedError};

/// How clients are told to speak: `security.protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SecurityProtocol {
    /// TLS around everything.
    pub is_tls: bool,
    /// Clients say who they are.
    pub is_sasl: bool,
}

impl FromStr for SecurityProtocol {
    type Err = TestbedError;

    fn from_str(text: &str) -> Result<Self> {
        let (is_tls, is_sasl) = match text.to_ascii_lowercase().as_str() {
            "plaintext" => (false, false),
            "ssl" => (true, false),
            "sasl_plaintext" => (false, true),
            "sasl_ssl" => (true, true),
            _ => {
                return Err(TestbedError::BadInput(format!(
                    "security.protocol is {text:?}; allowed are plaintext, ssl, sasl_plaintext and sasl_ssl"
                )));
            }
        };
        Ok(Self { is_tls, is_sasl })
    }
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sasl = if self.is_sasl { "sasl_" } else { "" };
        let rest = if self.is_tls { "ssl" } else { "plaintext" };
        write!(f, "{sasl}{rest}")
    }
}

/// What could be seen from outside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BrokersFound {
    /// What the first address answers; none behind TLS.
    pub answer: Option<BrokerAnswer>,
    /// All brokers, as clients are told; none where clients must say who they are first.
    pub brokers: Vec<BrokerAddress>,
}

/// Looks at each address that the user gave.
///
/// # Errors
/// `BadInput` or `Unavailable`, with the address, what was found there, and what to do.
pub async fn check_brokers(addresses: &[String], protocol: SecurityProtocol) -> Result<BrokersFound> {
    let mut found = BrokersFound::default();
    for address in addresses {
        if protocol.is_tls {
            require_tls(address, protocol).await?;
            continue;
        }
        let answer = require_plain(address, protocol).await?;
        found.answer.get_or_insert(answer);
        if !protocol.is_sasl {
            for broker in require_open(address).await? {
                require_reachable(address, &broker).await?;
                if !found.brokers.contains(&broker) {
                    found.brokers.push(broker);
                }
            }
        }
    }
    found.brokers.sort();
    Ok(found)
}

async fn require_plain(address: &str, protocol: SecurityProtocol) -> Result<BrokerAnswer> {
    let failure = match ask_versions(address).await {
        Ok(answer) => return Ok(answer),
        Err(failure) => failure,
    };
    let speaker = match &failure {
        Failure::Closed(_) | Failure::Silent => by_greeting(address).await,
        Failure::Foreign(said) => Some(by_answer(said)),
        Failure::Refused(_) | Failure::Code(_) => None,
    };
    Err(match speaker {
        Some(Speaker::Tls) => {
            let tls = SecurityProtocol {
                is_tls: true,
                ..protocol
            };
            TestbedError::BadInput(format!(
                "{address} speaks TLS, and was spoken to in plain text; write security.protocol={tls} (and ssl.ca.location) \
                 in a file and name it with --kafka-config, or give the address of a plaintext listener"
            ))
        }
        Some(Speaker::Http) => foreign(address, Speaker::Http),
        _ => failure.explain(address),
    })
}

async fn require_tls(address: &str, protocol: SecurityProtocol) -> Result<()> {
    if by_greeting(address).await == Some(Speaker::Tls) {
        return Ok(());
    }
    match ask_versions(address).await {
        Ok(_) => {
            let plain = SecurityProtocol {
                is_tls: false,
                ..protocol
            };
            Err(TestbedError::BadInput(format!(
                "{address} is a listener for plain text, and security.protocol is {protocol}; write security.protocol={plain}, \
                 or give the address of a TLS listener"
            )))
        }
        Err(failure) => Err(failure.explain(address)),
    }
}

/// A broker answers which requests it knows to anybody, and the next question only to those that it lets in.
async fn require_open(address: &str) -> Result<Vec<BrokerAddress>> {
    match ask_brokers(address).await {
        Err(Failure::Closed(_)) => Err(TestbedError::BadInput(format!(
            "the broker at {address} wants to know who asks; write security.protocol=sasl_plaintext, sasl.mechanism, \
             sasl.username and sasl.password in a file and name it with --kafka-config"
        ))),
        answer => answer.map_err(|failure| failure.explain(address)),
    }
}

async fn require_reachable(by: &str, broker: &BrokerAddress) -> Result<()> {
    if broker.address == by {
        return Ok(());
    }
    let failure = match ask_versions(&broker.address).await {
        Ok(_) => return Ok(()),
        Err(failure) => failure.explain(&broker.address),
    };
    Err(TestbedError::unavailable(
        format!(
            "the broker at {by} sends clients on to {} (broker {}), which can't be used from here: {failure}",
            broker.address, broker.id
        ),
        "set advertised.listeners of that broker to an address that this machine reaches",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_is_read_as_the_client_library_reads_it() {
        for text in ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] {
            let upper: SecurityProtocol = text.to_ascii_uppercase().parse().unwrap();
            assert_eq!(upper.to_string(), text);
        }
        let error = "tls".parse::<SecurityProtocol>().unwrap_err().to_string();
        assert!(error.contains("allowed are plaintext, ssl"), "{error}");
    }
}
