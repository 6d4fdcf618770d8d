//! What the gate says: approvals, refusals, its own state.

use crate::checks;
use crate::core::{Out, RiskGateCore};
use crate::orders::{IdState, Reservation};
use crate::refused::Refused;
use crate::seen::Stamp;
use remora_domain::{
    ApprovalFields, Body, ControlCommand, ControlState, Header, Heartbeat, OrderRefusal,
    OrderRequest, Service, ServiceState, Timestamp,
};
use remora_machine::{HEARTBEAT_INTERVAL, STOP_WAIT_MAX, ServiceOutput};

impl RiskGateCore {
    /// Answers a request: yes with a reservation, or no with a reason.
    pub(crate) fn answer(
        &mut self,
        now: Timestamp,
        header: &Header,
        request: &OrderRequest,
        out: &mut Out,
    ) {
        let body = match checks::check(&self.facts, now, request) {
            Ok(()) => self.approve(now, request),
            Err(refused) => self.refuse(request, refused),
        };
        out.push(ServiceOutput::publish(self.sequencer.reply(now, header, body)));
    }

    fn approve(&mut self, now: Timestamp, request: &OrderRequest) -> Body {
        self.reserve(request);
        self.facts.rate.note(now);
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
    }

    fn refuse(&mut self, request: &OrderRequest, refused: Refused) -> Body {
        if request.account == self.facts.config.account {
            self.facts.ids.entry(request.cl_ord_id.clone()).or_insert(IdState::Refused);
        }
        let count = self.refusals.entry(refused.reason).or_default();
        *count = count.saturating_add(1);
        Body::OrderRefusal(OrderRefusal {
            cl_ord_id: request.cl_ord_id.clone(),
            account: request.account.clone(),
            instrument: request.instrument.clone(),
            reason: refused.reason,
            limit: refused.limit,
            value: refused.value,
        })
    }

    pub(crate) fn on_command(&mut self, now: Timestamp, command: &ControlCommand, out: &mut Out) {
        if self.facts.halts.apply(command) && self.is_live {
            self.tell_state(now, out);
        }
    }

    pub(crate) fn on_control_state(
        &mut self,
        now: Timestamp,
        header: &Header,
        state: &ControlState,
        out: &mut Out,
    ) {
        if state.service == Service::RiskGate.name() {
            self.on_other_gate(header, state.epoch);
        } else if let Some(venue) = &state.venue
            && state.service == Service::OrderRouter.name()
        {
            self.facts.liveness.hear(now, header);
            self.facts.venue(venue).router.set(Stamp::of(header), state);
            if self.is_live {
                self.tell_state(now, out);
            } else {
                // A gate whose own word is lost has signed under this epoch.
                self.epoch_highest = self.epoch_highest.max(state.epoch);
            }
        }
    }

    /// Takes the word of a gate that is not this run. Of two with one epoch the later session stays.
    fn on_other_gate(&mut self, header: &Header, epoch: u64) {
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
        if !self.is_live || self.is_superseded {
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
