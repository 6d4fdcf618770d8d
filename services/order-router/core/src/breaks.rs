//! Differences between the venue's account and ours: seen once they are suspected, seen again they open, and they end.
//!
//! What is under way differs too, so a difference opens only when a complete answer shows it, and another one that came
//! at least the grace later shows it still. It ends with the first complete answer that does not show it, also when that
//! is an answer to a later run. While one is open our state names it, and gate and decision leave what it concerns alone.

use crate::core::{OrderRouterCore, Out};
use remora_domain::{
    AccountBreak, Amount, Asset, Body, BreakId, BreakKind, ClOrdId, Header, InstrumentKey,
    ReconciliationBreak, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};

/// How many may be open: each concerns an order or an asset of ours, and nothing is quoted while they are. One that finds
/// no room is seen again by the next answer.
const OPEN_MAX: usize = 1_000;
/// How many pairs and assets are named in our state.
const TOLD_MAX: usize = 50;

/// Names a difference: what it is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BreakOf {
    Order(ClOrdId),
    Execution(ClOrdId),
    Balance(Asset),
}

impl BreakOf {
    const fn kind(&self) -> BreakKind {
        match self {
            Self::Order(_) => BreakKind::Order,
            Self::Execution(_) => BreakKind::Execution,
            Self::Balance(_) => BreakKind::Balance,
        }
    }

    const fn is_balance(&self) -> bool {
        matches!(self, Self::Balance(_))
    }

    fn of(told: &AccountBreak) -> Option<Self> {
        match told.kind {
            BreakKind::Order => told.cl_ord_id.clone().map(Self::Order),
            BreakKind::Execution => told.cl_ord_id.clone().map(Self::Execution),
            BreakKind::Balance => told.asset.clone().map(Self::Balance),
        }
    }
}

/// Is what an answer of the venue showed.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) instrument: Option<InstrumentKey>,
    pub(crate) cause: String,
    /// What our books say, and what the venue says.
    pub(crate) amounts: Option<(Amount, Amount)>,
}

/// Holds what is suspected and what is open.
#[derive(Debug, Default)]
pub(crate) struct Breaks {
    suspects: BTreeMap<BreakOf, Timestamp>,
    open: BTreeMap<BreakOf, AccountBreak>,
    opened: u64,
}

impl Breaks {
    /// Gives what is open, for our state: the first of each pair and asset, which is enough to stop it. Where even these are too
    /// many, one that concerns everything stands for the rest.
    pub(crate) fn told(&self) -> Vec<ReconciliationBreak> {
        let mut named = BTreeSet::new();
        let mut told = Vec::new();
        for one in self.open.values() {
            if !named.insert((&one.instrument, &one.asset)) {
                continue;
            }
            let what = format!("{}: {}", one.break_id, one.cause);
            let (instrument, asset) = (one.instrument.clone(), one.asset.clone());
            let since = one.opened_at;
            if told.len() >= TOLD_MAX {
                told.push(ReconciliationBreak { instrument: None, asset: None, since, what });
                break;
            }
            told.push(ReconciliationBreak { instrument, asset, since, what });
        }
        told
    }

    /// Gives the assets whose balances differ.
    pub(crate) fn open_assets(&self) -> impl Iterator<Item = &Asset> {
        self.open.keys().filter_map(|of| match of {
            BreakOf::Balance(asset) => Some(asset),
            BreakOf::Order(_) | BreakOf::Execution(_) => None,
        })
    }

