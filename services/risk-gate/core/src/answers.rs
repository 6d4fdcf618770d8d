//! What the gate says: approvals, refusals, its own state.

use crate::ask::Ask;
use crate::control::Changed;
use crate::controls;
use crate::core::{Out, RiskGateCore};
use crate::denial::Denial;
use crate::explain::Asked;
use crate::limits::{LimitsError, LimitsOutcome};
use crate::orders::{IdState, Reservation};
use crate::seen::Stamp;
use crate::status::Trigger;
use remora_domain::{
    ApprovalFields, Body, ControlAction, ControlCommand, ControlState, Header, Heartbeat,
    OrderRefusal, OrderRequest, Service, ServiceState, Timestamp,
};
use remora_machine::{HEARTBEAT_INTERVAL, STOP_WAIT_MAX, ServiceOutput};
use std::collections::BTreeMap;

impl RiskGateCore {
    /// Answers a request: yes with a reservation, or no with a reason.
    pub(crate) fn answer(
        &mut self,
        now: Timestamp,
        header: &Header,
        request: &OrderRequest,
        out: &mut Out,
    ) {
        let signal_at = header.receive_time.unwrap_or(header.publish_time);
        let ask = Ask::of_order(&self.facts, now, request, signal_at);
        let body = match controls::check(&ask) {
            Ok(()) => self.approve(now, request),
            Err(denial) => self.refuse(now, request, denial),
        };
        self.asked = Some(Asked { order: request.clone(), signal_age: now.since(signal_at) });
        out.push(ServiceOutput::publish(self.sequencer.reply(now, header, body)));
    }

    fn approve(&mut self, now: Timestamp, request: &OrderRequest) -> Body {
        self.reserve(request);
        self.facts.note_sent(now, request);
        self.approvals = self.approvals.saturating_add(1);
        Body::OrderApproval(self.signer.sign(ApprovalFields {
            request: request.clone(),
            epoch: self.facts.epoch,
            gate_session: self.sequencer.session(),
            approval_sequence: self.approvals,
            expires_at: now.saturating_add(self.facts.config.approval_ttl),
        }))
    }

    pub(crate) fn reserve(&mut self, request: &OrderRequest) {
        let id = &request.cl_ord_id;
        self.facts.ids.insert(id.clone(), IdState::Open);
        let orders = &mut self.facts.traded_pair(&request.instrument).orders;
        orders.insert(id.clone(), Reservation::of_request(request));
        self.facts.revalue(&request.instrument);
    }

    fn refuse(&mut self, now: Timestamp, request: &OrderRequest, denial: Denial) -> Body {
        if request.account == self.facts.config.account {
            self.facts.ids.entry(request.cl_ord_id.clone()).or_insert(IdState::Refused);
        }
        let count = self.refusals.entry(denial.reason).or_default();
        *count = count.saturating_add(1);
        if let Some(control) = denial.control() {
            self.triggers.insert(control, Trigger { at: now, denial: denial.clone() });
        }
        Body::OrderRefusal(OrderRefusal {
            cl_ord_id: request.cl_ord_id.clone(),
            account: request.account.clone(),
            instrument: request.instrument.clone(),
            reason: denial.reason,
            limit: denial.limit,
            value: denial.value,
        })
    }

    /// Applies a command told at `at`.
    pub(crate) fn on_command(
        &mut self,
        now: Timestamp,
        at: Timestamp,
        command: &ControlCommand,
        out: &mut Out,
    ) {
        if !command.concerns(&self.facts.config.account) {
            return;
        }
        match command.action {
            ControlAction::Halt
            | ControlAction::CancelAccount
            | ControlAction::Reduce
            | ControlAction::Resume => {}
            ControlAction::ChangeLimits | ControlAction::ConfirmLimits => {
                self.on_limits(now, at, command);
                return;
            }
        }
        match self.facts.halts.apply(command) {
            Changed::Nothing => return,
            Changed::Held => {}
            Changed::Resumed { is_for_loss } => self.facts.resume(at, &command.scope, is_for_loss),
        }
        if self.acts(now) {
            self.facts.tell_equity(now);
            self.tell_state(now, out);
        }
    }

