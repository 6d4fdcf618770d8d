//! Frames held back: late ones in order, swapped ones until the next of their channel.

use crate::server::io::{PeerId, ServerOutput};
use remora_domain::{DurationNs, Timestamp};
use std::collections::BTreeMap;

/// Outputs that are held back at most; more go out at once, so that a fault cannot eat the memory.
const HELD_MAX: usize = 65_536;
/// How long a swapped frame waits for the one it changes places with.
const SWAP_WAIT: DurationNs = DurationNs::from_s(1);

/// Is one channel on one connection.
pub(crate) type Lane = (PeerId, String);

/// Holds outputs back.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    /// By due time, then by arrival.
    late: BTreeMap<(Timestamp, u64), ServerOutput>,
    count: u64,
    /// When the last late frame of a lane is due; the lane's next ones wait for it.
    lanes: BTreeMap<Lane, Timestamp>,
    swapped: BTreeMap<Lane, (Timestamp, ServerOutput)>,
}

impl Hold {
    pub(crate) fn len(&self) -> usize {
        self.late.len().saturating_add(self.swapped.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.late.is_empty() && self.swapped.is_empty()
    }

    /// Holds an answer back on its own. Gives it back where too much is held.
    pub(crate) fn late(&mut self, due: Timestamp, output: ServerOutput) -> Option<ServerOutput> {
        if self.late.len() >= HELD_MAX {
            return Some(output);
        }
        self.count = self.count.wrapping_add(1);
        self.late.insert((due, self.count), output);
        None
    }

    /// Holds a frame back, behind those of its lane. Gives it back where too much is held.
    pub(crate) fn late_in(
        &mut self,
        lane: Lane,
        due: Timestamp,
        output: ServerOutput,
    ) -> Option<ServerOutput> {
        let due = self.lanes.get(&lane).map_or(due, |last| due.max(*last));
        let back = self.late(due, output);
        if back.is_none() {
            self.lanes.insert(lane, due);
        }
        back
    }

    /// Tells until when frames of a lane have to wait for late ones ahead of them.
    pub(crate) fn busy_until(&self, now: Timestamp, lane: &Lane) -> Option<Timestamp> {
        self.lanes.get(lane).copied().filter(|due| *due > now)
    }

    /// Holds a frame back until the next one of its lane. Gives it back where one is held already.
    pub(crate) fn swap(
        &mut self,
        now: Timestamp,
        lane: Lane,
        output: ServerOutput,
    ) -> Option<ServerOutput> {
        if self.swapped.contains_key(&lane) || self.swapped.len() >= HELD_MAX {
            return Some(output);
        }
        self.swapped.insert(lane, (now.saturating_add(SWAP_WAIT), output));
        None
    }

    /// Gives the frame that comes after the one that has just been let through.
    pub(crate) fn swapped(&mut self, lane: &Lane) -> Option<ServerOutput> {
        self.swapped.remove(lane).map(|(_, output)| output)
    }

    /// Lets go what is due.
    pub(crate) fn release(&mut self, now: Timestamp, out: &mut Vec<ServerOutput>) {
        while let Some(first) = self.late.first_entry().filter(|first| first.key().0 <= now) {
            out.push(first.remove());
        }
        self.lanes.retain(|_, due| *due > now);
        self.swapped.retain(|_, (due, output)| {
            if *due <= now {
                out.push(output.clone());
            }
            *due > now
        });
    }

    /// Forgets what was meant for a connection.
    pub(crate) fn closed(&mut self, peer: PeerId) {
        let is_for = |output: &ServerOutput| match output {
            ServerOutput::WsSend { peer: to, .. } => *to == peer,
            ServerOutput::HttpReply { .. }
            | ServerOutput::HttpDrop { .. }
            | ServerOutput::WsClose { .. }
            | ServerOutput::WsStall { .. } => false,
        };
        self.late.retain(|_, output| !is_for(output));
        self.lanes.retain(|(to, _), _| *to != peer);
        self.swapped.retain(|(to, _), _| *to != peer);
    }

    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let late = self.late.first_key_value().map(|((due, _), _)| *due);
        late.into_iter().chain(self.swapped.values().map(|(due, _)| *due)).min()
    }
}