    /// Tells whether it is open, or was seen once.
    pub(crate) fn knows(&self, of: &BreakOf) -> bool {
        self.open.contains_key(of) || self.suspects.contains_key(of)
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = &AccountBreak> {
        self.open.values()
    }

    /// Tells whether anything waits for another answer.
    pub(crate) fn is_any(&self) -> bool {
        !self.open.is_empty() || !self.suspects.is_empty()
    }

    pub(crate) fn has_suspects(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// Forgets what was seen once: the answers of two sessions do not follow each other.
    pub(crate) fn forget_suspects(&mut self) {
        self.suspects.clear();
    }
}

impl OrderRouterCore {
    /// Takes in a difference that a complete answer shows; the second time it opens.
    pub(crate) fn differs(&mut self, now: Timestamp, of: BreakOf, found: Finding, out: &mut Out) {
        if self.breaks.open.contains_key(&of) {
            return;
        }
        let since = *self.breaks.suspects.entry(of.clone()).or_insert(now);
        if now >= since.saturating_add(self.config.absent_grace) {
            self.open_break(now, since, of, found, out);
        }
    }

    /// Opens a difference that nothing under way explains.
    pub(crate) fn open_break(
        &mut self,
        now: Timestamp,
        since: Timestamp,
        of: BreakOf,
        found: Finding,
        out: &mut Out,
    ) {
        self.breaks.suspects.remove(&of);
        if self.breaks.open.contains_key(&of) || self.breaks.open.len() >= OPEN_MAX {
            return;
        }
        let Some(opened) = self.break_of(since, &of, found) else { return };
        self.breaks.open.insert(of, opened.clone());
        self.publish(now, None, Body::AccountBreak(opened), out);
        self.publish_state(now, None, out);
    }

    /// Tells of a difference that ended with the same answer that proved it.
    pub(crate) fn tell_ended_break(
        &mut self,
        now: Timestamp,
        of: &BreakOf,
        found: Finding,
        resolution: &str,
        out: &mut Out,
    ) {
        let since = self.breaks.suspects.remove(of).unwrap_or(now);
        if self.breaks.open.contains_key(of) {
            return self.end_break(now, of, resolution, out);
        }
        if let Some(made) = self.break_of(since, of, found) {
            let ended =
                AccountBreak { ended_at: Some(now), resolution: resolution.to_owned(), ..made };
            self.publish(now, None, Body::AccountBreak(ended), out);
        }
    }

    fn break_of(&mut self, since: Timestamp, of: &BreakOf, found: Finding) -> Option<AccountBreak> {
        self.breaks.opened = self.breaks.opened.saturating_add(1);
        let id = format!("{:016x}-{}", self.sequencer.session().get(), self.breaks.opened);
        let (asset, cl_ord_id) = match of {
            BreakOf::Balance(asset) => (Some(asset.clone()), None),
            BreakOf::Order(id) | BreakOf::Execution(id) => (None, Some(id.clone())),
        };
        Some(AccountBreak {
            break_id: BreakId::new(&id).ok()?, // always of its alphabet and short enough
            account: self.config.account.clone(),
            venue: self.config.venue.clone(),
            kind: of.kind(),
            instrument: found.instrument,
            asset,
            cl_ord_id,
            cause: found.cause,
            expected: found.amounts.map(|(expected, _)| expected),
            actual: found.amounts.map(|(_, actual)| actual),
            opened_at: since,
            ended_at: None,
            resolution: String::new(),
        })
    }

    /// Ends a difference, if it is open, and forgets a suspicion.
    pub(crate) fn end_break(
        &mut self,
        now: Timestamp,
        of: &BreakOf,
        resolution: &str,
        out: &mut Out,
    ) {
        self.breaks.suspects.remove(of);
        let Some(open) = self.breaks.open.remove(of) else { return };
        let run = format!("{:016x}-", self.sequencer.session().get());
        let resolution = if open.break_id.as_str().starts_with(&run) {
            resolution.to_owned()
        } else {
            format!("{resolution}, seen by a later run of the router")
        };
        let ended = AccountBreak { ended_at: Some(now), resolution, ..open };
        self.publish(now, None, Body::AccountBreak(ended), out);
        self.publish_state(now, None, out);
    }

    /// Ends every difference of orders and executions that a complete list of open orders does not show.
    pub(crate) fn end_unseen(&mut self, now: Timestamp, seen: &BTreeSet<BreakOf>, out: &mut Out) {
        let of_orders = |of: &&BreakOf| !of.is_balance() && !seen.contains(*of);
        self.breaks.suspects.retain(|of, _| !of_orders(&of));
        let over: Vec<BreakOf> = self.breaks.open.keys().filter(of_orders).cloned().collect();
        for of in over {
            self.end_break(now, &of, "the venue's complete list of open orders agrees", out);
        }
    }

    /// Takes in what an earlier run told: what it left open stays open until an answer to this run agrees.
    pub(crate) fn remember_break(&mut self, header: &Header, told: &AccountBreak) {
        let is_own_echo = header.producer == *self.sequencer.producer()
            && header.session == self.sequencer.session();
        let is_ours = told.account == self.config.account && told.venue == self.config.venue;
        if is_own_echo || !is_ours || self.link.is_caught_up {
            return;
        }
        let Some(of) = BreakOf::of(told) else { return };
        match told.ended_at {
            None => drop(self.breaks.open.insert(of, told.clone())),
            Some(_) => {
                let ended = |open: &&mut AccountBreak| open.break_id == told.break_id;
                if self.breaks.open.get_mut(&of).filter(ended).is_some() {
                    self.breaks.open.remove(&of);
                }
            }
        }
    }

    /// Looks again soon while anything differs: at once after the first sight, then a few times an interval.
    pub(crate) fn look_again(&mut self, now: Timestamp) {
        if !self.breaks.is_any() {
            return;
        }
        let interval = self.config.reconcile_interval;
        let third = remora_domain::DurationNs::from_ns(interval.as_ns() / 3);
        let grace = self.config.absent_grace;
        let delay = if self.breaks.has_suspects() { grace } else { third.max(grace) };
        let at = now.saturating_add(delay);
        self.link.reconcile_at = self.link.reconcile_at.min(at);
        self.query_soon(now, delay);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_testkit::{account, at_ms, key, venue};

    fn open_of(pairs: usize, of_each: usize) -> Breaks {
        let mut breaks = Breaks::default();
        for pair in 0..pairs {
            for number in 0..of_each {
                let id = ClOrdId::new(&format!("r-{pair}-{number}")).unwrap();
                let one = AccountBreak {
                    break_id: BreakId::new(&format!("1-{pair}{number}")).unwrap(),
                    account: account(),
                    venue: venue(),
                    kind: BreakKind::Order,
                    instrument: Some(key(&format!("A{pair}-USD"))),
                    asset: None,
                    cl_ord_id: Some(id.clone()),
                    cause: "nobody here knows it".to_owned(),
                    expected: None,
                    actual: None,
                    opened_at: at_ms(1),
                    ended_at: None,
                    resolution: String::new(),
                };
                breaks.open.insert(BreakOf::Order(id), one);
            }
        }
        breaks
    }

    #[test]
    fn many_breaks_of_one_pair_hide_none_of_another() {
        let told = open_of(2, 80).told();
        let pairs: Vec<_> = told.iter().map(|one| one.instrument.clone()).collect();
        assert_eq!(pairs, [Some(key("A0-USD")), Some(key("A1-USD"))]);
    }

    #[test]
    fn more_pairs_than_can_be_named_stop_everything() {
        let told = open_of(TOLD_MAX + 3, 1).told();
        assert_eq!(told.len(), TOLD_MAX + 1);
        let last = told.last().unwrap();
        assert_eq!((&last.instrument, &last.asset), (&None, &None));
    }
}
