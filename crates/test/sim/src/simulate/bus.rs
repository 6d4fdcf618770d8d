//! The bus: what NATS promises, and no more.
//!
//! Core messages may be lost, and keep their order from one producer to one reader. Durable messages are stored one after
//! the other on the road they take (so a cancel may overtake an approval), a repeat of a try is stored once, and a log is
//! read in its order, late, and perhaps in part again. Logs are not in step with each other, nor with core messages.

use super::actor::{Input, LocalIn};
use super::checks::Rule;
use super::kinds::FaultKind;
use super::process::{LaneName, Process, Unstored};
use super::seat::Seat;
use super::world::{Event, World};
use remora_bus::{ReadFrom, Stream};
use remora_domain::{Body, DurationNs, Envelope, Kind, SessionId, Subject, Timestamp};
use remora_order_router_core::RouterInput;
use remora_service_kit::drive::Plan as Readings;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The order in which a process reads its logs: what stops trading, what is traded, what is held, what is worth quoting,
/// then what was asked and heard.
const ORDER: [Stream; 8] = [
    Stream::Control,
    Stream::States,
    Stream::Instruments,
    Stream::Accounts,
    Stream::Pairs,
    Stream::Bars,
    Stream::Orders,
    Stream::Decisions,
];

/// Gives the stream that stores a kind, if one does.
fn stream_of(kind: Kind) -> Option<Stream> {
    let subject = kind.pattern().replace('>', "any.thing");
    Stream::of_subject(&subject)
}

impl World {
    /// Takes a message of a process: into its lane, or at once to everybody who reads it.
    pub(super) fn publish(&mut self, by: Seat, message: &Arc<Envelope>, is_intent: bool) {
        let bytes = remora_wire::encode(message);
        let message = match remora_wire::decode(&bytes) {
            Ok(read) => Arc::new(read),
            Err(cause) => {
                let detail = format!("{}: {cause}", by.name());
                return self.checks.breach(self.now, Rule::NoFault, None, detail);
            }
        };
        self.messages = self.messages.saturating_add(1);
        self.trace.published(self.now, by.service(), &message, &bytes);
        self.checks.published(self.now, by, &message);
        match stream_of(Subject::of(&message).kind) {
            Some(stream) => {
                self.queue_up(by, Unstored { stream, message, is_intent, is_appended: false });
            }
            None => self.broadcast(by, &message),
        }
    }

    fn broadcast(&mut self, by: Seat, message: &Arc<Envelope>) {
        let kind = Subject::of(message).kind;
        if self.process(by).is_none_or(|process| process.is_cut(self.now)) {
            return;
        }
        for to in Seat::ALL.iter().copied().filter(|to| *to != by) {
            if !to.reads().contains(&kind) {
                continue;
            }
            let delay = self.hop();
            let is_lost = self.is_drawn(self.weather.lost_ppm);
            let hears = |process: &Process| process.is_caught_up && !process.is_cut(self.now);
            if !self.process(to).is_some_and(hears) {
                continue;
            }
            if is_lost {
                self.count(FaultKind::MessageLost);
                continue;
            }
            let Some(process) = self.processes.get_mut(&to) else { continue };
            let at = self.now.saturating_add(delay);
            let last = process.arrivals.entry(by).or_insert(at);
            *last = at.max(*last);
            let (at, run, message) = (*last, process.run, Arc::clone(message));
            self.post_at(at, Event::Message { to, run, message });
        }
    }

    /// Draws the time of one hop.
    pub(super) fn hop(&mut self) -> DurationNs {
        let usual = self.delay(150, 700);
        if self.is_drawn(self.weather.slow_ppm) {
            self.count(FaultKind::MessageLate);
            let most = self.weather.slow_max.as_ns() / 1_000;
            return usual.saturating_add(self.delay(0, most));
        }
        usual
    }

    fn queue_up(&mut self, by: Seat, unstored: Unstored) {
        let lane = LaneName::of(unstored.stream, &unstored.message.body);
        let Some(process) = self.processes.get_mut(&by) else { return };
        let run = process.run;
        let queue = process.lanes.entry(lane).or_default();
        // Of states that wait the newest is stored; the first may be on its way already.
        let is_state = |one: &Unstored| one.stream == Stream::States;
        let older = queue.iter().skip(1).position(is_state).filter(|_| is_state(&unstored));
        if let Some(one) = older.and_then(|at| queue.get_mut(at.saturating_add(1))) {
            *one = unstored;
            return;
        }
        queue.push_back(unstored);
        if queue.len() == 1 {
            let delay = self.hop();
            self.post(delay, Event::Store { by, run, lane });
        }
    }

    /// Gives when a process reaches the bus again, past when it does now; `None` for a run that has ended.
    fn back_at(&self, by: Seat, run: SessionId) -> Option<Timestamp> {
        let process = self.process(by).filter(|_| self.is_run(by, run))?;
        Some(process.cut_until.max(process.paused_until))
    }

