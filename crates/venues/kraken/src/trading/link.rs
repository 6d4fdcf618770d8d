//! The private socket: token, subscriptions, and the connection's life ([`Connection`]).
//!
//! Venue rules (Kraken WebSocket v2, connection life, checked June 2026): a token is good for 15 minutes, and then for
//! the connection that subscribed with it.

use super::requests::Channel;
use crate::SILENCE_MAX;
use crate::connection::{Connection, Due as ConnectionDue};
use remora_domain::{DurationNs, Timestamp};
use remora_venue_api::{Confidential, ConnId};

/// Subscriptions that have not begun by then are tried again on a new connection.
const SUBSCRIBE_TIMEOUT: DurationNs = DurationNs::from_s(5);

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

/// Says what is to be done about the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Close(&'static str),
    Gone,
    Ping,
}

/// Is the one connection.
#[derive(Debug)]
pub(super) struct Link {
    connection: Connection,
    /// A token is to be asked for: the connection is opened with it.
    wants_token: bool,
    pub(super) token: Option<Confidential>,
    pub(super) executions: Sub,
    pub(super) balances: Sub,
    /// Since when subscriptions are awaited.
    subscribing_since: Option<Timestamp>,
}

impl Link {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            connection: Connection::new(seed, SILENCE_MAX),
            wants_token: false,
            token: None,
            executions: Sub { is_acknowledged: false, sequence: None },
            balances: Sub { is_acknowledged: false, sequence: None },
            subscribing_since: None,
        }
    }

    pub(super) const fn conn(&self) -> ConnId {
        self.connection.conn()
    }

    pub(super) const fn is_up(&self) -> bool {
        self.connection.is_up()
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
        self.wants_token
    }

    /// Begins: a token first.
    pub(super) const fn start(&mut self) {
        self.wants_token = self.connection.is_down();
    }

    /// Takes a token; the connection is opened with it.
    pub(super) fn got_token(&mut self, now: Timestamp, token: Confidential) -> bool {
        let is_wanted = std::mem::replace(&mut self.wants_token, false);
        if is_wanted {
            self.token = Some(token);
            self.connection.connect(now);
        }
        is_wanted
    }

    /// Takes the news of an open connection; `false` when it is not the awaited one.
    pub(super) fn connected(&mut self, now: Timestamp, conn: ConnId) -> bool {
        let is_ours = self.connection.connected(now, conn);
        if is_ours {
            self.subscribing(now);
        }
        is_ours
    }

    /// Notes that subscriptions begin anew.
    fn subscribing(&mut self, now: Timestamp) {
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
        self.connection.heard(now, on)
    }

    /// Takes the news of a lost connection and plans the next; `false` when it was not ours.
    pub(super) fn disconnected(&mut self, now: Timestamp, conn: ConnId) -> bool {
        let is_ours = self.connection.disconnected(now, conn, DurationNs::ZERO);
        if is_ours {
            self.token = None;
            self.subscribing(now);
            self.subscribing_since = None;
        }
        is_ours
    }

    /// Notes that the connection is being closed; `false` when there is none.
    pub(super) const fn closing(&mut self, now: Timestamp) -> bool {
        self.connection.closing(now)
    }

    /// Ends for good.
    pub(super) const fn end(&mut self) {
        self.wants_token = false;
        self.connection.end();
    }

    /// Says what is due.
    pub(super) fn tick(&mut self, now: Timestamp) -> Due {
        let is_late = self.begins_by().is_some_and(|by| by <= now) && self.is_up();
        match self.connection.tick(now) {
            ConnectionDue::NotOpened => Due::Close("the connection does not open"),
            ConnectionDue::Silent => Due::Close("neither data nor heartbeat for 10 s"),
            ConnectionDue::Nothing | ConnectionDue::Ping if is_late => {
                Due::Close("a subscription does not begin")
            }
            ConnectionDue::Ping => Due::Ping,
            ConnectionDue::Gone => Due::Gone,
            ConnectionDue::Retry => {
                self.wants_token = true;
                Due::Nothing
            }
            ConnectionDue::Nothing => Due::Nothing,
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let begin = self.begins_by().filter(|_| self.is_up());
        self.connection.next_deadline().into_iter().chain(begin).min()
    }

    /// Gives when every subscription must have begun, while one has not.
    fn begins_by(&self) -> Option<Timestamp> {
        let is_begun = self.executions.is_live() && self.balances.is_live();
        let since = self.subscribing_since.filter(|_| !is_begun);
        since.map(|at| at.saturating_add(SUBSCRIBE_TIMEOUT))
    }
}
