//! Changing a live order in place.

use crate::admit::{check_minimums, check_price, check_qty};
use crate::api::{
    Amend, Condition, EndCause, Event, MarketMode, Money, NewOrder, OrderNo, OrderState, Pricing,
    QueueChange, Refusal, Size, TraderIx, Trigger,
};
use crate::exchange::Exchange;
use crate::money::less;
use crate::order::{limit_of, trigger_price};
use crate::store::Ix;
use remora_domain::{Lots, Side, Ticks, Timestamp};

/// Is what an amend makes of an order.
#[derive(Clone, Debug)]
struct Plan {
    asked: NewOrder,
    trigger_price: Option<Ticks>,
    may_take: bool,
    need: Money,
    /// Whether it goes to the back of its level.
    is_requeued: bool,
}

impl Exchange {
    /// Changes an open order; what is `None` stays.
    ///
    /// | Changed | Place in the queue |
    /// |---|---|
    /// | quantity down | kept |
    /// | quantity up | back of the same level |
    /// | limit, also to the same price | back of the new level |
    /// | shown quantity down, up | kept; up counts from the next refill |
    /// | trigger price | dormant orders have none |
    ///
    /// A new limit may take, unless the amend is post-only. A new trigger price of a trailing order changes its distance.
    ///
    /// # Errors
    /// The refusal; nothing has happened then. [`Refusal::PostOnly`] when a post-only amend would take.
    pub fn amend(
        &mut self,
        now: Timestamp,
        trader: TraderIx,
        order: OrderNo,
        amend: Amend,
        out: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let ix = self.find_open(trader, order)?;
        let plan = self.plan(ix, &amend)?;
        let is_done = plan.is_none();
        if plan.as_ref().is_some_and(|plan| !self.try_hold(ix, plan.need)) {
            return Err(Refusal::Funds);
        }
        let view = &mut self.orders.at_mut(ix).view;
        view.amended = now;
        out.push(Event::Amended { order });
        match plan {
            Some(plan) if view.state == OrderState::Dormant => self.amend_dormant(ix, plan),
            Some(plan) if plan.is_requeued => self.requeue(ix, plan, out),
            Some(plan) => self.resize(ix, plan, out),
            None => view.asked.size = Size::Base(view.cum_qty),
        }
        if is_done {
            self.end(ix, EndCause::AmendedBelowFilled, out);
        }
        self.run_woken(out);
        Ok(())
    }

    /// Checks an amend and says what it makes of the order; nothing when it leaves nothing of it.
    fn plan(&self, ix: Ix, amend: &Amend) -> Result<Option<Plan>, Refusal> {
        let order = self.orders.at(ix);
        let market = self.markets.at(order.asked().market.get());
        let mode = market.spec.mode;
        if matches!(mode, MarketMode::CancelOnly | MarketMode::Closed) {
            return Err(Refusal::Mode(mode));
        }
        let mut asked = order.asked().clone();
        let is_dormant = order.view.state == OrderState::Dormant;
        if let Some(limit) = amend.limit {
            check_price(market, limit)?;
            set_limit(&mut asked, limit)?;
        }
        let trigger_price = self.set_trigger(ix, &mut asked, amend.trigger)?;
        let is_more = set_qty(&mut asked, amend)?;
        let Size::Base(qty) = asked.size else {
            return Err(Refusal::Fields("an amend of an order in quote"));
        };
        let cum_qty = order.view.cum_qty;
        if cum_qty > Lots::ZERO && qty <= cum_qty {
            return Ok(None);
        }
        check_qty(market, qty, asked.display)?;
        check_minimums(market, &asked, trigger_price)?;
        let takes = !is_dormant
            && amend.limit.is_some_and(|limit| self.would_take(asked.market, asked.side, limit));
        if takes && amend.is_post_only {
            return Err(Refusal::PostOnly);
        }
        if takes && mode == MarketMode::PostOnly {
            return Err(Refusal::Mode(mode));
        }
        let is_repriced = !is_dormant && amend.limit.is_some();
        let may_take = if is_repriced { !amend.is_post_only } else { order.may_take };
        let left = Size::Base(less(qty, cum_qty));
        let need = match order.view.held {
            Some(_) => self.hold(&asked, left, order.rates, may_take, trigger_price),
            None => 0,
        };
        let is_requeued = is_repriced || is_more;
        Ok(Some(Plan { asked, trigger_price, may_take, need, is_requeued }))
    }

