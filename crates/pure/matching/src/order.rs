//! An order inside the engine: what callers see of it and what the engine needs besides.

use crate::api::{Condition, FeeRates, NewOrder, OrderState, OrderView, Pricing, Size, Trigger};
use crate::money::{STEPS_MAX, Units, less};
use crate::store::Ix;
use remora_domain::{Lots, Side, Ticks};

/// Is an order.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) view: OrderView,
    /// Where it stands in the book.
    pub(crate) place: Option<Ix>,
    /// What it pays: the rates in force when its hold was computed, so that the hold always covers them.
    pub(crate) rates: FeeRates,
    /// Whether the hold covers a taker's fee.
    pub(crate) may_take: bool,
    pub(crate) is_opened: bool,
    /// Best reference price since a trailing order was placed.
    pub(crate) peak: Ticks,
}

impl Order {
    pub(crate) const fn asked(&self) -> &NewOrder {
        &self.view.asked
    }

    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.view.state, OrderState::Dormant | OrderState::Resting)
    }

    /// Gives the limit price of an order that has one.
    pub(crate) const fn limit(&self) -> Option<Ticks> {
        limit_of(&self.view.asked)
    }

    /// Gives the quantity still wanted where it trades at `price`.
    pub(crate) fn wants(&self, units: &Units, price: Ticks, lot: Lots) -> Lots {
        Wish::of(&self.view).at(units, price, lot)
    }

    /// Gives the quantity still open; 0 for an order in quote, whose quantity nobody knows.
    pub(crate) fn leaves(&self) -> Lots {
        match self.view.asked.size {
            Size::Base(qty) => less(qty, self.view.cum_qty),
            Size::Quote(_) => Lots::ZERO,
        }
    }

    /// Gives what it shows when it (re)joins its queue.
    pub(crate) fn slice(&self) -> Lots {
        let leaves = self.leaves();
        self.view.asked.display.map_or(leaves, |display| display.min(leaves))
    }
}

/// Is what an order still wants: a quantity, or what an amount of quote buys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    size: Size,
    cum_qty: Lots,
}

impl Wish {
    pub(crate) const fn new(size: Size) -> Self {
        Self { size, cum_qty: Lots::ZERO }
    }

    fn of(view: &OrderView) -> Self {
        let size = match view.asked.size {
            Size::Base(qty) => Size::Base(qty),
            Size::Quote(amount) => Size::Quote(amount.saturating_sub(view.cum_cost)),
        };
        Self { size, cum_qty: view.cum_qty }
    }

    /// Gives the quantity wanted at a price.
    pub(crate) fn at(&self, units: &Units, price: Ticks, lot: Lots) -> Lots {
        match self.size {
            Size::Base(qty) => less(qty, self.cum_qty),
            Size::Quote(budget) => {
                let affordable = units.affordable(budget, price);
                let room = less(Lots::new(STEPS_MAX), self.cum_qty);
                let lots = affordable.min(room);
                let beside = lots.get().checked_rem(lot.get()).unwrap_or(0);
                less(lots, Lots::new(beside))
            }
        }
    }

    /// Notes a fill.
    pub(crate) fn fill(&mut self, qty: Lots, cost: i128) {
        self.cum_qty = crate::money::more(self.cum_qty, qty);
        if let Size::Quote(budget) = &mut self.size {
            *budget = budget.saturating_sub(cost);
        }
    }
}

pub(crate) const fn limit_of(asked: &NewOrder) -> Option<Ticks> {
    match asked.pricing {
        Pricing::Market => None,
        Pricing::Limit(limit) => Some(limit),
    }
}

/// Tells whether a trigger waits for the reference to rise to its price; otherwise it waits for it to fall.
pub(crate) const fn wakes_rising(side: Side, condition: Condition) -> bool {
    match (side, condition) {
        (Side::Buy, Condition::StopLoss(_) | Condition::Trailing(_))
        | (Side::Sell, Condition::TakeProfit(_)) => true,
        (Side::Sell, Condition::StopLoss(_) | Condition::Trailing(_))
        | (Side::Buy, Condition::TakeProfit(_)) => false,
    }
}

/// Gives the price at which a trigger fires, for a trailing one with the reference's best value so far.
pub(crate) fn trigger_price(side: Side, condition: Condition, peak: Ticks) -> Ticks {
    match condition {
        Condition::StopLoss(price) | Condition::TakeProfit(price) => price,
        Condition::Trailing(distance) => worse(side, peak, distance),
    }
}

/// Moves a price by a distance towards what costs the side more.
pub(crate) const fn worse(side: Side, price: Ticks, by: Ticks) -> Ticks {
    Ticks::new(match side {
        Side::Buy => price.get().saturating_add(by.get()),
        Side::Sell => price.get().saturating_sub(by.get()),
    })
}

/// Gives the worst price an order is expected to trade at: its limit, what its limit will be when it wakes, or the
/// trigger price of one that wakes as a market order; none for a market order.
pub(crate) fn price_at_worst(asked: &NewOrder, trigger_price: Option<Ticks>) -> Option<Ticks> {
    let Some((trigger, at)) = asked.trigger.zip(trigger_price) else {
        return limit_of(asked);
    };
    let Trigger { limit_offset, .. } = trigger;
    match (limit_offset, limit_of(asked)) {
        (Some(offset), _) => Some(worse(asked.side, at, offset)),
        (None, Some(limit)) => Some(limit),
        (None, None) => Some(at),
    }
}
