//! The private socket: token, connection, subscriptions, silence, reconnects.
//!
//! Venue rules (Kraken WebSocket v2, connection life, checked June 2026): a heartbeat comes each second once something
//! is subscribed; silence of 10 s means a dead connection; 60 s without traffic closes it; a token is good for 15
//! minutes, and then for the connection that subscribed with it; about 150 connections in 10 minutes, then a ban.

use super::requests::Channel;
use remora_domain::{DurationNs, Timestamp};
use remora_machine::SplitMix64;
use remora_venue_api::{Confidential, ConnId};

/// An open that takes longer has failed.
const CONNECT_TIMEOUT: DurationNs = DurationNs::from_s(15);
/// A close that is not reported by then is taken as done.
const CLOSE_TIMEOUT: DurationNs = DurationNs::from_s(5);
/// No frame for this long is a dead connection.
const SILENCE_MAX: DurationNs = DurationNs::from_s(10);
/// Subscriptions that have not begun by then are tried again on a new connection.
const SUBSCRIBE_TIMEOUT: DurationNs = DurationNs::from_s(5);
const PING_INTERVAL: DurationNs = DurationNs::from_s(15);
/// First and last step of the reconnect delay; half of a step is the least delay.
const RETRY_FIRST: DurationNs = DurationNs::from_s(1);
const RETRY_MAX: DurationNs = DurationNs::from_s(60);
/// A connection that lived this long was good.
const GOOD_LIFE: DurationNs = DurationNs::from_s(60);

/// Is one subscription.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sub {
    pub(super) is_acknowledged: bool,
    /// The number of the last message; none before the first.
    pub(super) sequence: Option<u64>,
}

impl Sub {
    pub(super) const fn is_live(&self) -> bool {
        self.is_acknowledged && self.sequence.is_some()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Off,
    /// A token is being asked for.
    Token,
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

/// Says what is to be done about the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    AskToken,
    Close(&'static str),
    Gone,
    Ping,
}

/// Is the one connection; each attempt has its own number.
#[derive(Debug)]
pub(super) struct Link {
    state: State,
    conn: u16,
    failures: u32,
    random: SplitMix64,
    pub(super) token: Option<Confidential>,
    pub(super) executions: Sub,
    pub(super) balances: Sub,
    /// Since when subscriptions are awaited.
    subscribing_since: Option<Timestamp>,
}

impl Link {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            state: State::Off,
            conn: 0,
            failures: 0,
            random: SplitMix64::new(seed),
            token: None,
            executions: Sub { is_acknowledged: false, sequence: None },
            balances: Sub { is_acknowledged: false, sequence: None },
            subscribing_since: None,
        }
    }

    pub(super) const fn conn(&self) -> ConnId {
        ConnId::new(self.conn)
    }

    pub(super) const fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Tells whether executions arrive.
    pub(super) const fn is_live(&self) -> bool {
        self.is_up() && self.executions.is_live()
    }

    /// Tells whether requests may go by it.
    pub(super) const fn carries_requests(&self) -> bool {
        self.is_up() && self.executions.is_acknowledged
    }

    /// Notes that data is awaited after an acknowledgement.
    pub(super) const fn resubscribing(&mut self, now: Timestamp) {
        self.subscribing_since = Some(now);
    }

    pub(super) const fn wants_token(&self) -> bool {
        matches!(self.state, State::Token)
    }

    /// Begins: a token first.
    pub(super) const fn start(&mut self) {
        if matches!(self.state, State::Off) {
            self.state = State::Token;
        }
    }

    /// Takes a token; the connection is opened with it.
    pub(super) fn got_token(&mut self, now: Timestamp, token: Confidential) -> bool {
        let is_wanted = self.wants_token();
        if is_wanted {
            self.token = Some(token);
            self.conn = self.conn.wrapping_add(1);
            self.state = State::Connecting { since: now };
        }
        is_wanted
    }

    /// Takes the news of an open connection; `false` when it is not the awaited one.
    pub(super) fn connected(&mut self, now: Timestamp, conn: ConnId) -> bool {
        let is_ours = conn == self.conn() && matches!(self.state, State::Connecting { .. });
        if is_ours {
            let ping_at = now.saturating_add(PING_INTERVAL);
            self.state = State::Up { since: now, heard: now, ping_at };
            self.subscribing(now);
        }
        is_ours
    }

