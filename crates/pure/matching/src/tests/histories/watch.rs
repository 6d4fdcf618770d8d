//! What holds after every step of any history, recomputed from outside: books from the events, money from the orders.

use super::model::Trade;
use crate::tests::Rig;
use crate::{AssetIx, Event, Money, OrderNo, OrderState, QueueChange, Size, TraderIx};
use remora_domain::{Lots, Side};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
struct Sums {
    qty: i64,
    cost: Money,
    fee: Money,
}

/// Is everything remembered of a history.
#[derive(Debug, Default)]
pub(super) struct Watch {
    levels: BTreeMap<(Side, i64), i64>,
    queues: BTreeMap<(Side, i64), Vec<(OrderNo, i64)>>,
    sums: BTreeMap<OrderNo, Sums>,
    /// By orders' places.
    pub(super) trades: Vec<Trade>,
    market_trades: u64,
    balances: BTreeMap<(TraderIx, AssetIx), Money>,
    /// What came in from outside and from the crowd.
    money: BTreeMap<AssetIx, Money>,
}

impl Watch {
    pub(super) fn new(rig: &Rig) -> Self {
        let mut watch = Self::default();
        for trader in [rig.alice, rig.bob] {
            for (asset, balance) in rig.exchange.balances(trader) {
                watch.balances.insert((trader, asset), balance.total);
                *watch.money.entry(asset).or_default() += balance.total;
            }
        }
        watch
    }

    /// Reads the events of the last step and checks everything.
    pub(super) fn look(&mut self, rig: &Rig) {
        for event in &rig.out {
            self.read(rig, event);
        }
        self.check_books(rig);
        self.check_orders(rig);
        self.check_money(rig);
    }

    fn read(&mut self, rig: &Rig, event: &Event) {
        match event {
            Event::Traded { price, qty, cost, taker_side, maker, taker, market_trade, .. } => {
                self.market_trades += 1;
                assert_eq!(*market_trade, self.market_trades);
                self.trades.push((
                    super::place_of(maker.order),
                    super::place_of(taker.order),
                    price.get(),
                    qty.get(),
                ));
                for side in [maker, taker] {
                    let sums = self.sums.entry(side.order).or_default();
                    sums.qty += qty.get();
                    sums.cost += cost;
                    sums.fee += if side.fee_asset == rig.quote { side.fee } else { 0 };
                    if rig.exchange.order(side.order).is_some() {
                        assert_eq!((side.cum_qty.get(), side.cum_cost), (sums.qty, sums.cost));
                    }
                }
                let sides = [(maker.trader, taker_side.opposite()), (taker.trader, *taker_side)];
                for (trader, side) in sides {
                    if trader == rig.crowd {
                        self.crowd_traded(rig, side, *qty, *cost);
                    }
                }
            }
            Event::LevelChanged { side, price, qty, .. } => {
                let before = self.levels.insert((*side, price.get()), qty.get());
                assert_ne!(before.unwrap_or(0), qty.get(), "a level that did not change is told");
                self.levels.retain(|_, qty| *qty != 0);
            }
            Event::QueueChanged { side, price, order, change, qty, .. } => {
                let queue = self.queues.entry((*side, price.get())).or_default();
                match change {
                    QueueChange::Add => queue.push((*order, qty.get())),
                    QueueChange::Modify => {
                        let place = queue.iter_mut().find(|(no, _)| no == order).unwrap();
                        assert_ne!(place.1, qty.get());
                        place.1 = qty.get();
                    }
                    QueueChange::Delete => {
                        let at = queue.iter().position(|(no, _)| no == order).unwrap();
                        queue.remove(at);
                    }
                }
                self.queues.retain(|_, queue| !queue.is_empty());
            }
            Event::BalanceChanged { trader, asset, amount, fee, balance, trade } => {
                let before = self.balances.entry((*trader, *asset)).or_default();
                *before += amount - fee;
                assert_eq!(before, balance);
                if trade.is_none() {
                    *self.money.entry(*asset).or_default() += amount;
                }
            }
            Event::Accepted { .. }
            | Event::Opened { .. }
            | Event::Triggered { .. }
            | Event::TriggerMoved { .. }
            | Event::Refilled { .. }
            | Event::Amended { .. }
            | Event::Ended { .. } => {}
        }
    }

    /// The crowd has no balances: what it gives comes from outside.
    fn crowd_traded(&mut self, rig: &Rig, side: Side, qty: Lots, cost: Money) {
        let units = rig.exchange.markets.at(rig.market.get()).units;
        let (qty, cost) = (units.in_base(qty), units.in_quote(cost));
        let sign = if side == Side::Buy { 1 } else { -1 };
        *self.money.entry(rig.base).or_default() -= sign * qty;
        *self.money.entry(rig.quote).or_default() += sign * cost;
    }

