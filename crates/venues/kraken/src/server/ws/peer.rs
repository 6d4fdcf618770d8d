//! Connections: who they are, what they listen to, and when each needs attention next.
//!
//! Invariant: every connection has exactly one alarm: its next heartbeat while it listens to anything, the end of
//! the allowed silence otherwise.

use crate::server::io::{PeerId, WsHost};
use crate::server::ws::settings::MessageRate;
use remora_domain::{DurationNs, Timestamp};
use remora_matching::{MarketIx, TraderIx};
use std::collections::{BTreeMap, BTreeSet};

/// How often a connection that listens to something hears that it lives (captured: once a second, always).
const HEARTBEAT_EVERY: DurationNs = DurationNs::from_s(1);
/// How long a connection that listens to nothing may be silent.
const IDLE_MAX: DurationNs = DurationNs::from_s(60);

/// Is what a connection can listen to; once each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    Instrument,
    Executions,
    Balances,
    Ticker(MarketIx),
    Book(MarketIx),
    Trade(MarketIx),
    Ohlc(MarketIx),
    Level3(MarketIx),
}

/// Is one connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) host: WsHost,
    pub(crate) connection_id: u64,
    /// With the depth, interval or trigger it was asked with.
    pub(crate) topics: BTreeMap<Topic, u32>,
    /// Whose private channels it listens to.
    pub(crate) trader: Option<TraderIx>,
    heard: Timestamp,
    alarm: Timestamp,
    /// When the messages sent so far would have been in order at the steady rate (a leaky bucket's level in time).
    due: Timestamp,
    /// The same for `level3` subscriptions.
    level3_due: Timestamp,
}

impl Peer {
    pub(crate) fn new(host: WsHost, connection_id: u64, now: Timestamp) -> Self {
        Self {
            host,
            connection_id,
            topics: BTreeMap::new(),
            trader: None,
            heard: now,
            alarm: now.saturating_add(IDLE_MAX),
            due: now,
            level3_due: now,
        }
    }
}

/// Is why a connection needs attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alarm {
    Heartbeat,
    Idle,
}

/// Is all connections.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    by_id: BTreeMap<PeerId, Peer>,
    alarms: BTreeSet<(Timestamp, PeerId)>,
}

impl Peers {
    /// Takes a connection; one of the same name is forgotten.
    pub(crate) fn open(&mut self, id: PeerId, peer: Peer) {
        self.close(id);
        self.alarms.insert((peer.alarm, id));
        self.by_id.insert(id, peer);
    }

    pub(crate) fn close(&mut self, id: PeerId) -> Option<Peer> {
        let peer = self.by_id.remove(&id)?;
        self.alarms.remove(&(peer.alarm, id));
        Some(peer)
    }

    pub(crate) fn get(&self, id: PeerId) -> Option<&Peer> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.by_id.get_mut(&id)
    }

    pub(crate) fn count(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PeerId, &Peer)> {
        self.by_id.iter().map(|(&id, peer)| (id, peer))
    }

    /// Notes a message; tells where the connection came to and whether it is slow enough, none when there is none.
    pub(crate) fn heard(
        &mut self,
        now: Timestamp,
        id: PeerId,
        rate: Option<MessageRate>,
    ) -> Option<(WsHost, bool)> {
        let peer = self.by_id.get_mut(&id)?;
        peer.heard = now;
        let is_slow_enough =
            rate.is_none_or(|rate| spend(&mut peer.due, now, rate.interval(), rate.tolerance()));
        Some((peer.host, is_slow_enough))
    }

    /// Notes a `level3` subscription of such a cost; tells whether there was enough left of `budget` a second.
    pub(crate) fn spend_level3(
        &mut self,
        now: Timestamp,
        id: PeerId,
        cost: i64,
        budget: i64,
    ) -> bool {
        let Some(peer) = self.by_id.get_mut(&id) else { return false };
        let second = DurationNs::from_s(1).as_ns();
        let each = DurationNs::from_ns(second.saturating_mul(cost) / budget.max(1));
        let tolerance = DurationNs::from_ns(second.saturating_sub(each.as_ns()));
        spend(&mut peer.level3_due, now, each, tolerance)
    }

    /// Adds a topic; the first one starts the heartbeat.
    pub(crate) fn join(&mut self, now: Timestamp, id: PeerId, topic: Topic, choice: u32) {
        let Some(peer) = self.by_id.get_mut(&id) else { return };
        let is_first = peer.topics.is_empty();
        peer.topics.insert(topic, choice);
        if is_first {
            self.set_alarm(id, now.saturating_add(HEARTBEAT_EVERY));
        }
    }

    /// Removes a topic asked for with the same choice; tells whether there was one.
    pub(crate) fn leave(&mut self, id: PeerId, topic: Topic, choice: u32) -> bool {
        let Some(peer) = self.by_id.get_mut(&id) else { return false };
        let is_there = peer.topics.get(&topic) == Some(&choice);
        if is_there {
            peer.topics.remove(&topic);
        }
        is_there
    }

    /// Gives the next connection whose alarm is due, and sets its next one.
    pub(crate) fn due(&mut self, now: Timestamp) -> Option<(PeerId, Alarm)> {
        loop {
            let &(at, id) = self.alarms.first().filter(|(at, _)| *at <= now)?;
            self.alarms.pop_first();
            let Some(peer) = self.by_id.get(&id) else { continue };
            let silent_until = peer.heard.saturating_add(IDLE_MAX);
            if !peer.topics.is_empty() {
                let next = at.saturating_add(HEARTBEAT_EVERY);
                let next = if next > now { next } else { now.saturating_add(HEARTBEAT_EVERY) };
                self.set_alarm(id, next);
                return Some((id, Alarm::Heartbeat));
            }
            if silent_until <= now {
                return Some((id, Alarm::Idle));
            }
            self.set_alarm(id, silent_until);
        }
    }

    pub(crate) fn next_alarm(&self) -> Option<Timestamp> {
        self.alarms.first().map(|(at, _)| *at)
    }

    fn set_alarm(&mut self, id: PeerId, at: Timestamp) {
        if let Some(peer) = self.by_id.get_mut(&id) {
            self.alarms.remove(&(peer.alarm, id));
            peer.alarm = at;
            self.alarms.insert((at, id));
        }
    }
}

/// Spends `cost` of time unless more than `tolerance` of the future is spent already.
fn spend(due: &mut Timestamp, now: Timestamp, cost: DurationNs, tolerance: DurationNs) -> bool {
    let from = (*due).max(now);
    let is_allowed = from <= now.saturating_add(tolerance);
    if is_allowed {
        *due = from.saturating_add(cost);
    }
    is_allowed
}
