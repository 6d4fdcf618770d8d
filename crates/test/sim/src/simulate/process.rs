//! A process: a core that may be absent, its clock, what waits to be stored, what it has read.

use super::actor::{Actor, Input, Said};
use super::clock::ProcessClock;
use super::seat::Seat;
use remora_bus::Stream;
use remora_domain::{Body, Envelope, SessionId, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Core messages that may wait for a process that does not read; the oldest are dropped.
const WAITING_MAX: usize = 8_192;

/// Is one of the roads on which a process stores what it says; each keeps its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LaneName {
    Cancels,
    Control,
    Orders,
    Other,
}

impl LaneName {
    /// Gives the lane of a message, as the publisher of a process does.
    pub(super) const fn of(stream: Stream, body: &Body) -> Self {
        match stream {
            Stream::Orders if matches!(body, Body::OrderCancel(_)) => Self::Cancels,
            Stream::Orders | Stream::Accounts => Self::Orders,
            Stream::Control | Stream::States => Self::Control,
            Stream::Instruments
            | Stream::Bars
            | Stream::Pairs
            | Stream::Decisions
            | Stream::Dead
            | Stream::Leases => Self::Other,
        }
    }
}

/// Is a message on its way to a stream.
#[derive(Clone, Debug)]
pub(super) struct Unstored {
    pub(super) stream: Stream,
    pub(super) message: Arc<Envelope>,
    /// Whether the router waits to hear that it is stored.
    pub(super) is_intent: bool,
    /// Whether the stream has it and only the answer is under way: it knows the identifier and takes it no second time.
    pub(super) is_appended: bool,
}

/// Is one process of one service on its machine; it outlives its runs.
pub(super) struct Process {
    pub(super) service: Seat,
    pub(super) actor: Option<Box<dyn Actor>>,
    /// Counts starts; the session of the run, and what is on its way to an earlier one is lost.
    pub(super) run: SessionId,
    pub(super) is_caught_up: bool,
    pub(super) clock: ProcessClock,
    /// Stopped or too slow until then: it reads, writes and ticks nothing.
    pub(super) paused_until: Timestamp,
    /// Cut off from the bus until then.
    pub(super) cut_until: Timestamp,
    /// Until then it reads commands late, whatever else it reads.
    pub(super) deaf_until: Timestamp,
    /// Until then it reads late what other services say of their own state.
    pub(super) blind_until: Timestamp,
    pub(super) waiting: VecDeque<Input>,
    pub(super) lanes: BTreeMap<LaneName, VecDeque<Unstored>>,
    /// The first entry of each log that was not read yet.
    pub(super) read: BTreeMap<Stream, usize>,
    /// The first entry of each log that may be given to this run again: what came before it was never given to it.
    pub(super) again_from: BTreeMap<Stream, usize>,
    /// Logs with a reading under way.
    pub(super) readings: BTreeSet<Stream>,
    /// When the newest core message of each producer arrives: they keep their order.
    pub(super) arrivals: BTreeMap<Seat, Timestamp>,
}

impl Process {
    pub(super) fn new(service: Seat, now: Timestamp) -> Self {
        Self {
            service,
            actor: None,
            run: SessionId::default(),
            is_caught_up: false,
            clock: ProcessClock::new(now),
            paused_until: Timestamp::EPOCH,
            cut_until: Timestamp::EPOCH,
            deaf_until: Timestamp::EPOCH,
            blind_until: Timestamp::EPOCH,
            waiting: VecDeque::new(),
            lanes: BTreeMap::new(),
            read: BTreeMap::new(),
            again_from: BTreeMap::new(),
            readings: BTreeSet::new(),
            arrivals: BTreeMap::new(),
        }
    }

    /// Ends a run; gives what it had not stored.
    pub(super) fn end(&mut self) -> Vec<Unstored> {
        self.actor = None;
        self.is_caught_up = false;
        self.paused_until = Timestamp::EPOCH;
        self.waiting.clear();
        self.read.clear();
        self.again_from.clear();
        self.readings.clear();
        self.arrivals.clear();
        let waiting = std::mem::take(&mut self.lanes).into_values().flatten();
        waiting.filter(|one| !one.is_appended).collect()
    }

    /// Starts a run.
    pub(super) fn begin(&mut self, run: SessionId, actor: Box<dyn Actor>) {
        self.run = run;
        self.actor = Some(actor);
        self.clock.restart();
    }

    pub(super) fn is_paused(&self, now: Timestamp) -> bool {
        now < self.paused_until
    }

    pub(super) fn is_cut(&self, now: Timestamp) -> bool {
        now < self.cut_until
    }

    /// Gives the core an input and tells what it asks for and at which instant of its own.
    pub(super) fn take(&mut self, now: Timestamp, input: Input, said: &mut Vec<Said>) -> Timestamp {
        let own = self.clock.read(now);
        if let Some(actor) = &mut self.actor {
            actor.take(own, input, said);
        }
        own
    }

    /// Keeps an input for a process that does not read. Reports of the venue are never dropped.
    pub(super) fn keep(&mut self, input: Input) {
        if self.waiting.len() >= WAITING_MAX {
            let oldest = self.waiting.iter().position(|one| match one {
                Input::Message(_) => true,
                Input::CaughtUp | Input::Local(_) | Input::Tick => false,
            });
            if let Some(at) = oldest {
                self.waiting.remove(at);
            }
        }
        self.waiting.push_back(input);
    }

    /// Gives the true instant at which the core wants its next tick.
    pub(super) fn next_tick(&self, now: Timestamp) -> Option<Timestamp> {
        let deadline = self.actor.as_ref().filter(|_| self.is_caught_up)?.next_deadline()?;
        Some(self.clock.when(deadline, now).max(self.paused_until))
    }
}
