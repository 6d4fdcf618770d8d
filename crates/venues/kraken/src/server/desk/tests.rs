//! The desk as its clients meet it. Fees, amounts and counters are worked out by hand.

mod adding;
mod cancelling;
mod changing;
mod history;
mod limits;
mod market;
mod money;
mod properties;
mod special;

use super::*;
use crate::server::catalogue::PairStatus;
use crate::server::io::Flow;
use crate::server::settings::Tier;
use crate::server::synthetic;
use remora_domain::{DurationNs, Lots, Side, Ticks};
use remora_matching::MarketIx;
use rust_decimal::Decimal;
use std::sync::Arc;

pub(super) const BTC: &str = "BTC/USD";

/// Is a desk with two accounts, the time, and all that was told.
pub(super) struct Venue {
    pub(super) desk: Desk,
    pub(super) now: Timestamp,
    pub(super) maker: TraderIx,
    pub(super) taker: TraderIx,
    pub(super) told: Vec<AccountEvent>,
    pub(super) public: Vec<(Timestamp, PublicFact)>,
}

pub(super) fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Gives a plain limit order on BTC/USD.
pub(super) fn limit(side: Side, price: &str, qty: &str) -> AddOrder {
    AddOrder {
        pair: BTC.to_owned(),
        side,
        kind: OrderKind::Limit,
        qty: dec(qty),
        is_qty_in_quote: false,
        display_qty: None,
        limit: Some(PriceSpec::Static(dec(price))),
        trigger: None,
        trigger_reference: TriggerReference::Last,
        tif: Tif::Gtc,
        start: None,
        expire: None,
        is_post_only: false,
        is_fee_in_base: None,
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

pub(super) fn market(side: Side, qty: &str) -> AddOrder {
    AddOrder { kind: OrderKind::Market, limit: None, ..limit(side, "1", qty) }
}

pub(super) fn amend(order: &str) -> AmendOrder {
    AmendOrder {
        order: OrderRef::Txid(order.to_owned()),
        qty: None,
        display_qty: None,
        limit: None,
        trigger: None,
        is_post_only: false,
        deadline: None,
    }
}

pub(super) fn edit(order: &str) -> EditOrder {
    EditOrder {
        order: OrderRef::Txid(order.to_owned()),
        pair: BTC.to_owned(),
        qty: None,
        display_qty: None,
        limit: None,
        trigger: None,
        is_post_only: false,
        userref: None,
        deadline: None,
        is_validate_only: false,
    }
}

pub(super) fn at_price(price: &str) -> Option<PriceSpec> {
    Some(PriceSpec::Static(dec(price)))
}

impl Venue {
    /// Opens a venue whose accounts have no rate limits.
    pub(super) fn new() -> Self {
        Self::with(|settings| {
            for account in &mut settings.accounts {
                account.tier = Tier::Unlimited;
            }
        })
    }

    pub(super) fn with(change: impl FnOnce(&mut DeskSettings)) -> Self {
        let mut settings = synthetic::settings(1);
        change(&mut settings);
        let now = Timestamp::from_ns(1_800_000_000_000_000_000);
        let desk = Desk::new(&settings, now).unwrap();
        let find = |name| desk.traders().find(|&(_, known)| known == name).unwrap().0;
        let (maker, taker) = (find("maker"), find("taker"));
        Self { desk, now, maker, taker, told: Vec::new(), public: Vec::new() }
    }

    pub(super) fn drain(&mut self) {
        self.desk.drain(&mut self.told, &mut self.public);
    }

    /// Adds an order of the maker and gives its id.
    pub(super) fn add(&mut self, order: &AddOrder) -> String {
        self.add_of(self.maker, order)
    }

    pub(super) fn add_of(&mut self, trader: TraderIx, order: &AddOrder) -> String {
        let added = self.desk.add(self.now, trader, order);
        self.drain();
        added.unwrap().txid.unwrap()
    }

    /// Gives the error an order of the maker meets; nothing may have happened.
    pub(super) fn refusal(&mut self, order: &AddOrder) -> String {
        self.drain();
        let (told, public) = (self.told.len(), self.public.len());
        let error = self.desk.add(self.now, self.maker, order).unwrap_err();
        self.drain();
        assert_eq!((self.told.len(), self.public.len()), (told, public), "{error}");
        error.to_string()
    }

    /// Lets the other account trade at a price: its order and one of the crowd.
    pub(super) fn trade_at(&mut self, price: &str) {
        for (side, tag) in [(Side::Sell, 900), (Side::Buy, 901)] {
            let (price, qty) = (Ticks::new(self.ticks(price)), Lots::new(100_000));
            let flow = Flow::Add { symbol: Arc::from(BTC), side, price, qty, tag };
            self.flow(flow);
        }
    }

    pub(super) fn ticks(&self, price: &str) -> i64 {
        (dec(price) * Decimal::TEN).try_into().unwrap()
    }

    pub(super) fn flow(&mut self, flow: Flow) {
        self.desk.flow(self.now, &flow).unwrap();
        self.drain();
    }

    pub(super) fn pass_ms(&mut self, ms: i64) {
        self.now = self.now.saturating_add(DurationNs::from_ms(ms));
        while self.desk.next_deadline().is_some_and(|at| at <= self.now) {
            self.desk.tick(self.now);
        }
        self.drain();
    }

    pub(super) fn number(&self, txid: &str) -> OrderNo {
        self.desk.find_order(self.maker, txid).or(self.desk.find_order(self.taker, txid)).unwrap()
    }

    pub(super) fn facts(&self, txid: &str) -> OrderFacts<'_> {
        self.desk.order(self.number(txid)).unwrap()
    }

    pub(super) fn status(&self, txid: &str) -> (OrderStatus, Option<&'static str>) {
        let facts = self.facts(txid);
        (facts.status, facts.reason)
    }

    /// Gives what was told of an order, in words, with the reason of its end.
    pub(super) fn story(&self, txid: &str) -> Vec<String> {
        let order = self.number(txid);
        let known = |no: OrderNo| self.desk.order(no).map(|facts| facts.order);
        let words = self.told.iter().filter_map(|event| {
            let (no, word, why) = word(&event.what)?;
            (known(no) == Some(order)).then(|| match why {
                Some(why) => format!("{word}: {why}"),
                None => word.to_owned(),
            })
        });
        words.collect()
    }

    pub(super) fn balance(&self, trader: TraderIx, asset: &str) -> (String, String) {
        let rows = self.desk.balances(trader);
        let row = rows.iter().find(|row| &*row.asset.id == asset).unwrap();
        (row.total.to_string(), row.held.to_string())
    }

    pub(super) fn count(&self, trader: TraderIx) -> String {
        self.desk.rate_count(self.now, trader, MarketIx::new(0)).normalize().to_string()
    }

    pub(super) fn open(&self, trader: TraderIx) -> usize {
        self.desk.open_orders(trader).count()
    }
}

fn word(fact: &AccountFact) -> Option<(OrderNo, &'static str, Option<&'static str>)> {
    Some(match fact {
        AccountFact::PendingNew(order) => (*order, "pending_new", None),
        AccountFact::New(order) => (*order, "new", None),
        AccountFact::Trade(order, _) => (*order, "trade", None),
        AccountFact::Filled(order) => (*order, "filled", None),
        AccountFact::IcebergRefill(order) => (*order, "iceberg_refill", None),
        AccountFact::Amended(order) => (*order, "amended", None),
        AccountFact::Restated(order, why) => (*order, "restated", Some(why)),
        AccountFact::Status(order) => (*order, "status", None),
        AccountFact::Canceled(order, why) => (*order, "canceled", Some(why)),
        AccountFact::Expired(order, why) => (*order, "expired", Some(why)),
        AccountFact::Ledger(_) => return None,
    })
}
