//! The exchange itself: what it consists of, how it is set up, and what can be asked of it.

use crate::account::Account;
use crate::api::{
    AssetIx, AssetSpec, Balance, Event, FeeRates, Funding, MarketIx, MarketMode, MarketSpec, Money,
    OrderNo, OrderView, Reference, Refusal, TraderIx,
};
use crate::book::{Book, reaches};
use crate::crowd::Crowd;
use crate::money::{DECIMALS_MAX, MONEY_MAX, PPM, Units};
use crate::order::Order;
use crate::store::{Ix, Slab, Table};
use crate::trigger::Triggers;
use remora_domain::{Lots, Side, Ticks, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Is one market.
#[derive(Clone, Debug)]
pub(crate) struct Market {
    pub(crate) spec: MarketSpec,
    pub(crate) units: Units,
    pub(crate) book: Book,
    pub(crate) triggers: Triggers,
    pub(crate) crowd: Crowd,
    /// How many trades there were.
    pub(crate) trades: u64,
}

impl Market {
    /// Tells whether orders may trade with each other now.
    pub(crate) const fn is_matching(&self) -> bool {
        match self.spec.mode {
            MarketMode::Open | MarketMode::LimitOnly => true,
            MarketMode::PostOnly | MarketMode::CancelOnly | MarketMode::Closed => false,
        }
    }
}

/// Is a whole exchange: assets, markets, traders with balances, and their orders. Deterministic: equal calls in equal
/// order give equal events. Every call that changes something appends what happened to `out`, in order.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    pub(crate) assets: Table<AssetSpec>,
    pub(crate) markets: Table<Market>,
    pub(crate) accounts: Table<Account>,
    pub(crate) orders: Slab<Order>,
    pub(crate) numbers: BTreeMap<OrderNo, Ix>,
    pub(crate) expiries: BTreeSet<(Timestamp, OrderNo)>,
    /// By asset: what the exchange earned, rebates and rounding taken off.
    pub(crate) earned: Table<Money>,
    /// Numbers given out.
    pub(crate) orders_numbered: u64,
    pub(crate) trades_numbered: u64,
    /// Orders whose trigger was reached and that have not run yet.
    pub(crate) woken: VecDeque<Ix>,
}

impl Exchange {
    /// Makes an exchange without assets, markets and traders.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an asset.
    pub fn add_asset(&mut self, asset: AssetSpec) -> AssetIx {
        self.earned.push(0);
        AssetIx::new(self.assets.push(asset))
    }

    /// Adds a market.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] for an unknown asset; [`Refusal::Fields`] when the assets are the same or a step is not
    /// above zero; [`Refusal::Range`] for more than 18 decimals or a negative minimum.
    pub fn add_market(&mut self, spec: MarketSpec) -> Result<MarketIx, Refusal> {
        let base = self.assets.get(spec.base.get()).ok_or(Refusal::Unknown)?.decimals;
        let quote = self.assets.get(spec.quote.get()).ok_or(Refusal::Unknown)?.decimals;
        if spec.base == spec.quote {
            return Err(Refusal::Fields("a market of an asset against itself"));
        }
        let decimals = [spec.price_decimals, spec.qty_decimals, spec.cost_decimals, base, quote];
        if decimals.iter().any(|&count| count > DECIMALS_MAX)
            || spec.qty_min < Lots::ZERO
            || !(0..=MONEY_MAX).contains(&spec.cost_min)
        {
            return Err(Refusal::Range);
        }
        if spec.tick <= Ticks::ZERO || spec.lot <= Lots::ZERO {
            return Err(Refusal::Fields("a step that is not above zero"));
        }
        let units = Units::of(&spec, base, quote);
        let (book, triggers, crowd) = (Book::default(), Triggers::default(), Crowd::default());
        let market = Market { spec, units, book, triggers, crowd, trades: 0 };
        Ok(MarketIx::new(self.markets.push(market)))
    }

    /// Adds a trader without balances.
    pub fn add_trader(&mut self, funding: Funding) -> TraderIx {
        TraderIx::new(self.accounts.push(Account::new(funding)))
    }

    /// Gives an asset's definition.
    #[must_use]
    pub fn asset(&self, asset: AssetIx) -> Option<&AssetSpec> {
        self.assets.get(asset.get())
    }

    /// Gives a market's definition, with the mode it is in.
    #[must_use]
    pub fn market(&self, market: MarketIx) -> Option<&MarketSpec> {
        self.markets.get(market.get()).map(|market| &market.spec)
    }

    /// Changes what a market allows. Triggers sleep while it does not match, and fire here when it does again.
    pub fn set_mode(&mut self, market: MarketIx, mode: MarketMode, out: &mut Vec<Event>) {
        let Some(found) = self.markets.get_mut(market.get()) else {
            return;
        };
        found.spec.mode = mode;
        self.wake_due(market, Reference::Last);
        self.wake_due(market, Reference::Index);
        self.run_woken(out);
    }

    /// Sets the rates a trader pays in a market. Open orders go over to them as far as their holds can grow with them;
    /// one that lacks the funds keeps its old rates. Rates beyond 100 % either way count as none.
    pub fn set_fees(&mut self, trader: TraderIx, market: MarketIx, rates: FeeRates) {
        let Some(account) = self.accounts.get_mut(trader.get()) else {
            return;
        };
        if [rates.maker_ppm, rates.taker_ppm].iter().any(|rate| !(-PPM..=PPM).contains(rate)) {
            account.rates.remove(&market);
            return;
        }
        if account.rates.insert(market, rates) == Some(rates) || !account.is_cash() {
            return;
        }
        let open: Vec<OrderNo> = self.open_orders(trader, Some(market)).collect();
        for no in open {
            if let Some(&ix) = self.numbers.get(&no) {
                self.reprice_hold(ix, rates);
            }
        }
    }