    /// Gives where the trigger stands after an amend.
    fn set_trigger(
        &self,
        ix: Ix,
        asked: &mut NewOrder,
        at: Option<Ticks>,
    ) -> Result<Option<Ticks>, Refusal> {
        let order = self.orders.at(ix);
        let Some(at) = at else {
            return Ok(order.view.trigger_price);
        };
        check_price(self.markets.at(asked.market.get()), at)?;
        let Some(Trigger { condition, .. }) =
            asked.trigger.as_mut().filter(|_| order.view.state == OrderState::Dormant)
        else {
            return Err(Refusal::Fields("a trigger price of an order that does not sleep"));
        };
        match condition {
            Condition::StopLoss(price) | Condition::TakeProfit(price) => *price = at,
            Condition::Trailing(distance) => {
                let (peak, at) = (order.peak.get(), at.get());
                *distance = Ticks::new(match asked.side {
                    Side::Buy => at.saturating_sub(peak),
                    Side::Sell => peak.saturating_sub(at),
                });
                if *distance <= Ticks::ZERO {
                    return Err(Refusal::Fields("a trailing trigger beyond its reference"));
                }
            }
        }
        Ok(Some(trigger_price(asked.side, *condition, order.peak)))
    }

    fn amend_dormant(&mut self, ix: Ix, plan: Plan) {
        self.rouse(ix);
        let market = plan.asked.market;
        let reference = plan.asked.trigger.map(|trigger| trigger.reference);
        let view = &mut self.orders.at_mut(ix).view;
        view.asked = plan.asked;
        view.trigger_price = plan.trigger_price;
        self.sleep(ix);
        if let Some(reference) = reference {
            self.wake_due(market, reference);
        }
    }

    /// Takes an order out of its queue and sends it to its new limit like a new one.
    fn requeue(&mut self, ix: Ix, plan: Plan, out: &mut Vec<Event>) {
        let (market, side) = (plan.asked.market, plan.asked.side);
        let limit = limit_of(&plan.asked);
        let left = self.leave(ix, out);
        let order = self.orders.at_mut(ix);
        order.view.asked = plan.asked;
        order.may_take = plan.may_take;
        match left {
            Some((price, before)) if limit == Some(price) => {
                self.join(ix, price, out);
                self.tell_level(market, side, price, before, out);
            }
            Some((price, before)) => {
                self.tell_level(market, side, price, before, out);
                self.run(ix, out);
            }
            None => self.run(ix, out),
        }
    }

    /// Applies a change that keeps the place.
    fn resize(&mut self, ix: Ix, plan: Plan, out: &mut Vec<Event>) {
        let order = self.orders.at_mut(ix);
        order.view.asked = plan.asked;
        let (market, side, no) = (order.asked().market, order.asked().side, order.view.order);
        let (Some(place), Some(price), slice) = (order.place, order.limit(), order.slice()) else {
            return;
        };
        let book = &mut self.markets.at_mut(market.get()).book;
        let (before, shown) = (book.shown(side, price), book.place(place).shown);
        if slice < shown {
            book.resize(place, slice);
            let change = QueueChange::Modify;
            out.push(Event::QueueChanged { market, side, price, order: no, change, qty: slice });
            self.tell_level(market, side, price, before, out);
        }
    }
}

fn set_limit(asked: &mut NewOrder, limit: Ticks) -> Result<(), Refusal> {
    let follows = asked.trigger.is_some_and(|trigger| trigger.limit_offset.is_some());
    if asked.pricing == Pricing::Market || follows {
        return Err(Refusal::Fields("a limit of an order that has none of its own"));
    }
    asked.pricing = Pricing::Limit(limit);
    Ok(())
}

/// Sets quantity and shown quantity; says whether the quantity grew.
fn set_qty(asked: &mut NewOrder, amend: &Amend) -> Result<bool, Refusal> {
    let Size::Base(before) = asked.size else {
        return Ok(false);
    };
    let qty = amend.qty.unwrap_or(before);
    asked.size = Size::Base(qty);
    match (amend.display, asked.display) {
        (Some(_), None) => {
            return Err(Refusal::Fields("a shown quantity of an order that shows all"));
        }
        (Some(display), Some(_)) => asked.display = Some(display),
        (None, display) => asked.display = display.map(|display| display.min(qty)),
    }
    Ok(qty > before)
}
