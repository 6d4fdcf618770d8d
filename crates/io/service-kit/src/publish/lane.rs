//! A lane: messages that wait to be stored, and what publisher and worker both know of them.

use super::PublishError;
use super::worker::Worker;
use remora_bus::{Bus, OutMessage, StoredAt};
use remora_domain::{ClOrdId, Kind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Messages that may wait in each lane while the bus is away: at 100 orders a second, 40 s. Beyond that the process
/// cannot keep its promises and ends; what is no promise is shed.
const LANE_QUEUE_MAX: usize = 4_096;

#[derive(Clone)]
pub(super) struct Lane {
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) condition: Arc<Condition>,
}

/// Is what a lane and its worker both know.
pub(super) struct Condition {
    name: &'static str,
    waiting: AtomicUsize,
    facts: Mutex<Facts>,
}

#[derive(Default)]
pub(super) struct Facts {
    /// Since when each message that is being stored has waited, by its place in the lane.
    pub(super) storing: BTreeMap<u64, Instant>,
    /// Why the last try failed, until one succeeds.
    pub(super) problem: Option<String>,
    /// The newest state, while it waits.
    pub(super) latest: Option<Entry>,
    /// The orders whose cancels are not stored yet.
    cancels: BTreeSet<ClOrdId>,
}

pub(super) enum Job {
    Store(Entry),
    /// The newest state, whichever that is by then.
    StoreLatest,
    Flush(oneshot::Sender<()>),
}

pub(super) struct Entry {
    pub(super) message: OutMessage,
    pub(super) kind: Kind,
    /// The order that this takes back.
    pub(super) cancels: Option<ClOrdId>,
    pub(super) on_refusal: OnRefusal,
    pub(super) stored: Option<oneshot::Sender<StoredAt>>,
    pub(super) since: Instant,
}

/// Says what a refusal for good means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnRefusal {
    /// The process cannot go on.
    End,
    /// It is counted and reported.
    Report,
    /// It is counted and reported, and gives way to what is behind it when a connected bus does not store it.
    GiveWay,
}

impl Lane {
    /// Starts a lane whose worker stores up to `at_once` messages at the same time. With more than one, their order in
    /// the stream is not the order of publishing once a try has failed.
    pub(super) fn start(
        name: &'static str,
        at_once: usize,
        bus: Arc<dyn Bus>,
        failure: watch::Sender<Option<PublishError>>,
    ) -> Self {
        let (jobs, queue) = mpsc::channel(LANE_QUEUE_MAX);
        let (waiting, facts) = (AtomicUsize::new(0), Mutex::default());
        let condition = Arc::new(Condition { name, waiting, facts });
        let worker = Worker::new(bus, Arc::clone(&condition), failure);
        tokio::spawn(worker.run(queue, at_once));
        Self { jobs, condition }
    }

    /// Puts a message at the end of the queue, or a state in the place of the one that still waits. A cancel of an order
    /// whose cancel still waits says nothing new.
    pub(super) fn push(&self, mut entry: Entry) -> Result<(), PublishError> {
        let kind = entry.kind;
        let mut facts = self.condition.facts();
        let job = if kind == Kind::ControlState {
            let older = facts.latest.take();
            let is_waiting = older.is_some();
            entry.since = older.map_or(entry.since, |older| older.since);
            facts.latest = Some(entry);
            if is_waiting {
                return coalesced();
            }
            Job::StoreLatest
        } else {
            let cancels = entry.cancels.clone();
            if cancels.is_some_and(|order| !facts.cancels.insert(order)) {
                return coalesced();
            }
            Job::Store(entry)
        };
        drop(facts);
        let waiting = self.condition.begun();
        let kind = kind.as_str();
        let error = match self.jobs.try_send(job) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => PublishError::QueueFull { kind, waiting },
            Err(mpsc::error::TrySendError::Closed(_)) => PublishError::Stopped { kind },
        };
        self.condition.ended();
        metrics::counter!("remora_bus_shed_total", "kind" => kind).increment(1);
        Err(error)
    }
}

impl Condition {
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Since when the message that is worst off has waited.
    pub(super) fn oldest(&self) -> Option<(Instant, Option<String>)> {
        let facts = self.facts();
        let since = facts.storing.values().min().copied();
        since.map(|since| (since, facts.problem.clone()))
    }

    fn begun(&self) -> usize {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        self.show(waiting);
        waiting
    }

    /// Notes that a message waits no longer.
    pub(super) fn ended(&self) {
        self.show(self.waiting.fetch_sub(1, Ordering::Relaxed).saturating_sub(1));
    }

    /// Notes that the cancel of this order has been stored or given up: the next one says something new.
    pub(super) fn cancel_ended(&self, order: &ClOrdId) {
        self.facts().cancels.remove(order);
    }

    fn show(&self, waiting: usize) {
        let depth = f64::from(u32::try_from(waiting).unwrap_or(u32::MAX));
        metrics::gauge!("remora_bus_publish_queue_messages", "lane" => self.name).set(depth);
    }

    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        // Nothing can fail while the lock is held, so a poisoned lock holds good facts.
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a message that one which still waits makes superfluous.
fn coalesced() -> Result<(), PublishError> {
    metrics::counter!("remora_bus_coalesced_total").increment(1);
    Ok(())
}
