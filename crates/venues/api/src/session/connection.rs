//! The life of one socket to the venue: open, hear, close, wait, open again. Pure; whoever holds it does what is due.
//!
//! Each attempt has its own number, so that late news of an old one are told apart.
//! What no known venue forbids, and the strictest asks for (Kraken WebSocket v2, connection life and limits, checked June
//! 2026): 60 s without traffic closes a connection; about 150 connections per address in 10 minutes, then a ban.

use crate::ConnId;
use remora_domain::{DurationNs, Timestamp};
use remora_machine::SplitMix64;

/// An open that takes longer has failed.
const CONNECT_TIMEOUT: DurationNs = DurationNs::from_s(15);
/// A close that is not reported by then is taken as done.
const CLOSE_TIMEOUT: DurationNs = DurationNs::from_s(5);
/// Keeps the connection open where nothing is subscribed yet, and proves that our frames arrive.
const PING_INTERVAL: DurationNs = DurationNs::from_s(15);
/// First and last step of the reconnect delay. Half of a step is the least delay, so a venue that drops us at
/// once sees at most 26 attempts in 10 minutes.
const RETRY_FIRST: DurationNs = DurationNs::from_s(1);
const RETRY_MAX: DurationNs = DurationNs::from_s(60);
/// A connection that lived this long was good: the next delay is the first step again.
const GOOD_LIFE: DurationNs = DurationNs::from_s(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not wanted, or wanted by whoever holds it and not begun.
    Down,
    Connecting {
        since: Timestamp,
    },
    Up {
        since: Timestamp,
        heard: Timestamp,
        ping_at: Timestamp,
    },
    Closing {
        since: Timestamp,
        was_up_since: Option<Timestamp>,
    },
    Waiting {
        until: Timestamp,
    },
}

/// Says what is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// It does not open: close it.
    NotOpened,
    /// The venue fell silent: close it.
    Silent,
    /// Send a ping.
    Ping,
    /// A close was never reported: it counts as gone.
    Gone,
    /// Connect again.
    Retry,
}

/// Is one connection after another.
#[derive(Debug)]
pub struct Connection {
    state: State,
    silence_max: DurationNs,
    conn: u16,
    next: u16,
    failures: u32,
    random: SplitMix64,
}

impl Connection {
    /// Makes one that is not wanted yet; no frame for `silence_max` is a dead connection. The seed is for jitter.
    #[must_use]
    pub const fn new(seed: u64, silence_max: DurationNs) -> Self {
        let random = SplitMix64::new(seed);
        Self { state: State::Down, silence_max, conn: 0, next: 0, failures: 0, random }
    }

    /// Gives the number of the last attempt.
    #[must_use]
    pub const fn conn(&self) -> ConnId {
        ConnId::new(self.conn)
    }

    /// Tells whether it is open.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Tells whether it was not begun, or ended for good.
    #[must_use]
    pub const fn is_down(&self) -> bool {
        matches!(self.state, State::Down)
    }

    /// Begins an attempt, and gives its number.
    pub const fn connect(&mut self, now: Timestamp) -> ConnId {
        self.conn = self.next;
        self.next = self.next.wrapping_add(1);
        self.state = State::Connecting { since: now };
        self.conn()
    }

    /// Takes the news of an open connection; `false` when it is not the awaited one.
    pub fn connected(&mut self, now: Timestamp, conn: ConnId) -> bool {
        let is_ours = conn == self.conn() && matches!(self.state, State::Connecting { .. });
        if is_ours {
            let ping_at = now.saturating_add(PING_INTERVAL);
            self.state = State::Up { since: now, heard: now, ping_at };
        }
        is_ours
    }

    /// Notes that a frame came; `false` when it is not of the open connection.
    pub fn heard(&mut self, now: Timestamp, on: ConnId) -> bool {
        let is_ours = on == self.conn();
        match &mut self.state {
            State::Up { heard, .. } if is_ours => {
                *heard = now.max(*heard);
                true
            }
            State::Up { .. }
            | State::Down
            | State::Connecting { .. }
            | State::Closing { .. }
            | State::Waiting { .. } => false,
        }
    }

    /// Takes the news of a lost connection and plans the next, no sooner than after `least`; `false` when it was not
    /// ours.
    pub fn disconnected(&mut self, now: Timestamp, conn: ConnId, least: DurationNs) -> bool {
        let up_since = match self.state {
            State::Up { since, .. } => Some(since),
            State::Closing { was_up_since, .. } => was_up_since,
            State::Connecting { .. } => None,
            State::Down | State::Waiting { .. } => return false,
        };
        if conn != self.conn() {
            return false;
        }
        if up_since.is_some_and(|since| now.since(since) >= GOOD_LIFE) {
            self.failures = 0;
        }
        self.state = State::Waiting { until: now.saturating_add(self.retry_delay().max(least)) };
        self.failures = self.failures.saturating_add(1);
        true
    }

    /// Notes that the connection is being closed, which is reported later; `false` when there is none.
    pub const fn closing(&mut self, now: Timestamp) -> bool {
        let was_up_since = match self.state {
            State::Up { since, .. } => Some(since),
            State::Connecting { .. } => None,
            State::Down | State::Closing { .. } | State::Waiting { .. } => return false,
        };
        self.state = State::Closing { since: now, was_up_since };
        true
    }

    /// Ends until the next attempt. The number moves on, so that news of the old one are not taken for a new one's.
    pub const fn end(&mut self) {
        self.conn = self.next;
        self.state = State::Down;
    }

    /// Says what is due.
    pub fn tick(&mut self, now: Timestamp) -> Due {
        match self.state {
            State::Connecting { since } if since.saturating_add(CONNECT_TIMEOUT) <= now => {
                Due::NotOpened
            }
            State::Up { heard, .. } if heard.saturating_add(self.silence_max) <= now => Due::Silent,
            State::Up { since, heard, ping_at } if ping_at <= now => {
                let ping_at = now.saturating_add(PING_INTERVAL);
                self.state = State::Up { since, heard, ping_at };
                Due::Ping
            }
            State::Closing { since, .. } if since.saturating_add(CLOSE_TIMEOUT) <= now => Due::Gone,
            State::Waiting { until } if until <= now => {
                self.state = State::Down;
                Due::Retry
            }
            State::Down
            | State::Connecting { .. }
            | State::Up { .. }
            | State::Closing { .. }
            | State::Waiting { .. } => Due::Nothing,
        }
    }

    /// Says when `tick` is wanted.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        match self.state {
            State::Down => None,
            State::Connecting { since } => Some(since.saturating_add(CONNECT_TIMEOUT)),
            State::Up { heard, ping_at, .. } => {
                Some(heard.saturating_add(self.silence_max).min(ping_at))
            }
            State::Closing { since, .. } => Some(since.saturating_add(CLOSE_TIMEOUT)),
            State::Waiting { until } => Some(until),
        }
    }

    /// Doubles from step to step; the jitter takes up to half, so that many clients do not return at once.
    fn retry_delay(&mut self) -> DurationNs {
        let factor = 1_i64.checked_shl(self.failures.min(16)).unwrap_or(1);
        let step = RETRY_FIRST.saturating_mul(factor).min(RETRY_MAX);
        let half = step.as_ns() / 2;
        let jitter = self.random.next_below(half.unsigned_abs());
        DurationNs::from_ns(half.saturating_add(i64::try_from(jitter).unwrap_or(0)))
    }
}
