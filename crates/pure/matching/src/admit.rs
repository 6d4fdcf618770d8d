//! Everything that can be wrong with a new order, and what must be held for it.

use crate::api::{
    Condition, FeeRates, MarketMode, Money, NewOrder, Pricing, Refusal, SelfTrade, Size, Trigger,
};
use crate::exchange::{Exchange, Market};
use crate::money::{STEPS_MAX, fee_up, more};
use crate::order::{Wish, limit_of, price_at_worst, trigger_price};
use remora_domain::{Lots, Side, Ticks};

/// Is what an admitted order pays and what is held for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admission {
    pub(crate) rates: FeeRates,
    pub(crate) held: Money,
    /// Where its trigger stands.
    pub(crate) trigger_price: Option<Ticks>,
}

impl Exchange {
    /// Says whether [`Self::place`] would refuse an order, and why; changes nothing. An expiry in the past is no reason
    /// to refuse: such an order is accepted and expires at once.
    ///
    /// # Errors
    /// The refusal.
    pub fn check(&self, order: &NewOrder) -> Result<(), Refusal> {
        self.admit(order).map(drop)
    }

    pub(crate) fn admit(&self, order: &NewOrder) -> Result<Admission, Refusal> {
        let market = self.markets.get(order.market.get()).ok_or(Refusal::Unknown)?;
        let account = self.accounts.get(order.trader.get()).ok_or(Refusal::Unknown)?;
        check_mode(market, order)?;
        check_fields(order)?;
        let trigger_price =
            order.trigger.map(|trigger| start(market, order.side, trigger)).transpose()?;
        check_steps(market, order)?;
        check_minimums(market, order, trigger_price)?;
        if !account.is_cash() {
            let rates = FeeRates { maker_ppm: 0, taker_ppm: 0 };
            return Ok(Admission { rates, held: 0, trigger_price });
        }
        let rates = account.rates.get(&order.market).copied();
        let rates = rates.ok_or(Refusal::Fields("no fee rates"))?;
        let held = self.hold(order, order.size, rates, !order.is_post_only, trigger_price);
        if held > account.available(held_asset(market, order.side)) {
            return Err(Refusal::Funds);
        }
        Ok(Admission { rates, held, trigger_price })
    }

    /// Gives what an order of this size must hold: what a sell gives away; for a buy its cost at the limit (dormant
    /// market orders: at the trigger price; others: through the book) plus the worst fee, if that is positive.
    pub(crate) fn hold(
        &self,
        asked: &NewOrder,
        size: Size,
        rates: FeeRates,
        may_take: bool,
        trigger_price: Option<Ticks>,
    ) -> Money {
        let market = self.markets.at(asked.market.get());
        let cost = match (asked.side, size, price_at_worst(asked, trigger_price)) {
            (Side::Sell, Size::Base(qty), _) => return market.units.in_base_up(qty),
            (Side::Sell, Size::Quote(_), _) => return 0, // refused at the door: buys only
            (Side::Buy, Size::Quote(amount), _) => amount,
            (Side::Buy, Size::Base(qty), Some(price)) => market.units.cost_up(price, qty),
            (Side::Buy, Size::Base(_), None) => self.walk(asked, size).cost,
        };
        let rate = if may_take { rates.taker_ppm.max(rates.maker_ppm) } else { rates.maker_ppm };
        let fee = if asked.is_fee_in_base { 0 } else { fee_up(cost, rate) };
        market.units.in_quote_up(cost.saturating_add(fee))
    }

    /// Walks the opposite side of the book as the order would, and changes nothing.
    pub(crate) fn walk(&self, asked: &NewOrder, size: Size) -> Walk {
        let market = self.markets.at(asked.market.get());
        let against = asked.side.opposite();
        let mut wish = Wish::new(size);
        let mut walk = Walk { qty: Lots::ZERO, cost: 0, is_enough: false };
        for price in market.book.within(against, limit_of(asked)) {
            let want = wish.at(&market.units, price, market.spec.lot);
            let (offered, is_stopped) = self.offered(asked, price);
            let qty = want.min(offered);
            let cost = market.units.cost_up(price, qty);
            wish.fill(qty, cost);
            walk.qty = more(walk.qty, qty);
            walk.cost = walk.cost.saturating_add(cost);
            walk.is_enough = want <= offered;
            if walk.is_enough || is_stopped {
                break;
            }
        }
        walk
    }

    /// Gives what a level offers an order, hidden parts included, and whether an order of the same trader stops it there.
    fn offered(&self, asked: &NewOrder, price: Ticks) -> (Lots, bool) {
        let book = &self.markets.at(asked.market.get()).book;
        let prevents = self.accounts.at(asked.trader.get()).is_cash();
        let (mut whole, mut shown) = (Lots::ZERO, Lots::ZERO);
        for (_, place) in book.queue(asked.side.opposite(), price) {
            let order = place.order.map(|ix| self.orders.at(ix));
            if prevents && order.is_some_and(|order| order.asked().trader == asked.trader) {
                match asked.self_trade {
                    SelfTrade::CancelOldest => continue,
                    // Hidden parts join the queue behind it, so only what is shown ahead of it can be had.
                    SelfTrade::CancelNewest | SelfTrade::CancelBoth => return (shown, true),
                }
            }
            shown = more(shown, place.shown);
            whole = more(whole, order.map_or(place.shown, crate::order::Order::leaves));
        }
        (whole, false)
    }
}

/// Is what an order would find in the book.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    pub(crate) qty: Lots,
    /// In cost units, rounded up level by level.
    pub(crate) cost: Money,
    /// Whether it is all the order wants.
    pub(crate) is_enough: bool,
}

