//! The life of an order: accepted, live, resting, ended.

use crate::admit::{Admission, held_asset};
use crate::api::{
    EndCause, Event, Lifetime, MarketIx, MarketMode, Money, NewOrder, OrderNo, OrderState,
    OrderView, Pricing, QueueChange, Refusal, Size, TraderIx,
};
use crate::exchange::Exchange;
use crate::fill::{Party, Stop, Taker};
use crate::order::Order;
use crate::store::Ix;
use remora_domain::{Lots, Side, Ticks, Timestamp};

impl Exchange {
    /// Accepts an order and lets it trade, rest or sleep; gives its number. A post-only order that would take is
    /// accepted and ends at once.
    ///
    /// # Errors
    /// What [`Self::check`] says; nothing has happened then.
    pub fn place(
        &mut self,
        now: Timestamp,
        order: NewOrder,
        out: &mut Vec<Event>,
    ) -> Result<OrderNo, Refusal> {
        let admission = self.admit(&order)?;
        let ix = self.accept(now, order, admission);
        let (no, asked) = (self.orders.at(ix).view.order, self.orders.at(ix).asked());
        out.push(Event::Accepted { order: no });
        if matches!(asked.lifetime, Lifetime::Gtd(until) if until <= now) {
            self.end(ix, EndCause::Expired, out);
        } else if let Some(trigger) = asked.trigger {
            let market = asked.market;
            self.sleep(ix);
            self.wake_due(market, trigger.reference);
        } else {
            self.go_live(ix, out);
        }
        self.run_woken(out);
        Ok(no)
    }

    fn accept(&mut self, now: Timestamp, asked: NewOrder, admission: Admission) -> Ix {
        let no = self.next_order_no();
        let Admission { rates, held, trigger_price } = admission;
        let (trader, market, lifetime) = (asked.trader, asked.market, asked.lifetime);
        let reference = asked.trigger.map(|trigger| trigger.reference);
        let peak = reference.and_then(|it| self.markets.at(market.get()).triggers.price(it));
        let asset = held_asset(self.markets.at(market.get()), asked.side);
        let account = self.accounts.at_mut(trader.get());
        account.rehold(asset, 0, held);
        account.open.insert((market, no));
        let view = OrderView {
            order: no,
            state: if reference.is_some() { OrderState::Dormant } else { OrderState::Resting },
            cum_qty: Lots::ZERO,
            cum_cost: 0,
            cum_fee: 0,
            created: now,
            amended: now,
            trigger_price,
            held: account.is_cash().then_some((asset, held)),
            asked,
        };
        let may_take = !view.asked.is_post_only;
        let peak = peak.unwrap_or(Ticks::ZERO);
        let order = Order { view, place: None, rates, may_take, is_opened: false, peak };
        let ix = self.orders.insert(order);
        self.numbers.insert(no, ix);
        if let Lifetime::Gtd(until) = lifetime {
            self.expiries.insert((until, no));
        }
        ix
    }

    /// Lets an accepted or woken order trade as far as it goes; the rest of it rests or ends.
    pub(crate) fn go_live(&mut self, ix: Ix, out: &mut Vec<Event>) {
        let order = self.orders.at_mut(ix);
        order.view.state = OrderState::Resting;
        let asked = order.asked();
        let (market, side, lifetime) = (asked.market, asked.side, asked.lifetime);
        let takes = order.limit().is_some_and(|limit| self.would_take(market, side, limit));
        let order = self.orders.at(ix);
        if order.asked().is_post_only && takes {
            self.end(ix, EndCause::PostOnly, out);
        } else if lifetime == Lifetime::Fok
            && !self.walk(order.asked(), order.asked().size).is_enough
        {
            self.end(ix, EndCause::Unfilled, out);
        } else {
            self.run(ix, out);
        }
    }