    /// Stores the first message of a lane, if the stream can be reached.
    pub(super) fn store(&mut self, by: Seat, run: SessionId, lane: LaneName) {
        let Some(late) = self.back_at(by, run) else { return };
        if late > self.now {
            let retry = self.delay(1_000, 300_000);
            return self.post_at(late.saturating_add(retry), Event::Store { by, run, lane });
        }
        let lanes = self.processes.get_mut(&by).map(|process| &mut process.lanes);
        let first = lanes.and_then(|lanes| lanes.get_mut(&lane)?.front_mut());
        if let Some(first) = first {
            first.is_appended = true;
            let first = first.clone();
            self.forge(&first.message);
            self.append(first.stream, first.message);
            let delay = self.hop();
            self.post(delay, Event::Stored { by, run, lane });
        }
    }

    /// Tells a process that the first message of a lane is stored; the next follows.
    pub(super) fn stored(&mut self, by: Seat, run: SessionId, lane: LaneName) {
        let Some(late) = self.back_at(by, run) else { return };
        if late > self.now {
            // The answer is lost; a later try is told that it is stored already.
            let retry = self.delay(1_000, 300_000);
            return self.post_at(late.saturating_add(retry), Event::Stored { by, run, lane });
        }
        let Some(process) = self.processes.get_mut(&by) else { return };
        let queue = process.lanes.entry(lane).or_default();
        let first = queue.pop_front();
        if !queue.is_empty() {
            let delay = self.hop();
            self.post(delay, Event::Store { by, run, lane });
        }
        if let Some(Unstored { message, is_intent: true, .. }) = first
            && let Body::OrderEvent(event) = &message.body
        {
            let stored = RouterInput::Stored { cl_ord_id: event.cl_ord_id.clone() };
            self.give(by, Input::Local(LocalIn::Router(stored)));
        }
    }

    /// Stores a message that does not come from a process.
    pub(super) fn tell(&mut self, message: Arc<Envelope>) {
        if let Some(stream) = stream_of(Subject::of(&message).kind) {
            self.note(format!("! told: {:?}", message.body));
            self.append(stream, message);
        }
    }

    /// Appends to a stream, and wakes those who read it.
    pub(super) fn append(&mut self, stream: Stream, message: Arc<Envelope>) {
        self.checks.stored(self.now, &message);
        self.taking.stored(&message);
        self.road.heard_of(&message);
        let subject = Subject::of(&message);
        let kind = subject.kind;
        self.streams.entry(stream).or_default().push((subject, message));
        for to in Seat::ALL.iter().copied().filter(|to| to.reads().contains(&kind)) {
            self.wake_reader(to, stream);
        }
    }

    /// Lets a process read a log soon, if it does not do so already.
    fn wake_reader(&mut self, to: Seat, stream: Stream) {
        let Some(process) = self.processes.get_mut(&to).filter(|one| one.is_caught_up) else {
            return;
        };
        if process.readings.insert(stream) {
            let (run, delay) = (process.run, self.hop());
            self.post(delay, Event::Read { by: to, run, stream });
        }
    }

    /// Gives a process what is new in a log.
    pub(super) fn read(&mut self, by: Seat, run: SessionId, stream: Stream) {
        let Some(mut late) = self.back_at(by, run) else { return };
        if let Some(process) = self.process(by) {
            late = match stream {
                Stream::Control => late.max(process.deaf_until),
                Stream::States => late.max(process.blind_until),
                Stream::Instruments
                | Stream::Bars
                | Stream::Pairs
                | Stream::Orders
                | Stream::Accounts
                | Stream::Decisions
                | Stream::Dead
                | Stream::Leases => late,
            };
        }
        if late > self.now {
            let retry = self.delay(1_000, 100_000);
            return self.post_at(late.saturating_add(retry), Event::Read { by, run, stream });
        }
        let is_again = self.is_drawn(self.weather.again_ppm);
        let mut again = 0;
        if is_again {
            self.count(FaultKind::ReadAgain);
            again = self.random.next_below(20);
        }
        let Some(process) = self.processes.get_mut(&by) else { return };
        process.readings.remove(&stream);
        let from = process.read.get(&stream).copied().unwrap_or(0);
        let first = process.again_from.get(&stream).copied().unwrap_or(0);
        let from = from.saturating_sub(usize::try_from(again).unwrap_or(0)).max(first);
        for message in self.entries(by, stream, from) {
            self.give(by, Input::Message(message));
        }
    }

    /// Gives a process what is new in every log, as whoever takes over reads before it acts.
    pub(super) fn read_up(&mut self, by: Seat) {
        for stream in ORDER {
            let from = process_read(self, by, stream);
            for message in self.entries(by, stream, from) {
                self.give(by, Input::Message(message));
            }
        }
    }

    /// Takes from a log what a service reads, and notes that it was read. What this very run has said is left out.
    fn entries(&mut self, by: Seat, stream: Stream, from: usize) -> Vec<Arc<Envelope>> {
        self.entries_until(by, stream, from, usize::MAX)
    }

