//! Halts, the gate's epoch, and what the router says about itself.

use crate::core::{OrderRouterCore, Out};
use crate::counters::add;
use crate::watch::Stop;
use remora_domain::{
    Balances, Body, ControlAction, ControlCommand, ControlScope, ControlState, FeeSchedule, Header,
    InstrumentKey, Service, ServiceState, Timestamp, VenueId,
};
use std::collections::BTreeMap;

/// Is the set of halted scopes that touch this venue, each with who halted it and why.
#[derive(Debug, Default)]
pub(crate) struct Halts {
    scopes: BTreeMap<ControlScope, String>,
    reason_last: String,
}

/// Is what was last published about ourselves and the account, so that only changes are.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub(crate) state: Option<ControlState>,
    pub(crate) balances: Option<Balances>,
    pub(crate) fees: Option<FeeSchedule>,
}

impl Halts {
    /// Tells whether new orders on an instrument are stopped.
    pub(crate) fn covers(&self, instrument: &InstrumentKey) -> bool {
        self.scopes.keys().any(|scope| match scope {
            ControlScope::Global | ControlScope::Venue(_) => true,
            ControlScope::Instrument(key) => key == instrument,
            // The gate refuses the strategy, and the strategy takes its orders back.
            ControlScope::Strategy(_) => false,
        })
    }

    /// Tells whether anything is halted.
    pub(crate) fn is_any(&self) -> bool {
        !self.scopes.is_empty()
    }

    /// Tells whether everything this router routes is stopped.
    pub(crate) fn is_total(&self) -> bool {
        self.scopes.keys().any(|scope| match scope {
            ControlScope::Global | ControlScope::Venue(_) => true,
            ControlScope::Instrument(_) | ControlScope::Strategy(_) => false,
        })
    }

    /// Obeys a command; one that touches another venue only is nothing to us. Resuming ends exactly the halt of
    /// the same scope: a halt of one pair outlives the resumption of everything, because somebody wanted it.
    fn obey(&mut self, venue: &VenueId, command: &ControlCommand) {
        let is_ours = match &command.scope {
            ControlScope::Global => true,
            ControlScope::Venue(other) => other == venue,
            ControlScope::Instrument(key) => key.venue == *venue,
            ControlScope::Strategy(_) => false,
        };
        match command.action {
            ControlAction::Halt | ControlAction::CancelAccount if is_ours => {
                self.reason_last = format!("{}: {}", command.actor, command.reason);
                self.scopes.insert(command.scope.clone(), self.reason_last.clone());
            }
            // What reduces must be able to leave, so a halt of the scope ends here; the gate tells which orders do.
            ControlAction::Resume | ControlAction::Reduce => {
                self.scopes.remove(&command.scope);
                if !self.scopes.values().any(|reason| *reason == self.reason_last) {
                    self.reason_last =
                        self.scopes.values().next_back().cloned().unwrap_or_default();
                }
            }
            ControlAction::Halt
            | ControlAction::CancelAccount
            | ControlAction::ChangeLimits
            | ControlAction::ConfirmLimits => {}
        }
    }
}

impl OrderRouterCore {
    pub(crate) fn command(
        &mut self,
        now: Timestamp,
        header: &Header,
        command: &ControlCommand,
        out: &mut Out,
    ) {
        if !self.commands_seen.insert(header.message_id()) {
            return;
        }
        if !command.concerns(&self.config.account) {
            add(&mut self.counters.not_ours);
            return;
        }
        self.halts.obey(&self.config.venue, command);
        self.begin_or_end_sweep(now, header, command, out);
        if self.link.is_caught_up {
            self.keep_sweeping(now, out);
            self.take_back(now, out);
            self.publish_state(now, Some(header), out);
        }
    }

    /// Tells whether new orders on an instrument are stopped, by whomever.
    pub(crate) fn is_holding_back(&self, instrument: &InstrumentKey) -> bool {
        self.halts.covers(instrument) || self.watch.is_gate_silent() || self.stop != Stop::Running
    }

    /// Learns the gate's epoch and acknowledges it.
    pub(crate) fn observe(
        &mut self,
        now: Timestamp,
        header: &Header,
        state: &ControlState,
        out: &mut Out,
    ) {
        if state.account != self.config.account {
            return;
        }
        if state.service == Service::OrderRouter.name()
            && state.venue.as_ref() == Some(&self.config.venue)
        {
            self.remember_beyond(state);
            self.remember_sweep(state);
        }
        if state.service == Service::RiskGate.name() {
            self.hear_life(now, header, out);
            if state.epoch >= self.verifier.epoch_newest() {
                self.trust_gate(header);
            }
            self.verifier.observe_epoch(state.epoch);
            self.publish_state(now, Some(header), out);
        }
    }

    fn reason(&self) -> String {
        let stopping = if self.stop == Stop::Running { "" } else { "the router is stopping" };
        let silent = self.watch.reason();
        let all = [self.halts.reason_last.as_str(), stopping, &silent];
        let given: Vec<&str> = all.into_iter().filter(|reason| !reason.is_empty()).collect();
        given.join("; ")
    }

    /// Publishes our state when it changed. The first one takes back what an earlier run said: until the venue was asked,
    /// no orders flow.
    pub(crate) fn publish_state(&mut self, now: Timestamp, cause: Option<&Header>, out: &mut Out) {
        if !self.link.is_caught_up {
            return;
        }
        let state = ControlState {
            service: Service::OrderRouter.name().to_owned(),
            account: self.config.account.clone(),
            venue: Some(self.config.venue.clone()),
            state: if self.halts.is_total() || self.stop != Stop::Running {
                ServiceState::Halted
            } else if self.link.is_ready && !self.watch.is_gate_silent() {
                ServiceState::Active
            } else {
                ServiceState::Starting
            },
            epoch: self.verifier.epoch_newest(),
            halted: self.halts.scopes.keys().cloned().collect(),
            reason: self.reason(),
            orders_open: self.link.orders_open,
            restricted: Vec::new(),
            is_guarded: self.link.is_guarded,
            breaks: self.breaks.told(),
            equity: None,
            beyond_fills: self.books.beyond(),
            account_cancelled: self.sweep.over.clone(),
        };
        if self.published.state.as_ref() != Some(&state) {
            self.published.state = Some(state.clone());
            self.publish(now, cause, Body::ControlState(state), out);
        }
    }
}
