//! How each fault is done, and how everything is healed.

use super::actor::Input;
use super::faults::{Fault, Weather};
use super::kinds::FaultKind;
use super::seat::Seat;
use super::world::{Event, World};
use remora_domain::{
    Body, ControlAction, ControlCommand, ControlScope, DurationNs, Envelope, Header, LimitsChange,
    NamedAccount, OpenOrder, OrderId, Price, Qty, SessionId, Side, SystemStatus, Timestamp,
};
use std::collections::BTreeMap;
use std::sync::Arc;

impl World {
    /// Lets something go wrong.
    pub(super) fn go_wrong(&mut self, fault: Fault) {
        if let Some(kind) = fault.kind().filter(|kind| !kind.is_while()) {
            self.count(kind);
        }
        self.note(format!("! fault: {fault:?}"));
        let until = |lasts: DurationNs| self.now.saturating_add(lasts);
        match fault {
            Fault::Crash { service, keeps, down } => self.crash(service, keeps, down),
            Fault::Handover { lasts } => self.hand_over(lasts),
            Fault::SecondGate { blind } => self.start_second_gate(until(blind)),
            Fault::LeaderLoss { how, lasts } => self.lose_leader(how, lasts),
            Fault::Cut { service, lasts } => self.cut(service, until(lasts)),
            Fault::BusAway { lasts } => {
                let until = until(lasts);
                for service in Seat::ALL {
                    self.cut(*service, until);
                }
            }
            Fault::Pause { service, lasts } => self.pause(service, until(lasts)),
            Fault::ClockStep { service, by } => {
                if let Some(process) = self.processes.get_mut(&service) {
                    process.clock.step(by);
                }
            }
            Fault::ClockDrift { service, ppm } => {
                if let Some(process) = self.processes.get_mut(&service) {
                    process.clock.drift(self.now, ppm);
                }
            }
            Fault::PrivateDown { lasts } => {
                self.road.closed_until = until(lasts);
                self.break_private();
            }
            Fault::FeedDown { lasts } => {
                self.feed.closed_until = until(lasts);
                self.break_feed();
            }
            Fault::FeedGaps { lasts } => self.feed.gaps_until = until(lasts),
            Fault::FeedSilent { lasts } => self.feed.silent_until = until(lasts),
            Fault::RequestsLost { lasts } => self.road.requests_lost_until = until(lasts),
            Fault::AnswersLost { lasts } => self.road.answers_lost_until = until(lasts),
            Fault::FillsLate { lasts } => self.road.fills_late_until = until(lasts),
            Fault::StoreAway { lasts } => self.history.away_until = until(lasts),
            Fault::Rejects { lasts } => self.exchange.rejects_until = until(lasts),
            Fault::Throttles { lasts } => self.exchange.throttles_until = until(lasts),
            Fault::Maintenance { lasts } => self.close(SystemStatus::Maintenance, lasts),
            Fault::CancelOnly { lasts } => self.close(SystemStatus::CancelOnly, lasts),
            Fault::Open => self.set_status(SystemStatus::Online),
            Fault::Halt { lasts, late, first } => {
                self.halt_late(ControlScope::Global, lasts, (late, first));
            }
            Fault::HaltVenue { lasts, late, first } => {
                let venue = self.plan.router.venue.clone();
                self.halt_late(ControlScope::Venue(venue), lasts, (late, first));
            }
            Fault::Reduce { lasts } => {
                self.command(ControlAction::Reduce, ControlScope::Global, None);
                self.post(lasts, Event::Fault(Fault::Resume(ControlScope::Global)));
            }
            Fault::WrongBalances { lasts } => self.road.balances_wrong_until = until(lasts),
            Fault::ForeignOrders { lasts } => self.road.foreign_until = until(lasts),
            Fault::HaltPair { pair, lasts } => self.halt_pair(pair, lasts),
            Fault::Resume(scope) => self.command(ControlAction::Resume, scope, None),
            Fault::Limits { pair, total } => self.change_limits(pair, total),
            Fault::Forgery => self.forges = true,
            Fault::CancelAccount { lasts } => self.cancel_account(lasts),
            Fault::Stranger => self.place_for_another(),
        }
    }

    /// Takes back the whole account, in which somebody else has an order, and places another one for him afterwards: that
    /// one is left alone.
    fn cancel_account(&mut self, lasts: DurationNs) {
        self.place_for_another();
        let account = Some(NamedAccount { id: self.plan.router.account.clone(), venue: None });
        let (action, limits) = (ControlAction::CancelAccount, None);
        self.say_command(ControlCommand {
            account,
            ..operators(action, ControlScope::Global, limits)
        });
        self.post(lasts, Event::Fault(Fault::Resume(ControlScope::Global)));
        self.post(lasts.saturating_add(DurationNs::from_s(2)), Event::Fault(Fault::Stranger));
    }

