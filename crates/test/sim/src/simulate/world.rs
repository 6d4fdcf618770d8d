//! The scheduler: six processes, a bus, an exchange, operators and faults under one virtual clock.
//!
//! Order of events: true time, then what is on its way in the order in which it was sent, then deadlines of processes in
//! the order of `Seat::ALL`, then the exchange's. Nothing depends on wall time, threads or map order.

use super::Simulation;
use super::actor::{
    Actor, Input, Said, seat_decision, seat_discovery, seat_gate, seat_ingestor, seat_persister,
    seat_router,
};
use super::checks::{Breach, Checks, Rule};
pub(super) use super::event::Event;
use super::exchange::Exchange;
use super::faults::{Weather, schedule};
use super::feed::SimFeed;
use super::history::History;
use super::kinds::{FaultKind, FaultKinds};
use super::lease::Leases;
use super::market::{MarketError, definitions};
use super::process::Process;
use super::road::{FeedRoad, PrivateRoad};
use super::seat::Seat;
use super::snapshots::Snapshots;
use super::taking::{self, Taking};
use super::trace::Trace;
use crate::plan::{Plan, VenuePlan};
use remora_approval::{Signer, Verifier};
use remora_bus::Stream;
use remora_decision_core::DecisionCore;
use remora_domain::{
    DurationNs, Envelope, IdError, Instrument, ProducerId, Sequencer, SessionId, Subject, Timestamp,
};
use remora_ingestor_core::IngestorCore;
use remora_machine::{SplitMix64, TermOutput};
use remora_order_router_core::OrderRouterCore;
use remora_pair_discovery_core::PairDiscoveryCore;
use remora_persister_core::PersisterCore;
use remora_risk_gate_core::RiskGateCore;
use std::collections::BTreeMap;
use std::sync::Arc;

/// When every run begins: an instant of no meaning, on a whole second.
pub(super) const START: Timestamp = Timestamp::from_ns(1_771_200_000_000_000_000);
/// When the first thing goes wrong.
const FAULTS_AFTER: DurationNs = DurationNs::from_s(20);
/// How long nothing goes wrong at the end, so that everything can be settled.
const QUIET: DurationNs = DurationNs::from_s(75);
/// How long before the end the crowd stands still, so that what is booked can be compared.
pub(super) const STILL: DurationNs = DurationNs::from_s(15);

/// Says why a world cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorldError {
    #[error("make up a market")]
    Market(#[from] MarketError),
    #[error("name the services")]
    Name(#[from] IdError),
    #[error("the profile of a simulation trades on paper")]
    Live,
}

/// Is the world.
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) listed: Vec<Instrument>,
    pub(super) now: Timestamp,
    pub(super) end: Timestamp,
    queue: BTreeMap<(Timestamp, u64), Event>,
    serial: u64,
    pub(super) random: SplitMix64,
    pub(super) weather: Weather,
    pub(super) processes: BTreeMap<Seat, Process>,
    pub(super) streams: BTreeMap<Stream, Vec<(Subject, Arc<Envelope>)>>,
    pub(super) snapshots: Snapshots,
    pub(super) exchange: Exchange,
    pub(super) road: PrivateRoad,
    pub(super) feed: FeedRoad,
    pub(super) history: History,
    pub(super) operator: Sequencer,
    pub(super) operator_at: Timestamp,
    pub(super) limits_version: u64,
    pub(super) forges: bool,
    pub(super) taking: Taking,
    pub(super) leases: Leases,
    pub(super) checks: Checks,
    pub(super) trace: Trace,
    pub(super) kinds: FaultKinds,
    pub(super) faults: BTreeMap<FaultKind, u64>,
    pub(super) messages: u64,
    /// Whether orders of ours were open when the crowd stood still.
    pub(super) is_quoting: bool,
    runs: u64,
    gate_key: [u8; 32],
}

