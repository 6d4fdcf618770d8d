//! The machine: holds, batches, retries, acknowledges. See the crate header for its invariants.

use crate::hot::{HotViews, is_hot};
use crate::window::StoredWindow;
use crate::{Batch, PersisterConfig, PersisterInput, PersisterOutput, StoreFailure};
use remora_domain::{
    Body, DurationNs, Envelope, Heartbeat, MessageId, Sequencer, Service, ServiceState, Subject,
    Timestamp,
};
use remora_machine::{Machine, ServiceCore, ServiceInput, ServiceOutput};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Repeats acknowledged together at most: enough to be cheap, few enough to cost no memory.
const REPEATS_MAX: usize = 1_000;

type Outputs = Vec<ServiceOutput<PersisterOutput>>;

/// Turns durable messages into batches of history. Nobody waits for it.
#[derive(Debug)]
pub struct PersisterCore {
    config: PersisterConfig,
    sequencer: Sequencer,
    is_caught_up: bool,
    is_paused: bool,
    is_flushing: bool,
    queue: VecDeque<Held>,
    /// Messages at the front of the queue that are written alone, because their batch was refused.
    singles: usize,
    in_flight: Option<InFlight>,
    pending: BTreeSet<MessageId>,
    stored: StoredWindow,
    /// Repeats of stored messages, acknowledged together a little later.
    repeats: Vec<MessageId>,
    repeats_at: Option<Timestamp>,
    views: HotViews,
    batch_number: u64,
    hot_at: Option<Timestamp>,
    heartbeat_at: Option<Timestamp>,
    newest_publish_time: Option<Timestamp>,
    counts: PersisterCounts,
}

/// Counts what a persister did in this run, for metrics and readiness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PersisterCounts {
    /// Messages taken, each once.
    pub accepted: u64,
    /// Repeats recognised without a write.
    pub duplicates: u64,
    /// Messages not taken because too many were held; they come again.
    pub declined: u64,
    /// Messages whose batch is stored.
    pub stored: u64,
    /// Messages that the store can never take.
    pub dead_letters: u64,
    /// Failed writes since the last stored batch.
    pub failures_in_a_row: u32,
    /// Messages held now.
    pub pending: usize,
    /// When the oldest message held now arrived.
    pub oldest_pending_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Held {
    at: Timestamp,
    message: Arc<Envelope>,
}

#[derive(Debug)]
struct InFlight {
    batch: Batch,
    oldest_at: Timestamp,
    /// When the next try is due; `None` while a write is under way.
    retry_at: Option<Timestamp>,
}

impl PersisterCore {
    /// Makes a persister that has seen nothing; `sequencer` numbers its heartbeats.
    #[must_use]
    pub fn new(config: PersisterConfig, sequencer: Sequencer) -> Self {
        Self {
            stored: StoredWindow::new(config.dedup_messages),
            config,
            sequencer,
            is_caught_up: false,
            is_paused: false,
            is_flushing: false,
            queue: VecDeque::new(),
            singles: 0,
            in_flight: None,
            pending: BTreeSet::new(),
            repeats: Vec::new(),
            repeats_at: None,
            views: HotViews::default(),
            batch_number: 0,
            hot_at: None,
            heartbeat_at: None,
            newest_publish_time: None,
            counts: PersisterCounts::default(),
        }
    }

    /// Gives the counts, with what is held now.
    #[must_use]
    pub fn counts(&self) -> PersisterCounts {
        let in_flight = self.in_flight.as_ref().map(|flight| flight.oldest_at);
        PersisterCounts {
            pending: self.pending.len(),
            oldest_pending_at: in_flight.or_else(|| self.queue.front().map(|held| held.at)),
            ..self.counts
        }
    }

    fn on_message(&mut self, now: Timestamp, message: &Arc<Envelope>, out: &mut Outputs) {
        let published = message.header.publish_time;
        self.newest_publish_time = self.newest_publish_time.max(Some(published));
        let subject = Subject::of(message);
        let kind = subject.kind;
        if is_hot(kind) {
            self.views.offer(subject, message);
            self.schedule_hot(now);
        }
        if kind.is_durable() {
            self.hold(now, message, out);
        }
    }

