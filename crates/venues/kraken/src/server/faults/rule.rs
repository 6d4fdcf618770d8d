//! One fault in force: when it is active, where it applies, how often it has happened.

use super::settings::{FaultKind, FaultWish, PPM};
use crate::server::io::PeerId;
use remora_domain::{DurationNs, Timestamp};
use remora_machine::SplitMix64;

/// Is what a fault may be narrowed to. What is not known fits no narrow fault.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Occasion<'a> {
    pub(crate) account: Option<&'a str>,
    pub(crate) pair: Option<&'a str>,
    pub(crate) peer: Option<PeerId>,
    pub(crate) method: Option<&'a str>,
    pub(crate) channel: Option<&'a str>,
}

/// Is a fault in force.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) id: u64,
    pub(crate) wish: FaultWish,
    pub(crate) from: Timestamp,
    pub(crate) until: Option<Timestamp>,
    pub(crate) left: Option<u64>,
    pub(crate) injected: u64,
    /// When a fault that happens by itself happens next.
    pub(crate) next: Option<Timestamp>,
}

impl Rule {
    /// Puts a wish in force that was asked for at an instant.
    pub(crate) fn new(id: u64, wish: FaultWish, asked: Timestamp) -> Self {
        let from = asked.saturating_add(DurationNs::from_ms(wish.after_ms));
        let until = wish.duration_ms.map(|ms| from.saturating_add(DurationNs::from_ms(ms)));
        let next = happens_by_itself(wish.kind).then_some(from);
        Self { id, left: wish.count, wish, from, until, injected: 0, next }
    }

    /// Tells whether it is over for good.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.left == Some(0) || self.until.is_some_and(|until| until <= now)
    }

    pub(crate) fn is_active(&self, now: Timestamp) -> bool {
        self.from <= now && !self.is_over(now)
    }

    /// Tells whether it may happen on this occasion, chance left aside.
    pub(crate) fn fits(&self, now: Timestamp, occasion: &Occasion<'_>) -> bool {
        let scope = &self.wish.scope;
        let is_for = |wanted: Option<&str>, got: Option<&str>| wanted.is_none() || wanted == got;
        self.is_active(now)
            && is_for(scope.account.as_deref(), occasion.account)
            && is_for(scope.pair.as_deref(), occasion.pair)
            && is_for(scope.method.as_deref(), occasion.method)
            && is_for(self.channel(), occasion.channel)
            && scope.connection.is_none_or(|wanted| occasion.peer == Some(PeerId(wanted)))
    }

    /// Gives the channel whose frames it is about.
    fn channel(&self) -> Option<&str> {
        let is_of_private_frames = matches!(
            self.wish.kind,
            FaultKind::Delayed | FaultKind::Duplicated | FaultKind::Reordered | FaultKind::Lost
        );
        let default = is_of_private_frames.then_some("executions");
        self.wish.channel.as_deref().or(default)
    }

    /// Draws whether it happens; counts where it does.
    pub(crate) fn happens(&mut self, chance: &mut SplitMix64) -> bool {
        let ppm = self.wish.probability_ppm.unwrap_or(PPM);
        let happens = ppm >= PPM || chance.next_below(u64::from(PPM)) < u64::from(ppm);
        if happens {
            self.count();
        }
        happens
    }

    pub(crate) fn count(&mut self) {
        self.injected = self.injected.saturating_add(1);
        self.left = self.left.map(|left| left.saturating_sub(1));
    }

    /// Gives when it wants attention next: to begin, to happen again, or to end.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let end = if self.left == Some(0) { Some(self.from) } else { self.until };
        self.next.into_iter().chain(end).min()
    }
}

/// Tells whether a kind waits for no occasion.
const fn happens_by_itself(kind: FaultKind) -> bool {
    match kind {
        FaultKind::Disconnected
        | FaultKind::Stalled
        | FaultKind::Phase
        | FaultKind::ClockOffset => true,
        FaultKind::RequestLost
        | FaultKind::InvalidNonce
        | FaultKind::Throttled
        | FaultKind::Unavailable
        | FaultKind::ReplyLost
        | FaultKind::ErrorPage
        | FaultKind::ReplyDelayed
        | FaultKind::Delayed
        | FaultKind::Duplicated
        | FaultKind::Reordered
        | FaultKind::Lost
        | FaultKind::CorruptChecksum
        | FaultKind::Silent => false,
    }
}
