//! Changes of live orders in place.

use super::api::{AccountFact, AmendOrder, OrderRef};
use super::facts::AmendRow;
use super::ids::{IdKind, IdText};
use super::plan::{check_deadline, check_display};
use super::quote::{self, Towards};
use super::record::{Ending, is_own};
use super::{Desk, DeskResult};
use crate::server::catalogue::{PairDef, SystemMode};
use crate::server::error::KrakenError;
use crate::server::rate::{self, POINT};
use remora_domain::{Lots, Side, Ticks, Timestamp};
use remora_matching::{
    Amend, Condition, MarketIx, OrderNo, OrderView, Pricing, Reference, Size, TraderIx, age,
};
use std::collections::BTreeSet;

impl Desk {
    /// Changes a live order; gives the amend's id. Its id, client id and fills stay.
    ///
    /// # Errors
    /// The venue's error; the order is as it was then, but the rate counter may have risen.
    pub fn amend(
        &mut self,
        now: Timestamp,
        trader: TraderIx,
        asked: &AmendOrder,
    ) -> DeskResult<IdText> {
        if self.system == SystemMode::Maintenance {
            return Err(KrakenError::Unavailable);
        }
        let order = self.find_one(trader, &asked.order)?;
        let view = self.view(order).ok_or(KrakenError::UnknownOrder)?;
        let market = view.asked.market;
        let penalty = rate::amend_penalty(age(view, now));
        let penalty_of_cancel = rate::cancel_penalty(age(view, now));
        self.check_room(now, trader, market, POINT.saturating_add(penalty))?;
        self.charge_anyway(now, trader, market, POINT);
        check_deadline(now, asked.deadline)?;
        self.check_mode_of(market)?;
        let change = self.change(order, asked)?;
        let original = self.original_row(order);
        self.apply(now, trader, order, change)?;
        self.charge_anyway(now, trader, market, penalty);
        // Amended to or below what it had filled, it was cancelled for the rest.
        let ended = self.records.get(&order).and_then(|record| record.ended);
        if ended.is_some_and(|ended| matches!(ended.how, Ending::Canceled(_))) {
            self.charge_anyway(now, trader, market, penalty_of_cancel);
        }
        Ok(self.note_amend(now, order, original, asked))
    }

    /// Gives the line of an order as it was placed, while nobody has changed it.
    pub(crate) fn original_row(&self, order: OrderNo) -> Option<AmendRow> {
        let record = self.records.get(&order).filter(|record| record.amends.is_empty())?;
        let view = self.view(order)?;
        // Numbers no amend has: the order's own, far up.
        let amend_id = self.mint.id(IdKind::Amend, record.id | (1 << 63));
        let row = self.amend_row(order, amend_id, view.created, view.asked.is_post_only)?;
        // Nothing of it was filled when it was placed, whatever was since.
        Some(AmendRow { is_by_user: false, remaining_qty: row.order_qty, ..row })
    }

    /// Finds the one open order that an amend or edit names.
    pub(crate) fn find_one(&self, trader: TraderIx, order: &OrderRef) -> DeskResult<OrderNo> {
        let mut found = BTreeSet::new();
        self.find_open(trader, order, &mut found)?;
        let first = found.pop_first().ok_or(KrakenError::UnknownOrder)?;
        // A number may name several orders: which one is meant?
        if found.is_empty() { Ok(first) } else { Err(KrakenError::InvalidOrder) }
    }

    /// Checks a change in every way that needs no book and no balance.
    fn change(&self, order: OrderNo, asked: &AmendOrder) -> DeskResult<Amend> {
        let record = self.records.get(&order).ok_or(KrakenError::UnknownOrder)?;
        let view = self.view(order).ok_or(KrakenError::UnknownOrder)?;
        let pair = self.catalogue.pair(record.market).ok_or(KrakenError::UnknownPair)?;
        if record.contingent.is_some() {
            return Err(KrakenError::InvalidOrder);
        }
        let AmendOrder { qty, display_qty, limit, trigger, .. } = asked;
        if qty.is_none() && display_qty.is_none() && limit.is_none() && trigger.is_none() {
            return Err(KrakenError::InvalidArguments);
        }
        let qty = qty.map(|qty| self.new_qty(pair, view, qty)).transpose()?;
        let display = display_qty.map(|display| {
            let whole = qty.unwrap_or_else(|| total(view));
            match view.asked.display {
                Some(_) => check_display(pair, display, whole),
                None => Err(KrakenError::InvalidArgument("displayvol")),
            }
        });
        let side = view.asked.side;
        let last = self.exchange.last_price(pair.market);
        // The limit of a trailing order is a distance, which the exchange keeps.
        let is_trailing = record.kind.is_trailing() && !record.is_triggered;
        let limit = limit.map(|limit| match view.asked.pricing {
            Pricing::Limit(_) if !is_trailing => {
                let is_up = (side == Side::Sell) != record.trigger.is_some();
                quote::relative(pair, limit, last, is_up, Towards::Passive(side))
            }
            Pricing::Limit(_) | Pricing::Market => Err(KrakenError::InvalidArgument("limit_price")),
        });
        let trigger = trigger.map(|trigger| self.new_trigger(pair, view, trigger));
        Ok(Amend {
            limit: limit.transpose()?,
            qty,
            display: display.transpose()?,
            trigger: trigger.transpose()?,
            is_post_only: asked.is_post_only,
        })
    }