    /// Lets a live order trade as far as it goes; the rest of it rests or ends.
    pub(crate) fn run(&mut self, ix: Ix, out: &mut Vec<Event>) {
        let order = self.orders.at(ix);
        let asked = order.asked();
        let (is_immediate, is_woken) = (is_immediate(asked), asked.trigger.is_some());
        let is_market_order = asked.pricing == Pricing::Market;
        let mut taker = Taker {
            market: asked.market,
            side: asked.side,
            limit: order.limit(),
            party: Party::Order(ix),
            left: Lots::ZERO,
            is_market_order,
            with_clients: Lots::ZERO,
        };
        let stop = self.sweep(&mut taker, out);
        let order = self.orders.at(ix);
        if !order.is_open() {
            return;
        }
        let nothing_done = order.view.cum_qty == Lots::ZERO;
        match stop {
            Stop::SelfTrade => self.end(ix, EndCause::SelfTrade, out),
            Stop::Done if is_immediate && is_woken && is_market_order && nothing_done => {
                self.end(ix, EndCause::NotExecutable, out);
            }
            Stop::Done if is_immediate => self.end(ix, EndCause::Unfilled, out),
            Stop::Done => self.rest(ix, out),
        }
    }

    /// Puts an order at the back of its level.
    fn rest(&mut self, ix: Ix, out: &mut Vec<Event>) {
        self.open(ix, out);
        let asked = self.orders.at(ix).asked();
        let (market, side) = (asked.market, asked.side);
        let Some(price) = self.orders.at(ix).limit() else {
            return; // a market order is immediate and never comes here
        };
        let before = self.markets.at(market.get()).book.shown(side, price);
        self.join(ix, price, out);
        self.tell_level(market, side, price, before, out);
    }

    /// Says once that an order is live.
    pub(crate) fn open(&mut self, ix: Ix, out: &mut Vec<Event>) {
        let order = self.orders.at_mut(ix);
        if !std::mem::replace(&mut order.is_opened, true) {
            out.push(Event::Opened { order: order.view.order });
        }
    }

    /// Joins the back of a queue with what the order shows; the level is told by the caller.
    pub(crate) fn join(&mut self, ix: Ix, price: Ticks, out: &mut Vec<Event>) {
        let order = self.orders.at_mut(ix);
        let (market, side, no) = (order.asked().market, order.asked().side, order.view.order);
        let qty = order.slice();
        let book = &mut self.markets.at_mut(market.get()).book;
        order.place = Some(book.join(side, price, no, Some(ix), qty));
        out.push(Event::QueueChanged {
            market,
            side,
            price,
            order: no,
            change: QueueChange::Add,
            qty,
        });
    }

    /// Takes an order out of its queue; the level is told by the caller. Gives the price it stood at and what the level
    /// showed before.
    pub(crate) fn leave(&mut self, ix: Ix, out: &mut Vec<Event>) -> Option<(Ticks, Lots)> {
        let order = self.orders.at_mut(ix);
        let place = order.place.take()?;
        let price = order.limit()?;
        let (market, side) = (order.asked().market, order.asked().side);
        let before = self.markets.at(market.get()).book.shown(side, price);
        self.remove_place(market, side, price, place, out);
        Some((price, before))
    }

    /// Takes a place out of its queue and tells the queue.
    pub(crate) fn remove_place(
        &mut self,
        market: MarketIx,
        side: Side,
        price: Ticks,
        place: Ix,
        out: &mut Vec<Event>,
    ) {
        let book = &mut self.markets.at_mut(market.get()).book;
        let order = book.place(place).no;
        let merged = book.leave(place);
        let mut tell = |order, change, qty| {
            out.push(Event::QueueChanged { market, side, price, order, change, qty });
        };
        tell(order, QueueChange::Delete, Lots::ZERO);
        if let Some(merged) = merged {
            tell(merged.gone, QueueChange::Delete, Lots::ZERO);
            tell(merged.kept, QueueChange::Modify, merged.shown);
        }
    }

    /// Tells a level if it shows something else than `before`.
    pub(crate) fn tell_level(
        &self,
        market: MarketIx,
        side: Side,
        price: Ticks,
        before: Lots,
        out: &mut Vec<Event>,
    ) {
        let qty = self.markets.at(market.get()).book.shown(side, price);
        if qty != before {
            out.push(Event::LevelChanged { market, side, price, qty });
        }
    }

