//! The engine once more, as simply as it can be said: one list of orders, searched for every trade. No money.

use crate::{
    Amend, Condition, EndCause, Lifetime, NewOrder, OrderState, Pricing, Reference, SelfTrade,
    Size, TraderIx,
};
use remora_domain::{Lots, Side, Ticks, Timestamp};
use std::collections::VecDeque;

#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) asked: NewOrder,
    pub(super) qty: i64,
    pub(super) cum_qty: i64,
    pub(super) shown: i64,
    /// When it joined its queue.
    joined: u64,
    pub(super) state: OrderState,
    pub(super) trigger_price: Option<i64>,
    peak: i64,
}

impl Order {
    fn limit(&self) -> Option<i64> {
        match self.asked.pricing {
            Pricing::Market => None,
            Pricing::Limit(limit) => Some(limit.get()),
        }
    }

    fn leaves(&self) -> i64 {
        self.qty - self.cum_qty
    }

    fn slice(&self) -> i64 {
        self.asked.display.map_or(self.leaves(), |display| display.get().min(self.leaves()))
    }

    fn sign(&self) -> i64 {
        if self.asked.side == Side::Buy { 1 } else { -1 }
    }
}

/// Is a trade: resting order, arriving order, price, quantity. Orders by number less one.
pub(super) type Trade = (usize, usize, i64, i64);

#[derive(Clone, Debug)]
pub(super) struct Model {
    /// Who may trade with itself.
    crowd: TraderIx,
    /// By number less one.
    pub(super) orders: Vec<Order>,
    pub(super) trades: Vec<Trade>,
    prices: [Option<i64>; 2],
    joins: u64,
    woken: VecDeque<usize>,
}

fn slot(reference: Reference) -> usize {
    match reference {
        Reference::Last => 0,
        Reference::Index => 1,
    }
}

impl Model {
    pub(super) fn new(crowd: TraderIx) -> Self {
        let (orders, trades, woken) = (Vec::new(), Vec::new(), VecDeque::new());
        Self { crowd, orders, trades, prices: [None; 2], joins: 0, woken }
    }

    pub(super) fn place(&mut self, now: Timestamp, asked: NewOrder) {
        let Size::Base(qty) = asked.size else { panic!("the model knows quantities only") };
        let reference = asked.trigger.map(|trigger| slot(trigger.reference));
        let peak = reference.and_then(|at| self.prices[at]).unwrap_or(0);
        let state = OrderState::Dormant;
        let qty = qty.get();
        let is_asleep = asked.trigger.is_some();
        let is_over = matches!(asked.lifetime, Lifetime::Gtd(until) if until <= now);
        let order =
            Order { asked, qty, cum_qty: 0, shown: 0, joined: 0, state, trigger_price: None, peak };
        self.orders.push(order);
        let new = self.orders.len() - 1;
        if is_asleep {
            self.set_trigger(new);
        }
        if is_over {
            self.end(new, EndCause::Expired);
        } else if is_asleep {
            self.wake_due();
        } else {
            self.go_live(new);
        }
        self.run_woken();
    }

    fn set_trigger(&mut self, at: usize) {
        let order = &mut self.orders[at];
        let trigger = order.asked.trigger.unwrap();
        order.trigger_price = Some(match trigger.condition {
            Condition::StopLoss(price) | Condition::TakeProfit(price) => price.get(),
            Condition::Trailing(by) => order.peak + order.sign() * by.get(),
        });
    }

    fn go_live(&mut self, at: usize) {
        self.orders[at].state = OrderState::Resting;
        if self.orders[at].asked.is_post_only && self.best_against(at).is_some() {
            self.orders[at].state = OrderState::Ended(EndCause::PostOnly);
            return;
        }
        if self.orders[at].asked.lifetime == Lifetime::Fok {
            let mut trial = self.clone();
            trial.sweep(at);
            if trial.orders[at].leaves() > 0 {
                self.orders[at].state = OrderState::Ended(EndCause::Unfilled);
                return;
            }
        }
        self.run(at);
    }