    fn place_for_another(&mut self) {
        if let Some(instrument) = self.listed.first().map(|one| one.key.clone())
            && let (Ok(order_id), Ok(price), Ok(order_qty)) =
                (OrderId::new("STRANGER-1"), Price::parse("1"), Qty::parse("1"))
        {
            let (cl_ord_id, side, cum_qty) = (None, Side::Buy, Qty::ZERO);
            let order =
                OpenOrder { cl_ord_id, order_id, instrument, side, price, order_qty, cum_qty };
            self.taking.place(self.now, order);
        }
    }

    /// Replaces the gate while the router stands still, so that approvals of the old one wait.
    fn hand_over(&mut self, lasts: DurationNs) {
        self.pause(Seat::OrderRouter, self.now.saturating_add(lasts));
        let (service, down) = (Seat::RiskGate, DurationNs::from_ms(20));
        let crash = Fault::Crash { service, keeps: true, down };
        self.post(DurationNs::from_ns(lasts.as_ns() / 3), Event::Fault(crash));
    }

    pub(super) fn crash(&mut self, service: Seat, keeps: bool, down: DurationNs) {
        let Some(process) = self.processes.get_mut(&service) else { return };
        if process.actor.is_none() {
            return;
        }
        let is_cut = process.is_cut(self.now);
        let unstored = process.end();
        // Without this a try to store could have been answered to a process that is gone.
        if keeps && !is_cut {
            for one in unstored {
                self.append(one.stream, one.message);
            }
        }
        if service == Seat::OrderRouter {
            self.road.cut();
        }
        if service == Seat::Ingestor {
            self.cut_feed();
        }
        self.post(down, Event::Start(service));
    }

    /// Starts a gate beside the one that lives, which reads late what others tell of their state.
    fn start_second_gate(&mut self, blind_until: Timestamp) {
        let lives = |seat: &&Seat| self.process(**seat).is_some_and(|one| one.actor.is_some());
        let Some(first) = Seat::GATES.iter().find(lives).copied() else { return };
        if let Some(process) = self.processes.get_mut(&first) {
            process.blind_until = blind_until;
        }
        if let Some(other) = first.other_gate() {
            self.start(other);
        }
    }

    /// Lets a gate that is replaced end some time later: the one that was up when another came up, whichever was started
    /// first, because the later one has the newer epoch.
    pub(super) fn replace_gate(&mut self, newer: Seat) {
        if self.leases.is_on {
            return; // whoever leads
        }
        let older = newer.other_gate().and_then(|seat| self.process(seat));
        let Some(older) = older.filter(|process| process.is_caught_up) else { return };
        let (seat, run) = (older.service, older.run);
        let delay = self.delay(500_000, 9_000_000);
        self.post(delay, Event::Retire(seat, run));
    }

    /// Ends a gate for good; what it has said and not stored is lost.
    pub(super) fn retire(&mut self, seat: Seat, run: SessionId) {
        if self.is_run(seat, run)
            && let Some(process) = self.processes.get_mut(&seat)
        {
            process.end();
            self.note(format!("! {} of run {run} ends for good", seat.name()));
        }
    }

    pub(super) fn cut(&mut self, service: Seat, until: Timestamp) {
        if let Some(process) = self.processes.get_mut(&service) {
            process.cut_until = process.cut_until.max(until);
        }
    }

    pub(super) fn pause(&mut self, service: Seat, until: Timestamp) {
        let Some(process) = self.processes.get_mut(&service) else { return };
        if process.actor.is_some() {
            process.paused_until = process.paused_until.max(until);
            let (run, at) = (process.run, process.paused_until);
            self.post_at(at, Event::Awake(service, run));
        }
    }

    /// Lets a process that stood still read what has come meanwhile.
    pub(super) fn awake(&mut self, service: Seat, run: SessionId) {
        if !self.is_run(service, run) {
            return;
        }
        let Some(process) = self.processes.get_mut(&service) else { return };
        if process.is_paused(self.now) {
            return; // another pause has begun
        }
        for input in std::mem::take(&mut process.waiting) {
            self.give(service, input);
        }
        // Time has passed for it too.
        let is_due = self.process(service).and_then(|process| process.next_tick(self.now));
        if is_due.is_some_and(|at| at <= self.now) {
            self.give(service, Input::Tick);
        }
    }

    fn close(&mut self, status: SystemStatus, lasts: DurationNs) {
        self.set_status(status);
        self.post(lasts, Event::Fault(Fault::Open));
    }

    fn set_status(&mut self, status: SystemStatus) {
        self.exchange.set_status(status);
        let frame = self.exchange.status_frame(self.now);
        self.tell_feed(vec![frame]);
        if status == SystemStatus::Maintenance {
            self.break_private();
            self.break_feed();
        }
    }

    /// Halts while all but one hear of it late, from the operator and from each other: the router, or the gates, stand alone.
    fn halt_late(
        &mut self,
        scope: ControlScope,
        lasts: DurationNs,
        (late, first): (DurationNs, Seat),
    ) {
        let until = self.now.saturating_add(late);
        for seat in [Seat::RiskGate, Seat::OtherGate, Seat::OrderRouter, Seat::Decision] {
            let hears = seat.service() == first.service();
            if let Some(process) = self.processes.get_mut(&seat).filter(|_| !hears) {
                process.deaf_until = until;
                process.blind_until = process.blind_until.max(until);
            }
        }
        self.halt(scope, lasts);
    }

