//! The clock of one machine: steps, drift, and a reading that never runs back.

use remora_domain::{DurationNs, Timestamp};

/// A part of a million.
const PPM: i128 = 1_000_000;

/// Reads the time as a process does: what its machine says, but never earlier than what it read before.
#[derive(Clone, Debug)]
pub(super) struct ProcessClock {
    /// How far ahead the machine was at `since`.
    ahead: DurationNs,
    since: Timestamp,
    /// How fast it runs away from there, in parts of a million.
    drift_ppm: i64,
    read: Timestamp,
}

impl ProcessClock {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self { ahead: DurationNs::ZERO, since: now, drift_ppm: 0, read: Timestamp::EPOCH }
    }

    /// Starts a process anew on the same machine: it has read nothing yet.
    pub(super) const fn restart(&mut self) {
        self.read = Timestamp::EPOCH;
    }

    /// Reads the clock at a true instant.
    pub(super) fn read(&mut self, now: Timestamp) -> Timestamp {
        self.read = self.read.max(now.saturating_add(self.ahead_at(now)));
        self.read
    }

    /// Gives a true instant, not before `now`, at which the clock shows `shown` or a little more.
    pub(super) fn when(&self, shown: Timestamp, now: Timestamp) -> Timestamp {
        if self.read >= shown {
            return now;
        }
        let to_go = shown.saturating_sub(self.ahead).since(self.since).as_ns();
        let true_ns = i128::from(to_go) * PPM / (PPM + i128::from(self.drift_ppm));
        // Both divisions cut: two nanoseconds later it has certainly come.
        let true_ns = i64::try_from(true_ns).unwrap_or(i64::MAX).saturating_add(2);
        self.since.saturating_add(DurationNs::from_ns(true_ns)).max(now)
    }

    pub(super) fn step(&mut self, by: DurationNs) {
        self.ahead = self.ahead.saturating_add(by);
    }

    pub(super) fn drift(&mut self, now: Timestamp, ppm: i64) {
        self.ahead = self.ahead_at(now);
        (self.since, self.drift_ppm) = (now, ppm);
    }

    /// Sets the machine's clock right.
    pub(super) const fn set_right(&mut self, now: Timestamp) {
        (self.ahead, self.since, self.drift_ppm) = (DurationNs::ZERO, now, 0);
    }

    fn ahead_at(&self, now: Timestamp) -> DurationNs {
        let passed = i128::from(now.since(self.since).as_ns());
        let drifted = passed * i128::from(self.drift_ppm) / PPM;
        self.ahead.saturating_add(DurationNs::from_ns(i64::try_from(drifted).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: i64) -> Timestamp {
        Timestamp::from_ns(ms * 1_000_000)
    }

    #[test]
    fn a_clock_set_back_stands_still_until_it_has_caught_up() {
        let mut clock = ProcessClock::new(at(0));
        assert_eq!(clock.read(at(5_000)), at(5_000));
        clock.step(DurationNs::from_ms(-2_000));
        assert_eq!(clock.read(at(6_000)), at(5_000));
        assert_eq!(clock.when(at(5_000), at(6_000)), at(6_000), "it shows that already");
        let then = clock.when(at(5_500), at(6_000));
        assert_eq!(then.since(at(7_500)), DurationNs::from_ns(2));
        assert_eq!(clock.read(then).since(at(5_500)), DurationNs::from_ns(2));
    }

    #[test]
    fn a_drifting_clock_runs_away_by_its_rate() {
        let mut clock = ProcessClock::new(at(0));
        clock.drift(at(0), 1_000);
        assert_eq!(clock.read(at(10_000)), at(10_010));
        for ppm in [-500, -499, 7, 500] {
            clock.drift(at(10_000), ppm);
            let then = clock.when(at(70_000), at(10_000));
            assert!(clock.clone().read(then) >= at(70_000), "{ppm}");
        }
        clock.set_right(at(10_000));
        assert_eq!(clock.read(at(10_000)), at(10_010), "never back");
        assert_eq!(clock.read(at(10_020)), at(10_020));
    }
}
