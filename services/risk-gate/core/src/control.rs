//! What is halted, which routers know our epoch and live.

use crate::denial::Denial;
use crate::seen::Stamp;
use remora_domain::{
    ControlAction, ControlCommand, ControlScope, ControlState, Instrument, InstrumentKey,
    ReconciliationBreak, RefusalReason, ServiceState, StrategyId, Timestamp,
};
use remora_machine::Liveness;
use std::collections::BTreeMap;

/// Who a breaker of the gate says it is, in the commands it records.
pub(crate) const BREAKER: &str = "risk-gate";

/// Holds what operators and breakers halted or restricted. Order of the log decides; a resume lifts exactly its own
/// scope.
#[derive(Debug, Default, Clone)]
pub(crate) struct Halts {
    scopes: BTreeMap<ControlScope, Held>,
    count: u64,
}

#[derive(Debug, Clone)]
struct Held {
    number: u64,
    why: String,
    is_halt: bool,
    /// Which breaker held it, where one did last.
    breaker: Option<RefusalReason>,
    /// Whether a breaker of a loss is among those who halted the scope since it was last resumed.
    is_for_loss: bool,
}

/// Says what a command changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    Nothing,
    Held,
    /// A scope was resumed; whether a loss had halted it.
    Resumed {
        is_for_loss: bool,
    },
}

impl Halts {
    /// Applies a command.
    pub(crate) fn apply(&mut self, command: &ControlCommand) -> Changed {
        let is_halt = match command.action {
            ControlAction::Halt | ControlAction::CancelAccount => true,
            ControlAction::Reduce => false,
            ControlAction::Resume => {
                let held = self.scopes.remove(&command.scope);
                let resumed = |held: Held| Changed::Resumed { is_for_loss: held.is_for_loss };
                return held.map_or(Changed::Nothing, resumed);
            }
            ControlAction::ChangeLimits | ControlAction::ConfirmLimits => return Changed::Nothing,
        };
        self.count = self.count.saturating_add(1);
        let breaker = breaker_of(command);
        let was_for_loss = self.scopes.get(&command.scope).is_some_and(|held| held.is_for_loss);
        let held = Held {
            number: self.count,
            why: format!("{}: {}", command.actor, command.reason),
            is_halt,
            breaker,
            is_for_loss: was_for_loss
                || breaker.is_some_and(|of| of != RefusalReason::ExecutionsAboveMax),
        };
        self.scopes.insert(command.scope.clone(), held);
        Changed::Held
    }

    /// Gives the scopes that are halted, sorted.
    pub(crate) fn scopes(&self) -> Vec<ControlScope> {
        self.named(true)
    }

    /// Gives the scopes in which only reducing is allowed, sorted.
    pub(crate) fn restricted(&self) -> Vec<ControlScope> {
        self.named(false)
    }

    fn named(&self, is_halt: bool) -> Vec<ControlScope> {
        let found = self.scopes.iter().filter(|(_, held)| held.is_halt == is_halt);
        found.map(|(scope, _)| scope.clone()).collect()
    }

    pub(crate) fn is_global(&self) -> bool {
        self.is_halted(&ControlScope::Global)
    }

    pub(crate) fn is_halted(&self, scope: &ControlScope) -> bool {
        self.scopes.get(scope).is_some_and(|held| held.is_halt)
    }

    /// Gives who halted or restricted last and why, among what is in force now; empty when nothing is.
    pub(crate) fn last_why(&self) -> String {
        let last = self.scopes.values().max_by_key(|held| held.number);
        last.map(|held| held.why.clone()).unwrap_or_default()
    }

    /// G36: nothing may be halted that holds the order.
    pub(crate) fn check(
        &self,
        instrument: &InstrumentKey,
        strategy: &StrategyId,
    ) -> Result<(), Denial> {
        self.found(true, instrument, strategy).map_or(Ok(()), |(scope, held)| {
            let value = format!("{} halted by {}", name(scope), held.why);
            let limit = held.breaker.map_or("", |_| "until a person resumes it");
            Err(Denial::new(held.breaker.unwrap_or(RefusalReason::Halted), limit, value))
        })
    }

    /// G36: says what restricts the order to reducing, if anything does.
    pub(crate) fn restricts(
        &self,
        instrument: &InstrumentKey,
        strategy: &StrategyId,
    ) -> Option<String> {
        let (scope, held) = self.found(false, instrument, strategy)?;
        Some(format!("{} restricted by {}", name(scope), held.why))
    }

    fn found(
        &self,
        is_halt: bool,
        instrument: &InstrumentKey,
        strategy: &StrategyId,
    ) -> Option<(&ControlScope, &Held)> {
        let mut all = self.scopes.iter();
        all.find(|(scope, held)| held.is_halt == is_halt && holds(scope, instrument, strategy))
    }
}

/// Gives the reason of the breaker that gave a command, when one did.
fn breaker_of(command: &ControlCommand) -> Option<RefusalReason> {
    let control = command.reason.split(' ').next().filter(|_| command.actor == BREAKER)?;
    match control {
        "G25" => Some(RefusalReason::ExecutionsAboveMax),
        "G27" => Some(RefusalReason::DayLossAboveMax),
        "G28" => Some(RefusalReason::DrawdownAboveMax),
        _ => None,
    }
}

fn holds(scope: &ControlScope, instrument: &InstrumentKey, strategy: &StrategyId) -> bool {
    match scope {
        ControlScope::Strategy(held) => held == strategy,
        ControlScope::Global | ControlScope::Venue(_) | ControlScope::Instrument(_) => {
            holds_instrument(scope, instrument)
        }
    }
}

fn holds_instrument(scope: &ControlScope, instrument: &InstrumentKey) -> bool {
    match scope {
        ControlScope::Global => true,
        ControlScope::Venue(venue) => *venue == instrument.venue,
        ControlScope::Instrument(key) => key == instrument,
        ControlScope::Strategy(_) => false,
    }
}

fn name(scope: &ControlScope) -> String {
    match scope {
        ControlScope::Global => "everything".to_owned(),
        ControlScope::Venue(venue) => venue.to_string(),
        ControlScope::Instrument(key) => key.to_string(),
        ControlScope::Strategy(strategy) => format!("strategy {strategy}"),
    }
}

/// Is the last word of a venue's router.
#[derive(Debug, Default, Clone)]
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

    /// Gives the first break it tells of that touches an instrument.
    pub(crate) fn break_of(
        &self,
        key: &InstrumentKey,
        definition: Option<&Instrument>,
    ) -> Option<&ReconciliationBreak> {
        let (_, state) = self.told.as_ref()?;
        state.breaks.iter().find(|found| found.concerns(key, definition))
    }

    /// Tells whether the venue's dead-man's switch is armed, as far as the router told.
    pub(crate) fn is_guarded(&self) -> Option<bool> {
        self.told.as_ref().and_then(|(_, state)| state.is_guarded)
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
    ) -> Result<(), Denial> {
        let not_ready = |value: String| {
            Err(Denial::new(RefusalReason::RouterNotReady, format!("epoch {epoch}"), value))
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
            return Err(Denial::new(RefusalReason::RouterNotReady, limit, value));
        }
        let is_held = state.halted.iter().any(|scope| holds_instrument(scope, instrument));
        match state.state {
            ServiceState::Active if !is_held => Ok(()),
            ServiceState::Starting => not_ready("the router is starting".to_owned()),
            ServiceState::Active | ServiceState::Halted => {
                let value = format!("halted at the router: {}", state.reason);
                Err(Denial::new(RefusalReason::Halted, "", value))
            }
        }
    }
}
