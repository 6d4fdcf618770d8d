//! Publishing in order without ever holding up the loop.
//!
//! Durable messages go through bounded lanes, each with a worker of its own that stores them and tries again while the bus
//! is away: cancels, many at once; `control.*`; the other messages of orders and accounts; and the rest (definitions,
//! bars, universes, decision records). So a cancel or a halt never waits for the answer to anything else, and but for
//! cancels the order in the stream is the order of publishing. States are coalesced: of one that waits and one that comes
//! the newer is stored; of two cancels of one order the first. Only the last lane sheds, the newest when it is full, and counts it; when another is full
//! or a message in it is refused for good, the process must halt and end. Core messages are given to the bus at once or
//! dropped.

mod lane;
mod worker;

use crate::TraceContext;
use bytes::Bytes;
use futures::FutureExt;
use lane::{Entry, Job, Lane, OnRefusal};
use remora_bus::{Bus, OutMessage, StoredAt};
use remora_domain::{Body, ClOrdId, Envelope, Kind, Subject};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// Cancels that are stored at the same time: each is about one order, so their order among themselves means nothing.
const CANCELS_AT_ONCE: usize = 32;
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
        let lane = |name, at_once| Lane::start(name, at_once, Arc::clone(&bus), failure.clone());
        let (cancels, control) = (lane("cancels", CANCELS_AT_ONCE), lane("control", 1));
        let (orders, other) = (lane("orders", 1), lane("other", 1));
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
        let outgoing = Outgoing::of(envelope, bytes, context);
        self.store(outgoing, OnRefusal::End, Some(stored))?;
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
        let waiting = self.lanes().map(|lane| lane.condition.waiting());
        waiting.into_iter().fold(0, usize::saturating_add)
    }

    /// Gives how far the lane that is worst off is behind.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        let now = Instant::now();
        let mut worst = Backlog { waiting: self.waiting(), age: Duration::ZERO, problem: None };
        for lane in self.lanes() {
            let Some((since, problem)) = lane.condition.oldest() else { continue };
            let age = now.saturating_duration_since(since);
            if age >= worst.age {
                (worst.age, worst.problem) = (age, problem);
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
        let outgoing = Outgoing::of(envelope, bytes, context);
        if outgoing.kind.is_durable() {
            return self.store(outgoing, OnRefusal::End, None);
        }
        self.publish_core(outgoing.kind.as_str(), outgoing.message);
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
        let bytes = remora_wire::encode(envelope);
        let outgoing = Outgoing::of(envelope, bytes, &TraceContext::none());
        let (stored, receiver) = oneshot::channel();
        let on_refusal = if is_halt { OnRefusal::Report } else { OnRefusal::GiveWay };
        if let Err(error) = self.store(outgoing, on_refusal, Some(stored)) {
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
        outgoing: Outgoing,
        on_refusal: OnRefusal,
        stored: Option<oneshot::Sender<StoredAt>>,
    ) -> Result<(), PublishError> {
        let Outgoing { kind, cancels, message } = outgoing;
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
        let entry = Entry { message, kind, cancels, on_refusal, stored, since: Instant::now() };
        match lane.push(entry) {
            Err(error) if is_essential => Err(error),
            Err(_) | Ok(()) => Ok(()),
        }
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
        | Kind::AccountBreak
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

/// Is a message on its way out.
struct Outgoing {
    kind: Kind,
    /// The order that it takes back.
    cancels: Option<ClOrdId>,
    message: OutMessage,
}

impl Outgoing {
    fn of(envelope: &Envelope, payload: Bytes, context: &TraceContext) -> Self {
        let subject = Subject::of(envelope);
        let mut headers = BTreeMap::new();
        context.inject(&mut headers);
        let cancels = if let Body::OrderCancel(cancel) = &envelope.body {
            Some(cancel.cl_ord_id.clone())
        } else {
            None
        };
        let message = OutMessage {
            subject: subject.to_string(),
            message_id: envelope.header.message_id().to_string(),
            headers,
            payload,
        };
        Self { kind: subject.kind, cancels, message }
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
