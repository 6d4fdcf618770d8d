//! Publishing in order without ever holding up the loop.
//!
//! Durable messages go through bounded lanes, each with a worker of its own that stores them one after the other and
//! tries again while the bus is away: cancels; `control.*`; the other messages of orders and accounts; and the rest
//! (definitions, bars, universes, decision records). So a cancel or a halt never waits for the answer to anything else,
//! and within a lane the order in the stream is the order of publishing. States are coalesced: of one that waits and one
//! that comes the newer is stored. Only the last lane sheds, the newest when it is full, and counts it; when another is full
//! or a message in it is refused for good, the process must halt and end. Core messages are given to the bus at once or
//! dropped.

use crate::TraceContext;
use bytes::Bytes;
use futures::FutureExt;
use remora_bus::{Bus, BusError, Call, OutMessage, StoredAt};
use remora_domain::{Envelope, Kind, Subject};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Messages that may wait in each lane while the bus is away: at 100 orders a second, 40 s. Beyond that the process
/// cannot keep its promises and ends; what is no promise is shed.
const LANE_QUEUE_MAX: usize = 4_096;
/// Pauses between tries.
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// No answer in this time counts as a failed try; the bus has its own, shorter one.
const TRY_TIMEOUT_MS: u64 = 10_000;
const TRY_TIMEOUT: Duration = Duration::from_millis(TRY_TIMEOUT_MS);
/// Tries of a report that a connected bus does not store, so that it does not hold up the commands behind it.
const REPORT_TRIES_MAX: u32 = 3;
/// A message that has waited for longer than this means that what this process says is not heard.
const UNSTORED_AGE_MAX: Duration = Duration::from_secs(3);

/// Says why a message will not be published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The lane is full: the bus has been away for too long.
    #[error("queue a {kind} message: {waiting} wait already")]
    QueueFull {
        /// Of which kind.
        kind: &'static str,
        /// How many wait.
        waiting: usize,
    },
    /// The stream refuses it, and would again.
    #[error("store a message on {subject}: {problem}")]
    Refused {
        /// Its subject.
        subject: String,
        /// What the bus said, with its causes.
        problem: String,
    },
    /// The worker is gone.
    #[error("queue a {kind} message: the worker is gone")]
    Stopped {
        /// Of which kind.
        kind: &'static str,
    },
}

/// Publishes for one core; clones share the lanes.
#[derive(Clone)]
pub struct Publisher {
    bus: Arc<dyn Bus>,
    cancels: Lane,
    control: Lane,
    orders: Lane,
    other: Lane,
    failure: watch::Sender<Option<PublishError>>,
}

#[derive(Clone)]
struct Lane {
    jobs: mpsc::Sender<Job>,
    condition: Arc<Condition>,
}

/// Is what a lane and its worker both know.
struct Condition {
    name: &'static str,
    waiting: AtomicUsize,
    facts: Mutex<Facts>,
}

#[derive(Default)]
struct Facts {
    /// Since when the message being stored has waited: it is the oldest of its lane.
    oldest: Option<Instant>,
    /// Why it is not stored yet.
    problem: Option<String>,
    /// The newest state, while it waits.
    latest: Option<Entry>,
}

enum Job {
    Store(Entry),
    /// The newest state, whichever that is by then.
    StoreLatest,
    Flush(oneshot::Sender<()>),
}

struct Entry {
    message: OutMessage,
    kind: Kind,
    on_refusal: OnRefusal,
    stored: Option<oneshot::Sender<StoredAt>>,
    since: Instant,
}

/// Says what a refusal for good means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnRefusal {
    /// The process cannot go on.
    End,
    /// It is counted and reported.
    Report,
    /// It is counted and reported, and gives way to what is behind it when a connected bus does not store it.
    GiveWay,
}

/// Is how far publishing is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// How many durable messages wait to be stored.
    pub waiting: usize,
    /// How long the oldest of them has waited.
    pub age: Duration,
    /// Why it is not stored yet, if the bus said so.
    pub problem: Option<String>,
}

impl Backlog {
    /// Tells whether what this process says still reaches the streams in time.
    #[must_use]
    pub fn is_bearable(&self) -> bool {
        self.age <= UNSTORED_AGE_MAX
    }
}

