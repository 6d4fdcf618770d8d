//! One order as it is told.

use super::api::TriggerReference;
use super::facts::{OrderFacts, OrderStatus, TriggerFacts};
use super::ids::{IdKind, IdText};
use super::record::{Ending, Record};
use super::{Desk, words};
use crate::server::catalogue::PairDef;
use remora_domain::{Lots, Side, Ticks, Timestamp};
use remora_matching::{Condition, Lifetime, OrderNo, OrderView, Pricing, Size};
use rust_decimal::Decimal;

impl Desk {
    /// Gives everything that is told about an order of an account, open or ended.
    #[must_use]
    pub fn order(&self, order: OrderNo) -> Option<OrderFacts<'_>> {
        let order = self.moved.get(&order).copied().unwrap_or(order);
        let record = self.records.get(&order)?;
        let view = self.view(order)?;
        let pair = self.catalogue.pair(record.market)?;
        let (qty, cash_qty) = match view.asked.size {
            Size::Base(qty) => (Some(pair.qty(qty)), None),
            Size::Quote(amount) => (None, Some(pair.cost(amount))),
        };
        let (cum_cost, fee) = (pair.cost(view.cum_cost), pair.cost(view.cum_fee));
        Some(OrderFacts {
            order,
            trader: record.trader,
            pair,
            txid: self.mint.id(IdKind::Order, record.id),
            cl_ord_id: record.cl_ord_id.as_ref().map(|(_, text)| &**text),
            userref: record.userref,
            parent: record.parent.map(|parent| self.mint.id(IdKind::Order, parent)),
            side: view.asked.side,
            kind: record.kind,
            tif: record.tif,
            status: status(record, view),
            qty,
            cash_qty,
            display_qty: view.asked.display.map(|display| pair.qty(display)),
            display_remaining: self.display_remaining(pair, view),
            limit: limit(view).map(|limit| pair.price(limit)),
            limit_written: record.limit_written,
            trigger: trigger(pair, record, view),
            contingent: record.contingent.as_ref().map(|close| &close.asked),
            is_post_only: view.asked.is_post_only,
            is_fee_in_base: view.asked.is_fee_in_base,
            stp: record.stp,
            cum_qty: pair.qty(view.cum_qty),
            cum_cost,
            avg_price: average(pair, cum_cost, view.cum_qty),
            fee,
            fee_usd: self.in_usd(pair, fee),
            opened: view.created,
            starts: record.starts,
            expires: expires(view),
            closed: record.ended.map(|ended| ended.at),
            reason: record.ended.and_then(|ended| match ended.how {
                Ending::Filled => None,
                Ending::Canceled(why) | Ending::Expired(why) => Some(why),
            }),
            is_amended: record.is_amended,
            trades: &record.executions,
        })
    }

    /// Gives the id of any order, the crowd's too.
    #[must_use]
    pub fn order_id(&self, order: OrderNo) -> IdText {
        let id = self.records.get(&order).map_or(order.get(), |record| record.id);
        self.mint.id(IdKind::Order, id)
    }

    /// Writes `descr.order`: the order as its client asked for it, with what it changed since.
    #[must_use]
    pub fn describe(&self, facts: &OrderFacts<'_>) -> String {
        let trigger = facts.trigger.map(|trigger| trigger.written);
        let prices = words::Prices { limit: facts.limit_written, trigger };
        let qty = facts.qty.or(facts.cash_qty).unwrap_or_default();
        words::order(facts.pair, facts.side, qty, facts.kind, prices)
    }

    /// Writes `descr.close`; empty without conditional close.
    #[must_use]
    pub fn describe_close(&self, facts: &OrderFacts<'_>) -> String {
        facts.contingent.map(|close| words::close(facts.pair, close)).unwrap_or_default()
    }

    /// Gives an order as the exchange sees it, or as it will.
    pub(crate) fn view(&self, order: OrderNo) -> Option<&OrderView> {
        let own = self.records.get(&order).and_then(|record| record.own_view.as_deref());
        own.or_else(|| self.exchange.order(order))
    }

    fn display_remaining(&self, pair: &PairDef, view: &OrderView) -> Option<Decimal> {
        view.asked.display?;
        let Pricing::Limit(limit) = view.asked.pricing else { return None };
        let mut queue = self.exchange.queue(pair.market, view.asked.side, limit);
        let shown = queue.find(|&(order, _)| order == view.order).map(|(_, shown)| shown);
        Some(pair.qty(shown.unwrap_or(Lots::ZERO)))
    }
}

const fn status(record: &Record, view: &OrderView) -> OrderStatus {
    match record.ended {
        Some(ended) => match ended.how {
            Ending::Filled => OrderStatus::Filled,
            Ending::Canceled(_) => OrderStatus::Canceled,
            Ending::Expired(_) => OrderStatus::Expired,
        },
        None if record.own_view.is_some() => OrderStatus::Pending,
        None if view.cum_qty.get() > 0 => OrderStatus::PartiallyFilled,
        None => OrderStatus::Open,
    }
}

/// Gives the limit in force; that of a trailing order follows its trigger until it fires.
fn limit(view: &OrderView) -> Option<Ticks> {
    let offset = view.asked.trigger.and_then(|trigger| trigger.limit_offset);
    match (view.asked.pricing, offset.zip(view.trigger_price)) {
        (_, Some((offset, at))) => Some(Ticks::new(match view.asked.side {
            Side::Buy => at.get().saturating_add(offset.get()),
            Side::Sell => at.get().saturating_sub(offset.get()),
        })),
        (Pricing::Limit(limit), None) => Some(limit),
        (Pricing::Market, None) => None,
    }
}

fn trigger(pair: &PairDef, record: &Record, view: &OrderView) -> Option<TriggerFacts> {
    let (reference, written): (TriggerReference, _) = record.trigger?;
    let price = view.trigger_price.or(match view.asked.trigger?.condition {
        Condition::StopLoss(price) | Condition::TakeProfit(price) | Condition::Trailing(price) => {
            Some(price)
        }
    })?;
    let is_triggered = record.is_triggered;
    Some(TriggerFacts { reference, written, price: pair.price(price), is_triggered })
}

fn expires(view: &OrderView) -> Option<Timestamp> {
    match view.asked.lifetime {
        Lifetime::Gtd(at) => Some(at),
        Lifetime::Gtc | Lifetime::Ioc | Lifetime::Fok => None,
    }
}

fn average(pair: &PairDef, cum_cost: Decimal, cum_qty: Lots) -> Decimal {
    let mut average = cum_cost.checked_div(pair.qty(cum_qty)).unwrap_or_default();
    average.rescale(pair.price_decimals);
    average
}
