//! Sleeping orders: how they follow their reference, and how they wake.
//!
//! A price that moves only notes who is woken; they run one after the other once the call that moved it has done its
//! own work. An order wakes once, so a cascade is never longer than the number of orders asleep when it began.

use crate::admit::check_minimums;
use crate::api::{EndCause, Event, FeeRates, MarketIx, MarketMode, OrderState, Pricing, Reference};
use crate::exchange::Exchange;
use crate::order::{trigger_price, wakes_rising, worse};
use crate::store::Ix;
use crate::trigger::Asleep;
use remora_domain::{Ticks, Timestamp};

impl Exchange {
    /// Sets the index of a market; orders that watch it follow and wake. A price not above zero is ignored.
    pub fn set_index(
        &mut self,
        _now: Timestamp,
        market: MarketIx,
        price: Ticks,
        out: &mut Vec<Event>,
    ) {
        if self.markets.get(market.get()).is_some() && price > Ticks::ZERO {
            self.price_moved(market, Reference::Index, price, out);
            self.run_woken(out);
        }
    }

    /// Lets an order sleep until its trigger fires.
    pub(crate) fn sleep(&mut self, ix: Ix) {
        if let Some((market, asleep)) = self.asleep(ix) {
            self.markets.at_mut(market.get()).triggers.insert(&asleep);
        }
    }

    /// Takes an order out of everything that could wake it.
    pub(crate) fn rouse(&mut self, ix: Ix) {
        if self.orders.at(ix).view.state == OrderState::Dormant
            && let Some((market, asleep)) = self.asleep(ix)
        {
            self.markets.at_mut(market.get()).triggers.remove(&asleep);
        }
    }

    fn asleep(&self, ix: Ix) -> Option<(MarketIx, Asleep)> {
        let order = self.orders.at(ix);
        let asked = order.asked();
        let (trigger, at) = asked.trigger.zip(order.view.trigger_price)?;
        let no = order.view.order;
        let asleep = Asleep {
            reference: trigger.reference,
            side: asked.side,
            is_rising: wakes_rising(asked.side, trigger.condition),
            waiting: (at, no, ix),
            trailing: trigger.condition.is_trailing().then_some((order.peak, no, ix)),
        };
        Some((asked.market, asleep))
    }

    /// Notes a new reference price: trailing triggers follow, and those that are reached are put in line.
    pub(crate) fn price_moved(
        &mut self,
        market: MarketIx,
        reference: Reference,
        price: Ticks,
        out: &mut Vec<Event>,
    ) {
        self.markets.at_mut(market.get()).triggers.watch(reference).set_price(price);
        while let Some((_, _, ix)) =
            self.markets.at_mut(market.get()).triggers.watch(reference).next_beaten()
        {
            self.rouse(ix);
            let order = self.orders.at_mut(ix);
            order.peak = price;
            if let Some(trigger) = order.view.asked.trigger {
                let at = trigger_price(order.view.asked.side, trigger.condition, price);
                order.view.trigger_price = Some(at);
                out.push(Event::TriggerMoved { order: order.view.order, price: at });
            }
            self.sleep(ix);
        }
        self.wake_due(market, reference);
    }

    /// Puts in line whoever the reference price has reached, unless the market does not match now.
    pub(crate) fn wake_due(&mut self, market: MarketIx, reference: Reference) {
        if !self.markets.at(market.get()).is_matching() {
            return;
        }
        while let Some((_, _, ix)) =
            self.markets.at_mut(market.get()).triggers.watch(reference).next_due()
        {
            self.rouse(ix);
            self.woken.push_back(ix);
        }
    }

    /// Runs everybody who is in line; they may put others in line behind them.
    pub(crate) fn run_woken(&mut self, out: &mut Vec<Event>) {
        while let Some(ix) = self.woken.pop_front() {
            self.wake(ix, out);
        }
    }

    fn wake(&mut self, ix: Ix, out: &mut Vec<Event>) {
        let order = self.orders.at_mut(ix);
        out.push(Event::Triggered { order: order.view.order });
        let (asked, at) = (&mut order.view.asked, order.view.trigger_price);
        if let Some((offset, at)) = asked.trigger.and_then(|it| it.limit_offset).zip(at) {
            asked.pricing = Pricing::Limit(worse(asked.side, at, offset));
        }
        // From here on it is like any other order: a market order's hold comes from the book.
        order.view.state = OrderState::Resting;
        let order = self.orders.at(ix);
        let market = self.markets.at(order.asked().market.get());
        let is_market = order.asked().pricing == Pricing::Market;
        let is_possible = !(is_market && market.spec.mode == MarketMode::LimitOnly)
            && order.limit().is_none_or(|limit| {
                limit > Ticks::ZERO && check_minimums(market, order.asked(), None).is_ok()
            });
        let need = if is_possible { self.need_awake(ix) } else { 0 };
        if is_possible && self.try_hold(ix, need) {
            self.go_live(ix, out);
        } else {
            self.end(ix, EndCause::NotExecutable, out);
        }
    }

    /// Gives what a woken order must hold.
    fn need_awake(&self, ix: Ix) -> crate::api::Money {
        let order = self.orders.at(ix);
        self.hold(order.asked(), order.asked().size, order.rates, order.may_take, None)
    }

    /// Lets an open order go over to other fee rates, if it can hold enough for them.
    pub(crate) fn reprice_hold(&mut self, ix: Ix, rates: FeeRates) {
        let before = std::mem::replace(&mut self.orders.at_mut(ix).rates, rates);
        let need = self.need(ix);
        if !self.try_hold(ix, need) {
            self.orders.at_mut(ix).rates = before;
        }
    }
}
