//! Who must live for our orders to stay: the gate, and the service that asked for each; and the end of this service.
//!
//! Cancels need no approval, so silence of either takes the orders it vouched for back. They stay back until the venue
//! has listed none of them; that count is published with our state.

use crate::core::{OrderRouterCore, Out};
use crate::orders::Order;
use remora_domain::{
    Body, ClOrdId, DurationNs, Header, Heartbeat, ProducerId, Service, ServiceState, Timestamp,
};
use remora_machine::{HEARTBEAT_INTERVAL, Liveness, STOP_WAIT_MAX};
use std::collections::BTreeSet;

/// Is what is known of those who must live, and when we tell that we do.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) liveness: Liveness,
    gate: Option<ProducerId>,
    /// Those whose silence took orders back, until they are heard again.
    silent: BTreeSet<ProducerId>,
    beat_at: Option<Timestamp>,
}

/// Says how far the end of the service has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nobody asked.
    Running,
    /// Orders are taken back; it ends then in any case.
    Waiting { until: Timestamp },
    /// The venue listed none of our orders, or the wait is over.
    Done,
}

impl Watch {
    pub(crate) const fn new(silence_max: DurationNs) -> Self {
        Self {
            liveness: Liveness::new(silence_max),
            gate: None,
            silent: BTreeSet::new(),
            beat_at: None,
        }
    }

    /// Tells whether the gate lives, as far as it was ever heard.
    pub(crate) fn is_gate_silent(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| self.silent.contains(gate))
    }

    /// Tells whether somebody who vouched for the order is silent.
    fn is_left_alone(&self, order: &Order) -> bool {
        let owner = order.owner.as_ref();
        self.is_gate_silent() || owner.is_some_and(|owner| self.silent.contains(owner))
    }

    /// Gives in words who is silent; empty when nobody is.
    pub(crate) fn reason(&self) -> String {
        let names: Vec<&str> = self.silent.iter().map(ProducerId::as_str).collect();
        match names.is_empty() {
            true => String::new(),
            false => format!(
                "no sign of life for {} ms: {}",
                self.liveness.silence_max().as_ms(),
                names.join(", ")
            ),
        }
    }

    fn next_silence(&self) -> Option<Timestamp> {
        let ends = self.liveness.ends().filter(|(producer, _)| !self.silent.contains(*producer));
        ends.map(|(_, at)| at).min()
    }
}

impl OrderRouterCore {
    /// Tells whether an order may not stand: halted, left alone by who vouched for it, or the service ends.
    pub(crate) fn is_taken_back(&self, order: &Order) -> bool {
        self.stop != Stop::Running
            || self.halts.covers(&order.instrument)
            || self.watch.is_left_alone(order)
    }

    /// Tells whether the service behind an approval is held for dead.
    pub(crate) fn is_owner_silent(&self, approval: &Header) -> bool {
        let owner = approval.cause.as_ref().map(|cause| &cause.producer);
        owner.is_some_and(|owner| self.watch.silent.contains(owner))
    }

    /// Notes that a gate, or a service that asks for orders, lives.
    pub(crate) fn hear_life(&mut self, now: Timestamp, header: &Header, out: &mut Out) {
        self.watch.liveness.hear(now, header);
        self.note_return(now, &header.producer, out);
    }

    pub(crate) fn hear_beat(
        &mut self,
        now: Timestamp,
        header: &Header,
        beat: &Heartbeat,
        out: &mut Out,
    ) {
        if [Service::RiskGate.name(), Service::Decision.name()].contains(&beat.service.as_str()) {
            self.hear_life(now, header, out);
        }
    }

    /// Notes which gate vouches for all orders now.
    pub(crate) fn trust_gate(&mut self, header: &Header) {
        if self.watch.gate.as_ref() != Some(&header.producer) {
            self.watch.gate = Some(header.producer.clone());
        }
    }

    /// Gives who asked for the order behind an approval, and starts the time in which it must be heard.
    pub(crate) fn owner_of(&mut self, now: Timestamp, approval: &Header) -> Option<ProducerId> {
        let owner = approval.cause.as_ref()?.producer.clone();
        self.watch.liveness.hear_of(&owner, approval.publish_time.min(now));
        Some(owner)
    }

    fn note_return(&mut self, now: Timestamp, producer: &ProducerId, out: &mut Out) {
        if self.watch.silent.contains(producer) && !self.watch.liveness.is_silent(now, producer) {
            self.watch.silent.remove(producer);
            self.publish_state(now, None, out);
        }
    }

    /// Begins to watch and to tell that we live.
    pub(crate) fn start_watch(&mut self, now: Timestamp, out: &mut Out) {
        self.watch.liveness.restart(now);
        self.beat(now, out);
    }

