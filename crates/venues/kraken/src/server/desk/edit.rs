//! The legacy replace: the old order is cancelled, a new one takes its place under a new id.

use super::api::{AddOrder, EditOrder, Edited, OrderRef, PriceSpec, TimeSpec, TriggerReference};
use super::facts::OrderFacts;
use super::place::added;
use super::plan::check_deadline;
use super::{Desk, DeskResult, USER_REQUESTED, words};
use crate::server::catalogue::PairDef;
use crate::server::error::KrakenError;
use crate::server::rate::{self, POINT};
use remora_domain::Timestamp;
use remora_matching::{Condition, NewOrder, Pricing, Refusal, TraderIx, age};
use rust_decimal::Decimal;

/// Why an order was cancelled that another one replaced. The words are ours.
const REPLACED: &str = "Order replaced";

impl Desk {
    /// Replaces an order. Fills stay with the old one, so the new one is for what is left of the new total; number and
    /// post-only are not inherited.
    ///
    /// # Errors
    /// The venue's error. The order is as it was then, except that it is gone when the new one turned out not to be
    /// covered.
    pub fn edit(
        &mut self,
        now: Timestamp,
        trader: TraderIx,
        asked: &EditOrder,
    ) -> DeskResult<Edited> {
        let market = self.door(&asked.pair)?.market;
        // Client ids are not supported here, and a number may name several.
        let OrderRef::Txid(original_txid) = &asked.order else {
            return Err(KrakenError::InvalidArguments);
        };
        let order = self.find_one(trader, &asked.order)?;
        let view = self.view(order).ok_or(KrakenError::UnknownOrder)?;
        if view.asked.market != market {
            return Err(KrakenError::InvalidArgument("pair"));
        }
        let penalty = rate::edit_penalty(age(view, now));
        if !asked.is_validate_only {
            self.check_room(now, trader, market, POINT.saturating_add(penalty))?;
            self.charge_anyway(now, trader, market, POINT);
        }
        check_deadline(now, asked.deadline)?;
        self.check_mode_of(market)?;
        let facts = self.order(order).ok_or(KrakenError::UnknownOrder)?;
        let (old_userref, pair) = (facts.userref, facts.pair);
        let replacement = replacement(&facts, asked)?;
        let plan = self.plan(now, trader, &replacement)?;
        let [volume, price, price2] = numbers(pair, replacement.qty, &plan.asked);
        let original_txid = original_txid.clone();
        let checked = added(&plan, None);
        let edited = Edited { added: checked, original_txid, old_userref, volume, price, price2 };
        if asked.is_validate_only {
            return Ok(edited);
        }
        self.check_replacement(&plan.asked)?;
        self.charge_anyway(now, trader, market, penalty);
        self.cancel_reason = REPLACED;
        let cancelled = self.cancel_open(now, trader, order);
        self.cancel_reason = USER_REQUESTED;
        cancelled?;
        Ok(Edited { added: self.submit(now, plan)?, ..edited })
    }

    /// Refuses what can be refused while the old order still stands. Whether it is covered shows only when the old
    /// order's hold is free.
    fn check_replacement(&self, asked: &NewOrder) -> DeskResult<()> {
        if self.is_refused_at_once(asked) {
            return Err(KrakenError::PostOnly);
        }
        match self.exchange.check(asked) {
            Ok(()) | Err(Refusal::Funds) => Ok(()),
            Err(refusal) => Err(self.refused(asked.market, refusal)),
        }
    }
}

/// Gives the order that takes the place of another.
fn replacement(old: &OrderFacts<'_>, asked: &EditOrder) -> DeskResult<AddOrder> {
    let is_triggered = old.trigger.is_some_and(|trigger| trigger.is_triggered);
    let total = asked.qty.or(old.qty).filter(|_| old.contingent.is_none() && !is_triggered);
    let qty = total.and_then(|total| total.checked_sub(old.cum_qty));
    // Filled beyond the new total, by amount of quote, woken, or with a conditional close: none of them can be edited.
    let qty = qty.filter(|&qty| qty > Decimal::ZERO).ok_or(KrakenError::InvalidOrder)?;
    let as_it_is = |now: Option<Decimal>, written: Option<PriceSpec>, is_moving: bool| match now {
        Some(price) if !is_moving => Some(PriceSpec::Static(price)),
        Some(_) | None => written,
    };
    let is_trailing = old.kind.is_trailing();
    let trigger = old.trigger;
    let written = trigger.map(|trigger| trigger.written);
    let trigger_now = trigger.map(|trigger| trigger.price);
    Ok(AddOrder {
        pair: old.pair.id.to_string(),
        side: old.side,
        kind: old.kind,
        qty,
        is_qty_in_quote: false,
        display_qty: asked.display_qty.or(old.display_qty.map(|display| display.min(qty))),
        limit: asked.limit.or(as_it_is(old.limit, old.limit_written, is_trailing)),
        trigger: asked.trigger.or(as_it_is(trigger_now, written, is_trailing)),
        trigger_reference: trigger.map_or(TriggerReference::Last, |trigger| trigger.reference),
        tif: old.tif,
        start: old.starts.map(TimeSpec::At),
        expire: old.expires.map(TimeSpec::At),
        is_post_only: asked.is_post_only,
        is_fee_in_base: Some(old.is_fee_in_base),
        userref: asked.userref,
        cl_ord_id: None,
        stp: old.stp,
        is_reduce_only: false,
        is_margin: false,
        contingent: None,
        deadline: asked.deadline,
        is_validate_only: asked.is_validate_only,
    })
}

/// Writes quantity, first price and second price of an order: the trigger comes first where there is one.
fn numbers(pair: &PairDef, qty: Decimal, asked: &NewOrder) -> [String; 3] {
    let none = || "0".to_owned();
    let limit = match asked.pricing {
        Pricing::Limit(limit) => pair.price(limit).to_string(),
        Pricing::Market => none(),
    };
    let trigger = asked.trigger.map(|trigger| match trigger.condition {
        Condition::StopLoss(price) | Condition::TakeProfit(price) | Condition::Trailing(price) => {
            pair.price(price).to_string()
        }
    });
    let qty = words::fixed(qty, pair.qty_decimals).to_string();
    match trigger {
        Some(trigger) => [qty, trigger, limit],
        None => [qty, limit, none()],
    }
}