    /// Cancels an order of a trader, for the reason given.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] unless it is the trader's and open; [`Refusal::Mode`] where its owner asks while the market
    /// is closed.
    pub fn cancel(
        &mut self,
        _now: Timestamp,
        trader: TraderIx,
        order: OrderNo,
        cause: EndCause,
        out: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let ix = self.find_open(trader, order)?;
        let mode = self.markets.at(self.orders.at(ix).asked().market.get()).spec.mode;
        if cause == EndCause::Requested && mode == MarketMode::Closed {
            return Err(Refusal::Mode(mode));
        }
        self.end(ix, cause, out);
        Ok(())
    }

    /// Ends every order whose time has come.
    pub fn expire(&mut self, now: Timestamp, out: &mut Vec<Event>) {
        while let Some(&(at, no)) = self.expiries.first()
            && at <= now
        {
            self.expiries.pop_first();
            if let Some(&ix) = self.numbers.get(&no) {
                self.end(ix, EndCause::Expired, out);
            }
        }
    }

    pub(crate) fn find_open(&self, trader: TraderIx, order: OrderNo) -> Result<Ix, Refusal> {
        let ix = *self.numbers.get(&order).ok_or(Refusal::Unknown)?;
        let found = self.orders.at(ix);
        let is_theirs = found.asked().trader == trader && found.is_open();
        if is_theirs { Ok(ix) } else { Err(Refusal::Unknown) }
    }

    /// Ends an open order wherever it is and tells its level.
    pub(crate) fn end(&mut self, ix: Ix, cause: EndCause, out: &mut Vec<Event>) {
        let asked = self.orders.at(ix).asked();
        let (market, side) = (asked.market, asked.side);
        let left = self.leave(ix, out);
        self.close(ix, OrderState::Ended(cause));
        out.push(Event::Ended { order: self.orders.at(ix).view.order, cause });
        if let Some((price, before)) = left {
            self.tell_level(market, side, price, before, out);
        }
    }

    /// Ends an order that is in no queue any more: releases its hold and forgets its expiry and trigger.
    pub(crate) fn close(&mut self, ix: Ix, state: OrderState) {
        self.rouse(ix);
        self.set_hold(ix, 0);
        let order = self.orders.at_mut(ix);
        order.view.state = state;
        let (asked, no) = (&order.view.asked, order.view.order);
        if let Lifetime::Gtd(until) = asked.lifetime {
            self.expiries.remove(&(until, no));
        }
        self.accounts.at_mut(asked.trader.get()).open.remove(&(asked.market, no));
    }

    /// Changes what is held for an order.
    pub(crate) fn set_hold(&mut self, ix: Ix, held: Money) {
        let order = self.orders.at_mut(ix);
        if let Some((asset, before)) = &mut order.view.held {
            let before = std::mem::replace(before, held);
            self.accounts.at_mut(order.view.asked.trader.get()).rehold(*asset, before, held);
        }
    }

    /// Holds `need` for an order, if what it holds and what is available cover it.
    pub(crate) fn try_hold(&mut self, ix: Ix, need: Money) -> bool {
        let order = self.orders.at(ix);
        let Some((asset, held)) = order.view.held else {
            return true;
        };
        let available = self.accounts.at(order.asked().trader.get()).available(asset);
        let is_covered = need.saturating_sub(held) <= available;
        if is_covered {
            self.set_hold(ix, need);
        }
        is_covered
    }

    /// Gives what an order must hold for what is left of it.
    pub(crate) fn need(&self, ix: Ix) -> Money {
        let order = self.orders.at(ix);
        let left = match order.asked().size {
            Size::Base(_) => Size::Base(order.leaves()),
            Size::Quote(amount) => Size::Quote(amount.saturating_sub(order.view.cum_cost)),
        };
        self.hold(order.asked(), left, order.rates, order.may_take, order.view.trigger_price)
    }
}

const fn is_immediate(asked: &NewOrder) -> bool {
    matches!(asked.pricing, Pricing::Market) || asked.lifetime.is_immediate()
}
