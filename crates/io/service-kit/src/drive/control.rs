//! How gRPC commands reach the core, also while the bus is away.

use crate::Health;
use remora_domain::ControlCommand;
use remora_rpc::{CommandError, ControlHandler, ServiceStatus};
use tokio::sync::mpsc;

/// Commands of operators that may wait for the loop; a person gives one at a time.
const COMMANDS_WAITING_MAX: usize = 64;

/// Answers status from health, and puts commands into the queue of the loop.
#[derive(Debug)]
pub struct ControlPort {
    health: Health,
    service: String,
    commands: Option<mpsc::Sender<ControlCommand>>,
}

impl ControlPort {
    /// Makes the port of a service that can be halted, and the queue its loop reads.
    #[must_use]
    pub fn new(service: &str, health: Health) -> (Self, mpsc::Receiver<ControlCommand>) {
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

    async fn command(&self, command: ControlCommand) -> Result<(), CommandError> {
        let Some(commands) = &self.commands else {
            return Err(CommandError::NotSupported { service: self.service.clone() });
        };
        commands.try_send(command).map_err(|error| {
            let problem = match error {
                mpsc::error::TrySendError::Full(_) => "too many wait already",
                mpsc::error::TrySendError::Closed(_) => "the service is stopping",
            };
            CommandError::Unavailable { problem }
        })
    }
}