impl Publisher {
    /// Starts the workers of the lanes.
    #[must_use]
    pub fn start(bus: Arc<dyn Bus>) -> Self {
        let failure = watch::Sender::new(None);
        let lane = |name| {
            let (jobs, queue) = mpsc::channel(LANE_QUEUE_MAX);
            let (waiting, facts) = (AtomicUsize::new(0), Mutex::default());
            let condition = Arc::new(Condition { name, waiting, facts });
            let worker = Worker {
                bus: Arc::clone(&bus),
                queue,
                condition: Arc::clone(&condition),
                failure: failure.clone(),
            };
            tokio::spawn(worker.run());
            Lane { jobs, condition }
        };
        let (cancels, control) = (lane("cancels"), lane("control"));
        let (orders, other) = (lane("orders"), lane("other"));
        Self { bus, cancels, control, orders, other, failure }
    }

    /// Publishes a message as its kind demands; returns at once.
    ///
    /// # Errors
    /// Refuses when a lane that never sheds is full or its worker gone: the process must halt and end.
    pub fn publish(&self, envelope: &Envelope, context: &TraceContext) -> Result<(), PublishError> {
        let bytes = remora_wire::encode(envelope);
        self.publish_encoded(envelope, bytes, context)
    }

    /// Publishes a durable message and tells where it was stored. The answer never comes when the stream refuses the
    /// message for good; the process then ends.
    ///
    /// # Errors
    /// As `publish`.
    pub fn publish_confirmed(
        &self,
        envelope: &Envelope,
        context: &TraceContext,
    ) -> Result<oneshot::Receiver<StoredAt>, PublishError> {
        let (stored, receiver) = oneshot::channel();
        let bytes = remora_wire::encode(envelope);
        let (kind, message) = outgoing(envelope, bytes, context);
        self.store(kind, message, OnRefusal::End, Some(stored))?;
        Ok(receiver)
    }

    /// Waits until everything queued so far is stored, at most `timeout`; tells how many are left.
    ///
    /// # Errors
    /// Gives the number of messages that were not stored.
    pub async fn flush(&self, timeout: Duration) -> Result<(), usize> {
        let flush = futures::future::join_all(self.lanes().map(|lane| async {
            let (flushed, wait) = oneshot::channel();
            if lane.jobs.send(Job::Flush(flushed)).await.is_ok() {
                // A worker that is gone has left its messages; they are counted below.
                let _ = wait.await;
            }
        }));
        // Whether it was in time shows in what is left.
        let _ = tokio::time::timeout(timeout, flush).await;
        match self.waiting() {
            0 => Ok(()),
            left => Err(left),
        }
    }

    /// Watches for a message that can never be stored.
    #[must_use]
    pub fn watch_failure(&self) -> watch::Receiver<Option<PublishError>> {
        self.failure.subscribe()
    }

