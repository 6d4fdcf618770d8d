//! A plain maker, alike on every pair, and what the exchange's books say it earned.

use crate::market::{CAPITAL, Market};
use remora_domain::{DurationNs, Side, Ticks};
use remora_matching::MarketIx;
use remora_venue_registry::kraken_spot::catalogue::PairDef;
use remora_venue_registry::kraken_spot::desk::{
    AccountFact, AddOrder, OrderKind, OrderRef, PriceSpec, Stp, Tif, TriggerReference,
};
use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive as _, ToPrimitive as _};
use std::collections::BTreeMap;

/// Value of one quote, and of the inventory beyond which a side is not quoted, share of the capital.
const QUOTE_SHARE: f64 = 0.05;
const INVENTORY_SHARE: f64 = 0.5;
/// How often quotes are placed anew.
const REQUOTE: DurationNs = DurationNs::from_s(1);

/// Is what one pair's executions come to.
#[derive(Default)]
struct Account {
    /// US dollars got less paid, fees included.
    cash: Decimal,
    /// Coins bought less sold.
    coins: Decimal,
    orders: Vec<OrderRef>,
}

/// Quotes one step better than the best of all others, on both sides of every pair.
pub(crate) struct Maker {
    accounts: BTreeMap<MarketIx, Account>,
    dollars_before: Decimal,
}

impl Maker {
    pub(crate) fn new(market: &Market) -> Self {
        let accounts = market.pairs().iter().map(|pair| (pair.market, Account::default()));
        Self { accounts: accounts.collect(), dollars_before: dollars(market) }
    }

    /// Quotes for so long, then takes everything back.
    pub(crate) fn trade(&mut self, market: &mut Market, seconds: i64) {
        let pairs = market.pairs().to_vec();
        let end = market.now.saturating_add(DurationNs::from_s(seconds));
        while market.now < end {
            for pair in &pairs {
                self.take_back(market, pair);
                self.quote(market, pair);
            }
            market.pass(REQUOTE, |_, _| {});
            self.book(market);
        }
        pairs.iter().for_each(|pair| self.take_back(market, pair));
        market.pass(DurationNs::ZERO, |_, _| {});
        self.book(market);
    }

    fn take_back(&mut self, market: &mut Market, pair: &PairDef) {
        let account = self.accounts.get_mut(&pair.market).unwrap();
        for order in account.orders.drain(..) {
            // One that was filled is not open any more.
            let _ = market.desk.cancel(market.now, market.maker, &order);
        }
    }

    fn quote(&mut self, market: &mut Market, pair: &PairDef) {
        let mid = market.mid(pair);
        let account = self.accounts.get_mut(&pair.market).unwrap();
        let inventory_usd = account.coins.to_f64().unwrap() * mid;
        let best = |side| market.desk.exchange().best(pair.market, side).unwrap().0.get();
        let (bid, ask) = (best(Side::Buy), best(Side::Sell));
        let tick = pair.tick.get();
        // Where there is no room to improve, the best is joined.
        let step = if ask - bid > 2 * tick { tick } else { 0 };
        let qty = Decimal::from_f64(QUOTE_SHARE * CAPITAL / mid).unwrap().round_dp(8);
        let limit = INVENTORY_SHARE * CAPITAL;
        let mut wanted = Vec::new();
        if inventory_usd < limit {
            wanted.push((Side::Buy, bid + step));
        }
        if inventory_usd > -limit {
            wanted.push((Side::Sell, ask - step));
        }
        for (side, price) in wanted {
            let order = order(pair, side, pair.price(Ticks::new(price)), qty);
            let added = market.desk.add(market.now, market.maker, &order).unwrap();
            account.orders.push(OrderRef::Txid(added.txid.unwrap()));
        }
    }

    /// Reads what the exchange told of executions.
    fn book(&mut self, market: &mut Market) {
        for event in market.told.drain(..) {
            let AccountFact::Trade(_, fill) = &event.what else { continue };
            assert!(event.trader == market.maker && &*fill.fee_asset == "USD");
            let account = self.accounts.get_mut(&fill.market).unwrap();
            let (cash, coins) = match fill.side {
                Side::Buy => (-fill.cost, fill.qty),
                Side::Sell => (fill.cost, -fill.qty),
            };
            account.cash += cash - fill.fee;
            account.coins += coins;
        }
    }

    /// Gives what every pair earned: cash, and coins at the last mid. All pairs together moved the balance by their cash.
    pub(crate) fn earned_usd(&self, market: &Market) -> Vec<(String, f64)> {
        let cash: Decimal = self.accounts.values().map(|account| account.cash).sum();
        assert_eq!(dollars(market) - self.dollars_before, cash, "the exchange's books differ");
        let earned = market.pairs().iter().map(|pair| {
            let account = &self.accounts[&pair.market];
            let coins = account.coins.to_f64().unwrap() * market.mid(pair);
            (pair.symbol.to_string(), account.cash.to_f64().unwrap() + coins)
        });
        earned.collect()
    }
}

/// Gives the maker's dollars by the exchange's own books.
fn dollars(market: &Market) -> Decimal {
    let usd = market.desk.catalogue().find_asset("USD").unwrap();
    usd.amount(market.desk.exchange().balance(market.maker, usd.ix).total)
}

fn order(pair: &PairDef, side: Side, price: Decimal, qty: Decimal) -> AddOrder {
    AddOrder {
        pair: pair.symbol.to_string(),
        side,
        kind: OrderKind::Limit,
        qty,
        is_qty_in_quote: false,
        display_qty: None,
        limit: Some(PriceSpec::Static(price)),
        trigger: None,
        trigger_reference: TriggerReference::Last,
        tif: Tif::Gtc,
        start: None,
        expire: None,
        is_post_only: true,
        is_fee_in_base: Some(false),
        userref: None,
        cl_ord_id: None,
        stp: Stp::CancelNewest,
        is_reduce_only: false,
        is_margin: false,
        contingent: None,
        deadline: None,
        is_validate_only: false,
    }
}