impl World {
    pub(super) fn new(plan: Plan, simulation: Simulation) -> Result<Self, WorldError> {
        let Simulation { seed, minutes, pairs, faults: kinds } = simulation;
        let length = DurationNs::from_s(60).saturating_mul(i64::from(minutes));
        let mut random = SplitMix64::new(seed);
        let VenuePlan::Paper(paper) = plan.venue.clone() else { return Err(WorldError::Live) };
        let exchange = Exchange::new(paper, pairs, &mut random, START)?;
        let end = START.saturating_add(length);
        let quiet_at = end.saturating_sub(QUIET);
        let weather = Weather::of(&mut random, kinds);
        let faults_from = START.saturating_add(FAULTS_AFTER);
        // Drawn apart, so that a shorter run begins like a longer one.
        let mut fates = SplitMix64::new(random.next_u64());
        let mut faults = schedule(&mut fates, faults_from, quiet_at, pairs);
        faults.extend(taking::schedule(seed, faults_from, quiet_at));
        faults.retain(|(_, fault)| fault.kind().is_none_or(|kind| kinds.has(kind)));
        let leases = Leases::of(seed);
        leases.turn(seed, kinds, &mut faults);
        let mut gate_key = [0_u8; 32];
        for chunk in gate_key.chunks_mut(8) {
            chunk.copy_from_slice(&random.next_u64().to_be_bytes());
        }
        let mut world = Self {
            listed: definitions(&plan.router.venue, pairs, START)?,
            now: START,
            end,
            queue: BTreeMap::new(),
            serial: 0,
            random,
            weather,
            processes: Seat::ALL.iter().map(|of| (*of, Process::new(*of, START))).collect(),
            streams: BTreeMap::new(),
            snapshots: Snapshots::default(),
            exchange,
            road: PrivateRoad::default(),
            feed: FeedRoad::default(),
            history: History::default(),
            operator: Sequencer::new(ProducerId::new("console")?, SessionId::new(1)),
            operator_at: START,
            limits_version: plan.gate.version,
            forges: false,
            taking: Taking::default(),
            checks: Checks::new(plan.gate.clone(), leases.is_on),
            leases,
            trace: Trace::new(),
            kinds,
            faults: BTreeMap::new(),
            messages: 0,
            is_quoting: false,
            runs: 0,
            gate_key,
            plan,
        };
        let has_two = world.leases.is_on;
        let begin = Seat::ALL.iter().copied().filter(|seat| has_two || *seat != Seat::OtherGate);
        for (place, service) in (0_i64..).zip(begin) {
            world.post(DurationNs::from_ms(place.saturating_mul(3)), Event::Start(service));
        }
        for (at, fault) in faults {
            world.post_at(at, Event::Fault(fault));
        }
        world.post_at(quiet_at, Event::Quiet);
        world.post_at(end.saturating_sub(STILL), Event::Still);
        world.post(DurationNs::from_s(1), Event::Second);
        Ok(world)
    }

    /// Runs until the end, or until a promise is broken.
    pub(super) fn run(&mut self) {
        while self.checks.breaches.is_empty() && self.step() {}
        if self.checks.breaches.is_empty() {
            self.judge_the_end();
        }
    }

    /// Serves the next event; false at the end.
    fn step(&mut self) -> bool {
        let sent = self.queue.first_key_value().map(|((at, _), _)| *at);
        let tick = self.next_tick();
        let own = self.exchange.next_deadline();
        let Some(at) = [sent, tick.map(|(at, _)| at), own].into_iter().flatten().min() else {
            return false;
        };
        if at > self.end {
            self.now = self.end;
            return false;
        }
        self.now = self.now.max(at);
        if sent == Some(at) {
            if let Some((_, event)) = self.queue.pop_first() {
                self.serve(event);
            }
        } else if let Some((_, service)) = tick.filter(|(due, _)| *due == at) {
            self.tick(service);
        } else {
            let frames = self.exchange.tick(self.now);
            self.tell_feed(frames);
        }
        self.fetch_reports();
        self.checks.halted(self.now, &self.exchange.open);
        self.judge_taking();
        true
    }

    fn next_tick(&self) -> Option<(Timestamp, Seat)> {
        let due =
            |(service, process): (&Seat, &Process)| Some((process.next_tick(self.now)?, *service));
        self.processes.iter().filter_map(due).min_by_key(|(at, _)| *at)
    }

    fn tick(&mut self, service: Seat) {
        self.give(service, Input::Tick);
        let now = self.now;
        let Some(process) = self.processes.get(&service) else { return };
        // It may want to be served again at once, but not for ever.
        if process.next_tick(now).is_some_and(|at| at <= now) {
            self.give(service, Input::Tick);
            let again = self.processes.get(&service).and_then(|process| process.next_tick(now));
            if again.is_some_and(|at| at <= now) {
                let detail = format!("{} does not move its deadline", service.name());
                self.checks.breach(now, Rule::NoFault, None, detail);
            }
        }
    }

    fn serve(&mut self, event: Event) {
        match event {
            Event::Message { to, run, message } => {
                if self.is_run(to, run) {
                    self.give(to, Input::Message(message));
                }
            }
            Event::Store { by, run, lane } => self.store(by, run, lane),
            Event::Stored { by, run, lane } => self.stored(by, run, lane),
            Event::Read { by, run, stream } => self.read(by, run, stream),
            Event::Local { to, run, input } => {
                if self.is_run(to, run) {
                    self.give(to, Input::Local(input));
                }
            }
            Event::Start(service) => self.start(service),
            Event::CaughtUp(service, run) => self.caught_up(service, run),
            Event::Awake(service, run) => self.awake(service, run),
            Event::Tell(message) => self.tell(message),
            Event::Command { conn, command } => self.command_arrives(conn, command),
            Event::Report { conn, report } => self.report_arrives(conn, report),
            Event::Connect(run) => self.connect(run),
            Event::Lost(run) => self.session_lost(run),
            Event::Frame { conn, text } => self.frame_arrives(conn, text),
            Event::FeedUp(run) => self.feed_up(run),
            Event::FeedLost(run) => self.feed_lost(run),
            Event::FeedSaid { conn, text } => self.feed_said(conn, &text),
            Event::Second => self.second(),
            Event::Fault(fault) => self.go_wrong(fault),
            Event::Keep { seat, run, input } => self.keep(seat, run, input),
            Event::RegisterAsked { seat, run, number, call } => {
                self.register_asked(seat, run, number, call);
            }
            Event::RegisterSaid { seat, run, number, input } => {
                self.register_said(seat, run, number, input);
            }
            Event::Retire(seat, run) => self.retire(seat, run),
            Event::Quiet => self.heal(),
            Event::Still => {
                self.is_quoting = !self.exchange.open.is_empty();
                self.exchange.still();
            }
        }
    }