/// Gives the asset an order of a side gives away.
pub(crate) const fn held_asset(market: &Market, side: Side) -> crate::api::AssetIx {
    match side {
        Side::Buy => market.spec.quote,
        Side::Sell => market.spec.base,
    }
}

fn check_mode(market: &Market, order: &NewOrder) -> Result<(), Refusal> {
    let mode = market.spec.mode;
    let best = market.book.best(order.side.opposite());
    let takes = order.trigger.is_none()
        && best.is_some_and(|best| crate::book::reaches(order.side, limit_of(order), best));
    let is_allowed = match mode {
        MarketMode::Open => true,
        MarketMode::PostOnly => {
            !takes && order.pricing != Pricing::Market && !order.lifetime.is_immediate()
        }
        MarketMode::LimitOnly => order.pricing != Pricing::Market,
        MarketMode::CancelOnly | MarketMode::Closed => false,
    };
    if is_allowed { Ok(()) } else { Err(Refusal::Mode(mode)) }
}

fn check_fields(order: &NewOrder) -> Result<(), Refusal> {
    let is_market = order.pricing == Pricing::Market;
    let is_quote = matches!(order.size, Size::Quote(_));
    let offset = order.trigger.and_then(|trigger| trigger.limit_offset);
    let is_trailing = order.trigger.is_some_and(|trigger| trigger.condition.is_trailing());
    let problems = [
        (is_market && order.is_post_only, "a market order that must not take"),
        (
            order.lifetime.is_immediate() && order.is_post_only,
            "an order that lives only at once and must not take",
        ),
        (is_quote && !is_market, "an amount of quote with a limit"),
        (is_quote && order.side == Side::Sell, "an amount of quote to sell for"),
        (is_market && order.display.is_some(), "a market order with a shown quantity"),
        (
            order.lifetime.is_immediate() && order.display.is_some(),
            "a shown quantity that never rests",
        ),
        (order.is_fee_in_base && order.side == Side::Sell, "a fee in base on a sell"),
        (offset.is_some() && !is_trailing, "a limit offset without a trailing trigger"),
        (offset.is_some() && is_market, "a limit offset on a market order"),
    ];
    match problems.iter().find(|(is_wrong, _)| *is_wrong) {
        Some(&(_, what)) => Err(Refusal::Fields(what)),
        None => Ok(()),
    }
}

/// Gives where a new trigger stands.
fn start(market: &Market, side: Side, trigger: Trigger) -> Result<Ticks, Refusal> {
    match trigger.condition {
        Condition::StopLoss(at) | Condition::TakeProfit(at) | Condition::Trailing(at) => {
            check_price(market, at)?;
        }
    }
    if let Some(offset) = trigger.limit_offset
        && offset.get().checked_rem(market.spec.tick.get()) != Some(0)
    {
        return Err(Refusal::Tick);
    }
    let reference = market.triggers.price(trigger.reference);
    let reference = reference.ok_or(Refusal::Fields("a trigger without a reference price yet"))?;
    Ok(trigger_price(side, trigger.condition, reference))
}

pub(crate) fn check_price(market: &Market, price: Ticks) -> Result<(), Refusal> {
    if price.get() > STEPS_MAX {
        return Err(Refusal::Range);
    }
    if price <= Ticks::ZERO || price.get().checked_rem(market.spec.tick.get()) != Some(0) {
        return Err(Refusal::Tick);
    }
    Ok(())
}

fn check_steps(market: &Market, order: &NewOrder) -> Result<(), Refusal> {
    let is_ignored = order.trigger.is_some_and(|trigger| trigger.limit_offset.is_some());
    if let Some(limit) = limit_of(order).filter(|_| !is_ignored) {
        check_price(market, limit)?;
    }
    match order.size {
        Size::Base(qty) => check_qty(market, qty, order.display),
        Size::Quote(amount) if amount <= 0 => Err(Refusal::CostMin),
        Size::Quote(amount) if !market.units.is_cost_in_range(amount) => Err(Refusal::Range),
        Size::Quote(_) => Ok(()),
    }
}

/// Checks a quantity and the part of it that is shown.
pub(crate) fn check_qty(market: &Market, qty: Lots, display: Option<Lots>) -> Result<(), Refusal> {
    let is_off = |lots: Lots| lots.get().checked_rem(market.spec.lot.get()) != Some(0);
    if qty.get() > STEPS_MAX {
        return Err(Refusal::Range);
    }
    if qty <= Lots::ZERO || qty < market.spec.qty_min {
        return Err(Refusal::QtyMin);
    }
    if is_off(qty) || display.is_some_and(is_off) {
        return Err(Refusal::Lot);
    }
    if display.is_some_and(|display| display <= Lots::ZERO || display > qty) {
        return Err(Refusal::Fields("a shown quantity of nothing or of more than the whole"));
    }
    Ok(())
}

/// Checks the cost against the smallest one and against the range: at the worst price the order may trade at, for a
/// market order at the best price there is, and not at all where there is none.
pub(crate) fn check_minimums(
    market: &Market,
    order: &NewOrder,
    trigger_price: Option<Ticks>,
) -> Result<(), Refusal> {
    let price =
        price_at_worst(order, trigger_price).or_else(|| market.book.best(order.side.opposite()));
    let cost = match (order.size, price) {
        (Size::Quote(amount), _) => amount,
        (Size::Base(_), None) => return Ok(()),
        (Size::Base(qty), Some(price)) => {
            let price = price.max(Ticks::ZERO);
            if !market.units.is_in_range(price, qty) {
                return Err(Refusal::Range);
            }
            market.units.cost(price, qty)
        }
    };
    if cost < market.spec.cost_min { Err(Refusal::CostMin) } else { Ok(()) }
}