    /// Notes that subscriptions begin anew.
    pub(super) fn subscribing(&mut self, now: Timestamp) {
        self.executions = Sub::default();
        self.balances = Sub::default();
        self.subscribing_since = Some(now);
    }

    pub(super) const fn sub(&mut self, channel: Channel) -> &mut Sub {
        match channel {
            Channel::Executions => &mut self.executions,
            Channel::Balances => &mut self.balances,
        }
    }

    /// Notes that a frame came; `false` when it is not of the open connection.
    pub(super) fn heard(&mut self, now: Timestamp, on: ConnId) -> bool {
        let is_ours = on == self.conn();
        match &mut self.state {
            State::Up { heard, .. } if is_ours => {
                *heard = now.max(*heard);
                true
            }
            State::Up { .. }
            | State::Off
            | State::Token
            | State::Connecting { .. }
            | State::Closing { .. }
            | State::Waiting { .. } => false,
        }
    }

    /// Takes the news of a lost connection and plans the next; `false` when it was not ours.
    pub(super) fn disconnected(&mut self, now: Timestamp, conn: ConnId) -> bool {
        let up_since = match self.state {
            State::Up { since, .. } => Some(since),
            State::Closing { was_up_since, .. } => was_up_since,
            State::Connecting { .. } => None,
            State::Off | State::Token | State::Waiting { .. } => return false,
        };
        if conn != self.conn() {
            return false;
        }
        if up_since.is_some_and(|since| now.since(since) >= GOOD_LIFE) {
            self.failures = 0;
        }
        self.state = State::Waiting { until: now.saturating_add(self.retry_delay()) };
        self.failures = self.failures.saturating_add(1);
        self.token = None;
        self.executions = Sub::default();
        self.balances = Sub::default();
        self.subscribing_since = None;
        true
    }

    /// Notes that the connection is being closed; `false` when there is none.
    pub(super) fn closing(&mut self, now: Timestamp) -> bool {
        let was_up_since = match self.state {
            State::Up { since, .. } => Some(since),
            State::Connecting { .. } => None,
            State::Off | State::Token | State::Closing { .. } | State::Waiting { .. } => {
                return false;
            }
        };
        self.state = State::Closing { since: now, was_up_since };
        true
    }

    /// Ends for good.
    pub(super) const fn end(&mut self) {
        self.state = State::Off;
    }

    /// Says what is due.
    pub(super) fn tick(&mut self, now: Timestamp) -> Due {
        let is_late = self.subscribing_since.is_some_and(|at| {
            let is_begun = self.executions.is_live() && self.balances.is_live();
            !is_begun && at.saturating_add(SUBSCRIBE_TIMEOUT) <= now
        });
        match self.state {
            State::Connecting { since } if since.saturating_add(CONNECT_TIMEOUT) <= now => {
                Due::Close("the connection does not open")
            }
            State::Up { heard, .. } if heard.saturating_add(SILENCE_MAX) <= now => {
                Due::Close("neither data nor heartbeat for 10 s")
            }
            State::Up { .. } if is_late => Due::Close("a subscription does not begin"),
            State::Up { since, heard, ping_at } if ping_at <= now => {
                let ping_at = now.saturating_add(PING_INTERVAL);
                self.state = State::Up { since, heard, ping_at };
                Due::Ping
            }
            State::Closing { since, .. } if since.saturating_add(CLOSE_TIMEOUT) <= now => Due::Gone,
            State::Waiting { until } if until <= now => {
                self.state = State::Token;
                Due::AskToken
            }
            State::Off
            | State::Token
            | State::Connecting { .. }
            | State::Up { .. }
            | State::Closing { .. }
            | State::Waiting { .. } => Due::Nothing,
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let is_begun = self.executions.is_live() && self.balances.is_live();
        let begin = self.subscribing_since.filter(|_| !is_begun);
        let begin = begin.map(|at| at.saturating_add(SUBSCRIBE_TIMEOUT));
        match self.state {
            State::Off | State::Token => None,
            State::Connecting { since } => Some(since.saturating_add(CONNECT_TIMEOUT)),
            State::Up { heard, ping_at, .. } => {
                let silent = heard.saturating_add(SILENCE_MAX);
                begin.into_iter().chain([silent, ping_at]).min()
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
