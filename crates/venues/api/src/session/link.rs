//! The connection of a feed: opens it, paces what is sent, supervises it ([`Connection`]).
//!
//! Known venues limit the rate of messages per connection, and do not say where or allow 100 a second; the strictest wants at
//! most one attempt in 5 s after maintenance (Kraken WebSocket v2, limits, checked June 2026).

use super::connection::{Connection, Due};
use crate::{ConnId, FeedOutput};
use remora_domain::{DurationNs, Timestamp};
use std::collections::VecDeque;

/// Pause between two frames we send: the venue limits the rate per connection, without saying where.
const SEND_INTERVAL: DurationNs = DurationNs::from_ms(50);
/// Least delay after maintenance.
const RETRY_MAINTENANCE: DurationNs = DurationNs::from_s(5);
/// Ten seconds of sending.
const BUSY: usize = 200;

/// Says what became of the connection at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Nothing for the session to do.
    None,
    /// The venue fell silent; the connection is being closed.
    Silent,
    /// A close was never reported; the connection counts as gone.
    Gone,
    /// Nothing was sent for a while: a ping is due where the venue has one of its own.
    Ping,
}

/// Is the one connection of a session.
#[derive(Debug)]
pub struct Link {
    url: String,
    connection: Connection,
    queue: VecDeque<String>,
    send_at: Timestamp,
}

impl Link {
    /// Makes one that is not open yet; see [`Connection::new`].
    #[must_use]
    pub const fn new(url: String, seed: u64, silence_max: DurationNs) -> Self {
        Self {
            url,
            connection: Connection::new(seed, silence_max),
            queue: VecDeque::new(),
            send_at: Timestamp::EPOCH,
        }
    }

    /// Gives the number of the last attempt.
    #[must_use]
    pub const fn conn(&self) -> ConnId {
        self.connection.conn()
    }

    /// Tells whether it is open.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.connection.is_up()
    }

    /// Tells whether so much is queued that resyncs should wait: the bound of the queue beyond the first
    /// subscriptions and pings.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.queue.len() >= BUSY
    }

    /// Opens the first connection; a second start changes nothing.
    pub fn start(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        if self.connection.is_down() {
            self.connect(now, out);
        }
    }

    /// Takes the news of an open connection; `false` when it is not the awaited one, which is then closed.
    pub fn connected(&mut self, conn: ConnId, now: Timestamp, out: &mut Vec<FeedOutput>) -> bool {
        let is_ours = self.connection.connected(now, conn);
        if is_ours {
            self.send_at = now;
        } else if conn != self.conn() || !self.is_up() {
            out.push(FeedOutput::Close { conn });
        }
        is_ours
    }

    /// Notes that a frame came; `false` when it is not of the open connection.
    pub fn heard(&mut self, on: ConnId, now: Timestamp) -> bool {
        self.connection.heard(now, on)
    }

    /// Takes the news of a lost connection and plans the next; `false` when it was not ours.
    pub fn disconnected(&mut self, conn: ConnId, now: Timestamp, slow: bool) -> bool {
        let least = if slow { RETRY_MAINTENANCE } else { DurationNs::ZERO };
        let is_ours = self.connection.disconnected(now, conn, least);
        if is_ours {
            self.queue.clear();
        }
        is_ours
    }

    /// Closes the connection; its loss is reported later.
    pub fn close(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        if self.connection.closing(now) {
            self.queue.clear();
            out.push(FeedOutput::Close { conn: self.conn() });
        }
    }

    /// Ends: closes what is open and never connects again until the next start.
    pub fn end(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        self.close(now, out);
        self.queue.clear();
        self.connection.end();
    }

    /// Sends in turn, as fast as the pace allows.
    pub fn send(&mut self, text: String, now: Timestamp, out: &mut Vec<FeedOutput>) {
        self.queue.push_back(text);
        self.flush(now, out);
    }

    /// Does what is due; says what is left to the session.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) -> Alarm {
        self.flush(now, out);
        match self.connection.tick(now) {
            Due::Nothing => {}
            Due::NotOpened => self.close(now, out),
            Due::Silent => {
                self.close(now, out);
                return Alarm::Silent;
            }
            Due::Ping => return Alarm::Ping,
            Due::Gone => return Alarm::Gone,
            Due::Retry => self.connect(now, out),
        }
        Alarm::None
    }

    /// Says when `tick` is wanted.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let due = self.connection.next_deadline()?;
        Some(if self.queue.is_empty() { due } else { due.min(self.send_at) })
    }

    fn connect(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        let conn = self.connection.connect(now);
        out.push(FeedOutput::Connect { conn, url: self.url.clone() });
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
}
