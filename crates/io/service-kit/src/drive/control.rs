//! How gRPC commands reach the core, also while the bus is away.

use crate::Health;
use remora_domain::ControlCommand;
use remora_rpc::{CommandError, ControlHandler, Question, Recorded, Route, ServiceStatus};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Commands of operators that may wait for the loop; a person gives one at a time.
const COMMANDS_WAITING_MAX: usize = 64;
/// How long a caller waits to hear how its command is kept; the command works meanwhile.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

/// Is something from an operator on its way to the loop.
#[derive(Debug)]
pub enum Given {
    /// Something to do.
    Command {
        /// Which.
        command: ControlCommand,
        /// Hears how the command is kept.
        told: Option<oneshot::Sender<Recorded>>,
        /// When it was given: a loop that still reads history takes it later, and it is as old as it is.
        given_at: Instant,
    },
    /// Something to tell; it changes nothing and is not recorded.
    Question {
        /// What is asked.
        question: Question,
        /// Hears the answer as JSON, or why there is none.
        told: oneshot::Sender<Result<String, String>>,
    },
}

impl From<ControlCommand> for Given {
    fn from(command: ControlCommand) -> Self {
        Self::Command { command, told: None, given_at: Instant::now() }
    }
}

/// Answers status from health, and puts commands into the queue of the loop.
#[derive(Debug)]
pub struct ControlPort {
    health: Health,
    service: String,
    commands: Option<mpsc::Sender<Given>>,
    route: Option<Route>,
}

impl ControlPort {
    /// Makes the port of a service that can be halted, and the queue its loop reads. A router tells what it routes.
    #[must_use]
    pub fn new(
        service: &str,
        health: Health,
        route: Option<Route>,
    ) -> (Self, mpsc::Receiver<Given>) {
        let (sender, receiver) = mpsc::channel(COMMANDS_WAITING_MAX);
        (Self { health, service: service.to_owned(), commands: Some(sender), route }, receiver)
    }

    /// Makes the port of a service that can only be looked at.
    #[must_use]
    pub fn status_only(service: &str, health: Health) -> Self {
        Self { health, service: service.to_owned(), commands: None, route: None }
    }
}

#[async_trait::async_trait]
impl ControlHandler for ControlPort {
    fn status(&self) -> ServiceStatus {
        self.health.status()
    }

    fn route(&self) -> Option<Route> {
        self.route.clone()
    }

    async fn command(&self, command: ControlCommand) -> Result<Recorded, CommandError> {
        let Some(commands) = &self.commands else {
            return Err(CommandError::NotSupported { service: self.service.clone() });
        };
        let (told, kept) = oneshot::channel();
        give(commands, Given::Command { command, told: Some(told), given_at: Instant::now() })?;
        // A loop that still reads history takes the command before it acts, but cannot say so yet.
        let kept = tokio::time::timeout(TOLD_WITHIN, kept).await;
        Ok(kept.ok().and_then(Result::ok).unwrap_or(Recorded::InMemory))
    }

    async fn question(&self, question: Question) -> Result<String, CommandError> {
        let Some(commands) = &self.commands else {
            return Err(CommandError::NotSupported { service: self.service.clone() });
        };
        let (told, answer) = oneshot::channel();
        give(commands, Given::Question { question, told })?;
        let late = || CommandError::Unavailable { problem: "no answer in time" };
        let answer = tokio::time::timeout(TOLD_WITHIN, answer).await.map_err(|_| late())?;
        answer.map_err(|_| late())?.map_err(|problem| CommandError::Refused { problem })
    }
}

fn give(commands: &mpsc::Sender<Given>, given: Given) -> Result<(), CommandError> {
    commands.try_send(given).map_err(|error| {
        let problem = match error {
            mpsc::error::TrySendError::Full(_) => "too many wait already",
            mpsc::error::TrySendError::Closed(_) => "the service is stopping",
        };
        CommandError::Unavailable { problem }
    })
}
