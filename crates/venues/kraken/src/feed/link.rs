//! The connection of a session: open, supervise, pace what is sent, reconnect.
//!
//! Venue rules (Kraken WebSocket v2, connection life and limits, checked June 2026): a heartbeat comes each
//! second when nothing else does; silence of 10 s means a dead connection; 60 s without traffic closes it;
//! about 150 connections per address in 10 minutes, then a ban; at most one attempt in 5 s after maintenance.

use crate::request::Ask;
use remora_domain::{DurationNs, Timestamp};
use remora_machine::SplitMix64;
use remora_venue_api::{ConnId, FeedOutput};
use std::collections::VecDeque;

/// An open that takes longer has failed.
const CONNECT_TIMEOUT: DurationNs = DurationNs::from_s(15);
/// A close that is not reported by then is taken as done.
const CLOSE_TIMEOUT: DurationNs = DurationNs::from_s(5);
/// No frame for this long is a dead connection.
const SILENCE_MAX: DurationNs = DurationNs::from_s(10);
/// Keeps the connection open where nothing is subscribed yet, and proves that our frames arrive.
const PING_INTERVAL: DurationNs = DurationNs::from_s(15);
/// Pause between two frames we send: the venue limits the rate per connection, without saying where.
const SEND_INTERVAL: DurationNs = DurationNs::from_ms(50);
/// First and last step of the reconnect delay. Half of a step is the least delay, so a venue that drops us at
/// once sees at most 26 attempts in 10 minutes.
const RETRY_FIRST: DurationNs = DurationNs::from_s(1);
const RETRY_MAX: DurationNs = DurationNs::from_s(60);
/// Least delay after maintenance.
const RETRY_MAINTENANCE: DurationNs = DurationNs::from_s(5);
/// Ten seconds of sending.
const BUSY: usize = 200;
/// A connection that lived this long was good: the next delay is the first step again.
const GOOD_LIFE: DurationNs = DurationNs::from_s(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not started, or ended.
    Idle,
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

/// Says what became of the connection at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// Nothing for the session to do.
    None,
    /// The venue fell silent; the connection is being closed.
    Silent,
    /// A close was never reported; the connection counts as gone.
    Gone,
}

/// Is the one connection of a session. Each attempt has its own number, so late news of an old one are told apart.
#[derive(Debug)]
pub(super) struct Link {
    url: String,
    state: State,
    conn: u16,
    failures: u32,
    random: SplitMix64,
    queue: VecDeque<String>,
    send_at: Timestamp,
    req_id: u32,
}

impl Link {
    pub(super) const fn new(url: String, seed: u64) -> Self {
        Self {
            url,
            state: State::Idle,
            conn: 0,
            failures: 0,
            random: SplitMix64::new(seed),
            queue: VecDeque::new(),
            send_at: Timestamp::EPOCH,
            req_id: 0,
        }
    }

    pub(super) const fn conn(&self) -> ConnId {
        ConnId::new(self.conn)
    }

    pub(super) const fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Tells whether so much is queued that resyncs should wait: the bound of the queue beyond the first
    /// subscriptions and pings.
    pub(super) fn is_busy(&self) -> bool {
        self.queue.len() >= BUSY
    }

    /// Opens the first connection; a second start changes nothing.
    pub(super) fn start(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        if self.state == State::Idle {
            self.connect(now, out);
        }
    }

    /// Takes the news of an open connection; `false` when it is not the awaited one, which is then closed.
    pub(super) fn connected(
        &mut self,
        conn: ConnId,
        now: Timestamp,
        out: &mut Vec<FeedOutput>,
    ) -> bool {
        if conn == self.conn() && matches!(self.state, State::Connecting { .. }) {
            let ping_at = now.saturating_add(PING_INTERVAL);
            self.state = State::Up { since: now, heard: now, ping_at };
            self.send_at = now;
            return true;
        }
        if conn != self.conn() || !self.is_up() {
            out.push(FeedOutput::Close { conn });
        }
        false
    }

    /// Notes that a frame came; `false` when it is not of the open connection.
    pub(super) fn heard(&mut self, on: ConnId, now: Timestamp) -> bool {
        let is_ours = on == self.conn();
        match &mut self.state {
            State::Up { heard, .. } if is_ours => {
                *heard = now.max(*heard);
                true
            }
            State::Up { .. }
            | State::Idle
            | State::Connecting { .. }
            | State::Closing { .. }
            | State::Waiting { .. } => false,
        }
    }

