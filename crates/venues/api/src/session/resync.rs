//! When the book of one symbol is asked for, and asked for again: never in a loop without a pause.

use remora_domain::{DurationNs, Timestamp};

/// A snapshot that does not come within this time of the request is asked for again.
pub const SNAPSHOT_WAIT: DurationNs = DurationNs::from_s(10);
/// How long a resync waits when too much is queued for sending.
const BUSY_WAIT: DurationNs = DurationNs::from_s(1);
/// First and last pause between two resyncs of one symbol.
const COOL_DOWN_FIRST: DurationNs = DurationNs::from_s(1);
const COOL_DOWN_MAX: DurationNs = DurationNs::from_s(60);
/// A book that was good for this long starts with the first pause again.
const GOOD_LIFE: DurationNs = DurationNs::from_s(60);

/// Says how far the book subscription of a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// Not asked for.
    Off,
    /// Asked for; the snapshot must come by then.
    Asked {
        /// By when.
        until: Timestamp,
    },
    /// The snapshot came.
    On,
    /// To be asked for again at that time.
    Cooling {
        /// When.
        until: Timestamp,
    },
}

impl Subscription {
    /// When this symbol wants attention, if nothing comes.
    #[must_use]
    pub const fn deadline(self) -> Option<Timestamp> {
        match self {
            Self::Asked { until } | Self::Cooling { until } => Some(until),
            Self::Off | Self::On => None,
        }
    }

    /// Begins to wait for a snapshot that is asked for now.
    #[must_use]
    pub const fn asked(now: Timestamp) -> Self {
        Self::Asked { until: now.saturating_add(SNAPSHOT_WAIT) }
    }

    /// Plans to ask again, at once or when the pause is over; tells whether that was not planned already.
    pub fn plan(&mut self, pause: &mut Pause, now: Timestamp) -> bool {
        match self {
            Self::Asked { .. } | Self::On => {
                *self = Self::Cooling { until: pause.plan(now) };
                true
            }
            Self::Off | Self::Cooling { .. } => false,
        }
    }

    /// Tells whether to ask again now: the pause is over, and not too much is queued for sending.
    pub fn ask_again(&mut self, is_busy: bool, now: Timestamp) -> bool {
        match *self {
            Self::Cooling { until } if until <= now => {
                let later = Self::Cooling { until: now.saturating_add(BUSY_WAIT) };
                *self = if is_busy { later } else { Self::asked(now) };
                !is_busy
            }
            Self::Off | Self::Asked { .. } | Self::On | Self::Cooling { .. } => false,
        }
    }
}

/// Gives the names whose deadline has come; one without a deadline waits for nothing and is given as well.
pub fn due<'a>(
    waiting: impl IntoIterator<Item = &'a String>,
    deadline: impl Fn(&String) -> Option<Timestamp>,
    now: Timestamp,
) -> Vec<String> {
    let is_due = |name: &&String| deadline(name).is_none_or(|at| at <= now);
    waiting.into_iter().filter(is_due).cloned().collect()
}

/// Is the pause between two resyncs of one symbol: it doubles from one to the next.
#[derive(Clone, Copy, Debug)]
pub struct Pause {
    length: DurationNs,
    from: Timestamp,
}

impl Default for Pause {
    fn default() -> Self {
        Self { length: COOL_DOWN_FIRST, from: Timestamp::EPOCH }
    }
}

impl Pause {
    /// Says when the next resync may start, and doubles the pause behind it.
    pub fn plan(&mut self, now: Timestamp) -> Timestamp {
        if now >= self.from.saturating_add(GOOD_LIFE) {
            self.length = COOL_DOWN_FIRST;
        }
        let at = now.max(self.from);
        self.from = at.saturating_add(self.length);
        self.length = self.length.saturating_mul(2).min(COOL_DOWN_MAX);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_again_once_the_pause_is_over_and_the_queue_is_short() {
        let at = |s: i64| Timestamp::EPOCH.saturating_add(DurationNs::from_s(1_000 + s));
        let (mut subscription, mut pause) = (Subscription::On, Pause::default());
        assert!(subscription.plan(&mut pause, at(0)) && subscription.ask_again(false, at(0)));
        assert_eq!(subscription, Subscription::asked(at(0)));
        // The second pause is a second; until it is over nothing is asked and nothing planned anew.
        assert!(subscription.plan(&mut pause, at(0)) && !subscription.ask_again(false, at(0)));
        assert!(!subscription.plan(&mut pause, at(1)));
        assert!(!subscription.ask_again(true, at(1)), "too much is queued");
        assert_eq!(subscription.deadline(), Some(at(2)));
        assert!(subscription.ask_again(false, at(2)));
        let mut off = Subscription::Off;
        assert!(!off.plan(&mut pause, at(3)) && !off.ask_again(false, at(3)));
    }

    #[test]
    fn the_first_resync_is_at_once_and_each_next_one_waits_twice_as_long() {
        let mut pause = Pause::default();
        let now = Timestamp::EPOCH.saturating_add(DurationNs::from_s(1_000));
        let waits: Vec<i64> = (0..9).map(|_| pause.plan(now).since(now).as_ms() / 1_000).collect();
        assert_eq!(waits, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
        let later = now.saturating_add(DurationNs::from_s(10_000));
        assert_eq!(
            (pause.plan(later), pause.plan(later).since(later)),
            (later, DurationNs::from_s(1))
        );
    }
}