    fn halt_pair(&mut self, pair: usize, lasts: DurationNs) {
        if let Some(one) = self.listed.get(pair) {
            self.halt(ControlScope::Instrument(one.key.clone()), lasts);
        }
    }

    fn halt(&mut self, scope: ControlScope, lasts: DurationNs) {
        self.command(ControlAction::Halt, scope.clone(), None);
        self.post(lasts, Event::Fault(Fault::Resume(scope)));
    }

    fn change_limits(&mut self, pair: u64, total: u64) {
        self.limits_version = self.limits_version.saturating_add(1);
        let mut limits = BTreeMap::new();
        for key in ["pair", "asset"] {
            limits.insert(format!("{key}_position_usd_max"), pair.to_string());
        }
        for key in ["total", "net", "venue"] {
            limits.insert(format!("{key}_position_usd_max"), total.to_string());
        }
        let change = LimitsChange { version: self.limits_version, limits };
        self.command(ControlAction::ChangeLimits, ControlScope::Global, Some(change));
    }

    /// Lets an operator give a command. It reaches its stream when the bus is there; commands keep their order.
    fn command(
        &mut self,
        action: ControlAction,
        scope: ControlScope,
        limits: Option<LimitsChange>,
    ) {
        self.say_command(operators(action, scope, limits));
    }

    fn say_command(&mut self, command: ControlCommand) {
        let body = Body::ControlCommand(command);
        let message = Arc::new(self.operator.wrap(self.now, body));
        self.operator_at = self.operator_at.max(self.now.saturating_add(DurationNs::from_ms(2)));
        self.post_at(self.operator_at, Event::Tell(message));
    }

    /// Puts an altered copy of an approval ahead of it, as somebody would who has got at the bus.
    pub(super) fn forge(&mut self, message: &Envelope) {
        let Body::OrderApproval(approval) = &message.body else { return };
        if !std::mem::replace(&mut self.forges, false) {
            return;
        }
        self.count(FaultKind::Forgery);
        let mut forged = approval.clone();
        let request = &mut forged.fields.request;
        // A price far away, on the tick: twice the true one.
        if let Ok(price) = request
            .price
            .to_decimal()
            .checked_mul(2.into())
            .map_or_else(|| Ok(request.price), Price::from_decimal)
        {
            request.price = price;
        }
        // It names the gate, in a run that the gate has never had.
        let session = SessionId::new(u64::MAX);
        let header = Header { session, ..message.header.clone() };
        let body = Body::OrderApproval(forged);
        self.tell(Arc::new(Envelope { header, body }));
    }

    /// Ends everything that goes wrong: from now on all must be settled.
    pub(super) fn heal(&mut self) {
        self.note("! quiet: nothing goes wrong any more".to_owned());
        self.weather = Weather::calm();
        let now = self.now;
        for process in self.processes.values_mut() {
            process.clock.set_right(now);
            process.cut_until = process.cut_until.min(now);
            process.deaf_until = process.deaf_until.min(now);
            process.blind_until = process.blind_until.min(now);
            let is_paused = process.is_paused(now);
            process.paused_until = process.paused_until.min(now);
            debug_assert!(!process.is_paused(now) || !is_paused, "nobody stands still any more");
        }
        for service in Seat::ALL {
            let run = self.process(*service).map(|process| process.run);
            if let Some(run) = run {
                self.awake(*service, run);
            }
            let has_gate = service
                .other_gate()
                .and_then(|other| self.process(other))
                .is_some_and(|other| other.actor.is_some());
            let is_single = has_gate || *service == Seat::OtherGate;
            if !is_single || self.leases.is_on {
                self.post(DurationNs::from_ms(10), Event::Start(*service));
            }
        }
        let past = Timestamp::EPOCH;
        (self.road.closed_until, self.road.requests_lost_until) = (past, past);
        (self.road.answers_lost_until, self.road.fills_late_until) = (past, past);
        (self.road.balances_wrong_until, self.road.foreign_until) = (past, past);
        (self.feed.closed_until, self.feed.gaps_until, self.feed.silent_until) = (past, past, past);
        (self.exchange.rejects_until, self.exchange.throttles_until) = (past, past);
        self.history.away_until = past;
        self.forges = false;
        self.set_status(SystemStatus::Online);
        let pairs = self.listed.iter().map(|one| ControlScope::Instrument(one.key.clone()));
        let venue = ControlScope::Venue(self.plan.router.venue.clone());
        let scopes: Vec<ControlScope> = pairs.chain([venue, ControlScope::Global]).collect();
        for scope in scopes {
            self.command(ControlAction::Resume, scope, None);
        }
    }
}

/// Makes a command of an operator.
fn operators(
    action: ControlAction,
    scope: ControlScope,
    limits: Option<LimitsChange>,
) -> ControlCommand {
    let (actor, reason) = ("operator".to_owned(), "the simulation".to_owned());
    ControlCommand { action, scope, actor, reason, limits, account: None }
}
