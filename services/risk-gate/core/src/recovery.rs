//! Requests of the log that no gate has answered yet.

use remora_domain::{Envelope, Header, MessageId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Holds requests while this gate does not lead, and answers that were read before their requests.
#[derive(Debug, Default, Clone)]
pub(crate) struct Unanswered {
    requests: BTreeMap<u64, Arc<Envelope>>,
    numbers: BTreeMap<MessageId, u64>,
    answered: BTreeSet<MessageId>,
    count: u64,
}

impl Unanswered {
    /// Tells whether the answer of a request was read before it, and forgets that: a repeat of a request never comes here.
    pub(crate) fn was_answered(&mut self, request: &Header) -> bool {
        !self.answered.is_empty() && self.answered.remove(&request.message_id())
    }

    /// Keeps a request.
    pub(crate) fn add(&mut self, request: Arc<Envelope>) {
        let id = request.header.message_id();
        self.count = self.count.saturating_add(1);
        self.numbers.insert(id, self.count);
        self.requests.insert(self.count, request);
    }

    /// Drops the request an answer names as its cause.
    pub(crate) fn answered(&mut self, answer: &Header) {
        let Some(cause) = &answer.cause else { return };
        match self.numbers.remove(cause) {
            Some(number) => drop(self.requests.remove(&number)),
            None => drop(self.answered.insert(cause.clone())),
        }
    }

    /// Gives the requests without an answer, in the order of the log.
    pub(crate) fn requests(&self) -> impl Iterator<Item = &Envelope> {
        self.requests.values().map(|request| &**request)
    }

    /// Gives the requests whose answers were read before them.
    pub(crate) const fn answers_early(&self) -> &BTreeSet<MessageId> {
        &self.answered
    }

    /// Goes on where a snapshot ended.
    pub(crate) fn restore(
        &mut self,
        requests: impl Iterator<Item = Arc<Envelope>>,
        answered: BTreeSet<MessageId>,
    ) {
        *self = Self { answered, ..Self::default() };
        requests.for_each(|request| self.add(request));
    }

    /// Begins a term: gives what is left, in the order of the log.
    pub(crate) fn take(&mut self) -> Vec<Arc<Envelope>> {
        self.numbers.clear();
        std::mem::take(&mut self.requests).into_values().collect()
    }
}
