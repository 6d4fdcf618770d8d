//! Publishing in order without ever holding up the loop.
//!
//! Durable messages go through one of two bounded lanes, each with a worker that stores them one after the other and
//! tries again while the bus is away. The essential lane (`order.*`, `account.*`, `control.*`) is never shed: when it is full
//! or a message is refused for good, the process must halt and end. The other lane (definitions, bars, universes, decision
//! records) sheds the newest when it is full, and counts it. Core messages are given to the bus at once or dropped.

use crate::TraceContext;
use bytes::Bytes;
use futures::FutureExt;
use remora_bus::{Bus, BusError, Call, OutMessage, StoredAt, Stream};
use remora_domain::{Envelope, Kind, Subject};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Order messages that may wait while the bus is away: at 100 a second, 40 s. Beyond that the process cannot keep
/// its promises and ends.
const ESSENTIAL_QUEUE_MAX: usize = 4_096;
/// Other durable messages that may wait; more are shed.
const OTHER_QUEUE_MAX: usize = 4_096;
/// Pauses between tries.
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// No answer in this time counts as a failed try; the bus has its own, shorter one.
const TRY_TIMEOUT_MS: u64 = 10_000;
const TRY_TIMEOUT: Duration = Duration::from_millis(TRY_TIMEOUT_MS);
/// Tries of a report that a connected bus does not store, so that it does not hold up the orders behind it.
const REPORT_TRIES_MAX: u32 = 3;

/// Says why a message will not be published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The essential lane is full: the bus has been away for too long.
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
    essential: Lane,
    other: Lane,
    failure: watch::Sender<Option<PublishError>>,
}

#[derive(Clone)]
struct Lane {
    jobs: mpsc::Sender<Job>,
    waiting: Arc<AtomicUsize>,
}

enum Job {
    Store {
        message: OutMessage,
        kind: Kind,
        on_refusal: OnRefusal,
        stored: Option<oneshot::Sender<StoredAt>>,
    },
    Flush(oneshot::Sender<()>),
}

/// Says what a refusal for good means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnRefusal {
    /// The process cannot go on.
    End,
    /// It is counted and reported.
    Report,
}

impl Publisher {
    /// Starts the workers of the two lanes.
    #[must_use]
    pub fn start(bus: Arc<dyn Bus>) -> Self {
        let failure = watch::Sender::new(None);
        let lane = |capacity, name| {
            let (jobs, queue) = mpsc::channel(capacity);
            let waiting = Arc::new(AtomicUsize::new(0));
            let worker = Worker {
                bus: Arc::clone(&bus),
                queue,
                waiting: Arc::clone(&waiting),
                failure: failure.clone(),
                name,
            };
            tokio::spawn(worker.run());
            Lane { jobs, waiting }
        };
        let essential = lane(ESSENTIAL_QUEUE_MAX, "essential");
        let other = lane(OTHER_QUEUE_MAX, "other");
        Self { bus, essential, other, failure }
    }

    /// Publishes a message as its kind demands; returns at once.
    ///
    /// # Errors
    /// Refuses when the essential lane is full or its worker gone: the process must halt and end.
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
        let flush = async {
            for lane in [&self.essential, &self.other] {
                let (flushed, wait) = oneshot::channel();
                if lane.jobs.send(Job::Flush(flushed)).await.is_ok() {
                    // A worker that is gone has left its messages; they are counted below.
                    let _ = wait.await;
                }
            }
        };
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
        let count = |lane: &Lane| lane.waiting.load(Ordering::Relaxed);
        count(&self.essential).saturating_add(count(&self.other))
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

    /// Publishes what must not end the process when it is refused: what an operator said to this service directly.
    pub(crate) fn publish_report(&self, envelope: &Envelope, context: &TraceContext) {
        let (kind, message) = outgoing(envelope, remora_wire::encode(envelope), context);
        if let Err(error) = self.store(kind, message, OnRefusal::Report, None) {
            tracing::error!(%error, "control command not recorded on the bus");
        }
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
        let is_essential = is_essential(&message.subject);
        let lane = if is_essential { &self.essential } else { &self.other };
        lane.waiting.fetch_add(1, Ordering::Relaxed);
        let kind_word = kind.as_str();
        let error = match lane.jobs.try_send(Job::Store { message, kind, on_refusal, stored }) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => {
                let waiting = lane.waiting.load(Ordering::Relaxed);
                PublishError::QueueFull { kind: kind_word, waiting }
            }
            Err(mpsc::error::TrySendError::Closed(_)) => PublishError::Stopped { kind: kind_word },
        };
        lane.waiting.fetch_sub(1, Ordering::Relaxed);
        metrics::counter!("remora_bus_shed_total", "kind" => kind_word).increment(1);
        if is_essential { Err(error) } else { Ok(()) }
    }
}

/// Tells whether losing a message of this subject would lose track of orders, money or orders to stop.
fn is_essential(subject: &str) -> bool {
    match Stream::of_subject(subject) {
        Some(Stream::Orders | Stream::Accounts | Stream::Control) => true,
        Some(Stream::Instruments | Stream::Bars | Stream::Pairs | Stream::Decisions) | None => {
            false
        }
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
    waiting: Arc<AtomicUsize>,
    failure: watch::Sender<Option<PublishError>>,
    name: &'static str,
}

impl Worker {
    /// Stores one message after the other: the order in a stream is the order of publishing, also across failures.
    async fn run(mut self) {
        while let Some(job) = self.queue.recv().await {
            let (message, kind, on_refusal, stored) = match job {
                Job::Store { message, kind, on_refusal, stored } => {
                    (message, kind, on_refusal, stored)
                }
                Job::Flush(flushed) => {
                    // Whoever waited may have given up.
                    let _ = flushed.send(());
                    continue;
                }
            };
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
                    metrics::counter!("remora_bus_refused_total", "kind" => kind.as_str())
                        .increment(1);
                    if on_refusal == OnRefusal::End && is_essential(&subject) {
                        self.failure.send_replace(Some(PublishError::Refused { subject, problem }));
                    }
                }
            }
            let waiting = self.waiting.fetch_sub(1, Ordering::Relaxed).saturating_sub(1);
            let depth = f64::from(u32::try_from(waiting).unwrap_or(u32::MAX));
            metrics::gauge!("remora_bus_publish_queue_messages", "lane" => self.name).set(depth);
        }
    }

    /// Tries until the stream has it or refuses it for good. The number of tries is bounded by the queue behind: when
    /// that is full, the process ends. What is only a report gives way when the stream does not answer.
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
            let gives_way = on_refusal == OnRefusal::Report && unanswered >= REPORT_TRIES_MAX;
            if !error.is_transient() || gives_way {
                return Err(error);
            }
            tracing::debug!(%error, "publish tried again");
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
