//! New orders: single, in batches, at a start time, as a conditional close.

use super::api::{AccountFact, AddBatch, AddOrder, Added, Tif, TriggerReference};
use super::ids::IdKind;
use super::plan::{Plan, check_deadline};
use super::record::{Ending, OWN_NUMBERS};
use super::{Desk, DeskResult, words};
use crate::server::catalogue::{PairDef, SystemMode};
use crate::server::error::KrakenError;
use crate::server::rate::{self, POINT};
use crate::server::settings::PostOnlyMode;
use remora_domain::{Lots, Timestamp};
use remora_matching::{MarketIx, NewOrder, OrderNo, OrderState, OrderView, Pricing, TraderIx};

/// The orders of a batch.
const BATCH_MIN: usize = 2;
const BATCH_MAX: usize = 15;

impl Desk {
    /// Places an order, or only checks it.
    ///
    /// # Errors
    /// The venue's error; nothing was placed then, but the rate counter may have risen.
    pub fn add(&mut self, now: Timestamp, trader: TraderIx, order: &AddOrder) -> DeskResult<Added> {
        let market = self.door(&order.pair)?.market;
        if !order.is_validate_only {
            self.charge(now, trader, market, POINT)?;
        }
        let plan = self.plan(now, trader, order)?;
        self.check_mode_of(market)?;
        if order.is_validate_only {
            return Ok(added(&plan, None));
        }
        self.submit(now, plan)
    }

    /// Places the orders of a batch. All are checked first, and one bad one refuses all; those that pass can still fail
    /// on their own, for want of funds for instance.
    ///
    /// # Errors
    /// The venue's error for the whole batch; nothing was placed then.
    pub fn add_batch(
        &mut self,
        now: Timestamp,
        trader: TraderIx,
        batch: &AddBatch,
    ) -> DeskResult<Vec<DeskResult<Added>>> {
        let market = self.door(&batch.pair)?.market;
        if !(BATCH_MIN..=BATCH_MAX).contains(&batch.orders.len()) {
            return Err(KrakenError::InvalidArgument("orders"));
        }
        if !batch.is_validate_only {
            self.charge(now, trader, market, rate::batch_add(batch.orders.len()))?;
        }
        check_deadline(now, batch.deadline)?;
        let mut plans: Vec<Plan> = Vec::with_capacity(batch.orders.len());
        for order in &batch.orders {
            let order =
                AddOrder { pair: batch.pair.clone(), deadline: batch.deadline, ..order.clone() };
            let plan = self.plan(now, trader, &order)?;
            let id = |plan: &Plan| plan.record.cl_ord_id.as_ref().map(|&(key, _)| key);
            if id(&plan).is_some() && plans.iter().any(|other| id(other) == id(&plan)) {
                return Err(KrakenError::InvalidArgument("cl_ord_id"));
            }
            plans.push(plan);
        }
        self.check_mode_of(market)?;
        if batch.is_validate_only {
            return Ok(plans.iter().map(|plan| Ok(added(plan, None))).collect());
        }
        Ok(plans.into_iter().map(|plan| self.submit(now, plan)).collect())
    }

    /// Finds the pair of a request, while there is an engine to talk to.
    pub(crate) fn door(&self, pair: &str) -> DeskResult<&PairDef> {
        if self.system == SystemMode::Maintenance {
            return Err(KrakenError::Unavailable);
        }
        self.catalogue.find_pair(pair).ok_or(KrakenError::UnknownPair)
    }

    pub(crate) fn check_mode_of(&self, market: MarketIx) -> DeskResult<()> {
        let pair = self.catalogue.pair(market).ok_or(KrakenError::UnknownPair)?;
        self.check_mode(pair)
    }

    /// Raises the engine's counter, if there is room.
    pub(crate) fn charge(
        &mut self,
        now: Timestamp,
        trader: TraderIx,
        market: MarketIx,
        units: i64,
    ) -> DeskResult<()> {
        self.check_room(now, trader, market, units)?;
        self.charge_anyway(now, trader, market, units);
        Ok(())
    }

