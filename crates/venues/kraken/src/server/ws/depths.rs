//! Who listens to a channel of one market, by depth, and what is kept for each depth.
//!
//! Invariant: a depth is here while somebody listens at it; depths ascend.

use crate::server::io::PeerId;
use std::collections::BTreeSet;

/// Is one depth: its windows, and who listens.
#[derive(Debug)]
pub(crate) struct Depth<W> {
    depth: u32,
    pub(crate) windows: W,
    pub(crate) subscribers: BTreeSet<PeerId>,
}

/// Is every depth that somebody listens at.
#[derive(Debug)]
pub(crate) struct Depths<W>(Vec<Depth<W>>);

impl<W> Default for Depths<W> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<W> Depths<W> {
    /// Tells whether nobody listens.
    pub(crate) const fn is_idle(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a subscriber; `open` makes the windows of so many levels where the depth is new.
    pub(crate) fn subscribe(&mut self, peer: PeerId, depth: u32, open: impl FnOnce(usize) -> W) {
        let at = self.0.partition_point(|known| known.depth < depth);
        if self.0.get(at).is_none_or(|known| known.depth != depth) {
            let windows = open(usize::try_from(depth).unwrap_or(usize::MAX));
            self.0.insert(at, Depth { depth, windows, subscribers: BTreeSet::new() });
        }
        if let Some(known) = self.0.get_mut(at) {
            known.subscribers.insert(peer);
        }
    }

    /// Takes a subscriber out of every depth; a depth nobody listens to is forgotten.
    pub(crate) fn unsubscribe(&mut self, peer: PeerId) {
        for known in &mut self.0 {
            known.subscribers.remove(&peer);
        }
        self.0.retain(|known| !known.subscribers.is_empty());
    }

    /// Gives the windows of a depth that has a subscriber.
    pub(crate) fn windows(&self, depth: u32) -> Option<&W> {
        self.0.iter().find(|known| known.depth == depth).map(|known| &known.windows)
    }

    /// Gives the windows of the smallest depth.
    pub(crate) fn shallowest(&self) -> Option<&W> {
        self.0.first().map(|known| &known.windows)
    }

    /// Gives all, the smallest depth first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Depth<W>> {
        self.0.iter()
    }

    /// Gives all to be changed, the smallest depth first.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Depth<W>> {
        self.0.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_depth_is_opened_once_and_forgotten_with_its_last_listener() {
        let mut depths: Depths<usize> = Depths::default();
        let mut opened = Vec::new();
        for (peer, depth) in [(1, 100), (2, 10), (3, 100), (1, 10)] {
            depths.subscribe(PeerId(peer), depth, |levels| {
                opened.push(levels);
                levels
            });
        }
        assert_eq!(opened, [100, 10]);
        assert_eq!((depths.shallowest(), depths.windows(100)), (Some(&10), Some(&100)));
        assert_eq!(depths.windows(25), None);
        depths.unsubscribe(PeerId(2));
        depths.unsubscribe(PeerId(1));
        assert!(!depths.is_idle());
        let left: Vec<_> = depths.iter().map(|known| (known.depth, known.windows)).collect();
        assert_eq!(left, [(100, 100)]);
        depths.unsubscribe(PeerId(3));
        assert!(depths.is_idle());
    }
}
