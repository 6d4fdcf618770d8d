//! What the log of orders had made of a core, kept over its runs.
//!
//! Each start takes over what an earlier one of its service has left, as far as the core agrees, and leaves its own: of the
//! middle of what it has read. So every place of a log comes to be one where a snapshot ends.

use super::actor::Input;
use super::seat::Seat;
use super::world::World;
use remora_bus::Stream;
use remora_domain::Service;
use std::collections::BTreeMap;

/// Is what the runs of all services have left.
#[derive(Default)]
pub(super) struct Snapshots {
    /// By service: the place of the first entry that is not in it, and the snapshot.
    kept: BTreeMap<Service, (usize, Vec<u8>)>,
    /// How many starts took one over.
    pub(super) taken_over: u64,
}

impl World {
    /// Gives a core that starts the log of orders, or the last snapshot and the rest of it.
    pub(super) fn read_orders(&mut self, by: Seat) {
        let from = self.take_over_snapshot(by);
        let end = self.streams.get(&Stream::Orders).map_or(0, Vec::len);
        let middle = from.saturating_add(end.saturating_sub(from).div_ceil(2));
        self.give_orders(by, from, middle);
        let actor = self.processes.get(&by).and_then(|process| process.actor.as_ref());
        if let Some(snapshot) = actor.and_then(|actor| actor.snapshot()) {
            self.snapshots.kept.insert(by.service(), (middle, snapshot));
        }
        self.give_orders(by, middle, end);
    }

    /// Gives the place from which the log is still to be read.
    fn take_over_snapshot(&mut self, by: Seat) -> usize {
        let Some((place, snapshot)) = self.snapshots.kept.get(&by.service()) else { return 0 };
        let actor = self.processes.get_mut(&by).and_then(|process| process.actor.as_mut());
        if !actor.is_some_and(|actor| actor.restore(snapshot)) {
            return 0;
        }
        self.snapshots.taken_over = self.snapshots.taken_over.saturating_add(1);
        let place = *place;
        // Whoever computes apart what a gate may do has to know what it knows.
        for message in self.entries_until(by, Stream::Orders, 0, place) {
            self.checks.reads(by, &message);
        }
        place
    }

    fn give_orders(&mut self, by: Seat, from: usize, end: usize) {
        for message in self.entries_until(by, Stream::Orders, from, end) {
            self.give(by, Input::Message(message));
        }
    }
}