    /// Gives how many durable messages wait to be stored.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let waiting = self.lanes().map(|lane| lane.condition.waiting.load(Ordering::Relaxed));
        waiting.into_iter().fold(0, usize::saturating_add)
    }

    /// Gives how far the lane that is worst off is behind.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        let now = Instant::now();
        let mut worst = Backlog { waiting: self.waiting(), age: Duration::ZERO, problem: None };
        for lane in self.lanes() {
            let facts = lane.condition.facts();
            let age = facts.oldest.map(|since| now.saturating_duration_since(since));
            if let Some(age) = age.filter(|age| *age >= worst.age) {
                (worst.age, worst.problem) = (age, facts.problem.clone());
            }
        }
        worst
    }

    const fn lanes(&self) -> [&Lane; 4] {
        [&self.cancels, &self.control, &self.orders, &self.other]
    }

    /// Publishes what is already encoded.
    pub(crate) fn publish_encoded(
        &self,
        envelope: &Envelope,
        bytes: Bytes,
        context: &TraceContext,
    ) -> Result<(), PublishError> {
        let (kind, message) = outgoing(envelope, bytes, context);
        if kind.is_durable() {
            return self.store(kind, message, OnRefusal::End, None);
        }
        self.publish_core(kind.as_str(), message);
        Ok(())
    }

    /// Publishes a command that was given to this service directly; it must not end the process when it is refused. Where
    /// it was stored is told when it is; never, when it was refused for good. A halt is tried for ever; anything else gives
    /// way to what is behind it when a connected bus does not store it.
    pub(crate) fn publish_command(
        &self,
        envelope: &Envelope,
        is_halt: bool,
    ) -> oneshot::Receiver<StoredAt> {
        let (kind, message) =
            outgoing(envelope, remora_wire::encode(envelope), &TraceContext::none());
        let (stored, receiver) = oneshot::channel();
        let on_refusal = if is_halt { OnRefusal::Report } else { OnRefusal::GiveWay };
        if let Err(error) = self.store(kind, message, on_refusal, Some(stored)) {
            tracing::error!(%error, "control command not recorded on the bus");
        }
        receiver
    }

    /// Publishes on a core subject, now or never: market data that waits is not worth sending.
    pub(crate) fn publish_core(&self, kind: &'static str, message: OutMessage) {
        // Unconstrained, because a used-up budget of the scheduler must not look like a bus that is full.
        let publish = tokio::task::unconstrained(self.bus.publish(message));
        match publish.now_or_never() {
            Some(Ok(())) => {
                metrics::counter!("remora_bus_published_total", "kind" => kind).increment(1)
            }
            Some(Err(error)) => {
                tracing::debug!(%error, kind, "core message dropped");
                metrics::counter!("remora_bus_shed_total", "kind" => kind).increment(1);
            }
            None => metrics::counter!("remora_bus_shed_total", "kind" => kind).increment(1),
        }
    }

    fn store(
        &self,
        kind: Kind,
        message: OutMessage,
        on_refusal: OnRefusal,
        stored: Option<oneshot::Sender<StoredAt>>,
    ) -> Result<(), PublishError> {
        let is_essential = is_essential(kind);
        let lane = if kind == Kind::OrderCancel {
            &self.cancels
        } else if matches!(kind, Kind::ControlCommand | Kind::ControlState) {
            &self.control
        } else if is_essential {
            &self.orders
        } else {
            &self.other
        };
        let entry = Entry { message, kind, on_refusal, stored, since: Instant::now() };
        match lane.push(entry) {
            Err(error) if is_essential => Err(error),
            Err(_) | Ok(()) => Ok(()),
        }
    }
}

impl Lane {
    /// Puts a message at the end of the queue, or a state in the place of the one that still waits.
    fn push(&self, mut entry: Entry) -> Result<(), PublishError> {
        let kind = entry.kind;
        let job = if kind == Kind::ControlState {
            let mut facts = self.condition.facts();
            if let Some(older) = facts.latest.take() {
                entry.since = older.since;
                facts.latest = Some(entry);
                metrics::counter!("remora_bus_coalesced_total").increment(1);
                return Ok(());
            }
            facts.latest = Some(entry);
            Job::StoreLatest
        } else {
            Job::Store(entry)
        };
        let waiting = self.condition.waiting.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        self.condition.show(waiting);
        let kind = kind.as_str();
        let error = match self.jobs.try_send(job) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => PublishError::QueueFull { kind, waiting },
            Err(mpsc::error::TrySendError::Closed(_)) => PublishError::Stopped { kind },
        };
        let left = self.condition.waiting.fetch_sub(1, Ordering::Relaxed).saturating_sub(1);
        self.condition.show(left);
        metrics::counter!("remora_bus_shed_total", "kind" => kind).increment(1);
        Err(error)
    }
}

