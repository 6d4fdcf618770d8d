//! Requests of the log that no gate has answered yet.

use remora_domain::{Envelope, Header, MessageId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Holds requests until recovery ends, and which requests were answered. Empty afterwards.
#[derive(Debug, Default)]
pub(crate) struct Unanswered {
    requests: BTreeMap<u64, Arc<Envelope>>,
    numbers: BTreeMap<MessageId, u64>,
    answered: BTreeSet<MessageId>,
    count: u64,
}

impl Unanswered {
    /// Keeps a request unless its answer was seen already.
    pub(crate) fn add(&mut self, request: Arc<Envelope>) {
        let id = request.header.message_id();
        if self.answered.contains(&id) {
            return;
        }
        self.count = self.count.saturating_add(1);
        self.numbers.insert(id, self.count);
        self.requests.insert(self.count, request);
    }

    /// Drops the request an answer names as its cause.
    pub(crate) fn answered(&mut self, answer: &Header) {
        let Some(cause) = &answer.cause else { return };
        if let Some(number) = self.numbers.remove(cause) {
            self.requests.remove(&number);
        }
        self.answered.insert(cause.clone());
    }

    /// Ends recovery: gives what is left, in the order of the log, and forgets the rest.
    pub(crate) fn take(&mut self) -> Vec<Arc<Envelope>> {
        std::mem::take(self).requests.into_values().collect()
    }
}
