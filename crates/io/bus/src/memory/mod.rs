//! The bus of one process: the same promises as over NATS, without a server.
//!
//! Streams exist from the start and live as long as the bus. Limits by number are kept; limits by age are not,
//! as they are longer than one process is meant to live.

mod durable;
mod log;

use crate::check::{check_durable, check_message, check_register, check_subscription};
use crate::error::Call;
use crate::pattern::{check_filters, check_name, matches};
use crate::reader::{LogEntry, LogSource};
use crate::subscription::DropOldest;
use crate::{
    Bus, BusError, BusHealth, Consumer, InMessage, LogReader, OutMessage, ReadFrom, RegisterValue,
    StoredAt, Stream, Subscription,
};
use bytes::Bytes;
pub(crate) use durable::ACK_PENDING_MAX;
use durable::Durable;
use log::{Log, Position};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How long a delivery may stay unacknowledged, unless told otherwise.
const ACK_WAIT: Duration = Duration::from_secs(30);

/// Makes a bus within this process.
#[must_use]
pub fn in_memory() -> InMemoryBus {
    InMemoryBus::new(ACK_WAIT)
}

/// Is a bus within one process; clones share it.
#[derive(Clone)]
pub struct InMemoryBus {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Bumped whenever a stream stores something and when the bus closes.
    news: BTreeMap<Stream, watch::Sender<u64>>,
    health: watch::Sender<BusHealth>,
    ack_wait: Duration,
}

struct State {
    logs: BTreeMap<Stream, Log>,
    durables: BTreeMap<(Stream, String), Durable>,
    subscribers: Vec<Subscriber>,
    is_closed: bool,
}

struct Subscriber {
    patterns: Vec<String>,
    queue: Arc<DropOldest>,
}

impl InMemoryBus {
    /// Makes a bus whose unacknowledged deliveries come again after `ack_wait`.
    #[must_use]
    pub fn new(ack_wait: Duration) -> Self {
        let logs = Stream::ALL.into_iter().map(|s| (s, Log::new(s.definition()))).collect();
        let state =
            State { logs, durables: BTreeMap::new(), subscribers: vec![], is_closed: false };
        let shared = Shared {
            state: Mutex::new(state),
            news: Stream::ALL.into_iter().map(|s| (s, watch::Sender::new(0))).collect(),
            health: watch::Sender::new(BusHealth::connected()),
            ack_wait,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Ends every reader once it has read what is there; refuses whatever comes later.
    pub fn close(&self) {
        let mut state = self.shared.lock();
        state.is_closed = true;
        for subscriber in state.subscribers.drain(..) {
            subscriber.queue.close();
        }
        drop(state);
        for news in self.shared.news.values() {
            news.send_modify(|bumps| *bumps = bumps.saturating_add(1));
        }
    }
}

impl Shared {
    /// A poisoned lock is taken all the same: nothing between lock and unlock can fail half way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, stream: Stream) -> Result<watch::Receiver<u64>, BusError> {
        self.news.get(&stream).map(watch::Sender::subscribe).ok_or(BusError::Closed)
    }

    /// Stores where a stream wants it, then hands to core subscribers.
    fn deliver(&self, message: OutMessage) -> Result<Option<StoredAt>, BusError> {
        let OutMessage { subject, message_id, headers, payload } = message;
        let message = InMessage { subject, headers, payload };
        let stream = Stream::of_subject(&message.subject);
        let mut state = self.lock();
        if state.is_closed {
            return Err(BusError::Closed);
        }
        let stored = stream.and_then(|stream| {
            let log = state.logs.get_mut(&stream)?;
            let (sequence, is_duplicate) = log.append(&message_id, &message);
            Some(StoredAt { stream, sequence, is_duplicate })
        });
        state.subscribers.retain(|subscriber| {
            let is_wanted = subscriber.patterns.iter().any(|p| matches(p, &message.subject));
            if is_wanted {
                subscriber.queue.push(message.clone())
            } else {
                subscriber.queue.is_open()
            }
        });
        drop(state);
        if let Some(news) = stored.and_then(|at| self.news.get(&at.stream)) {
            news.send_modify(|bumps| *bumps = bumps.saturating_add(1));
        }
        Ok(stored)
    }
}

#[async_trait::async_trait]
impl Bus for InMemoryBus {
    async fn publish(&self, message: OutMessage) -> Result<(), BusError> {
        check_message(&message)?;
        self.shared.deliver(message).map(drop)
    }