    fn hold(&mut self, now: Timestamp, message: &Arc<Envelope>, out: &mut Outputs) {
        let id = message.header.message_id();
        if self.stored.contains(&id) {
            self.counts.duplicates = self.counts.duplicates.saturating_add(1);
            self.repeats.push(id);
            self.repeats_at.get_or_insert(now.saturating_add(self.config.batch_age_max));
            if self.repeats.len() >= REPEATS_MAX {
                self.flush_repeats(out);
            }
        } else if self.pending.contains(&id) {
            // Its delivery is acknowledged with the batch that holds the first one.
            self.counts.duplicates = self.counts.duplicates.saturating_add(1);
        } else if self.is_caught_up && self.pending.len() >= self.config.pending_messages_max {
            self.counts.declined = self.counts.declined.saturating_add(1);
            out.push(ServiceOutput::Local(PersisterOutput::Declined { id }));
        } else {
            self.counts.accepted = self.counts.accepted.saturating_add(1);
            self.pending.insert(id);
            self.queue.push_back(Held { at: now, message: Arc::clone(message) });
        }
    }

    fn flush_repeats(&mut self, out: &mut Outputs) {
        self.repeats_at = None;
        if !self.repeats.is_empty() {
            let ids = std::mem::take(&mut self.repeats);
            out.push(ServiceOutput::Local(PersisterOutput::AlreadyStored { ids }));
        }
    }

    fn on_stored(&mut self, number: u64, out: &mut Outputs) {
        let is_current = |flight: &mut InFlight| flight.batch.number == number;
        let Some(flight) = self.in_flight.take_if(is_current) else { return };
        self.counts.failures_in_a_row = 0;
        self.counts.stored = self.counts.stored.saturating_add(count(&flight.batch));
        self.release(&flight.batch, out);
    }

    /// Forgets a batch that is done with and lets its deliveries be acknowledged.
    fn release(&mut self, batch: &Batch, out: &mut Outputs) {
        for message in batch.messages.iter() {
            let id = message.header.message_id();
            self.pending.remove(&id);
            self.stored.remember(id);
        }
        out.push(ServiceOutput::Local(PersisterOutput::Acknowledge { number: batch.number }));
    }

    fn on_failed(&mut self, now: Timestamp, number: u64, failure: StoreFailure, out: &mut Outputs) {
        let is_current =
            |flight: &mut InFlight| flight.batch.number == number && flight.retry_at.is_none();
        let Some(mut flight) = self.in_flight.take_if(is_current) else { return };
        self.counts.failures_in_a_row = self.counts.failures_in_a_row.saturating_add(1);
        match failure {
            StoreFailure::Unavailable => {
                flight.retry_at = Some(now.saturating_add(self.pause()));
                self.in_flight = Some(flight);
            }
            StoreFailure::Refused => self.isolate(now, flight, out),
        }
    }

    /// Writes the messages of a refused batch one by one, so that the culprit is set aside alone.
    fn isolate(&mut self, now: Timestamp, flight: InFlight, out: &mut Outputs) {
        if let [culprit] = &*flight.batch.messages {
            self.counts.dead_letters = self.counts.dead_letters.saturating_add(1);
            let letter = PersisterOutput::DeadLetter(Arc::clone(culprit));
            out.push(ServiceOutput::Local(letter));
            self.release(&flight.batch, out);
            return;
        }
        self.singles = flight.batch.messages.len();
        for message in flight.batch.messages.iter().rev() {
            self.queue.push_front(Held { at: now, message: Arc::clone(message) });
        }
    }

    /// Doubles the pause with each failure in a row, up to the cap.
    fn pause(&self) -> DurationNs {
        let doublings = self.counts.failures_in_a_row.saturating_sub(1).min(30);
        let factor = 1_i64.checked_shl(doublings).unwrap_or(i64::MAX);
        self.config.retry_first.saturating_mul(factor).min(self.config.retry_max)
    }

    /// Starts the next write when one is due and none is under way; asks for more or less input.
    fn advance(&mut self, now: Timestamp, out: &mut Outputs) {
        if !self.is_caught_up {
            return;
        }
        if self.in_flight.is_none() && self.is_batch_due(now) {
            self.start_batch(out);
        }
        self.is_flushing &= !self.queue.is_empty();
        let held = self.pending.len();
        let max = self.config.pending_messages_max;
        // A quarter is left for deliveries that are on their way already.
        if !self.is_paused && held >= max - max / 4 {
            self.is_paused = true;
            out.push(ServiceOutput::Local(PersisterOutput::Pause));
        } else if self.is_paused && held <= max / 2 {
            self.is_paused = false;
            out.push(ServiceOutput::Local(PersisterOutput::Resume));
        }
    }