    pub(crate) fn next_watch(&self) -> Option<Timestamp> {
        let until = match self.stop {
            Stop::Waiting { until } => Some(until),
            Stop::Running | Stop::Done => None,
        };
        let silence = self.watch.next_silence().filter(|_| self.link.is_caught_up);
        [self.watch.beat_at, silence, until].into_iter().flatten().min()
    }

    /// Does what is due: a sign of life, the consequences of silence, the end of the wait.
    pub(crate) fn keep_watch(&mut self, now: Timestamp, out: &mut Out) {
        if self.watch.beat_at.is_some_and(|at| at <= now) {
            self.beat(now, out);
        }
        if self.link.is_caught_up && self.watch.next_silence().is_some_and(|at| at <= now) {
            self.note_silence(now, out);
        }
        if let Stop::Waiting { until } = self.stop
            && until <= now
        {
            self.stop = Stop::Done;
        }
    }

    fn note_silence(&mut self, now: Timestamp, out: &mut Out) {
        let owners: BTreeSet<&ProducerId> =
            self.orders.live().filter_map(|order| order.owner.as_ref()).collect();
        let ends = self.watch.liveness.ends().filter(|(_, at)| *at <= now);
        let (watched, idle): (Vec<ProducerId>, Vec<ProducerId>) =
            ends.map(|(producer, _)| producer.clone()).partition(|producer| {
                self.watch.gate.as_ref() == Some(producer) || owners.contains(producer)
            });
        for producer in idle {
            // Nothing of it is at the venue: it may leave without a word.
            self.watch.liveness.forget(&producer);
            self.watch.silent.remove(&producer);
        }
        let known = self.watch.silent.len();
        self.watch.silent.extend(watched);
        if self.watch.silent.len() > known {
            self.take_back(now, out);
            self.publish_state(now, None, out);
        }
    }

    /// Takes back every live order that may not stand, and asks the venue until it lists none of them.
    pub(crate) fn take_back(&mut self, now: Timestamp, out: &mut Out) {
        self.link.orders_open = None;
        self.link.take_backs = self.link.take_backs.saturating_add(1);
        self.link.taken_back_at = Some(now);
        self.link.emptied_after = None;
        self.cancel_taken_back(now, out);
        if self.is_taking_back() && self.link.is_up && self.link.is_caught_up {
            self.query(now, out);
        }
    }

    pub(crate) fn cancel_taken_back(&mut self, now: Timestamp, out: &mut Out) {
        let unwanted = self.orders.live().filter(|order| self.is_taken_back(order));
        let unwanted: Vec<ClOrdId> = unwanted.map(|order| order.cl_ord_id.clone()).collect();
        for cl_ord_id in unwanted {
            self.want_cancel(now, &cl_ord_id, out);
        }
    }

    /// Tells whether any scope of ours is to be emptied.
    fn is_taking_back(&self) -> bool {
        self.stop != Stop::Running || self.halts.is_any() || !self.watch.silent.is_empty()
    }

    /// Counts what of the scopes to be emptied the venue has just listed; asks again until it is nothing.
    pub(crate) fn count_taken_back(
        &mut self,
        now: Timestamp,
        ended_but_listed: u64,
        out: &mut Out,
    ) {
        if !self.is_taking_back() {
            self.link.orders_open = None;
            return;
        }
        let live = self.orders.live().filter(|order| order.is_sent && self.is_taken_back(order));
        let live = u64::try_from(live.count()).unwrap_or(u64::MAX);
        let open = live.saturating_add(ended_but_listed);
        self.link.orders_open = Some(open);
        if open == 0 && self.link.emptied_after.is_none() {
            self.link.emptied_after = self.link.taken_back_at.map(|at| now.since(at));
        }
        if open > 0 {
            self.cancel_taken_back(now, out);
            self.query_soon(now, self.config.submit_timeout);
        } else if self.stop != Stop::Running {
            self.stop = Stop::Done;
        }
        self.publish_state(now, None, out);
    }

    /// Ends the service in order: nothing is sent any more, everything is taken back, the venue is asked until it lists
    /// none of ours, up to a bound.
    pub(crate) fn stopping(&mut self, now: Timestamp, out: &mut Out) {
        if self.stop != Stop::Running {
            return;
        }
        if !self.link.is_caught_up {
            self.stop = Stop::Done; // nothing was sent in this run
            return;
        }
        self.stop = Stop::Waiting { until: now.saturating_add(STOP_WAIT_MAX) };
        self.take_back(now, out);
        self.publish_state(now, None, out);
    }

    fn beat(&mut self, now: Timestamp, out: &mut Out) {
        self.watch.beat_at = Some(now.saturating_add(HEARTBEAT_INTERVAL));
        let is_ready = self.link.is_ready && !self.watch.is_gate_silent();
        let heartbeat = Heartbeat {
            service: Service::OrderRouter.name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: if is_ready { ServiceState::Active } else { ServiceState::Starting },
            data_age: None,
        };
        self.publish(now, None, Body::Heartbeat(heartbeat), out);
    }
}
