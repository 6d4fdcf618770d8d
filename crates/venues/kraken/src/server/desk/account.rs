//! An account: what it may do, what it has open, what it remembers.

use super::api::{Execution, LedgerEntry};
use super::clordid::ClOrdKey;
use super::facts::Forgotten;
use crate::server::catalogue::FeeSchedule;
use crate::server::rate::Counter;
use crate::server::settings::{HistoryBounds, Tier};
use remora_domain::{DurationNs, Timestamp};
use remora_matching::{MarketIx, OrderNo};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The hours of the volume that sets the fees: 30 days.
const VOLUME_HOURS: i64 = 30 * 24;

/// Is an account.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) tier: Tier,
    pub(crate) volume: Volume,
    /// The step of each fee schedule it is on.
    pub(crate) steps: Vec<usize>,
    /// Open orders, waiting ones too.
    pub(crate) open: BTreeSet<OrderNo>,
    pub(crate) by_cl_ord_id: BTreeMap<ClOrdKey, OrderNo>,
    pub(crate) markets: BTreeMap<MarketIx, MarketUse>,
    /// Ended orders, in the order they ended.
    pub(crate) closed: VecDeque<OrderNo>,
    /// How many of them nobody can have read yet.
    pub(crate) closed_now: usize,
    pub(crate) executions: VecDeque<Arc<Execution>>,
    pub(crate) ledger: VecDeque<Arc<LedgerEntry>>,
    pub(crate) forgotten: Forgotten,
    /// When its dead man's switch fires.
    pub(crate) cancel_all_at: Option<Timestamp>,
}

/// Is what an account does on one pair.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MarketUse {
    pub(crate) counter: Counter,
    pub(crate) open: usize,
}

impl Account {
    pub(crate) fn new(name: &str, tier: Tier, volume_usd: Decimal) -> Self {
        Self {
            name: name.to_owned(),
            tier,
            volume: Volume::new(volume_usd),
            steps: Vec::new(),
            open: BTreeSet::new(),
            by_cl_ord_id: BTreeMap::new(),
            markets: BTreeMap::new(),
            closed: VecDeque::new(),
            closed_now: 0,
            executions: VecDeque::new(),
            ledger: VecDeque::new(),
            forgotten: Forgotten::default(),
            cancel_all_at: None,
        }
    }

    /// Keeps an execution; gives the one that had to go for it.
    pub(crate) fn remember_execution(
        &mut self,
        execution: Arc<Execution>,
        bounds: HistoryBounds,
    ) -> Option<Arc<Execution>> {
        self.executions.push_back(execution);
        if self.executions.len() <= bounds.executions_max {
            return None;
        }
        self.forgotten.executions = self.forgotten.executions.saturating_add(1);
        self.executions.pop_front()
    }

    pub(crate) fn remember_entry(&mut self, entry: Arc<LedgerEntry>, bounds: HistoryBounds) {
        self.ledger.push_back(entry);
        if self.ledger.len() > bounds.ledger_max {
            self.ledger.pop_front();
            self.forgotten.ledger = self.forgotten.ledger.saturating_add(1);
        }
    }

    /// Gives the number of open orders on a pair.
    pub(crate) fn open_on(&self, market: MarketIx) -> usize {
        self.markets.get(&market).map_or(0, |market| market.open)
    }
}

/// Is what was traded in the last 30 days, by hour.
#[derive(Debug)]
pub(crate) struct Volume {
    /// Traded elsewhere.
    fixed: Decimal,
    hours: VecDeque<(i64, Decimal)>,
    sum: Decimal,
}

impl Volume {
    pub(crate) const fn new(fixed: Decimal) -> Self {
        Self { fixed, hours: VecDeque::new(), sum: fixed }
    }

    /// Notes a trade.
    pub(crate) fn add(&mut self, now: Timestamp, usd: Decimal) {
        let hour = hour(now);
        match self.hours.back_mut() {
            Some((last, sum)) if *last >= hour => *sum = sum.saturating_add(usd),
            Some(_) | None => self.hours.push_back((hour, usd)),
        }
        self.sum = self.sum.saturating_add(usd);
    }

    /// Tells whether some of it is too old.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let last_gone = hour(now).saturating_sub(VOLUME_HOURS);
        self.hours.front().is_some_and(|&(hour, _)| hour <= last_gone)
    }

    /// Drops what is too old.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        if self.is_due(now) {
            self.sum = self.at(now);
            while self.is_due(now) {
                self.hours.pop_front();
            }
        }
    }

    /// Gives what it is now in US dollars.
    pub(crate) fn at(&self, now: Timestamp) -> Decimal {
        if !self.is_due(now) {
            return self.sum;
        }
        let last_gone = hour(now).saturating_sub(VOLUME_HOURS);
        let kept = self.hours.iter().filter(|&&(hour, _)| hour > last_gone);
        kept.fold(self.fixed, |sum, &(_, usd)| sum.saturating_add(usd))
    }

    /// Gives what it was at the last change, in US dollars.
    pub(crate) const fn total(&self) -> Decimal {
        self.sum
    }
}

fn hour(now: Timestamp) -> i64 {
    now.as_ns().div_euclid(DurationNs::from_s(3_600).as_ns())
}

/// Gives the step of a schedule that a volume reaches.
pub(crate) fn step(schedule: &FeeSchedule, volume: Decimal) -> usize {
    let reached = schedule.tiers.partition_point(|tier| tier.volume_usd <= volume);
    reached.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_ns(hours * 3_600_000_000_000)
    }

    #[test]
    fn the_volume_is_of_thirty_days_and_what_was_traded_elsewhere_stays() {
        let mut volume = Volume::new(Decimal::TEN);
        volume.add(at(0), Decimal::ONE);
        volume.add(at(0), Decimal::ONE);
        volume.add(at(100), Decimal::TWO);
        assert_eq!(volume.total(), Decimal::from(14));
        volume.expire(at(719));
        assert_eq!(volume.total(), Decimal::from(14));
        volume.expire(at(720));
        assert_eq!(volume.total(), Decimal::from(12));
        volume.expire(at(5_000));
        assert_eq!(volume.total(), Decimal::TEN);
    }
}
