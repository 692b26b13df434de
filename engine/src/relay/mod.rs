//! The relay: one leads, and sends what the outbox holds to the broker.

use crate::EngineError;
use crate::command::RelayArgs;

/// Runs a relay until SIGTERM.
pub(crate) async fn run(_args: RelayArgs) -> Result<(), EngineError> {
    Err(EngineError::Kafka("the relay is being built".to_owned()))
}
