//! A trader's balances, holds, fee rates and open orders.

use crate::api::{AssetIx, Balance, FeeRates, Funding, MarketIx, Money, OrderNo};
use std::collections::{BTreeMap, BTreeSet};

/// Is a trader. Invariant: 0 <= held <= total for every asset.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) funding: Funding,
    balances: BTreeMap<AssetIx, Balance>,
    pub(crate) rates: BTreeMap<MarketIx, FeeRates>,
    pub(crate) open: BTreeSet<(MarketIx, OrderNo)>,
}

impl Account {
    pub(crate) const fn new(funding: Funding) -> Self {
        Self { funding, balances: BTreeMap::new(), rates: BTreeMap::new(), open: BTreeSet::new() }
    }

    pub(crate) fn is_cash(&self) -> bool {
        self.funding == Funding::Cash
    }

    pub(crate) fn balance(&self, asset: AssetIx) -> Balance {
        self.balances.get(&asset).copied().unwrap_or_default()
    }

    pub(crate) fn balances(&self) -> impl Iterator<Item = (AssetIx, Balance)> {
        self.balances.iter().map(|(&asset, &balance)| (asset, balance))
    }

    /// Gives what is neither held nor spent.
    pub(crate) fn available(&self, asset: AssetIx) -> Money {
        let Balance { total, held } = self.balance(asset);
        total.saturating_sub(held)
    }

    /// Adds to the total, or takes from it, and gives the new one.
    pub(crate) fn add(&mut self, asset: AssetIx, amount: Money) -> Money {
        let balance = self.balances.entry(asset).or_default();
        balance.total = balance.total.saturating_add(amount);
        balance.total
    }

    /// Changes what is held by the difference of one order's hold.
    pub(crate) fn rehold(&mut self, asset: AssetIx, before: Money, after: Money) {
        if before != after {
            let balance = self.balances.entry(asset).or_default();
            balance.held = balance.held.saturating_sub(before).saturating_add(after);
        }
    }
}
