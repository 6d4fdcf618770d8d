//! Which messages were applied, so that a repeat changes nothing.

use remora_domain::{Header, Kind, ProducerId, SessionId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// How many sequence numbers of one run and kind are remembered one by one.
const WINDOW: usize = 1_024;

/// Remembers message numbers by run and kind. Each kind of a run is one ordered log, so that of numbers below the
/// window all have been delivered; they count as seen.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Seen {
    runs: BTreeMap<(ProducerId, SessionId, Kind), Run>,
}

#[derive(Debug, Default, Clone, serde::Serialize, serde::Deserialize)]
struct Run {
    floor: u64,
    above: BTreeSet<u64>,
}

impl Seen {
    /// Notes a message; false when it was seen before.
    pub(crate) fn is_new(&mut self, header: &Header, kind: Kind) -> bool {
        let run = self.runs.entry((header.producer.clone(), header.session, kind)).or_default();
        let is_new = header.sequence > run.floor && run.above.insert(header.sequence);
        while run.above.len() > WINDOW {
            run.floor = run.above.pop_first().unwrap_or(run.floor);
        }
        is_new
    }

    /// Gives what was seen of some kinds.
    pub(crate) fn of_kinds(&self, kinds: &[Kind]) -> Self {
        let of_kinds = self.runs.iter().filter(|((_, _, kind), _)| kinds.contains(kind));
        Self { runs: of_kinds.map(|(key, run)| (key.clone(), run.clone())).collect() }
    }

    /// Goes on where a snapshot ended.
    pub(crate) fn extend(&mut self, other: Self) {
        self.runs.extend(other.runs);
    }
}

/// Is where a message stands among others of its sort.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Stamp {
    producer: ProducerId,
    session: SessionId,
    sequence: u64,
    time: Timestamp,
}

impl Stamp {
    pub(crate) fn of(header: &Header) -> Self {
        Self {
            producer: header.producer.clone(),
            session: header.session,
            sequence: header.sequence,
            time: header.publish_time,
        }
    }

    /// Gives when it was published.
    pub(crate) const fn time(&self) -> Timestamp {
        self.time
    }

    pub(crate) const fn producer(&self) -> &ProducerId {
        &self.producer
    }

    /// Tells whether this message is later: by number within a run, by publish time across runs.
    pub(crate) fn is_after(&self, other: &Self) -> bool {
        if self.is_same_run(other) {
            self.sequence > other.sequence
        } else {
            self.time > other.time
        }
    }

    /// Tells whether this message replaces one that was delivered before it. A durable log is in order, so a
    /// different run that is delivered later is a later run, whatever its clock says.
    pub(crate) fn replaces(&self, delivered: &Self) -> bool {
        !self.is_same_run(delivered) || self.sequence > delivered.sequence
    }

    fn is_same_run(&self, other: &Self) -> bool {
        self.session == other.session && self.producer == other.producer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::{Body, ControlScope};
    use remora_testkit::{Producer, at_ms, halt};

    #[test]
    fn a_repeat_is_recognised_even_after_the_window_has_passed_it() {
        let mut producer = Producer::new("console-0", 1);
        let mut seen = Seen::default();
        let body = || Body::ControlCommand(halt(ControlScope::Global));
        let first = producer.wrap(at_ms(0), body());
        assert!(seen.is_new(&first.header, Kind::ControlCommand));
        for _ in 0..2 * WINDOW {
            let next = producer.wrap(at_ms(1), body());
            assert!(seen.is_new(&next.header, Kind::ControlCommand));
            assert!(!seen.is_new(&next.header, Kind::ControlCommand));
        }
        assert!(!seen.is_new(&first.header, Kind::ControlCommand));
        assert!(seen.runs.values().all(|run| run.above.len() <= WINDOW));
    }

    #[test]
    fn runs_and_kinds_are_numbered_apart() {
        let mut seen = Seen::default();
        let body = || Body::ControlCommand(halt(ControlScope::Global));
        let one = Producer::new("console-0", 1).wrap(at_ms(0), body());
        let other = Producer::new("console-0", 2).wrap(at_ms(0), body());
        assert!(seen.is_new(&one.header, Kind::ControlCommand));
        assert!(seen.is_new(&other.header, Kind::ControlCommand));
        assert!(seen.is_new(&one.header, Kind::ControlState));
    }
}
