//! The one allocator of a key's nonces: strictly increasing through clock steps, crashes and restarts.
//!
//! A nonce is the time in nanoseconds, or one more than the last. It is given out only below a bound that is stored
//! durably, and a new run starts at the bound of the last: what a crashed run may have used is never used again.

use remora_domain::{DurationNs, Timestamp};

/// How far ahead is reserved; a restart skips at most this much.
const BLOCK: DurationNs = DurationNs::from_s(60);

/// Gives nonces.
#[derive(Debug)]
pub(super) struct Nonces {
    /// The first number that was never given out.
    next: u64,
    /// The first number that is not reserved.
    reserved: u64,
    /// What is being reserved.
    asked: u64,
}

impl Nonces {
    /// Starts where the last run's reservation ended; nothing is reserved yet.
    pub(super) const fn new(from: u64) -> Self {
        Self { next: from, reserved: from, asked: from }
    }

    /// Gives until when earlier runs may have used the key; `None` when there was none. A nonce is never behind its time.
    pub(super) fn used_until(&self, now: Timestamp) -> Option<Timestamp> {
        let until = Timestamp::from_ns(i64::try_from(self.next).unwrap_or(i64::MAX));
        (self.next > 0).then(|| until.min(now))
    }

    /// Gives the next nonce; `None` until one is reserved.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<u64> {
        let nonce = self.candidate(now);
        if nonce >= self.reserved {
            return None;
        }
        self.next = nonce.checked_add(1)?;
        Some(nonce)
    }

    /// Tells whether one can be given out.
    pub(super) fn has(&self, now: Timestamp) -> bool {
        self.candidate(now) < self.reserved
    }

    /// Gives when more is to be reserved.
    pub(super) fn next_wanted(&self, now: Timestamp) -> Timestamp {
        let half = BLOCK.as_ns().unsigned_abs() / 2;
        let left = self.asked.saturating_sub(half).saturating_sub(self.candidate(now));
        now.saturating_add(DurationNs::from_ns(i64::try_from(left).unwrap_or(i64::MAX)))
    }

    /// Gives what must be reserved now, once: less than half a block is left, and nobody asked yet.
    pub(super) fn wanted(&mut self, now: Timestamp) -> Option<u64> {
        let from = self.candidate(now);
        let half = BLOCK.as_ns().unsigned_abs() / 2;
        if from.saturating_add(half) < self.asked {
            return None;
        }
        self.asked = from.saturating_add(BLOCK.as_ns().unsigned_abs());
        Some(self.asked)
    }

    /// Notes that everything below `until` is reserved.
    pub(super) fn reserved(&mut self, until: u64) {
        // More than was asked for is somebody else's reservation.
        if until <= self.asked {
            self.reserved = self.reserved.max(until);
        }
    }

    fn candidate(&self, now: Timestamp) -> u64 {
        self.next.max(u64::try_from(now.as_ns()).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_is_given_out_before_it_is_reserved() {
        let now = Timestamp::from_ns(1_000_000_000_000);
        let mut nonces = Nonces::new(0);
        assert_eq!(nonces.take(now), None);
        let until = nonces.wanted(now).unwrap();
        assert_eq!(nonces.wanted(now), None, "asked once");
        assert_eq!(nonces.take(now), None);
        nonces.reserved(until);
        assert_eq!(nonces.take(now), Some(1_000_000_000_000));
        assert_eq!(nonces.take(now), Some(1_000_000_000_001));
    }

    #[test]
    fn a_new_run_starts_above_everything_the_last_may_have_used() {
        let now = Timestamp::from_ns(1_000_000_000_000);
        let mut nonces = Nonces::new(0);
        let until = nonces.wanted(now).unwrap();
        nonces.reserved(until);
        let last = nonces.take(now).unwrap();
        // The clock was set back by an hour meanwhile.
        let mut again = Nonces::new(until);
        let back = Timestamp::from_ns(1);
        let more = again.wanted(back).unwrap();
        again.reserved(more);
        assert!(again.take(back).unwrap() > last);
    }

    proptest! {
        #[test]
        fn nonces_rise_whatever_clock_and_crashes_do(
            steps in prop::collection::vec((0i64..4_000_000_000_000, 0u8..4), 1..200)
        ) {
            let mut stored = 0;
            let mut nonces = Nonces::new(0);
            let mut last = None;
            for (ns, what) in steps {
                let now = Timestamp::from_ns(ns);
                if what == 0 {
                    nonces = Nonces::new(stored); // killed and started again
                }
                if let Some(until) = nonces.wanted(now) {
                    stored = until;
                    if what != 1 { // otherwise: stored, and the answer lost
                        nonces.reserved(until);
                    }
                }
                if let Some(nonce) = nonces.take(now) {
                    prop_assert!(last.is_none_or(|last| nonce > last));
                    prop_assert!(nonce < stored);
                    last = Some(nonce);
                }
            }
        }
    }
}