    /// A total at or below what is filled is good: it ends the order.
    fn new_qty(
        &self,
        pair: &PairDef,
        view: &OrderView,
        qty: rust_decimal::Decimal,
    ) -> DeskResult<Lots> {
        let qty = quote::qty(pair, qty, "order_qty")?;
        match view.asked.size {
            Size::Quote(_) => Err(KrakenError::InvalidArgument("order_qty")),
            Size::Base(_) if qty <= view.cum_qty && view.cum_qty > Lots::ZERO => Ok(qty),
            Size::Base(_) => quote::minimums(pair, qty, None).map(|()| qty),
        }
    }

    fn new_trigger(
        &self,
        pair: &PairDef,
        view: &OrderView,
        trigger: super::api::PriceSpec,
    ) -> DeskResult<Ticks> {
        let wrong = KrakenError::InvalidArgument("trigger_price");
        let before = view.asked.trigger.ok_or(wrong)?;
        let from = match before.reference {
            Reference::Last => self.exchange.last_price(pair.market),
            Reference::Index => self.exchange.index_price(pair.market),
        };
        let is_buy = view.asked.side == Side::Buy;
        match before.condition {
            Condition::StopLoss(_) => {
                quote::relative(pair, trigger, from, is_buy, Towards::Nearest)
            }
            Condition::TakeProfit(_) => {
                quote::relative(pair, trigger, from, !is_buy, Towards::Nearest)
            }
            Condition::Trailing(before) => {
                let distance = quote::distance(pair, trigger, from, true)?;
                let distance = quote::on_step(pair, distance, Towards::Nearest)?;
                // What is set is the distance; the exchange wants the price where that puts the trigger now.
                let further = distance.get().saturating_sub(before.get());
                Ok(view.trigger_price.map_or(distance, |at| {
                    Ticks::new(match view.asked.side {
                        Side::Buy => at.get().saturating_add(further),
                        Side::Sell => at.get().saturating_sub(further),
                    })
                }))
            }
        }
    }

    fn apply(
        &mut self,
        now: Timestamp,
        trader: TraderIx,
        order: OrderNo,
        change: Amend,
    ) -> DeskResult<()> {
        if is_own(order) {
            let record = self.records.get_mut(&order).ok_or(KrakenError::UnknownOrder)?;
            let view = record.own_view.as_deref_mut().ok_or(KrakenError::UnknownOrder)?;
            amend_own(view, &change, now);
            self.tell(now, trader, AccountFact::Amended(order));
            return Ok(());
        }
        let market = self.records.get(&order).map_or(MarketIx::new(0), |record| record.market);
        let done = self.exchange.amend(now, trader, order, change, &mut self.events);
        done.map_err(|refusal| self.refused(market, refusal))?;
        self.absorb(now);
        Ok(())
    }

    /// Writes the history of an order's changes.
    fn note_amend(
        &mut self,
        now: Timestamp,
        order: OrderNo,
        original: Option<AmendRow>,
        asked: &AmendOrder,
    ) -> IdText {
        self.counts.amends = self.counts.amends.saturating_add(1);
        let amend_id = self.mint.id(IdKind::Amend, self.counts.amends);
        let row = self.amend_row(order, amend_id, now, asked.is_post_only);
        let bound = self.bounds.amends_per_order_max;
        let Some(record) = self.records.get_mut(&order) else { return amend_id };
        if let (Some(limit), true) = (asked.limit, record.limit_written.is_some()) {
            record.limit_written = Some(limit);
        }
        if let (Some(trigger), Some((_, written))) = (asked.trigger, record.trigger.as_mut()) {
            *written = trigger;
        }
        record.is_amended = true;
        record.amends.extend(original.into_iter().chain(row));
        while record.amends.len() > bound {
            record.amends.remove(0);
            if let Some(account) = self.accounts.get_mut(&record.trader) {
                account.forgotten.amends = account.forgotten.amends.saturating_add(1);
            }
        }
        amend_id
    }

    fn amend_row(
        &self,
        order: OrderNo,
        amend_id: IdText,
        time: Timestamp,
        is_post_only: bool,
    ) -> Option<AmendRow> {
        let facts = self.order(order)?;
        let qty = facts.qty.unwrap_or_default();
        Some(AmendRow {
            amend_id,
            is_by_user: true,
            order_qty: qty,
            display_qty: facts.display_qty,
            remaining_qty: qty.checked_sub(facts.cum_qty).unwrap_or_default(),
            limit_price: facts.limit,
            trigger_price: facts.trigger.map(|trigger| trigger.price),
            is_post_only,
            time,
        })
    }
}

/// Gives the total quantity of an order in base.
fn total(view: &OrderView) -> Lots {
    match view.asked.size {
        Size::Base(qty) => qty,
        Size::Quote(_) => view.cum_qty,
    }
}

/// Changes an order that waits for its start.
fn amend_own(view: &mut OrderView, change: &Amend, now: Timestamp) {
    let asked = &mut view.asked;
    if let Some(limit) = change.limit {
        asked.pricing = Pricing::Limit(limit);
    }
    if let Some(qty) = change.qty {
        asked.size = Size::Base(qty);
    }
    asked.display = change.display.or(asked.display);
    if let (Some(price), Some(trigger)) = (change.trigger, asked.trigger.as_mut()) {
        trigger.condition = match trigger.condition {
            Condition::StopLoss(_) => Condition::StopLoss(price),
            Condition::TakeProfit(_) => Condition::TakeProfit(price),
            Condition::Trailing(_) => Condition::Trailing(price),
        };
    }
    asked.is_post_only |= change.is_post_only;
    view.amended = now;
}
