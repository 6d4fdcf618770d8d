//! Cancels: one, several, all, and the dead man's switch.

use super::api::OrderRef;
use super::clordid;
use super::ids::IdKind;
use super::record::{Ending, is_own};
use super::{Desk, DeskResult, USER_REQUESTED};
use crate::server::catalogue::SystemMode;
use crate::server::error::KrakenError;
use crate::server::rate;
use remora_domain::{DurationNs, Timestamp};
use remora_matching::{EndCause, MarketIx, OrderNo, TraderIx, age};
use std::collections::BTreeSet;

/// The most orders a batch of cancels names.
const BATCH_MAX: usize = 50;

/// A dead man's switch is set to less than a day.
const TIMEOUT_END_S: u32 = 86_400;

/// Why an order was cancelled that its owner's silence cancelled. The words are ours.
const SWITCH_FIRED: &str = "Cancel all orders after timeout";

impl Desk {
    /// Cancels one order, or every open order with a number. Gives how many.
    ///
    /// # Errors
    /// `EOrder:Unknown order` when there is none.
    pub fn cancel(
        &mut self,
        now: Timestamp,
        trader: TraderIx,
        order: &OrderRef,
    ) -> DeskResult<u32> {
        self.cancel_batch(now, trader, std::slice::from_ref(order))
    }

    /// Cancels up to 50 orders; unknown ones are left out. Gives how many.
    ///
    /// # Errors
    /// `EOrder:Unknown order` when there is none of them.
    pub fn cancel_batch(
        &mut self,
        now: Timestamp,
        trader: TraderIx,
        orders: &[OrderRef],
    ) -> DeskResult<u32> {
        if self.system == SystemMode::Maintenance {
            return Err(KrakenError::Unavailable);
        }
        if orders.is_empty() || orders.len() > BATCH_MAX {
            return Err(KrakenError::InvalidArgument("orders"));
        }
        let mut found = BTreeSet::new();
        for order in orders {
            self.find_open(trader, order, &mut found)?;
        }
        match self.cancel_each(now, trader, found)? {
            0 => Err(KrakenError::UnknownOrder),
            count => Ok(count),
        }
    }

    /// Cancels every open order of an account. Gives how many.
    ///
    /// # Errors
    /// `EService:Unavailable` during maintenance.
    pub fn cancel_all(&mut self, now: Timestamp, trader: TraderIx) -> DeskResult<u32> {
        if self.system == SystemMode::Maintenance {
            return Err(KrakenError::Unavailable);
        }
        let open = self.accounts.get(&trader).map(|account| account.open.clone());
        self.cancel_each(now, trader, open.unwrap_or_default())
    }

    /// Sets the dead man's switch of a whole account, or takes it off with 0. Gives the time now and when it will fire.
    ///
    /// # Errors
    /// `EGeneral:Invalid arguments:timeout` for a day or more.
    pub fn cancel_all_after(
        &mut self,
        now: Timestamp,
        trader: TraderIx,
        seconds: u32,
    ) -> DeskResult<(Timestamp, Option<Timestamp>)> {
        if seconds >= TIMEOUT_END_S {
            return Err(KrakenError::InvalidArgument("timeout"));
        }
        let account = self.accounts.get_mut(&trader).ok_or(KrakenError::PermissionDenied)?;
        let fires = now.saturating_add(DurationNs::from_s(i64::from(seconds)));
        let fires = (seconds > 0).then_some(fires);
        if let Some(before) = std::mem::replace(&mut account.cancel_all_at, fires) {
            self.timers.remove(&(before, trader));
        }
        if let Some(fires) = fires {
            self.timers.insert((fires, trader));
        }
        Ok((now, fires))
    }

    /// Fires a dead man's switch: every order of the account goes, then it is off.
    pub(crate) fn fire(&mut self, now: Timestamp, trader: TraderIx) {
        let Some(account) = self.accounts.get_mut(&trader) else { return };
        account.cancel_all_at = None;
        let open: Vec<OrderNo> = account.open.iter().copied().collect();
        self.cancel_reason = SWITCH_FIRED;
        for order in open {
            // The engine's own cancels cost their owner nothing: ours.
            if self.cancel_open(now, trader, order).is_err() {
                self.overdue.insert(order);
            }
        }
        self.cancel_reason = USER_REQUESTED;
    }

