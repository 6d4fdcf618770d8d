//! The machine: takes messages, visits the pairs they concern, wakes pairs whose time has come.

use crate::facts::Facts;
use crate::insight::Leaders;
use crate::intake::Concerned;
use crate::market::Market;
use crate::model::Model;
use crate::orders::Orders;
use crate::publish::{LastRecord, Outputs};
use crate::settings::DecisionConfig;
use crate::sides::{SideState, Visit, Wake};
use remora_domain::{
    Body, Header, Heartbeat, Instrument, InstrumentKey, Sequencer, Service, ServiceState, Side,
    Timestamp,
};
use remora_machine::{
    HEARTBEAT_INTERVAL, Machine, NoLocal, STOP_WAIT_MAX, ServiceCore, ServiceInput, ServiceOutput,
};
use std::collections::{BTreeMap, BTreeSet};

/// Is everything held about one pair.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) market: Market,
    pub(crate) model: Model,
    pub(crate) record: Option<LastRecord>,
    /// Whether a universe ever selected it; others are watched, not decided about.
    pub(crate) is_followed: bool,
    bid: SideState,
    ask: SideState,
    wake: Option<Timestamp>,
}

impl Pair {
    pub(crate) fn new(config: &DecisionConfig) -> Self {
        Self {
            market: Market::new(config),
            model: Model::default(),
            record: None,
            is_followed: false,
            bid: SideState::default(),
            ask: SideState::default(),
            wake: None,
        }
    }

    pub(crate) const fn side_mut(&mut self, side: Side) -> &mut SideState {
        match side {
            Side::Buy => &mut self.bid,
            Side::Sell => &mut self.ask,
        }
    }
}

/// Decides what should be quoted, and asks for the changes that lead there.
#[derive(Debug)]
pub struct DecisionCore {
    pub(crate) config: DecisionConfig,
    pub(crate) sequencer: Sequencer,
    pub(crate) facts: Facts,
    pub(crate) leaders: Leaders,
    pub(crate) orders: Orders,
    pub(crate) pairs: BTreeMap<InstrumentKey, Pair>,
    pub(crate) is_caught_up: bool,
    pub(crate) is_stopping: bool,
    beat_at: Option<Timestamp>,
    /// When a core that is asked to stop leaves, whatever is still open.
    leave_at: Option<Timestamp>,
}

impl DecisionCore {
    /// Starts without knowledge; the log follows as messages, then `CaughtUp`.
    #[must_use]
    pub fn new(config: DecisionConfig, sequencer: Sequencer) -> Self {
        Self {
            orders: Orders::new(sequencer.session()),
            facts: Facts::new(config.times.control_silence_max),
            leaders: Leaders::default(),
            config,
            sequencer,
            pairs: BTreeMap::new(),
            is_caught_up: false,
            is_stopping: false,
            beat_at: None,
            leave_at: None,
        }
    }

    pub(crate) fn instrument(&self, key: &InstrumentKey) -> Option<&Instrument> {
        self.pairs.get(key)?.market.instrument.get()
    }

    pub(crate) fn side(&self, key: &InstrumentKey, side: Side) -> SideState {
        let pair = self.pairs.get(key);
        pair.map_or_else(SideState::default, |pair| match side {
            Side::Buy => pair.bid,
            Side::Sell => pair.ask,
        })
    }

    /// Tells that the service lives, and when it will again.
    fn beat(&mut self, now: Timestamp, out: &mut Outputs) {
        self.beat_at = Some(now.saturating_add(HEARTBEAT_INTERVAL));
        let state = if self.is_stopping { ServiceState::Halted } else { ServiceState::Active };
        let body = Body::Heartbeat(Heartbeat {
            service: Service::Decision.name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state,
            data_age: None,
        });
        out.push(ServiceOutput::publish(self.sequencer.wrap(now, body)));
    }

