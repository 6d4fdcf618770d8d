//! The rules, one sentence each; and random histories against a slow model. The rig prints events as short lines, so
//! that a test reads like a log.

mod amends;
mod crowd;
mod histories;
mod matching;
mod modes;
mod money;
mod triggers;

use crate::{
    AssetIx, AssetSpec, EndCause, Event, Exchange, FeeRates, Funding, Lifetime, MarketIx,
    MarketMode, MarketSpec, Money, NewOrder, OrderNo, OrderState, Pricing, QueueChange, Refusal,
    SelfTrade, Size, TraderIx,
};
use remora_domain::{Lots, Side, Ticks, Timestamp};

/// Is an exchange with one market in whole units, two cash traders, a crowd, and no fees until a test sets them.
pub(crate) struct Rig {
    pub(crate) exchange: Exchange,
    pub(crate) market: MarketIx,
    pub(crate) base: AssetIx,
    pub(crate) quote: AssetIx,
    pub(crate) alice: TraderIx,
    pub(crate) bob: TraderIx,
    pub(crate) crowd: TraderIx,
    pub(crate) now: Timestamp,
    pub(crate) out: Vec<Event>,
}

pub(crate) const NO_FEES: FeeRates = FeeRates { maker_ppm: 0, taker_ppm: 0 };

pub(crate) fn spec(base: AssetIx, quote: AssetIx) -> MarketSpec {
    MarketSpec {
        base,
        quote,
        price_decimals: 0,
        qty_decimals: 0,
        tick: Ticks::new(1),
        lot: Lots::new(1),
        qty_min: Lots::new(1),
        cost_decimals: 0,
        cost_min: 0,
        mode: MarketMode::Open,
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(0, 0, |_| ())
    }

    /// Makes a rig with other decimals of the assets and another market.
    pub(crate) fn with(base: u32, quote: u32, change: impl FnOnce(&mut MarketSpec)) -> Self {
        let mut exchange = Exchange::new();
        let base = exchange.add_asset(AssetSpec { name: "BASE".to_owned(), decimals: base });
        let quote = exchange.add_asset(AssetSpec { name: "QUOTE".to_owned(), decimals: quote });
        let mut spec = spec(base, quote);
        change(&mut spec);
        let market = exchange.add_market(spec).unwrap();
        let [alice, bob] = [Funding::Cash; 2].map(|funding| exchange.add_trader(funding));
        let crowd = exchange.add_trader(Funding::Unlimited);
        let (now, out) = (Timestamp::EPOCH, Vec::new());
        let mut rig = Self { exchange, market, base, quote, alice, bob, crowd, now, out };
        for trader in [alice, bob] {
            rig.exchange.set_fees(trader, market, NO_FEES);
            rig.deposit(trader, base, 1_000_000);
            rig.deposit(trader, quote, 1_000_000);
        }
        rig
    }

    pub(crate) fn deposit(&mut self, trader: TraderIx, asset: AssetIx, amount: Money) {
        self.exchange.deposit(trader, asset, amount, &mut self.out).unwrap();
    }

    pub(crate) fn set_fees(&mut self, trader: TraderIx, maker_ppm: i64, taker_ppm: i64) {
        self.exchange.set_fees(trader, self.market, FeeRates { maker_ppm, taker_ppm });
    }

    /// Gives a limit order to start from.
    pub(crate) fn limit(&self, trader: TraderIx, side: Side, qty: i64, price: i64) -> NewOrder {
        NewOrder {
            trader,
            market: self.market,
            side,
            pricing: Pricing::Limit(Ticks::new(price)),
            size: Size::Base(Lots::new(qty)),
            lifetime: Lifetime::Gtc,
            is_post_only: false,
            self_trade: SelfTrade::CancelNewest,
            display: None,
            trigger: None,
            is_fee_in_base: false,
        }
    }

    pub(crate) fn market_order(&self, trader: TraderIx, side: Side, qty: i64) -> NewOrder {
        NewOrder { pricing: Pricing::Market, ..self.limit(trader, side, qty, 0) }
    }

    /// Places an order and gives what happened.
    pub(crate) fn place(&mut self, order: NewOrder) -> Vec<String> {
        self.try_place(order).expect("accepted")
    }

    pub(crate) fn try_place(&mut self, order: NewOrder) -> Result<Vec<String>, Refusal> {
        self.out.clear();
        assert_eq!(
            self.exchange.check(&order).err(),
            self.exchange.clone().place(self.now, order.clone(), &mut Vec::new()).err()
        );
        self.exchange.place(self.now, order, &mut self.out)?;
        Ok(self.log())
    }

    /// Rests one order after the other, given as trader, side, quantity, price; gives their numbers.
    pub(crate) fn rest(&mut self, orders: &[(TraderIx, Side, i64, i64)]) -> Vec<OrderNo> {
        let place = |&(trader, side, qty, price): &(TraderIx, Side, i64, i64)| {
            let order = self.limit(trader, side, qty, price);
            self.exchange.place(self.now, order, &mut self.out).unwrap()
        };
        orders.iter().map(place).collect()
    }

    pub(crate) fn cancel(&mut self, trader: TraderIx, order: u64) -> Result<Vec<String>, Refusal> {
        self.out.clear();
        let (order, cause) = (OrderNo::new(order), EndCause::Requested);
        self.exchange.cancel(self.now, trader, order, cause, &mut self.out)?;
        Ok(self.log())
    }

    pub(crate) fn state(&self, order: u64) -> OrderState {
        self.exchange.order(OrderNo::new(order)).unwrap().state
    }

    pub(crate) fn cum_qty(&self, order: u64) -> i64 {
        self.exchange.order(OrderNo::new(order)).unwrap().cum_qty.get()
    }

    /// Gives total and held of a trader's base and quote.
    pub(crate) fn money(&self, trader: TraderIx) -> [(Money, Money); 2] {
        [self.base, self.quote].map(|asset| {
            let balance = self.exchange.balance(trader, asset);
            (balance.total, balance.held)
        })
    }

    /// Gives a side of the book, best first.
    pub(crate) fn book(&self, side: Side) -> Vec<(i64, i64)> {
        let levels = self.exchange.levels(self.market, side, 100);
        levels.map(|(price, qty)| (price.get(), qty.get())).collect()
    }

    /// Gives a queue, front first.
    pub(crate) fn queue(&self, side: Side, price: i64) -> Vec<(u64, i64)> {
        let queue = self.exchange.queue(self.market, side, Ticks::new(price));
        queue.map(|(order, qty)| (order.get(), qty.get())).collect()
    }

    /// Gives what happened, without the queue's and the balances' side of it.
    pub(crate) fn log(&mut self) -> Vec<String> {
        self.out.drain(..).filter_map(|event| line(&event)).collect()
    }
}

