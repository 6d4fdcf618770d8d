//! A bounded queue of market data that drops the oldest when its reader is slow.

use crate::InMessage;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Receives core messages; dropping it ends the subscription.
pub struct Subscription {
    queue: Arc<DropOldest>,
    /// Ends whatever feeds the queue.
    _feeder: Option<AbortOnDrop>,
}

impl Subscription {
    pub(crate) fn new(queue: Arc<DropOldest>, feeder: Option<AbortOnDrop>) -> Self {
        Self { queue, _feeder: feeder }
    }

    /// Waits for the next message; `None` after the bus has closed and everything left was read. Cancel-safe.
    pub async fn recv(&mut self) -> Option<InMessage> {
        self.queue.pop().await
    }

    /// Gives how many messages were dropped because this reader was slow.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.queue.lock().dropped
    }

    /// Gives how many messages wait to be read.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.lock().waiting.len()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Ends a task when its owner goes.
pub(crate) struct AbortOnDrop(pub(crate) tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Is the queue: one reader, any number of writers, never longer than its capacity.
pub(crate) struct DropOldest {
    inner: Mutex<Inner>,
    capacity: usize,
    news: Notify,
}

struct Inner {
    waiting: VecDeque<InMessage>,
    dropped: u64,
    is_closed: bool,
}

impl DropOldest {
    pub(crate) fn new(capacity: usize) -> Arc<Self> {
        let inner = Inner { waiting: VecDeque::new(), dropped: 0, is_closed: false };
        Arc::new(Self { inner: Mutex::new(inner), capacity, news: Notify::new() })
    }

    /// Adds a message, dropping the oldest if there is no room; tells whether anybody still reads.
    pub(crate) fn push(&self, message: InMessage) -> bool {
        let mut inner = self.lock();
        if inner.is_closed {
            return false;
        }
        if inner.waiting.len() >= self.capacity {
            inner.waiting.pop_front();
            inner.dropped = inner.dropped.saturating_add(1);
        }
        inner.waiting.push_back(message);
        drop(inner);
        self.news.notify_one();
        true
    }

    /// Tells whether anybody still reads.
    pub(crate) fn is_open(&self) -> bool {
        !self.lock().is_closed
    }

    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.news.notify_one();
    }

    async fn pop(&self) -> Option<InMessage> {
        loop {
            let news = self.news.notified();
            {
                let mut inner = self.lock();
                if let Some(message) = inner.waiting.pop_front() {
                    return Some(message);
                }
                if inner.is_closed {
                    return None;
                }
            }
            news.await;
        }
    }

    /// A poisoned lock is taken all the same: no writer can leave the queue half changed.
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