    /// Ends the service in order: asks for nothing more, takes every order back, and waits for their end up to a bound.
    fn stop(&mut self, now: Timestamp, out: &mut Outputs) {
        if std::mem::replace(&mut self.is_stopping, true) || !self.is_caught_up {
            return; // asked before, or nothing was asked for in this run
        }
        self.leave_at = Some(now.saturating_add(STOP_WAIT_MAX));
        self.visit_all(now, None, out);
    }

    fn visit_all(&mut self, now: Timestamp, cause: Option<&Header>, out: &mut Outputs) {
        let followed = self.pairs.iter().filter(|(_, pair)| pair.is_followed).map(|(key, _)| key);
        let keys: BTreeSet<InstrumentKey> = followed.chain(self.orders.pairs()).cloned().collect();
        for key in &keys {
            self.visit(now, key, cause, out);
        }
    }

    /// Decides about one pair and publishes what that leads to: cancels before requests, the record last.
    fn visit(
        &mut self,
        now: Timestamp,
        key: &InstrumentKey,
        cause: Option<&Header>,
        out: &mut Outputs,
    ) {
        let is_followed = self.pairs.get(key).is_some_and(|pair| pair.is_followed);
        if !is_followed && self.orders.of_pair(key).next().is_none() {
            return;
        }
        let quotes = self.quotes(now, key);
        let visit = Visit { now, key, quotes: &quotes, cause };
        let mut wake = Wake::new(now);
        self.note_expiries(key, &mut wake);
        if let Some(at) = self.lead_ends_at(now, key) {
            wake.want(at);
        }
        self.take_back(&visit, &mut wake, out);
        let is_paused = self.ask_for(&visit, &mut wake, out);
        self.publish_record(&visit, is_paused, &mut wake, out);
        if let Some(pair) = self.pairs.get_mut(key) {
            pair.wake = wake.at();
        }
    }
}

impl Machine for DecisionCore {
    type Input = ServiceInput<NoLocal>;
    type Output = ServiceOutput<NoLocal>;

    fn handle(&mut self, now: Timestamp, input: Self::Input, out: &mut Vec<Self::Output>) {
        self.facts.liveness.served(now);
        let envelope = match input {
            ServiceInput::Message(envelope) => envelope,
            ServiceInput::CaughtUp => {
                self.is_caught_up = true;
                self.count_own_bound();
                self.beat(now, out);
                return self.visit_all(now, None, out);
            }
            ServiceInput::Stopping => return self.stop(now, out),
            ServiceInput::Local(local) => match local {},
        };
        let Ok(concerned) = self.take(now, &envelope) else {
            out.push(ServiceOutput::Fault("an execution could not be booked"));
            return;
        };
        if !self.is_caught_up {
            return;
        }
        let cause = Some(&envelope.header);
        match concerned {
            Concerned::None => {}
            Concerned::Pair(key) => {
                self.visit(now, &key, cause, out);
                for follower in self.leaders.followers(&key) {
                    self.visit(now, &follower, cause, out);
                }
            }
            Concerned::All => self.visit_all(now, cause, out),
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<Self::Output>) {
        self.facts.liveness.served(now);
        if self.beat_at.is_some_and(|at| at <= now) {
            self.beat(now, out);
        }
        self.leave_at.take_if(|at| *at <= now);
        let is_due = |pair: &Pair| pair.wake.is_some_and(|at| at <= now);
        let due: Vec<InstrumentKey> = self
            .pairs
            .iter()
            .filter(|(_, pair)| is_due(pair))
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            if let Some(pair) = self.pairs.get_mut(&key) {
                pair.wake = None;
            }
            self.visit(now, &key, None, out);
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let own = [self.beat_at, self.leave_at].into_iter().flatten();
        self.pairs.values().filter_map(|pair| pair.wake).chain(own).min()
    }
}

impl ServiceCore for DecisionCore {
    type LocalInput = NoLocal;
    type LocalOutput = NoLocal;

    fn has_stopped(&self) -> bool {
        let is_empty = self.orders.all().next().is_none();
        self.is_stopping && (self.leave_at.is_none() || is_empty)
    }
}
