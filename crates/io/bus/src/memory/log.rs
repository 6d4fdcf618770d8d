//! One stream in memory: messages by sequence, remembered ids, limits by number.

use crate::pattern::matches;
use crate::reader::LogEntry;
use crate::{BusError, DUPLICATE_WINDOW, InMessage, ReadFrom, StreamDefinition};
use remora_domain::{DurationNs, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

pub(super) struct Log {
    definition: StreamDefinition,
    messages: BTreeMap<u64, Stored>,
    stored_at: Timestamp,
    by_subject: BTreeMap<String, VecDeque<u64>>,
    last: u64,
    ids: BTreeMap<String, u64>,
    ids_by_age: VecDeque<(Instant, String)>,
}

struct Stored {
    message: InMessage,
    at: Timestamp,
}

/// Is where a reader stands: what it has left of "the last of each subject", then a sequence.
pub(super) struct Position {
    lasts: BTreeSet<u64>,
    next: u64,
}

impl Log {
    pub(super) fn new(definition: StreamDefinition) -> Self {
        Self {
            definition,
            messages: BTreeMap::new(),
            stored_at: Timestamp::EPOCH,
            by_subject: BTreeMap::new(),
            last: 0,
            ids: BTreeMap::new(),
            ids_by_age: VecDeque::new(),
        }
    }

    /// Stores a message unless its id is remembered; gives its sequence and whether it was there already.
    pub(super) fn append(&mut self, id: &str, message: &InMessage) -> (u64, bool) {
        let now = Instant::now();
        self.forget_ids(now);
        if let Some(first) = self.ids.get(id) {
            return (*first, true);
        }
        self.last = self.last.saturating_add(1);
        if !id.is_empty() {
            self.ids.insert(id.to_owned(), self.last);
            self.ids_by_age.push_back((now, id.to_owned()));
        }
        // Later entries are stored later, whatever the clock does.
        self.stored_at = wall_clock().max(self.stored_at.saturating_add(DurationNs::from_ns(1)));
        let stored = Stored { message: message.clone(), at: self.stored_at };
        self.messages.insert(self.last, stored);
        self.by_subject.entry(message.subject.clone()).or_default().push_back(self.last);
        self.trim(&message.subject);
        (self.last, false)
    }

    /// Gives the newest message of a subject and its sequence.
    pub(super) fn last_of(&self, subject: &str) -> Option<(u64, &InMessage)> {
        let last = self.by_subject.get(subject)?.back()?;
        Some((*last, &self.messages.get(last)?.message))
    }

    fn forget_ids(&mut self, now: Instant) {
        while let Some((stored, _)) = self.ids_by_age.front() {
            if now.saturating_duration_since(*stored) < DUPLICATE_WINDOW {
                return;
            }
            if let Some((_, id)) = self.ids_by_age.pop_front() {
                self.ids.remove(&id);
            }
        }
    }

    fn trim(&mut self, subject: &str) {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        if let (Some(max), Some(of_subject)) =
            (self.definition.messages_per_subject_max, self.by_subject.get_mut(subject))
            && count(of_subject.len()) > max
            && let Some(oldest) = of_subject.pop_front()
        {
            self.messages.remove(&oldest);
        }
        if let Some(max) = self.definition.messages_max
            && count(self.messages.len()) > max
            && let Some((oldest, stored)) = self.messages.pop_first()
            && let Some(of_subject) = self.by_subject.get_mut(&stored.message.subject)
        {
            of_subject.retain(|sequence| *sequence != oldest);
        }
    }

    /// Finds where a reader starts, and the last sequence that matches now (0 if none does).
    pub(super) fn open(
        &self,
        filters: &[String],
        from: ReadFrom,
    ) -> Result<(Position, u64), BusError> {
        let start = match from {
            ReadFrom::Sequence(sequence) => sequence,
            ReadFrom::Start | ReadFrom::LastPerSubject => 0,
        };
        if start > self.last.saturating_add(1) {
            let (stream, read) = (self.definition.stream, start.saturating_sub(1));
            return Err(BusError::LogRewritten { stream, read, last: self.last });
        }
        let lasts: BTreeSet<u64> = self
            .by_subject
            .iter()
            .filter(|(subject, _)| is_wanted(filters, subject))
            .filter_map(|(_, sequences)| sequences.back().copied())
            .collect();
        let end = lasts.last().copied().filter(|end| *end >= start).unwrap_or(0);
        let position = match from {
            ReadFrom::LastPerSubject => Position { lasts, next: self.last.saturating_add(1) },
            ReadFrom::Start | ReadFrom::Sequence(_) => {
                Position { lasts: BTreeSet::new(), next: start }
            }
        };
        Ok((position, end))
    }

    /// Gives the next message for a reader and moves it on.
    pub(super) fn next(&self, position: &mut Position, filters: &[String]) -> Option<LogEntry> {
        while let Some(sequence) = position.lasts.pop_first() {
            if let Some(stored) = self.messages.get(&sequence) {
                return Some(stored.entry(sequence));
            }
        }
        let found = self.find(position.next, filters);
        let seen = found.as_ref().map_or(self.last, |entry| entry.sequence);
        position.next = seen.saturating_add(1).max(position.next);
        found
    }

    /// Finds the first message wanted at `from` or later.
    pub(super) fn find(&self, from: u64, filters: &[String]) -> Option<LogEntry> {
        self.messages
            .range(from..)
            .find(|(_, stored)| is_wanted(filters, &stored.message.subject))
            .map(|(&sequence, stored)| stored.entry(sequence))
    }

    /// Gives one message, if it is still kept.
    pub(super) fn get(&self, sequence: u64) -> Option<&InMessage> {
        self.messages.get(&sequence).map(|stored| &stored.message)
    }

    /// Gives the last sequence ever given out.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }
}

impl Stored {
    fn entry(&self, sequence: u64) -> LogEntry {
        LogEntry { message: self.message.clone(), sequence, stored_at: self.at }
    }
}

fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ns(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

fn is_wanted(filters: &[String], subject: &str) -> bool {
    filters.is_empty() || filters.iter().any(|filter| matches(filter, subject))
}
