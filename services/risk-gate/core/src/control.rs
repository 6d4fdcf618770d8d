//! What is halted, which routers know our epoch and live.

use crate::refused::Refused;
use crate::seen::Stamp;
use remora_domain::{
    ControlAction, ControlCommand, ControlScope, ControlState, InstrumentKey, RefusalReason,
    ServiceState, Timestamp,
};
use remora_machine::Liveness;
use std::collections::BTreeMap;

/// Holds what operators and breakers halted. Order of the log decides; a resume lifts exactly its own scope.
#[derive(Debug, Default)]
pub(crate) struct Halts {
    scopes: BTreeMap<ControlScope, Halt>,
    count: u64,
}

#[derive(Debug)]
struct Halt {
    number: u64,
    why: String,
}

impl Halts {
    /// Applies a command; gives whether anything changed.
    pub(crate) fn apply(&mut self, command: &ControlCommand) -> bool {
        match command.action {
            ControlAction::Halt => {
                self.count = self.count.saturating_add(1);
                let why = format!("{}: {}", command.actor, command.reason);
                let halt = Halt { number: self.count, why };
                self.scopes.insert(command.scope.clone(), halt);
                true
            }
            ControlAction::Resume => self.scopes.remove(&command.scope).is_some(),
        }
    }

    /// Gives the scopes that are halted, sorted.
    pub(crate) fn scopes(&self) -> Vec<ControlScope> {
        self.scopes.keys().cloned().collect()
    }

    pub(crate) fn is_global(&self) -> bool {
        self.scopes.contains_key(&ControlScope::Global)
    }

    /// Gives who halted last and why, among what is halted now; empty when nothing is.
    pub(crate) fn last_why(&self) -> String {
        let last = self.scopes.values().max_by_key(|halt| halt.number);
        last.map(|halt| halt.why.clone()).unwrap_or_default()
    }

    /// G36: nothing may be halted that holds the instrument.
    pub(crate) fn check(&self, instrument: &InstrumentKey) -> Result<(), Refused> {
        let found = self.scopes.iter().find(|(scope, _)| holds(scope, instrument));
        found.map_or(Ok(()), |(scope, halt)| {
            let value = format!("{} by {}", name(scope), halt.why);
            Err(Refused::new(RefusalReason::Halted, "", value))
        })
    }
}

fn holds(scope: &ControlScope, instrument: &InstrumentKey) -> bool {
    match scope {
        ControlScope::Global => true,
        ControlScope::Venue(venue) => *venue == instrument.venue,
        ControlScope::Instrument(key) => key == instrument,
    }
}

fn name(scope: &ControlScope) -> String {
    match scope {
        ControlScope::Global => "everything halted".to_owned(),
        ControlScope::Venue(venue) => format!("{venue} halted"),
        ControlScope::Instrument(key) => format!("{key} halted"),
    }
}

/// Is the last word of a venue's router.
#[derive(Debug, Default)]
pub(crate) struct Router {
    told: Option<(Stamp, ControlState)>,
}

impl Router {
    pub(crate) fn set(&mut self, stamp: Stamp, state: &ControlState) {
        if self.told.as_ref().is_none_or(|(before, _)| stamp.replaces(before)) {
            self.told = Some((stamp, state.clone()));
        }
    }

    /// Gives the newest epoch the router has seen.
    pub(crate) fn epoch(&self) -> Option<u64> {
        self.told.as_ref().map(|(_, state)| state.epoch)
    }

    pub(crate) fn is_ready(&self, epoch: u64) -> bool {
        let state = self.told.as_ref().map(|(_, state)| state);
        state.is_some_and(|state| state.epoch == epoch && state.state == ServiceState::Active)
    }

    /// G36: the router must live and have acknowledged our epoch, and neither it nor the instrument be halted there. One
    /// that has seen a newer epoch refuses whatever we sign.
    pub(crate) fn check(
        &self,
        now: Timestamp,
        epoch: u64,
        instrument: &InstrumentKey,
        liveness: &Liveness,
    ) -> Result<(), Refused> {
        let not_ready = |value: String| {
            Err(Refused::new(RefusalReason::RouterNotReady, format!("epoch {epoch}"), value))
        };
        let Some((stamp, state)) = &self.told else {
            return not_ready(format!("no word from the router of {}", instrument.venue));
        };
        if state.epoch != epoch {
            return not_ready(format!("epoch {}", state.epoch));
        }
        if liveness.is_silent(now, stamp.producer()) {
            let limit = format!("a sign of life within {} ms", liveness.silence_max().as_ms());
            let value = format!("{} is silent", stamp.producer());
            return Err(Refused::new(RefusalReason::RouterNotReady, limit, value));
        }
        let is_held = state.halted.iter().any(|scope| holds(scope, instrument));
        match state.state {
            ServiceState::Active if !is_held => Ok(()),
            ServiceState::Starting => not_ready("the router is starting".to_owned()),
            ServiceState::Active | ServiceState::Halted => {
                let value = format!("halted at the router: {}", state.reason);
                Err(Refused::new(RefusalReason::Halted, "", value))
            }
        }
    }
}