    /// Says whether so much still fits the engine's counter. A refusal costs nothing: ours.
    pub(crate) fn check_room(
        &self,
        now: Timestamp,
        trader: TraderIx,
        market: MarketIx,
        units: i64,
    ) -> DeskResult<()> {
        let account = self.accounts.get(&trader).ok_or(KrakenError::PermissionDenied)?;
        let Some(limit) = account.tier.engine() else { return Ok(()) };
        let counter = account.markets.get(&market).map(|market| market.counter).unwrap_or_default();
        if counter.has_room(now, limit, units) { Ok(()) } else { Err(KrakenError::OrderRateLimit) }
    }

    /// Raises the engine's counter, over its threshold too.
    pub(crate) fn charge_anyway(
        &mut self,
        now: Timestamp,
        trader: TraderIx,
        market: MarketIx,
        units: i64,
    ) {
        if let Some(account) = self.accounts.get_mut(&trader)
            && let Some(limit) = account.tier.engine()
            && units > 0
        {
            account.markets.entry(market).or_default().counter.charge(now, limit, units);
        }
    }

    /// Gives an order that was checked to the exchange, or keeps it until its start.
    pub(crate) fn submit(&mut self, now: Timestamp, plan: Plan) -> DeskResult<Added> {
        let (trader, market) = (plan.record.trader, plan.record.market);
        let account = self.accounts.get(&trader).ok_or(KrakenError::PermissionDenied)?;
        if account.tier.open_orders_max().is_some_and(|max| account.open_on(market) >= max) {
            return Err(KrakenError::OrdersLimit);
        }
        if account.volume.is_due(now) {
            self.refresh_fees(now, trader);
        }
        if plan.record.starts.is_some() {
            return Ok(self.wait(now, plan));
        }
        if self.is_refused_at_once(&plan.asked) {
            return Err(KrakenError::PostOnly);
        }
        let asked = plan.asked.clone();
        let order = self.exchange.place(now, asked, &mut self.events);
        let order = order.map_err(|refusal| self.refused(market, refusal))?;
        let added = self.keep(order, order.get(), plan);
        self.absorb(now);
        Ok(added)
    }

    pub(crate) fn is_refused_at_once(&self, asked: &NewOrder) -> bool {
        let would_take = match asked.pricing {
            // A sleeping order takes or not when it wakes.
            Pricing::Limit(limit) if asked.is_post_only && asked.trigger.is_none() => {
                self.exchange.would_take(asked.market, asked.side, limit)
            }
            Pricing::Limit(_) | Pricing::Market => false,
        };
        would_take && self.post_only == PostOnlyMode::ImmediateError
    }

    /// Enters an order in the books of the desk.
    fn keep(&mut self, order: OrderNo, id: u64, plan: Plan) -> Added {
        let added = added(&plan, Some(self.mint.id(IdKind::Order, id).to_string()));
        let mut record = plan.record;
        record.id = id;
        if let Some(account) = self.accounts.get_mut(&record.trader) {
            account.open.insert(order);
            if let Some((key, _)) = &record.cl_ord_id {
                account.by_cl_ord_id.insert(*key, order);
            }
            let market = account.markets.entry(record.market).or_default();
            market.open = market.open.saturating_add(1);
        }
        self.records.insert(order, record);
        added
    }

    fn next_own_number(&mut self) -> OrderNo {
        self.counts.own_orders = self.counts.own_orders.saturating_add(1);
        OrderNo::new(OWN_NUMBERS.saturating_add(self.counts.own_orders))
    }

    /// Keeps an order until its start time. Nothing is held for it until then: ours.
    fn wait(&mut self, now: Timestamp, mut plan: Plan) -> Added {
        let order = self.next_own_number();
        let trader = plan.record.trader;
        let starts = plan.record.starts.unwrap_or(now);
        plan.record.own_view = Some(Box::new(own_view(order, &plan.asked, now)));
        plan.record.is_told_pending = true;
        let added = self.keep(order, order.get(), plan);
        self.waiting.insert((starts, order));
        self.tell(now, trader, AccountFact::PendingNew(order));
        added
    }

    /// Gives an order whose start time came to the exchange.
    pub(crate) fn start(&mut self, now: Timestamp, order: OrderNo) {
        let Some(view) = self.records.get(&order).and_then(|record| record.own_view.as_deref())
        else {
            return;
        };
        let asked = view.asked.clone();
        if self.is_refused_at_once(&asked) {
            return self.end(now, order, Ending::Canceled("Post only order"));
        }
        match self.exchange.place(now, asked, &mut self.events) {
            Ok(taken) => self.move_to(order, taken),
            Err(refusal) => {
                self.end(now, order, Ending::Canceled(words::refusal(refusal)));
            }
        }
        self.absorb(now);
    }

