//! How gRPC commands reach the core, also while the bus is away.

use crate::Health;
use remora_domain::ControlCommand;
use remora_rpc::{CommandError, ControlHandler, Recorded, ServiceStatus};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Commands of operators that may wait for the loop; a person gives one at a time.
const COMMANDS_WAITING_MAX: usize = 64;
/// How long a caller waits to hear how its command is kept; the command works meanwhile.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

/// Is a command on its way to the loop.
#[derive(Debug)]
pub struct Given {
    /// Which.
    pub command: ControlCommand,
    /// Hears how the command is kept.
    pub told: Option<oneshot::Sender<Recorded>>,
}

impl From<ControlCommand> for Given {
    fn from(command: ControlCommand) -> Self {
        Self { command, told: None }
    }
}

/// Answers status from health, and puts commands into the queue of the loop.
#[derive(Debug)]
pub struct ControlPort {
    health: Health,
    service: String,
    commands: Option<mpsc::Sender<Given>>,
}

impl ControlPort {
    /// Makes the port of a service that can be halted, and the queue its loop reads.
    #[must_use]
    pub fn new(service: &str, health: Health) -> (Self, mpsc::Receiver<Given>) {
        let (sender, receiver) = mpsc::channel(COMMANDS_WAITING_MAX);
        (Self { health, service: service.to_owned(), commands: Some(sender) }, receiver)
    }

    /// Makes the port of a service that can only be looked at.
    #[must_use]
    pub fn status_only(service: &str, health: Health) -> Self {
        Self { health, service: service.to_owned(), commands: None }
    }
}

#[async_trait::async_trait]
impl ControlHandler for ControlPort {
    fn status(&self) -> ServiceStatus {
        self.health.status()
    }

    async fn command(&self, command: ControlCommand) -> Result<Recorded, CommandError> {
        let Some(commands) = &self.commands else {
            return Err(CommandError::NotSupported { service: self.service.clone() });
        };
        let (told, kept) = oneshot::channel();
        commands.try_send(Given { command, told: Some(told) }).map_err(|error| {
            let problem = match error {
                mpsc::error::TrySendError::Full(_) => "too many wait already",
                mpsc::error::TrySendError::Closed(_) => "the service is stopping",
            };
            CommandError::Unavailable { problem }
        })?;
        // A loop that still reads history takes the command before it acts, but cannot say so yet.
        let kept = tokio::time::timeout(TOLD_WITHIN, kept).await;
        Ok(kept.ok().and_then(Result::ok).unwrap_or(Recorded::InMemory))
    }
}