impl Condition {
    fn show(&self, waiting: usize) {
        let depth = f64::from(u32::try_from(waiting).unwrap_or(u32::MAX));
        metrics::gauge!("remora_bus_publish_queue_messages", "lane" => self.name).set(depth);
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        // Nothing can fail while the lock is held, so a poisoned lock holds good facts.
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells whether losing a message of this kind would lose track of orders, money or orders to stop.
const fn is_essential(kind: Kind) -> bool {
    match kind {
        Kind::OrderRequest
        | Kind::OrderApproval
        | Kind::OrderRefusal
        | Kind::OrderCancel
        | Kind::OrderEvent
        | Kind::AccountBalance
        | Kind::AccountPosition
        | Kind::AccountFee
        | Kind::ControlCommand
        | Kind::ControlState => true,
        Kind::MdBook
        | Kind::MdTrade
        | Kind::MdTicker
        | Kind::MdStatus
        | Kind::MdInstrument
        | Kind::MdBar
        | Kind::PairsUniverse
        | Kind::DecisionRecord
        | Kind::SvcHeartbeat => false,
    }
}

fn outgoing(envelope: &Envelope, payload: Bytes, context: &TraceContext) -> (Kind, OutMessage) {
    let subject = Subject::of(envelope);
    let mut headers = BTreeMap::new();
    context.inject(&mut headers);
    let message = OutMessage {
        subject: subject.to_string(),
        message_id: envelope.header.message_id().to_string(),
        headers,
        payload,
    };
    (subject.kind, message)
}

struct Worker {
    bus: Arc<dyn Bus>,
    queue: mpsc::Receiver<Job>,
    condition: Arc<Condition>,
    failure: watch::Sender<Option<PublishError>>,
}

impl Worker {
    /// Stores one message after the other: the order in a stream is the order of publishing, also across failures.
    async fn run(mut self) {
        while let Some(job) = self.queue.recv().await {
            let entry = match job {
                Job::Store(entry) => Some(entry),
                Job::StoreLatest => self.condition.facts().latest.take(),
                Job::Flush(flushed) => {
                    // Whoever waited may have given up.
                    let _ = flushed.send(());
                    continue;
                }
            };
            if let Some(entry) = entry {
                self.condition.facts().oldest = Some(entry.since);
                self.work(entry).await;
                let mut facts = self.condition.facts();
                (facts.oldest, facts.problem) = (None, None);
            }
            let waiting = self.condition.waiting.fetch_sub(1, Ordering::Relaxed).saturating_sub(1);
            self.condition.show(waiting);
        }
    }

    async fn work(&self, entry: Entry) {
        let Entry { message, kind, on_refusal, stored, since: _ } = entry;
        let subject = message.subject.clone();
        match self.store(message, on_refusal).await {
            Ok(at) => {
                metrics::counter!("remora_bus_published_total", "kind" => kind.as_str())
                    .increment(1);
                if let Some(stored) = stored {
                    // Whoever waited may have given up.
                    let _ = stored.send(at);
                }
            }
            Err(error) => {
                let problem = chain(&error);
                tracing::error!(error = problem, subject, "durable message refused");
                metrics::counter!("remora_bus_refused_total", "kind" => kind.as_str()).increment(1);
                if on_refusal == OnRefusal::End && is_essential(kind) {
                    self.failure.send_replace(Some(PublishError::Refused { subject, problem }));
                }
            }
        }
    }

    /// Tries until the stream has it or refuses it for good. The number of tries is bounded by the queue behind: when
    /// that is full, the process ends.
    async fn store(
        &self,
        message: OutMessage,
        on_refusal: OnRefusal,
    ) -> Result<StoredAt, BusError> {
        let mut pause = RETRY_FIRST;
        let mut unanswered = 0_u32;
        loop {
            let publish = self.bus.publish_durable(message.clone());
            let error = match tokio::time::timeout(TRY_TIMEOUT, publish).await {
                Ok(Ok(at)) => return Ok(at),
                Ok(Err(error)) => error,
                Err(_) => {
                    BusError::Timeout { call: Call::PublishDurable, after_ms: TRY_TIMEOUT_MS }
                }
            };
            let is_away = matches!(error, BusError::Disconnected { .. });
            unanswered = unanswered.saturating_add(u32::from(!is_away));
            let gives_way = on_refusal == OnRefusal::GiveWay && unanswered >= REPORT_TRIES_MAX;
            if !error.is_transient() || gives_way {
                return Err(error);
            }
            tracing::debug!(%error, "publish tried again");
            self.condition.facts().problem = Some(chain(&error));
            metrics::counter!("remora_bus_publish_retries_total").increment(1);
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(RETRY_MAX);
        }
    }
}

/// Gives an error with all its causes, for one log line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
