//! The end of a lane: stores what waits, and tries again while the bus is away.

use super::lane::{Condition, Entry, Job, OnRefusal};
use super::{PublishError, chain, is_essential};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use remora_bus::{Bus, BusError, Call, OutMessage, StoredAt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Pauses between tries.
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// No answer in this time counts as a failed try; the bus has its own, shorter one.
const TRY_TIMEOUT_MS: u64 = 10_000;
const TRY_TIMEOUT: Duration = Duration::from_millis(TRY_TIMEOUT_MS);
/// Tries of a report that a connected bus does not store, so that it does not hold up the commands behind it.
const REPORT_TRIES_MAX: u32 = 3;

pub(super) struct Worker {
    bus: Arc<dyn Bus>,
    condition: Arc<Condition>,
    failure: watch::Sender<Option<PublishError>>,
}

impl Worker {
    pub(super) const fn new(
        bus: Arc<dyn Bus>,
        condition: Arc<Condition>,
        failure: watch::Sender<Option<PublishError>>,
    ) -> Self {
        Self { bus, condition, failure }
    }

    /// Stores what comes, up to `at_once` messages at the same time: with one, the order in a stream is the order of
    /// publishing, also across failures.
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Job>, at_once: usize) {
        let mut storing = FuturesUnordered::new();
        let mut place = 0_u64;
        loop {
            let job = tokio::select! {
                Some(()) = storing.next(), if !storing.is_empty() => continue,
                job = queue.recv(), if storing.len() < at_once => job,
            };
            let entry = match job {
                Some(Job::Store(entry)) => Some(entry),
                Some(Job::StoreLatest) => self.condition.facts().latest.take(),
                Some(Job::Flush(flushed)) => {
                    while storing.next().await.is_some() {}
                    // Whoever waited may have given up.
                    let _ = flushed.send(());
                    continue;
                }
                None => break,
            };
            match entry {
                Some(entry) => storing.push(self.work(place, entry)),
                None => self.condition.ended(),
            }
            place = place.saturating_add(1);
        }
        while storing.next().await.is_some() {}
    }

    async fn work(&self, place: u64, entry: Entry) {
        let Entry { message, kind, cancels, on_refusal, stored, since } = entry;
        self.condition.facts().storing.insert(place, since);
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
        let mut facts = self.condition.facts();
        facts.storing.remove(&place);
        facts.problem = None;
        drop(facts);
        if let Some(order) = cancels {
            self.condition.cancel_ended(&order);
        }
        self.condition.ended();
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
