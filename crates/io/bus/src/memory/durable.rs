//! Durable consumers in memory: what was delivered under a name and not yet acknowledged.

use super::Shared;
use crate::reader::{Acknowledge, Delivery, DeliverySource};
use crate::{BusError, InMessage, Stream};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Bounds what is delivered and not acknowledged under one name; then the rest waits in the log.
pub(crate) const ACK_PENDING_MAX: usize = 1_000;

pub(super) struct Durable {
    filters: Vec<String>,
    next: u64,
    pending: BTreeMap<u64, Pending>,
    /// Wakes a reader when a message was given back or room was made.
    returned: Arc<Notify>,
}

struct Pending {
    attempt: u64,
    due: Instant,
}

/// Is the outcome of asking for work.
enum Found {
    Work { message: InMessage, sequence: u64, attempt: u64 },
    Nothing { until: Option<Instant> },
}

pub(super) fn open(
    shared: &Arc<Shared>,
    stream: Stream,
    name: &str,
    filters: &[String],
) -> Result<MemoryConsumer, BusError> {
    let news = shared.watch(stream)?;
    let key = (stream, name.to_owned());
    let mut state = shared.lock();
    let durable = state.durables.entry(key.clone()).or_insert_with(|| Durable {
        filters: vec![],
        next: 0,
        pending: BTreeMap::new(),
        returned: Arc::new(Notify::new()),
    });
    durable.filters = filters.to_vec();
    let returned = Arc::clone(&durable.returned);
    drop(state);
    Ok(MemoryConsumer { shared: Arc::clone(shared), key, news, returned })
}

pub(super) struct MemoryConsumer {
    shared: Arc<Shared>,
    key: (Stream, String),
    news: watch::Receiver<u64>,
    returned: Arc<Notify>,
}

impl MemoryConsumer {
    fn find(&self) -> Result<Found, BusError> {
        let mut state = self.shared.lock();
        let is_closed = state.is_closed;
        let state = &mut *state;
        let log = state.logs.get(&self.key.0).ok_or(BusError::Closed)?;
        let durable = state.durables.get_mut(&self.key).ok_or(BusError::Closed)?;
        durable.pending.retain(|sequence, _| log.get(*sequence).is_some());
        let (now, due_again) = (Instant::now(), Instant::now() + self.shared.ack_wait);
        let late = durable.pending.iter_mut().find(|(_, pending)| pending.due <= now);
        if let Some((&sequence, pending)) = late
            && let Some(message) = log.get(sequence)
        {
            pending.attempt = pending.attempt.saturating_add(1);
            pending.due = due_again;
            let (message, attempt) = (message.clone(), pending.attempt);
            return Ok(Found::Work { message, sequence, attempt });
        }
        if durable.pending.len() < ACK_PENDING_MAX {
            if let Some(entry) = log.find(durable.next, &durable.filters) {
                durable.next = entry.sequence.saturating_add(1);
                durable.pending.insert(entry.sequence, Pending { attempt: 1, due: due_again });
                let (message, sequence) = (entry.message, entry.sequence);
                return Ok(Found::Work { message, sequence, attempt: 1 });
            }
            durable.next = durable.next.max(log.last().saturating_add(1));
        }
        if is_closed {
            return Err(BusError::Closed);
        }
        let until = durable.pending.values().map(|pending| pending.due).min();
        Ok(Found::Nothing { until })
    }
}

#[async_trait::async_trait]
impl DeliverySource for MemoryConsumer {
    async fn recv(&mut self) -> Result<Delivery, BusError> {
        loop {
            self.news.mark_unchanged();
            let until = match self.find()? {
                Found::Work { message, sequence, attempt } => {
                    let (shared, key) = (Arc::clone(&self.shared), self.key.clone());
                    let acknowledge = Box::new(MemoryAck { shared, key, sequence });
                    return Ok(Delivery::new(message, sequence, attempt, acknowledge));
                }
                Found::Nothing { until } => until,
            };
            tokio::select! {
                biased;
                changed = self.news.changed() => changed.map_err(|_| BusError::Closed)?,
                () = self.returned.notified() => {}
                () = sleep_until(until) => {}
            }
        }
    }
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

struct MemoryAck {
    shared: Arc<Shared>,
    key: (Stream, String),
    sequence: u64,
}

#[async_trait::async_trait]
impl Acknowledge for MemoryAck {
    async fn ack(&self) -> Result<(), BusError> {
        let mut state = self.shared.lock();
        if let Some(durable) = state.durables.get_mut(&self.key) {
            durable.pending.remove(&self.sequence);
            durable.returned.notify_one();
        }
        Ok(())
    }

    async fn nak(&self) -> Result<(), BusError> {
        let mut state = self.shared.lock();
        if let Some(durable) = state.durables.get_mut(&self.key) {
            if let Some(pending) = durable.pending.get_mut(&self.sequence) {
                pending.due = Instant::now();
            }
            durable.returned.notify_one();
        }
        Ok(())
    }
}
