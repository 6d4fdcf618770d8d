//! Signs of life: who was heard when, so that nobody goes by the last word of a service that has died.

use remora_domain::{DurationNs, Header, ProducerId, Timestamp};
use std::collections::BTreeMap;

/// How often a service tells that it lives. Whoever judges silence allows at least two of these.
pub const HEARTBEAT_INTERVAL: DurationNs = DurationNs::from_s(1);

/// Remembers when producers were last heard. A core that was itself not served for longer than the allowed silence
/// could hear nobody: then everybody has the full time again.
#[derive(Clone, Debug)]
pub struct Liveness {
    silence_max: DurationNs,
    heard: BTreeMap<ProducerId, Timestamp>,
    served_at: Option<Timestamp>,
    since: Option<Timestamp>,
}

impl Liveness {
    /// Starts without having heard anybody: until then all are silent.
    #[must_use]
    pub const fn new(silence_max: DurationNs) -> Self {
        Self { silence_max, heard: BTreeMap::new(), served_at: None, since: None }
    }

    /// Gives the longest silence that counts as life.
    #[must_use]
    pub const fn silence_max(&self) -> DurationNs {
        self.silence_max
    }

    /// Notes that the core is served; to be called first, with every input and tick.
    pub fn served(&mut self, now: Timestamp) {
        if self.served_at.is_some_and(|last| now.since(last) > self.silence_max) {
            self.since = Some(now);
        }
        self.served_at = Some(now);
    }

    /// Gives everybody heard so far the full time from `now` on: history says nothing about who lives.
    pub const fn restart(&mut self, now: Timestamp) {
        self.since = Some(now);
    }

    /// Notes that the producer of a message was alive when it published. An instant ahead of us counts as now.
    pub fn hear(&mut self, now: Timestamp, header: &Header) {
        self.hear_of(&header.producer, header.publish_time.min(now));
    }

    /// Notes that a producer was alive at an instant.
    pub fn hear_of(&mut self, producer: &ProducerId, at: Timestamp) {
        match self.heard.get_mut(producer) {
            Some(last) => *last = at.max(*last),
            None => drop(self.heard.insert(producer.clone(), at)),
        }
    }

    /// Gives everybody heard so far, and when.
    #[must_use]
    pub const fn heard(&self) -> &BTreeMap<ProducerId, Timestamp> {
        &self.heard
    }

    /// Forgets a producer that nobody waits for any more.
    pub fn forget(&mut self, producer: &ProducerId) {
        self.heard.remove(producer);
    }

    /// Gives the first instant at which a producer is silent unless it is heard before; `None` for one never heard.
    #[must_use]
    pub fn silent_at(&self, producer: &ProducerId) -> Option<Timestamp> {
        self.heard.get(producer).map(|heard| self.end(*heard))
    }

    /// Tells whether a producer has been silent for longer than allowed; one never heard is silent.
    #[must_use]
    pub fn is_silent(&self, now: Timestamp, producer: &ProducerId) -> bool {
        self.silent_at(producer).is_none_or(|at| at <= now)
    }

    /// Gives everybody heard so far, with the first instant of their silence.
    pub fn ends(&self) -> impl Iterator<Item = (&ProducerId, Timestamp)> {
        self.heard.iter().map(|(producer, heard)| (producer, self.end(*heard)))
    }

    fn end(&self, heard: Timestamp) -> Timestamp {
        let from = self.since.map_or(heard, |since| since.max(heard));
        from.saturating_add(self.silence_max).saturating_add(DurationNs::from_ns(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: i64) -> Timestamp {
        Timestamp::from_ns(ms * 1_000_000)
    }

    fn gate() -> ProducerId {
        ProducerId::new("risk-gate-0").unwrap()
    }

    fn check(liveness: &Liveness, ms: i64, is_silent: bool) {
        assert_eq!(liveness.is_silent(at(ms), &gate()), is_silent, "at {ms} ms: {liveness:?}");
    }

    #[test]
    fn silence_is_allowed_exactly_up_to_its_limit() {
        let mut liveness = Liveness::new(DurationNs::from_ms(5_000));
        check(&liveness, 0, true);
        liveness.hear_of(&gate(), at(1_000));
        check(&liveness, 6_000, false);
        assert_eq!(liveness.silent_at(&gate()), Some(Timestamp::from_ns(6_000_000_001)));
        check(&liveness, 6_001, true);
        liveness.hear_of(&gate(), at(500));
        check(&liveness, 6_001, true);
    }

    #[test]
    fn who_slept_longer_than_the_limit_judges_nobody_by_that_time() {
        let mut liveness = Liveness::new(DurationNs::from_ms(5_000));
        liveness.hear_of(&gate(), at(1_000));
        liveness.served(at(2_000));
        liveness.served(at(7_000));
        check(&liveness, 7_000, true);
        liveness.served(at(12_001));
        check(&liveness, 12_001, false);
        check(&liveness, 17_002, true);
    }
}