    /// Takes the news of a lost connection and plans the next; `false` when it was not ours.
    pub(super) fn disconnected(&mut self, conn: ConnId, now: Timestamp, slow: bool) -> bool {
        let up_since = match self.state {
            State::Up { since, .. } => Some(since),
            State::Closing { was_up_since, .. } => was_up_since,
            State::Connecting { .. } => None,
            State::Idle | State::Waiting { .. } => return false,
        };
        if conn != self.conn() {
            return false;
        }
        self.queue.clear();
        if up_since.is_some_and(|since| now.since(since) >= GOOD_LIFE) {
            self.failures = 0;
        }
        self.state = State::Waiting { until: now.saturating_add(self.retry_delay(slow)) };
        self.failures = self.failures.saturating_add(1);
        true
    }

    /// Closes the connection; its loss is reported later.
    pub(super) fn close(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        let was_up_since = match self.state {
            State::Up { since, .. } => Some(since),
            State::Connecting { .. } => None,
            State::Idle | State::Closing { .. } | State::Waiting { .. } => return,
        };
        self.queue.clear();
        self.state = State::Closing { since: now, was_up_since };
        out.push(FeedOutput::Close { conn: self.conn() });
    }

    /// Ends: closes what is open and never connects again until the next start.
    pub(super) fn end(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        self.close(now, out);
        self.queue.clear();
        // The number moves on, so that news of the old connection are not taken for a new one's.
        self.conn = self.conn.wrapping_add(1);
        self.state = State::Idle;
    }

    /// Sends in turn, as fast as the pace allows.
    pub(super) fn send(&mut self, ask: Ask<'_>, now: Timestamp, out: &mut Vec<FeedOutput>) {
        self.req_id = (self.req_id + 1) & 0x3FFF_FFFF;
        self.queue.push_back(ask.text(self.req_id));
        self.flush(now, out);
    }

    pub(super) fn tick(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) -> Alarm {
        self.flush(now, out);
        match self.state {
            State::Connecting { since } if now >= since.saturating_add(CONNECT_TIMEOUT) => {
                self.close(now, out);
            }
            State::Up { heard, .. } if now >= heard.saturating_add(SILENCE_MAX) => {
                self.close(now, out);
                return Alarm::Silent;
            }
            State::Up { since, heard, ping_at } if now >= ping_at => {
                let ping_at = now.saturating_add(PING_INTERVAL);
                self.state = State::Up { since, heard, ping_at };
                self.send(Ask::Ping, now, out);
            }
            State::Closing { since, .. } if now >= since.saturating_add(CLOSE_TIMEOUT) => {
                return Alarm::Gone;
            }
            State::Waiting { until } if now >= until => {
                self.conn = self.conn.wrapping_add(1);
                self.connect(now, out);
            }
            State::Idle
            | State::Connecting { .. }
            | State::Up { .. }
            | State::Closing { .. }
            | State::Waiting { .. } => {}
        }
        Alarm::None
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let due = match self.state {
            State::Idle => return None,
            State::Connecting { since } => since.saturating_add(CONNECT_TIMEOUT),
            State::Up { heard, ping_at, .. } => heard.saturating_add(SILENCE_MAX).min(ping_at),
            State::Closing { since, .. } => since.saturating_add(CLOSE_TIMEOUT),
            State::Waiting { until } => until,
        };
        Some(if self.queue.is_empty() { due } else { due.min(self.send_at) })
    }

    fn connect(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        self.state = State::Connecting { since: now };
        out.push(FeedOutput::Connect { conn: self.conn(), url: self.url.clone() });
    }

    fn flush(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        if !self.is_up() || now < self.send_at {
            return;
        }
        if let Some(text) = self.queue.pop_front() {
            out.push(FeedOutput::Send { conn: self.conn(), text });
            self.send_at = now.saturating_add(SEND_INTERVAL);
        }
    }

    /// Doubles from step to step; the jitter takes up to half, so that many clients do not return at once.
    fn retry_delay(&mut self, slow: bool) -> DurationNs {
        let factor = 1_i64.checked_shl(self.failures.min(16)).unwrap_or(1);
        let step = RETRY_FIRST.saturating_mul(factor).min(RETRY_MAX);
        let half = step.as_ns() / 2;
        let jitter = self.random.next_below(half.unsigned_abs());
        let delay = DurationNs::from_ns(half.saturating_add(i64::try_from(jitter).unwrap_or(0)));
        if slow { delay.max(RETRY_MAINTENANCE) } else { delay }
    }
}