    /// Gives the resting order that an arriving one meets first.
    fn best_against(&self, at: usize) -> Option<usize> {
        let arriving = &self.orders[at];
        let is_met = |(other, order): &(usize, &Order)| {
            *other != at
                && order.state == OrderState::Resting
                && order.shown > 0
                && order.asked.side != arriving.asked.side
                && arriving
                    .limit()
                    .is_none_or(|limit| (limit - order.limit().unwrap()) * arriving.sign() >= 0)
        };
        let met = self.orders.iter().enumerate().filter(is_met);
        let rank = |&(_, order): &(usize, &Order)| {
            (order.limit().unwrap() * arriving.sign(), order.joined)
        };
        met.min_by_key(rank).map(|(other, _)| other)
    }

    /// Trades until there is nothing more; says whether it met its own trader.
    fn sweep(&mut self, at: usize) -> bool {
        while self.orders[at].leaves() > 0
            && let Some(met) = self.best_against(at)
        {
            let trader = self.orders[at].asked.trader;
            if trader != self.crowd && self.orders[met].asked.trader == trader {
                let choice = self.orders[at].asked.self_trade;
                if choice != SelfTrade::CancelNewest {
                    self.orders[met].state = OrderState::Ended(EndCause::SelfTrade);
                }
                if choice == SelfTrade::CancelOldest {
                    continue;
                }
                return true;
            }
            let qty = self.orders[at].leaves().min(self.orders[met].shown);
            let price = self.orders[met].limit().unwrap();
            self.trades.push((met, at, price, qty));
            self.orders[at].cum_qty += qty;
            let resting = &mut self.orders[met];
            resting.cum_qty += qty;
            resting.shown -= qty;
            if resting.leaves() == 0 {
                resting.state = OrderState::Filled;
            } else if resting.shown == 0 {
                self.join(met);
            }
            self.moved(Reference::Last, price);
        }
        if self.orders[at].leaves() == 0 {
            self.orders[at].state = OrderState::Filled;
        }
        false
    }

    fn join(&mut self, at: usize) {
        self.joins += 1;
        self.orders[at].joined = self.joins;
        self.orders[at].shown = self.orders[at].slice();
    }

    fn run(&mut self, at: usize) {
        let met_own = self.sweep(at);
        let order = &mut self.orders[at];
        if order.state != OrderState::Resting {
            return;
        }
        let is_market = order.limit().is_none();
        if met_own {
            order.state = OrderState::Ended(EndCause::SelfTrade);
        } else if is_market && order.asked.trigger.is_some() && order.cum_qty == 0 {
            order.state = OrderState::Ended(EndCause::NotExecutable);
        } else if is_market || matches!(order.asked.lifetime, Lifetime::Ioc | Lifetime::Fok) {
            order.state = OrderState::Ended(EndCause::Unfilled);
        } else {
            self.join(at);
        }
    }

    pub(super) fn index(&mut self, price: i64) {
        self.moved(Reference::Index, price);
        self.run_woken();
    }

    fn moved(&mut self, reference: Reference, price: i64) {
        self.prices[slot(reference)] = Some(price);
        for at in 0..self.orders.len() {
            let order = &self.orders[at];
            let Some(trigger) = order.asked.trigger else { continue };
            let is_beaten = (price - order.peak) * order.sign() < 0;
            if self.is_asleep(at)
                && trigger.reference == reference
                && matches!(trigger.condition, Condition::Trailing(_))
                && is_beaten
            {
                self.orders[at].peak = price;
                self.set_trigger(at);
            }
        }
        self.wake_due();
    }

    fn is_asleep(&self, at: usize) -> bool {
        self.orders[at].state == OrderState::Dormant && !self.woken.contains(&at)
    }