    /// Goes on with an order under the number the exchange gave it; its id stays.
    fn move_to(&mut self, from: OrderNo, to: OrderNo) {
        let Some(mut record) = self.records.remove(&from) else { return };
        record.own_view = None;
        if let Some(account) = self.accounts.get_mut(&record.trader) {
            account.open.remove(&from);
            account.open.insert(to);
            if let Some((key, _)) = &record.cl_ord_id {
                account.by_cl_ord_id.insert(*key, to);
            }
        }
        self.records.insert(to, record);
        self.moved.insert(from, to);
    }

    /// Places the conditional close of what an order filled since the last time: the same quantity back, as soon as it
    /// reaches the pair's minimum or the order is done.
    pub(crate) fn place_close(&mut self, now: Timestamp, parent: OrderNo) {
        let Some(filled) = self.exchange.order(parent).map(|view| (view.cum_qty, view.asked.side))
        else {
            return;
        };
        let Some(record) = self.records.get_mut(&parent) else { return };
        let Some(pair) = self.catalogue.pair(record.market) else { return };
        let (id, trader, is_open) = (record.id, record.trader, record.is_open());
        let Some(close) = record.contingent.as_mut() else { return };
        let due = Lots::new(filled.0.get().saturating_sub(close.placed.get()));
        if due <= Lots::ZERO || (is_open && due < pair.lots_min) {
            return;
        }
        close.placed = filled.0;
        let prices = words::prices_of_close(&close.asked);
        let order = AddOrder {
            pair: pair.id.to_string(),
            side: filled.1.opposite(),
            kind: close.asked.kind,
            qty: pair.qty(due),
            is_qty_in_quote: false,
            display_qty: None,
            limit: prices.limit,
            trigger: prices.trigger,
            trigger_reference: TriggerReference::Last,
            tif: Tif::Gtc,
            start: None,
            expire: None,
            is_post_only: false,
            is_fee_in_base: None,
            userref: record.userref,
            cl_ord_id: None,
            stp: record.stp,
            is_reduce_only: false,
            is_margin: false,
            contingent: None,
            deadline: None,
            is_validate_only: false,
        };
        // One whose prices came to nothing, or that is too small, is not placed: there is no order to tell of.
        let Ok(mut plan) = self.plan(now, trader, &order) else { return };
        plan.record.parent = Some(id);
        self.place_or_cancel(now, plan);
    }

    /// Places an order that nobody waits for: if the exchange refuses it, it is told as cancelled.
    fn place_or_cancel(&mut self, now: Timestamp, mut plan: Plan) {
        let trader = plan.record.trader;
        match self.exchange.place(now, plan.asked.clone(), &mut self.events) {
            Ok(order) => {
                self.keep(order, order.get(), plan);
            }
            Err(refusal) => {
                let order = self.next_own_number();
                plan.record.own_view = Some(Box::new(own_view(order, &plan.asked, now)));
                plan.record.is_told_pending = true;
                self.keep(order, order.get(), plan);
                self.tell(now, trader, AccountFact::PendingNew(order));
                self.end(now, order, Ending::Canceled(words::refusal(refusal)));
            }
        }
    }
}

pub(crate) fn added(plan: &Plan, txid: Option<String>) -> Added {
    let cl_ord_id = plan.record.cl_ord_id.as_ref().map(|(_, text)| text.to_string());
    Added {
        txid,
        descr: plan.descr.clone(),
        close: plan.close.clone(),
        cl_ord_id,
        userref: plan.record.userref,
    }
}

/// Gives what the exchange would say of an order that it does not have.
fn own_view(order: OrderNo, asked: &NewOrder, now: Timestamp) -> OrderView {
    OrderView {
        order,
        asked: asked.clone(),
        state: OrderState::Dormant,
        cum_qty: Lots::ZERO,
        cum_cost: 0,
        cum_fee: 0,
        created: now,
        amended: now,
        trigger_price: None,
        held: None,
    }
}