    fn is_batch_due(&self, now: Timestamp) -> bool {
        self.queue.front().is_some_and(|oldest| {
            self.is_flushing
                || self.singles > 0
                || self.queue.len() >= self.config.batch_messages_max
                || oldest.at.saturating_add(self.config.batch_age_max) <= now
        })
    }

    fn start_batch(&mut self, out: &mut Outputs) {
        let Some(oldest_at) = self.queue.front().map(|held| held.at) else { return };
        let len = if self.singles > 0 { 1 } else { self.config.batch_messages_max };
        self.singles = self.singles.saturating_sub(1);
        self.batch_number = self.batch_number.saturating_add(1);
        let messages = self.queue.drain(..len.min(self.queue.len())).map(|held| held.message);
        let batch = Batch { number: self.batch_number, messages: messages.collect() };
        out.push(ServiceOutput::Local(PersisterOutput::Write(batch.clone())));
        self.in_flight = Some(InFlight { batch, oldest_at, retry_at: None });
    }

    fn retry(&mut self, now: Timestamp, out: &mut Outputs) {
        if let Some(flight) = &mut self.in_flight
            && flight.retry_at.is_some_and(|at| at <= now)
        {
            flight.retry_at = None;
            out.push(ServiceOutput::Local(PersisterOutput::Write(flight.batch.clone())));
        }
    }

    fn schedule_hot(&mut self, now: Timestamp) {
        if self.is_caught_up && self.views.has_changes() {
            self.hot_at.get_or_insert(now.saturating_add(self.config.hot_interval));
        }
    }

    fn flush_hot(&mut self, out: &mut Outputs) {
        self.hot_at = None;
        let changes = self.views.take_changes();
        out.extend(changes.map(|view| ServiceOutput::Local(PersisterOutput::Hot(view))));
    }

    fn beat(&mut self, now: Timestamp, out: &mut Outputs) {
        self.heartbeat_at = Some(now.saturating_add(self.config.heartbeat_interval));
        let heartbeat = Heartbeat {
            service: Service::Persister.name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: ServiceState::Active,
            data_age: self.newest_publish_time.map(|newest| now.since(newest)),
        };
        let message = self.sequencer.wrap(now, Body::Heartbeat(heartbeat));
        out.push(ServiceOutput::publish(message));
    }
}

fn count(batch: &Batch) -> u64 {
    u64::try_from(batch.messages.len()).unwrap_or(u64::MAX)
}

impl Machine for PersisterCore {
    type Input = ServiceInput<PersisterInput>;
    type Output = ServiceOutput<PersisterOutput>;

    fn handle(&mut self, now: Timestamp, input: Self::Input, out: &mut Outputs) {
        match input {
            ServiceInput::Message(message) => self.on_message(now, &message, out),
            ServiceInput::CaughtUp => {
                self.is_caught_up = true;
                self.schedule_hot(now);
                self.beat(now, out);
            }
            // The shell flushes before it leaves, and the bus delivers again what was not acknowledged.
            ServiceInput::Stopping => {}
            ServiceInput::Local(PersisterInput::Stored { number }) => self.on_stored(number, out),
            ServiceInput::Local(PersisterInput::StoreFailed { number, failure }) => {
                self.on_failed(now, number, failure, out);
            }
            ServiceInput::Local(PersisterInput::Flush) => {
                self.is_flushing = true;
                if let Some(flight) = &mut self.in_flight
                    && flight.retry_at.is_some()
                {
                    flight.retry_at = Some(now);
                    self.retry(now, out);
                }
                if self.is_caught_up {
                    self.flush_hot(out);
                    self.flush_repeats(out);
                }
            }
        }
        self.advance(now, out);
    }

    fn tick(&mut self, now: Timestamp, out: &mut Outputs) {
        if self.hot_at.is_some_and(|at| at <= now) {
            self.flush_hot(out);
        }
        if self.repeats_at.is_some_and(|at| at <= now) {
            self.flush_repeats(out);
        }
        if self.heartbeat_at.is_some_and(|at| at <= now) {
            self.beat(now, out);
        }
        self.retry(now, out);
        self.advance(now, out);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let batch = match &self.in_flight {
            Some(flight) => flight.retry_at,
            None if self.is_caught_up => {
                let oldest = self.queue.front();
                oldest.map(|held| held.at.saturating_add(self.config.batch_age_max))
            }
            None => None,
        };
        [batch, self.hot_at, self.repeats_at, self.heartbeat_at].into_iter().flatten().min()
    }
}

impl ServiceCore for PersisterCore {
    type LocalInput = PersisterInput;
    type LocalOutput = PersisterOutput;
}