    /// Applies a change of the limits, or remembers why it was not made. One of the log that the profile stands for already
    /// is nothing new; one that lies beyond it says that the profile is old.
    fn on_limits(&mut self, now: Timestamp, at: Timestamp, command: &ControlCommand) {
        let version = command.limits.as_ref().map_or(0, |limits| limits.version);
        let in_force = self.facts.config.version;
        if !self.is_caught_up && version <= in_force {
            return;
        }
        let outcome = match command.action {
            ControlAction::ConfirmLimits => self.facts.confirm_limits(at, command),
            ControlAction::ChangeLimits
            | ControlAction::Halt
            | ControlAction::CancelAccount
            | ControlAction::Reduce
            | ControlAction::Resume => self.facts.change_limits(at, command),
        };
        if !self.is_caught_up && version > in_force.saturating_add(1) {
            let newer = format!("limits of version {version} were asked for, these are {in_force}");
            self.facts.limits_fault = Some(newer);
        }
        if outcome.as_ref().is_err_and(LimitsError::is_signature) {
            let unsigned =
                format!("limits of version {version} were recorded, not signed as wanted");
            match self.is_caught_up {
                false => self.facts.limits_unsigned = Some(unsigned),
                true => self.facts.limits_refused = Some(unsigned),
            }
        }
        if outcome == Ok(LimitsOutcome::InForce) {
            self.is_cut |= !self.facts.ids.is_empty();
            self.facts.revalue_all(now);
        }
        self.limits_last = Some((version, outcome));
    }

    pub(crate) fn on_control_state(
        &mut self,
        now: Timestamp,
        header: &Header,
        state: &ControlState,
        out: &mut Out,
    ) {
        if state.service == Service::RiskGate.name() {
            self.on_other_gate(header, state);
        } else if let Some(venue) = &state.venue
            && state.service == Service::OrderRouter.name()
        {
            self.facts.liveness.hear(now, header);
            self.facts.venue(venue).router.set(Stamp::of(header), state);
            if !self.is_live || state.epoch > self.facts.epoch {
                // A gate whose own word is lost has signed under this epoch.
                self.epoch_highest = self.epoch_highest.max(state.epoch);
            }
            if self.acts(now) {
                self.tell_state(now, out);
            }
        }
    }

    /// Takes the word of a gate that is not this run. Of two with one epoch the later session stays.
    fn on_other_gate(&mut self, header: &Header, state: &ControlState) {
        let epoch = state.epoch;
        if !self.is_live && state.equity.is_some() {
            self.facts.equity.marks = state.equity;
        }
        self.epoch_highest = self.epoch_highest.max(epoch);
        let theirs = (epoch, header.session);
        if self.is_live && theirs > (self.facts.epoch, self.sequencer.session()) {
            self.is_superseded = true;
            self.beat_at = None;
        }
    }

    /// Gives the state to publish.
    pub(crate) fn state(&self) -> ServiceState {
        let is_ready = |epoch| self.facts.venues.values().any(|v| v.router.is_ready(epoch));
        if !self.is_live {
            ServiceState::Starting
        } else if self.facts.halts.is_global() || self.facts.is_stopping {
            ServiceState::Halted
        } else if is_ready(self.facts.epoch) {
            ServiceState::Active
        } else {
            ServiceState::Starting
        }
    }

    /// Publishes the state when it changed; that the gate lives is told by heartbeats, which no log keeps.
    pub(crate) fn tell_state(&mut self, now: Timestamp, out: &mut Out) {
        let reason = match self.facts.is_stopping {
            true => "the gate is stopping".to_owned(),
            false => self.facts.halts.last_why(),
        };
        let state = ControlState {
            service: Service::RiskGate.name().to_owned(),
            account: self.facts.config.account.clone(),
            venue: None,
            state: self.state(),
            epoch: self.facts.epoch,
            halted: self.facts.halts.scopes(),
            reason,
            orders_open: None,
            restricted: self.facts.halts.restricted(),
            is_guarded: None,
            breaks: Vec::new(),
            equity: self.facts.equity.told,
            beyond_fills: BTreeMap::new(),
            account_cancelled: None,
        };
        if self.told.as_ref() != Some(&state) {
            self.told = Some(state.clone());
            let envelope = self.sequencer.wrap(now, Body::ControlState(state));
            out.push(ServiceOutput::publish(envelope));
        }
    }

    /// Tells that the gate lives, and when it will again.
    pub(crate) fn beat(&mut self, now: Timestamp, out: &mut Out) {
        self.beat_at = Some(now.saturating_add(HEARTBEAT_INTERVAL));
        let body = Body::Heartbeat(Heartbeat {
            service: Service::RiskGate.name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: self.state(),
            data_age: None,
        });
        out.push(ServiceOutput::publish(self.sequencer.wrap(now, body)));
    }

    /// Ends the gate in order: nothing is approved any more, everybody is told, and what may still be open is waited
    /// for, up to a bound.
    pub(crate) fn on_stopping(&mut self, now: Timestamp, out: &mut Out) {
        if self.facts.is_stopping {
            return;
        }
        self.facts.is_stopping = true;
        if !self.acts(now) {
            return; // nothing was promised, or somebody else keeps it
        }
        self.tell_state(now, out);
        self.leave_at = Some(now.saturating_add(STOP_WAIT_MAX));
    }

    /// Tells whether anything approved may still fill.
    pub(crate) fn has_open(&self) -> bool {
        self.facts.traded_pairs().any(|(_, pair)| pair.orders.len() > 0)
    }
}