/// Prints an event; balances and queues have tests of their own.
fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Accepted { order } => format!("accepted {}", order.get()),
        Event::Opened { order } => format!("opened {}", order.get()),
        Event::Triggered { order } => format!("triggered {}", order.get()),
        Event::TriggerMoved { order, price } => format!("trigger {} to {price}", order.get()),
        Event::Traded { price, qty, taker_side, maker, taker, .. } => {
            let (maker, taker) = (maker.order.get(), taker.order.get());
            format!("{taker} {taker_side} {qty}@{price} of {maker}")
        }
        Event::Refilled { order } => format!("refilled {}", order.get()),
        Event::Amended { order } => format!("amended {}", order.get()),
        Event::Ended { order, cause } => format!("ended {} {cause:?}", order.get()),
        Event::LevelChanged { side, price, qty, .. } => format!("{side} level {price} = {qty}"),
        Event::QueueChanged { .. } | Event::BalanceChanged { .. } => return None,
    })
}

/// Prints the queue's side of what happened.
pub(crate) fn queue_lines(events: &[Event]) -> Vec<String> {
    let lines = events.iter().filter_map(|event| match event {
        Event::QueueChanged { side, price, order, change, qty, .. } => {
            let change = match change {
                QueueChange::Add => "add",
                QueueChange::Modify => "modify",
                QueueChange::Delete => "delete",
            };
            Some(format!("{side} {price} {change} {} {qty}", order.get()))
        }
        Event::Accepted { .. }
        | Event::Opened { .. }
        | Event::Triggered { .. }
        | Event::TriggerMoved { .. }
        | Event::Traded { .. }
        | Event::Refilled { .. }
        | Event::Amended { .. }
        | Event::Ended { .. }
        | Event::LevelChanged { .. }
        | Event::BalanceChanged { .. } => None,
    });
    lines.collect()
}
