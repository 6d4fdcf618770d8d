//! Nonces: each larger than every one before, or at most a window below the largest and never seen.

use std::collections::BTreeSet;

/// The most nonces remembered for a window; older ones than these count as seen.
const RECENT_MAX: usize = 1024;

/// Remembers the nonces of a key.
#[derive(Clone, Debug)]
pub(super) struct Nonces {
    window: u64,
    last: Option<u64>,
    /// Nonces up to here count as seen.
    floor: Option<u64>,
    /// The accepted ones inside the window.
    recent: BTreeSet<u64>,
}

impl Nonces {
    /// Starts without any. The window is in the nonce's own units: the venue gives it in milliseconds, for keys
    /// whose nonces are milliseconds.
    pub(super) const fn new(window: u64) -> Self {
        Self { window, last: None, floor: None, recent: BTreeSet::new() }
    }

    /// Gives the largest accepted one.
    pub(super) const fn last(&self) -> Option<u64> {
        self.last
    }

    /// Gives the window.
    pub(super) const fn window(&self) -> u64 {
        self.window
    }

    /// Takes a nonce if it is good.
    pub(super) fn accept(&mut self, nonce: u64) -> bool {
        if let Some(last) = self.last.filter(|&last| nonce <= last) {
            let is_inside = last - nonce < self.window;
            let is_seen =
                self.recent.contains(&nonce) || self.floor.is_some_and(|floor| nonce <= floor);
            if !is_inside || is_seen {
                return false;
            }
        }
        self.last = self.last.max(Some(nonce));
        if self.window > 0 {
            self.remember(nonce);
        }
        true
    }

    fn remember(&mut self, nonce: u64) {
        self.recent.insert(nonce);
        if self.recent.len() > RECENT_MAX {
            self.floor = self.floor.max(self.recent.pop_first());
        }
    }
}

/// Reads a nonce: an unsigned 64-bit number in digits.
pub(super) fn read(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_a_window_each_nonce_is_larger_than_the_last() {
        let mut nonces = Nonces::new(0);
        for (nonce, is_good) in [(5, true), (5, false), (4, false), (6, true), (u64::MAX, true)] {
            assert_eq!(nonces.accept(nonce), is_good, "{nonce}");
        }
        assert!(!nonces.accept(u64::MAX));
        assert_eq!(nonces.last(), Some(u64::MAX));
    }

    #[test]
    fn a_window_lets_late_ones_through_once() {
        let mut nonces = Nonces::new(10);
        for (nonce, is_good) in [
            (100, true),
            (91, true),
            (91, false),
            (90, false),
            (99, true),
            (110, true),
            (100, false),
        ] {
            assert_eq!(nonces.accept(nonce), is_good, "{nonce}");
        }
    }

    #[test]
    fn a_nonce_is_digits_of_an_unsigned_number() {
        assert_eq!(read("18446744073709551615"), Some(u64::MAX));
        for text in ["", "+1", "-1", "1.0", " 1", "18446744073709551616", "1e3", "٣"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_nonce_is_ever_accepted_twice(window in 0u64..3000, nonces in prop::collection::vec(0u64..5000, 0..3000)) {
            let mut state = Nonces::new(window);
            let mut seen = BTreeSet::new();
            for nonce in nonces {
                if state.accept(nonce) {
                    prop_assert!(seen.insert(nonce));
                }
            }
        }
    }
}
