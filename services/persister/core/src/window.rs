//! Remembers the ids of the last messages stored, so that a repeat costs no write.

use remora_domain::MessageId;
use std::collections::{BTreeSet, VecDeque};

/// Is a bounded memory of message ids; the oldest are forgotten first.
#[derive(Debug, Default)]
pub(crate) struct StoredWindow {
    ids: BTreeSet<MessageId>,
    order: VecDeque<MessageId>,
    len_max: usize,
}

impl StoredWindow {
    pub(crate) fn new(len_max: usize) -> Self {
        Self { len_max, ..Self::default() }
    }

    pub(crate) fn contains(&self, id: &MessageId) -> bool {
        self.ids.contains(id)
    }

    pub(crate) fn remember(&mut self, id: MessageId) {
        if self.ids.insert(id.clone()) {
            self.order.push_back(id);
        }
        while self.order.len() > self.len_max {
            if let Some(oldest) = self.order.pop_front() {
                self.ids.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::{ProducerId, SessionId};

    fn id(sequence: u64) -> MessageId {
        MessageId {
            producer: ProducerId::new("gate").unwrap(),
            session: SessionId::new(1),
            sequence,
        }
    }

    #[test]
    fn the_oldest_ids_are_forgotten_first_and_the_bound_holds() {
        let mut window = StoredWindow::new(2);
        for n in [1, 2, 2, 3] {
            window.remember(id(n));
        }
        assert!(!window.contains(&id(1)));
        assert!(window.contains(&id(2)) && window.contains(&id(3)));
        assert_eq!((window.ids.len(), window.order.len()), (2, 2));
    }

    #[test]
    fn a_window_of_nothing_remembers_nothing() {
        let mut window = StoredWindow::new(0);
        window.remember(id(1));
        assert!(!window.contains(&id(1)));
    }
}