    /// Adds to a balance, or takes from it what is not held.
    ///
    /// # Errors
    /// [`Refusal::Unknown`], [`Refusal::Funds`] for a withdrawal above what is available, [`Refusal::Range`].
    pub fn deposit(
        &mut self,
        trader: TraderIx,
        asset: AssetIx,
        amount: Money,
        out: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        self.assets.get(asset.get()).ok_or(Refusal::Unknown)?;
        let account = self.accounts.get_mut(trader.get()).ok_or(Refusal::Unknown)?;
        if !account.is_cash() {
            return Err(Refusal::Fields("a trader without balances"));
        }
        let total = account.balance(asset).total.checked_add(amount).ok_or(Refusal::Range)?;
        if total > MONEY_MAX {
            return Err(Refusal::Range);
        }
        if account.available(asset).checked_add(amount).is_none_or(|left| left < 0) {
            return Err(Refusal::Funds);
        }
        let balance = account.add(asset, amount);
        out.push(Event::BalanceChanged { trader, asset, amount, fee: 0, balance, trade: None });
        Ok(())
    }

    /// Gives a trader's balance; nothing for unknown ones.
    #[must_use]
    pub fn balance(&self, trader: TraderIx, asset: AssetIx) -> Balance {
        self.accounts.get(trader.get()).map(|account| account.balance(asset)).unwrap_or_default()
    }

    /// Gives every balance a trader ever had, by asset.
    pub fn balances(&self, trader: TraderIx) -> impl Iterator<Item = (AssetIx, Balance)> {
        self.accounts.get(trader.get()).into_iter().flat_map(Account::balances)
    }

    /// Gives what the exchange itself earned of an asset: fees less rebates, less the few units of rounding it bore
    /// where a fill's rounding exceeded what was held and nothing else was available.
    #[must_use]
    pub fn earned(&self, asset: AssetIx) -> Money {
        self.earned.get(asset.get()).copied().unwrap_or_default()
    }

    /// Tells whether a limit order at this price would trade at once.
    #[must_use]
    pub fn would_take(&self, market: MarketIx, side: Side, price: Ticks) -> bool {
        let best = self.markets.get(market.get()).and_then(|it| it.book.best(side.opposite()));
        best.is_some_and(|best| reaches(side, Some(price), best))
    }

    /// Gives the earliest instant at which [`Self::expire`] has something to do.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.expiries.first().map(|&(at, _)| at)
    }

    /// Gives an order, open or ended. A recorded crowd's pieces have numbers but are no orders.
    #[must_use]
    pub fn order(&self, order: OrderNo) -> Option<&OrderView> {
        self.numbers.get(&order).map(|&ix| &self.orders.at(ix).view)
    }

    /// Drops an ended order; an open one stays.
    pub fn forget(&mut self, order: OrderNo) {
        if let Some(&ix) = self.numbers.get(&order)
            && !self.orders.at(ix).is_open()
        {
            self.numbers.remove(&order);
            self.orders.remove(ix);
        }
    }

    /// Gives a trader's open orders, dormant ones included, of one market or all; by market, then by number.
    pub fn open_orders(
        &self,
        trader: TraderIx,
        market: Option<MarketIx>,
    ) -> impl Iterator<Item = OrderNo> {
        let from = (market.unwrap_or(MarketIx::new(0)), OrderNo::new(0));
        let to = (market.unwrap_or(MarketIx::new(u32::MAX)), OrderNo::new(u64::MAX));
        let account = self.accounts.get(trader.get());
        account
            .into_iter()
            .flat_map(move |account| account.open.range(from..=to))
            .map(|&(_, no)| no)
    }

    /// Gives up to `count` levels of a side, best first: price and shown quantity.
    pub fn levels(
        &self,
        market: MarketIx,
        side: Side,
        count: usize,
    ) -> impl Iterator<Item = (Ticks, Lots)> {
        let market = self.markets.get(market.get());
        market.into_iter().flat_map(move |market| market.book.levels(side)).take(count)
    }

    /// Gives the best level of a side.
    #[must_use]
    pub fn best(&self, market: MarketIx, side: Side) -> Option<(Ticks, Lots)> {
        self.levels(market, side, 1).next()
    }

    /// Gives one level's queue, front first: order and shown quantity.
    pub fn queue(
        &self,
        market: MarketIx,
        side: Side,
        price: Ticks,
    ) -> impl Iterator<Item = (OrderNo, Lots)> {
        let market = self.markets.get(market.get());
        let queue = market.into_iter().flat_map(move |market| market.book.queue(side, price));
        queue.map(|(_, place)| (place.no, place.shown))
    }

    /// Gives the price of a market's last trade.
    #[must_use]
    pub fn last_price(&self, market: MarketIx) -> Option<Ticks> {
        self.markets.get(market.get()).and_then(|it| it.triggers.price(Reference::Last))
    }

    /// Gives the index last set for a market.
    #[must_use]
    pub fn index_price(&self, market: MarketIx) -> Option<Ticks> {
        self.markets.get(market.get()).and_then(|it| it.triggers.price(Reference::Index))
    }

    pub(crate) fn next_order_no(&mut self) -> OrderNo {
        self.orders_numbered = self.orders_numbered.saturating_add(1);
        OrderNo::new(self.orders_numbered)
    }
}