    async fn publish_durable(&self, message: OutMessage) -> Result<StoredAt, BusError> {
        check_durable(&message)?;
        let subject = message.subject.clone();
        self.shared.deliver(message)?.ok_or(BusError::NotDurable { subject })
    }

    async fn subscribe(
        &self,
        patterns: &[String],
        capacity: usize,
    ) -> Result<Subscription, BusError> {
        check_subscription(patterns, capacity)?;
        let queue = DropOldest::new(capacity);
        let mut state = self.shared.lock();
        if state.is_closed {
            return Err(BusError::Closed);
        }
        let subscriber = Subscriber { patterns: patterns.to_vec(), queue: Arc::clone(&queue) };
        state.subscribers.push(subscriber);
        drop(state);
        Ok(Subscription::new(queue, None))
    }

    async fn read_log(
        &self,
        stream: Stream,
        filters: &[String],
        from: ReadFrom,
    ) -> Result<LogReader, BusError> {
        check_filters(filters, &stream.definition().subjects)?;
        let news = self.shared.watch(stream)?;
        let state = self.shared.lock();
        let log = state.logs.get(&stream).ok_or(BusError::Closed)?;
        let (position, end) = log.open(filters, from)?;
        drop(state);
        let (shared, filters) = (Arc::clone(&self.shared), filters.to_vec());
        let source = MemoryReader { shared, stream, filters, position, news };
        Ok(LogReader::new(Box::new(source), end))
    }

    async fn consume(
        &self,
        stream: Stream,
        durable: &str,
        filters: &[String],
    ) -> Result<Consumer, BusError> {
        check_name(durable)?;
        check_filters(filters, &stream.definition().subjects)?;
        let source = durable::open(&self.shared, stream, durable, filters)?;
        Ok(Consumer::new(Box::new(source)))
    }

    async fn read_register(&self, subject: &str) -> Result<Option<RegisterValue>, BusError> {
        check_register(subject)?;
        let state = self.shared.lock();
        let log = state.logs.get(&Stream::Leases).ok_or(BusError::Closed)?;
        Ok(log.last_of(subject).map(|(revision, message)| RegisterValue {
            revision,
            payload: message.payload.clone(),
        }))
    }

    async fn write_register(
        &self,
        subject: &str,
        payload: Bytes,
        expected: u64,
    ) -> Result<Option<u64>, BusError> {
        check_register(subject)?;
        let mut state = self.shared.lock();
        if state.is_closed {
            return Err(BusError::Closed);
        }
        let log = state.logs.get_mut(&Stream::Leases).ok_or(BusError::Closed)?;
        if log.last_of(subject).map_or(0, |(revision, _)| revision) != expected {
            return Ok(None);
        }
        let (subject, headers) = (subject.to_owned(), BTreeMap::new());
        let (revision, _) = log.append("", &InMessage { subject, headers, payload });
        Ok(Some(revision))
    }

    fn health(&self) -> watch::Receiver<BusHealth> {
        self.shared.health.subscribe()
    }

    async fn declare_streams(&self) -> Result<(), BusError> {
        if self.shared.lock().is_closed {
            return Err(BusError::Disconnected { call: Call::DeclareStream });
        }
        Ok(())
    }
}

struct MemoryReader {
    shared: Arc<Shared>,
    stream: Stream,
    filters: Vec<String>,
    position: Position,
    news: watch::Receiver<u64>,
}

#[async_trait::async_trait]
impl LogSource for MemoryReader {
    async fn recv(&mut self) -> Result<LogEntry, BusError> {
        loop {
            self.news.mark_unchanged();
            {
                let state = self.shared.lock();
                let log = state.logs.get(&self.stream).ok_or(BusError::Closed)?;
                if let Some(entry) = log.next(&mut self.position, &self.filters) {
                    return Ok(entry);
                }
                if state.is_closed {
                    return Err(BusError::Closed);
                }
            }
            self.news.changed().await.map_err(|_| BusError::Closed)?;
        }
    }
}