    /// Puts something on its way.
    pub(super) fn post(&mut self, after: DurationNs, event: Event) {
        self.post_at(self.now.saturating_add(after), event);
    }

    pub(super) fn post_at(&mut self, at: Timestamp, event: Event) {
        self.serial = self.serial.saturating_add(1);
        self.queue.insert((at, self.serial), event);
    }

    /// Draws a time between two, in microseconds.
    pub(super) fn delay(&mut self, least_us: i64, most_us: i64) -> DurationNs {
        let span = u64::try_from(most_us.saturating_sub(least_us)).unwrap_or(0);
        let drawn = i64::try_from(self.random.next_below(span.saturating_add(1))).unwrap_or(0);
        DurationNs::from_us(least_us.saturating_add(drawn))
    }

    /// Draws whether something happens that does so this often in a million.
    pub(super) fn is_drawn(&mut self, ppm: u64) -> bool {
        self.random.next_below(1_000_000) < ppm
    }

    /// Tells whether a run of a service still lives.
    pub(super) fn is_run(&self, service: Seat, run: SessionId) -> bool {
        self.process(service).is_some_and(|process| process.run == run && process.actor.is_some())
    }

    pub(super) fn process(&self, service: Seat) -> Option<&Process> {
        self.processes.get(&service)
    }

    /// Counts one thing that went wrong.
    pub(super) fn count(&mut self, kind: FaultKind) {
        let count = self.faults.entry(kind).or_default();
        *count = count.saturating_add(1);
    }

    pub(super) fn note(&mut self, text: String) {
        self.trace.note(self.now, text);
    }

    /// Gives a process an input, or keeps it for one that does not read, and carries out what it asks for.
    pub(super) fn give(&mut self, service: Seat, input: Input) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(&service) else { return };
        if process.is_paused(now) {
            process.keep(input);
            return;
        }
        if let Input::Message(message) = &input {
            self.checks.reads(service, message);
            if service == Seat::OrderRouter {
                self.taking.reads(now, process.clock.read(now), message);
            }
        }
        let mut said = Vec::new();
        let own = process.take(now, input, &mut said);
        for one in said {
            self.carry_out(service, own, one);
        }
        self.end_replaced(service);
    }

    fn carry_out(&mut self, service: Seat, own: Timestamp, said: Said) {
        match said {
            Said::Publish(message) => self.publish(service, &message, false),
            Said::Intent(message) => self.publish(service, &message, true),
            Said::Venue(command) => self.send_command(own, command),
            Said::Link(command) => self.link(command),
            Said::Store(effect) => self.write_history(effect),
            Said::Term(TermOutput::Claim { epoch }) => self.claim(service, epoch),
            Said::Fault(text) => {
                let detail = format!("{}: {text}", service.name());
                self.checks.breach(self.now, Rule::NoFault, None, detail);
            }
        }
    }

    /// Makes the core of a service for a new run.
    pub(super) fn make(&mut self, service: Seat) -> Option<(SessionId, Box<dyn Actor>)> {
        self.runs = self.runs.saturating_add(1);
        let run = SessionId::new(self.runs);
        let sequencer = Sequencer::new(ProducerId::new(service.service().name()).ok()?, run);
        let plan = &self.plan;
        let signer = Signer::from_bytes(&self.gate_key);
        let actor = match service {
            Seat::Ingestor => {
                let feed = SimFeed::new(plan.ingestor.venue.clone(), self.listed.clone());
                seat_ingestor(IngestorCore::new(plan.ingestor.clone(), Box::new(feed), sequencer))
            }
            Seat::PairDiscovery => {
                seat_discovery(PairDiscoveryCore::new(plan.discovery.clone(), sequencer))
            }
            Seat::Decision => seat_decision(DecisionCore::new(plan.decision.clone(), sequencer)),
            Seat::RiskGate | Seat::OtherGate => {
                self.checks.gate_starts(self.now, service, run);
                seat_gate(RiskGateCore::new(plan.gate.clone(), signer, sequencer))
            }
            Seat::OrderRouter => {
                self.checks.router_restarts();
                self.taking.router_restarts();
                let verifier = Verifier::new(signer.verifying_key());
                seat_router(OrderRouterCore::new(plan.router.clone(), verifier, sequencer))
            }
            Seat::Persister => {
                seat_persister(PersisterCore::new(plan.persister.clone(), sequencer))
            }
        };
        Some((run, actor))
    }

    pub(super) fn first_breach(&self) -> Option<&Breach> {
        self.checks.breaches.first()
    }
}
