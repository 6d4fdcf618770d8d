//! How each fault is done, and how everything is healed.

use super::actor::Input;
use super::faults::{Fault, Weather};
use super::world::{Event, World};
use remora_domain::{
    Body, ControlAction, ControlCommand, ControlScope, DurationNs, Envelope, Header, LimitsChange,
    Price, Service, SessionId, SystemStatus, Timestamp,
};
use std::collections::BTreeMap;
use std::sync::Arc;

impl World {
    /// Lets something go wrong.
    pub(super) fn go_wrong(&mut self, fault: Fault) {
        self.faults = self.faults.saturating_add(1);
        self.note(format!("! fault: {fault:?}"));
        let until = |lasts: DurationNs| self.now.saturating_add(lasts);
        match fault {
            Fault::Crash { service, keeps, down } => self.crash(service, keeps, down),
            Fault::Cut { service, lasts } => self.cut(service, until(lasts)),
            Fault::BusAway { lasts } => {
                let until = until(lasts);
                for service in Service::ALL {
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
            Fault::Halt { lasts } => self.halt(ControlScope::Global, lasts),
            Fault::HaltPair { pair, lasts } => {
                if let Some(one) = self.listed.get(pair) {
                    self.halt(ControlScope::Instrument(one.key.clone()), lasts);
                }
            }
            Fault::Resume(scope) => self.command(ControlAction::Resume, scope, None),
            Fault::Limits { pair, total } => self.change_limits(pair, total),
            Fault::Forgery => self.forges = true,
        }
    }

    fn crash(&mut self, service: Service, keeps: bool, down: DurationNs) {
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
        if service == Service::OrderRouter {
            self.road.cut();
        }
        if service == Service::Ingestor {
            self.cut_feed();
        }
        self.post(down, Event::Start(service));
    }

    fn cut(&mut self, service: Service, until: Timestamp) {
        if let Some(process) = self.processes.get_mut(&service) {
            process.cut_until = process.cut_until.max(until);
        }
    }

    fn pause(&mut self, service: Service, until: Timestamp) {
        let Some(process) = self.processes.get_mut(&service) else { return };
        if process.actor.is_some() {
            process.paused_until = process.paused_until.max(until);
            let (run, at) = (process.run, process.paused_until);
            self.post_at(at, Event::Awake(service, run));
        }
    }

    /// Lets a process that stood still read what has come meanwhile.
    pub(super) fn awake(&mut self, service: Service, run: SessionId) {
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
        let body = Body::ControlCommand(ControlCommand {
            action,
            scope,
            actor: "operator".to_owned(),
            reason: "the simulation".to_owned(),
            limits,
        });
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
            let is_paused = process.is_paused(now);
            process.paused_until = process.paused_until.min(now);
            debug_assert!(!process.is_paused(now) || !is_paused, "nobody stands still any more");
        }
        for service in Service::ALL {
            let run = self.process(*service).map(|process| process.run);
            if let Some(run) = run {
                self.awake(*service, run);
            }
            self.post(DurationNs::from_ms(10), Event::Start(*service));
        }
        let past = Timestamp::EPOCH;
        (self.road.closed_until, self.road.requests_lost_until) = (past, past);
        (self.road.answers_lost_until, self.road.fills_late_until) = (past, past);
        (self.feed.closed_until, self.feed.gaps_until, self.feed.silent_until) = (past, past, past);
        (self.exchange.rejects_until, self.exchange.throttles_until) = (past, past);
        self.history.away_until = past;
        self.forges = false;
        self.set_status(SystemStatus::Online);
        let pairs = self.listed.iter().map(|one| ControlScope::Instrument(one.key.clone()));
        let scopes: Vec<ControlScope> = pairs.chain([ControlScope::Global]).collect();
        for scope in scopes {
            self.command(ControlAction::Resume, scope, None);
        }
    }
}
