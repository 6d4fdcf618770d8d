//! Money: balances are the first ones told, plus executions, minus fees. Spot only: nothing else may be approved yet.

use super::LogTotals;
use super::findings::{Findings, Promise};
use super::markets::Markets;
use super::orders::Orders;
use crate::holdings::movements;
use remora_domain::{
    Amount, AmountError, Asset, Balances, ContractKind, Fill, Instrument, InstrumentKey,
    OrderEvent, OrderRequest, Side,
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Funds {
    start: Option<BTreeMap<Asset, Amount>>,
    newest: BTreeMap<Asset, Amount>,
    moved: BTreeMap<Asset, Amount>,
    fills_untold: u64,
}

impl Funds {
    pub(super) fn book(
        &mut self,
        instrument: Option<&Instrument>,
        event: &OrderEvent,
        fill: &Fill,
        findings: &mut Findings,
    ) {
        let spot = instrument.filter(|instrument| instrument.kind == ContractKind::Spot);
        let Some(instrument) = spot else {
            let detail = format!("{} is not a spot pair that is known", event.instrument);
            findings.add(Promise::BalancesAddUp, detail);
            return;
        };
        self.fills_untold = self.fills_untold.saturating_add(1);
        let moved = self.move_by(instrument, event.side, fill);
        findings.exact(moved);
    }

    /// Compares the venue's word with ours. The venue reports an execution before the balances it led to.
    pub(super) fn told(&mut self, balances: &Balances, findings: &mut Findings) {
        for entry in &balances.entries {
            if entry.total < Amount::ZERO || entry.held < Amount::ZERO || entry.held > entry.total {
                let detail = format!("{}: {} with {} held", entry.asset, entry.total, entry.held);
                findings.add(Promise::BalancesAddUp, detail);
            }
        }
        let entries = balances.entries.iter();
        self.newest = entries.map(|entry| (entry.asset.clone(), entry.total)).collect();
        let Some(start) = &self.start else {
            self.start = Some(self.newest.clone());
            return;
        };
        self.fills_untold = 0;
        let assets: BTreeSet<&Asset> =
            start.keys().chain(self.newest.keys()).chain(self.moved.keys()).collect();
        for asset in assets {
            let of = |side: &BTreeMap<Asset, Amount>| side.get(asset).copied().unwrap_or_default();
            let (start, moved, told) = (of(start), of(&self.moved), of(&self.newest));
            if start.checked_add(moved).as_ref() != Ok(&told) {
                let detail = format!("{asset}: {start} and {moved} is not {told}");
                findings.add(Promise::BalancesAddUp, detail);
            }
        }
    }

    /// Checks an approval that the orders hold already: what it spends, as base or as quote, is there for it and for
    /// everything else that is open. Fees are left out; they can only add.
    pub(super) fn check_cover(
        &self,
        orders: &Orders,
        markets: &Markets,
        request: &OrderRequest,
        findings: &mut Findings,
    ) {
        let Some(instrument) = markets.instrument(&request.instrument) else { return };
        let asset = match request.side {
            Side::Buy => &instrument.quote,
            Side::Sell => &instrument.base,
        };
        let of = |side: &BTreeMap<Asset, Amount>| side.get(asset).copied().unwrap_or_default();
        let start = self.start.as_ref().map(of).unwrap_or_default();
        let sums = start
            .checked_add(of(&self.moved))
            .and_then(|has| Ok((has, spent_by_open(orders, markets, &request.instrument, asset)?)));
        let Some((has, spent)) = findings.exact(sums) else { return };
        if spent > has {
            let id = &request.cl_ord_id;
            let detail = format!("{id}: open orders spend {spent} of {has} {asset}");
            findings.add(Promise::FundsCoverWhatIsOpen, detail);
        }
    }

    pub(super) fn finish(&self, findings: &mut Findings) {
        if self.start.is_none() {
            findings.add(Promise::BalancesAddUp, "no balances were told");
        }
        if self.fills_untold > 0 {
            let detail = format!("{} executions since the last balances", self.fills_untold);
            findings.add(Promise::BalancesAddUp, detail);
        }
    }

    pub(super) fn tell(self, totals: &mut LogTotals) {
        totals.balances_start = self.start.unwrap_or_default();
        totals.balances_end = self.newest;
        totals.balances_moved = self.moved;
    }

    fn move_by(
        &mut self,
        instrument: &Instrument,
        side: Side,
        fill: &Fill,
    ) -> Result<(), AmountError> {
        for (asset, by) in movements(instrument, side, fill)? {
            let moved = self.moved.entry(asset).or_default();
            *moved = moved.checked_add(by)?;
        }
        Ok(())
    }
}

/// Sums what open orders of a venue spend of an asset at their limit prices.
fn spent_by_open(
    orders: &Orders,
    markets: &Markets,
    at: &InstrumentKey,
    asset: &Asset,
) -> Result<Amount, AmountError> {
    let mut sum = Amount::ZERO;
    for key in orders.exposed().into_iter().filter(|key| key.venue == at.venue) {
        let Some(instrument) = markets.instrument(key) else { continue };
        for (_, order) in orders.open_of(key) {
            let left = order.remaining();
            let (spent, amount) = match order.request.side {
                Side::Sell => (&instrument.base, left.as_amount()),
                Side::Buy => {
                    let cost = order.request.price.checked_notional(left, instrument.multiplier)?;
                    (&instrument.quote, cost.as_amount())
                }
            };
            if spent == asset {
                sum = sum.checked_add(amount)?;
            }
        }
    }
    Ok(sum)
}