    fn check_books(&self, rig: &Rig) {
        let best = [Side::Buy, Side::Sell].map(|side| rig.exchange.best(rig.market, side));
        if let [Some((bid, _)), Some((ask, _))] = best {
            assert!(bid < ask, "crossed: {bid} and {ask}");
        }
        let mut levels = BTreeMap::new();
        let mut queues = BTreeMap::new();
        for side in [Side::Buy, Side::Sell] {
            let mut last = None;
            for (price, qty) in rig.exchange.levels(rig.market, side, usize::MAX) {
                let rank = if side == Side::Buy { -price.get() } else { price.get() };
                assert!(last < Some(rank), "best first");
                last = Some(rank);
                levels.insert((side, price.get()), qty.get());
                let queue = rig.exchange.queue(rig.market, side, price);
                let queue: Vec<_> = queue.map(|(no, qty)| (no, qty.get())).collect();
                assert_eq!(queue.iter().map(|(_, qty)| qty).sum::<i64>(), qty.get());
                queues.insert((side, price.get()), queue);
            }
        }
        assert_eq!(levels, self.levels);
        assert_eq!(queues, self.queues);
    }

    fn check_orders(&self, rig: &Rig) {
        let mut shown = BTreeMap::new();
        for (no, qty) in self.queues.values().flatten() {
            assert!(*qty > 0);
            shown.insert(*no, *qty);
        }
        for trader in [rig.alice, rig.bob, rig.crowd] {
            let open: Vec<OrderNo> = rig.exchange.open_orders(trader, None).collect();
            for no in open {
                let state = rig.exchange.order(no).unwrap().state;
                assert!(matches!(state, OrderState::Dormant | OrderState::Resting));
            }
        }
        for no in (1..=rig.exchange.orders_numbered).map(OrderNo::new) {
            let Some(view) = rig.exchange.order(no) else { continue };
            let sums = self.sums.get(&no);
            assert_eq!(view.cum_qty.get(), sums.map_or(0, |sums| sums.qty));
            assert_eq!(view.cum_cost, sums.map_or(0, |sums| sums.cost));
            assert_eq!(view.cum_fee, sums.map_or(0, |sums| sums.fee));
            let is_open = rig.exchange.open_orders(view.asked.trader, None).any(|open| open == no);
            let is_live = matches!(view.state, OrderState::Dormant | OrderState::Resting);
            assert_eq!(is_open, is_live);
            assert_eq!(shown.contains_key(&no), view.state == OrderState::Resting);
            match (view.asked.size, view.state) {
                (Size::Base(qty), OrderState::Filled) => assert_eq!(view.cum_qty, qty),
                (Size::Base(qty), OrderState::Dormant | OrderState::Resting) => {
                    assert!(view.cum_qty < qty);
                    let leaves = qty.get() - view.cum_qty.get();
                    assert!(shown.get(&no).is_none_or(|&shown| shown <= leaves));
                    let shows_all = view.asked.display.is_none();
                    assert!(!shows_all || shown.get(&no).is_none_or(|&shown| shown == leaves));
                }
                (Size::Quote(amount), _) => assert!(view.cum_cost <= amount),
                (Size::Base(qty), OrderState::Ended(_)) => assert!(view.cum_qty <= qty),
            }
        }
    }

    fn check_money(&self, rig: &Rig) {
        let exchange = &rig.exchange;
        let mut held: BTreeMap<(TraderIx, AssetIx), Money> = BTreeMap::new();
        for view in (1..=exchange.orders_numbered).filter_map(|no| exchange.order(OrderNo::new(no)))
        {
            let is_open = matches!(view.state, OrderState::Dormant | OrderState::Resting);
            if let Some((asset, amount)) = view.held {
                assert!(amount >= 0 && (is_open || amount == 0));
                *held.entry((view.asked.trader, asset)).or_default() += amount;
            }
        }
        for asset in [rig.base, rig.quote] {
            let mut sum = exchange.earned(asset);
            for trader in [rig.alice, rig.bob] {
                let balance = exchange.balance(trader, asset);
                assert_eq!(balance.held, held.get(&(trader, asset)).copied().unwrap_or(0));
                assert!(0 <= balance.held && balance.held <= balance.total);
                let told = self.balances.get(&(trader, asset)).copied().unwrap_or(0);
                assert_eq!(balance.total, told);
                sum += balance.total;
            }
            assert_eq!(sum, self.money.get(&asset).copied().unwrap_or(0), "money was made");
            assert_eq!(exchange.balance(rig.crowd, asset).total, 0);
        }
    }
}