    /// Cancels what a switch could not while its pair was closed.
    pub(crate) fn cancel_overdue(&mut self, now: Timestamp) {
        self.cancel_reason = SWITCH_FIRED;
        for order in std::mem::take(&mut self.overdue) {
            let open = self.records.get(&order).filter(|record| record.is_open());
            let Some(trader) = open.map(|record| record.trader) else { continue };
            if self.cancel_open(now, trader, order).is_err() {
                self.overdue.insert(order);
            }
        }
        self.cancel_reason = USER_REQUESTED;
    }

    /// Finds one order of an account by its id, open or ended.
    #[must_use]
    pub fn find_order(&self, trader: TraderIx, txid: &str) -> Option<OrderNo> {
        let order = OrderNo::new(self.mint.number(IdKind::Order, txid)?);
        let order = self.moved.get(&order).copied().unwrap_or(order);
        self.records.get(&order).filter(|record| record.trader == trader).map(|_| order)
    }

    /// Adds the open orders that a client names.
    pub(crate) fn find_open(
        &self,
        trader: TraderIx,
        order: &OrderRef,
        found: &mut BTreeSet<OrderNo>,
    ) -> DeskResult<()> {
        let Some(account) = self.accounts.get(&trader) else { return Ok(()) };
        match order {
            OrderRef::Txid(txid) => {
                let order = self.find_order(trader, txid);
                found.extend(order.filter(|order| account.open.contains(order)));
            }
            OrderRef::ClOrdId(text) => {
                let key = clordid::key(text).ok_or(KrakenError::InvalidArguments)?;
                found.extend(account.by_cl_ord_id.get(&key));
            }
            OrderRef::UserRef(userref) => {
                let is_it = |order: &&OrderNo| {
                    let record = self.records.get(order);
                    record.is_some_and(|record| record.userref == Some(*userref))
                };
                found.extend(account.open.iter().filter(is_it));
            }
        }
        Ok(())
    }

    fn cancel_each(
        &mut self,
        now: Timestamp,
        trader: TraderIx,
        orders: BTreeSet<OrderNo>,
    ) -> DeskResult<u32> {
        let mut count: u32 = 0;
        let mut refused = None;
        for order in orders {
            let penalty = self.penalty_of_cancel(now, order);
            match self.cancel_open(now, trader, order) {
                Ok(()) => {
                    if let Some((market, units)) = penalty {
                        self.charge_anyway(now, trader, market, units);
                    }
                    count = count.saturating_add(1);
                }
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if count == 0 => Err(error),
            Some(_) | None => Ok(count),
        }
    }

    /// Gives what cancelling an order costs, and on which market.
    pub(crate) fn penalty_of_cancel(
        &self,
        now: Timestamp,
        order: OrderNo,
    ) -> Option<(MarketIx, i64)> {
        let view = self.view(order)?;
        Some((view.asked.market, rate::cancel_penalty(age(view, now))))
    }

    /// Cancels one open order, whatever the counters say.
    pub(crate) fn cancel_open(
        &mut self,
        now: Timestamp,
        trader: TraderIx,
        order: OrderNo,
    ) -> DeskResult<()> {
        if is_own(order) {
            let starts = self.records.get(&order).and_then(|record| record.starts);
            if let Some(starts) = starts {
                self.waiting.remove(&(starts, order));
            }
            self.end(now, order, Ending::Canceled(self.cancel_reason));
            return Ok(());
        }
        let cause = EndCause::Requested;
        let done = self.exchange.cancel(now, trader, order, cause, &mut self.events);
        let market = self.records.get(&order).map(|record| record.market);
        done.map_err(|refusal| {
            market.map_or(KrakenError::UnknownOrder, |market| self.refused(market, refusal))
        })?;
        self.absorb(now);
        Ok(())
    }
}