    /// Takes entries as `entries` does, up to `end` at most.
    pub(super) fn entries_until(
        &mut self,
        by: Seat,
        stream: Stream,
        from: usize,
        end: usize,
    ) -> Vec<Arc<Envelope>> {
        let log = self.streams.get(&stream).map_or(&[][..], Vec::as_slice);
        let log = log.get(..end).unwrap_or(log);
        let Some(process) = self.processes.get_mut(&by) else { return Vec::new() };
        process.read.insert(stream, log.len());
        let is_own = |message: &Envelope| {
            let header = &message.header;
            header.session == process.run && header.producer.as_str() == by.service().name()
        };
        let wanted = log
            .iter()
            .skip(from)
            .filter(|(subject, message)| by.reads().contains(&subject.kind) && !is_own(message));
        wanted.map(|(_, message)| Arc::clone(message)).collect()
    }

    /// Starts a process: it reads history, then what was said meanwhile of what may trade.
    pub(super) fn start(&mut self, service: Seat) {
        let Some(process) = self.process(service) else { return };
        if process.actor.is_some() {
            return;
        }
        if process.is_cut(self.now) {
            let at = process.cut_until.saturating_add(DurationNs::from_ms(100));
            return self.post_at(at, Event::Start(service));
        }
        let Some((run, actor)) = self.make(service) else { return };
        if let Some(process) = self.processes.get_mut(&service) {
            process.begin(run, actor);
        }
        self.note(format!("! {} starts as run {run}", service.name()));
        if service == Seat::Persister {
            // The bus keeps its place: history is what is not acknowledged yet.
            for (stream, place) in self.history.places(&self.streams) {
                if let Some(process) = self.processes.get_mut(&service) {
                    process.read.insert(stream, place);
                }
            }
        } else {
            self.read_history(service);
        }
        let delay = self.delay(5_000, 600_000);
        self.post(delay, Event::CaughtUp(service, run));
    }

    fn read_history(&mut self, service: Seat) {
        let (account, venue) = (self.plan.router.account.clone(), self.plan.router.venue.clone());
        let of_venue = [Seat::Ingestor, Seat::OrderRouter].contains(&service);
        let readings = Readings::of(service.service(), &account, of_venue.then_some(&venue));
        for stream in ORDER {
            let Some(log) = readings.logs.iter().find(|log| log.stream == stream) else { continue };
            if stream == Stream::Orders {
                self.read_orders(service);
                continue;
            }
            let mut entries = self.entries(service, stream, 0);
            if log.from == ReadFrom::LastPerSubject {
                entries = newest(entries);
                self.gave_newest_only(service, stream);
            }
            for message in entries {
                self.give(service, Input::Message(message));
            }
        }
    }

    /// Notes that a run began with the newest entry of each subject. A reader of the real bus goes on behind what it has read
    /// and is never given what was replaced before it began: the word of a process that had ended long before would look
    /// like the newest.
    fn gave_newest_only(&mut self, service: Seat, stream: Stream) {
        if let Some(process) = self.processes.get_mut(&service) {
            let place = process.read.get(&stream).copied().unwrap_or(0);
            process.again_from.insert(stream, place);
        }
    }

    /// Ends recovery: what was halted meanwhile comes first, then the core acts.
    pub(super) fn caught_up(&mut self, service: Seat, run: SessionId) {
        let Some(late) = self.back_at(service, run) else { return };
        if late > self.now {
            let at = late.saturating_add(DurationNs::from_ms(20));
            return self.post_at(at, Event::CaughtUp(service, run));
        }
        if service != Seat::Persister {
            for stream in [Stream::Control, Stream::States] {
                let from = process_read(self, service, stream);
                for message in self.entries(service, stream, from) {
                    self.give(service, Input::Message(message));
                }
            }
        }
        if let Some(process) = self.processes.get_mut(&service) {
            process.is_caught_up = true;
        }
        self.give(service, Input::CaughtUp);
        self.replace_gate(service);
        for stream in ORDER {
            self.wake_reader(service, stream);
        }
        if service == Seat::OrderRouter {
            self.open_session(run);
        }
    }
}

fn process_read(world: &World, service: Seat, stream: Stream) -> usize {
    world.process(service).and_then(|process| process.read.get(&stream)).copied().unwrap_or(0)
}

/// Gives the newest message of each subject, in the order of the log.
fn newest(entries: Vec<Arc<Envelope>>) -> Vec<Arc<Envelope>> {
    let mut last: BTreeMap<Subject, usize> = BTreeMap::new();
    for (place, message) in entries.iter().enumerate() {
        last.insert(Subject::of(message), place);
    }
    let mut places: Vec<usize> = last.into_values().collect();
    places.sort_unstable();
    places.into_iter().filter_map(|place| entries.get(place).cloned()).collect()
}