    /// Puts in line who is reached: those waiting for a rise from the lowest trigger, then the others from the highest.
    fn wake_due(&mut self) {
        let mut due = Vec::new();
        for at in (0..self.orders.len()).filter(|&at| self.is_asleep(at)) {
            let order = &self.orders[at];
            let (trigger, wakes_at) = (order.asked.trigger.unwrap(), order.trigger_price.unwrap());
            let Some(price) = self.prices[slot(trigger.reference)] else { continue };
            let wins = matches!(trigger.condition, Condition::TakeProfit(_));
            let rises = (order.asked.side == Side::Buy) != wins;
            if rises && price >= wakes_at {
                due.push((0, wakes_at, at));
            } else if !rises && price <= wakes_at {
                due.push((1, -wakes_at, at));
            }
        }
        due.sort_unstable();
        self.woken.extend(due.into_iter().map(|(_, _, at)| at));
    }

    fn run_woken(&mut self) {
        while let Some(at) = self.woken.pop_front() {
            let order = &mut self.orders[at];
            if let Some(offset) = order.asked.trigger.unwrap().limit_offset {
                let limit = order.trigger_price.unwrap() + order.sign() * offset.get();
                order.asked.pricing = Pricing::Limit(Ticks::new(limit));
                if limit <= 0 {
                    order.state = OrderState::Ended(EndCause::NotExecutable);
                    continue;
                }
            }
            self.go_live(at);
        }
    }

    pub(super) fn expire(&mut self, now: Timestamp) {
        for at in 0..self.orders.len() {
            let lifetime = self.orders[at].asked.lifetime;
            if self.is_open(at) && matches!(lifetime, Lifetime::Gtd(until) if until <= now) {
                self.end(at, EndCause::Expired);
            }
        }
    }

    pub(super) fn end(&mut self, at: usize, cause: EndCause) {
        self.orders[at].state = OrderState::Ended(cause);
    }

    pub(super) fn is_open(&self, at: usize) -> bool {
        matches!(self.orders[at].state, OrderState::Dormant | OrderState::Resting)
    }

    /// Applies an amend that the engine did not refuse.
    pub(super) fn amend(&mut self, at: usize, amend: &Amend) {
        let order = &mut self.orders[at];
        let qty = amend.qty.map_or(order.qty, Lots::get);
        let is_more = qty > order.qty;
        if order.cum_qty > 0 && qty <= order.cum_qty {
            order.qty = order.cum_qty;
            order.state = OrderState::Ended(EndCause::AmendedBelowFilled);
            return;
        }
        order.qty = qty;
        let display = amend.display.or(order.asked.display);
        order.asked.display = display.map(|display| display.min(Lots::new(qty)));
        if let Some(limit) = amend.limit {
            order.asked.pricing = Pricing::Limit(limit);
        }
        if order.state == OrderState::Dormant {
            if let Some(price) = amend.trigger {
                let (peak, sign) = (order.peak, order.sign());
                let trigger = order.asked.trigger.as_mut().unwrap();
                trigger.condition = match trigger.condition {
                    Condition::StopLoss(_) => Condition::StopLoss(price),
                    Condition::TakeProfit(_) => Condition::TakeProfit(price),
                    Condition::Trailing(_) => {
                        Condition::Trailing(Ticks::new((price.get() - peak) * sign))
                    }
                };
                self.set_trigger(at);
                self.wake_due();
            }
        } else if amend.limit.is_some() {
            order.shown = 0;
            self.run(at);
        } else if is_more {
            self.join(at);
        } else {
            order.shown = order.shown.min(order.slice());
        }
        self.run_woken();
    }

    /// Gives a queue, front first: orders and what they show.
    pub(super) fn queue(&self, side: Side, price: i64) -> Vec<(usize, i64)> {
        let at_price = |order: &Order| {
            order.state == OrderState::Resting
                && order.asked.side == side
                && order.limit() == Some(price)
        };
        let orders = self.orders.iter().enumerate();
        let mut queue: Vec<_> = orders.filter(|(_, order)| at_price(order)).collect();
        queue.sort_by_key(|(_, order)| order.joined);
        queue.into_iter().map(|(at, order)| (at, order.shown)).collect()
    }
}
