//! Which halts one run of a process has read, computed from the commands alone.

use remora_domain::{Body, ControlAction, ControlScope, Envelope, MessageId, OrderRequest};
use std::collections::BTreeSet;

/// Is what one run has read of halts.
#[derive(Default)]
pub(super) struct HaltView {
    halted: BTreeSet<ControlScope>,
    read: BTreeSet<MessageId>,
}

impl HaltView {
    /// Takes what the process is given.
    pub(super) fn read(&mut self, message: &Envelope) {
        // An old command that is read again says nothing new.
        if let Body::ControlCommand(command) = &message.body
            && self.read.insert(message.header.message_id())
        {
            match command.action {
                ControlAction::Halt | ControlAction::CancelAccount => {
                    self.halted.insert(command.scope.clone());
                }
                ControlAction::Resume | ControlAction::Reduce => {
                    self.halted.remove(&command.scope);
                }
                ControlAction::ChangeLimits | ControlAction::ConfirmLimits => {}
            }
        }
    }

    /// Gives what is halted that holds an order of a venue or an instrument. Halts of a strategy are the gate's.
    pub(super) fn stops(&self, request: &OrderRequest) -> Option<&ControlScope> {
        let holds = |scope: &&ControlScope| match scope {
            ControlScope::Global => true,
            ControlScope::Venue(venue) => *venue == request.instrument.venue,
            ControlScope::Instrument(key) => *key == request.instrument,
            ControlScope::Strategy(_) => false,
        };
        self.halted.iter().find(holds)
    }
}
