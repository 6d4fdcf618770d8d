//! What an account has open and what it did.

use super::account::Account;
use super::api::{Execution, LedgerEntry};
use super::events::trade_of;
use super::facts::{
    AmendRow, Bound, CloseTime, ClosedQuery, ExecutionQuery, LedgerQuery, PAGE_ROWS, Page, Span,
};
use super::ids::IdKind;
use super::{Desk, DeskResult, clordid};
use crate::server::error::KrakenError;
use crate::server::rate;
use remora_domain::Timestamp;
use remora_matching::{MarketIx, OrderNo, TraderIx};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Is a span of history in instants.
#[derive(Clone, Copy, Debug)]
struct Times {
    after: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Times {
    fn has(self, time: Timestamp) -> bool {
        self.after.is_none_or(|after| time > after) && self.until.is_none_or(|until| time <= until)
    }
}

impl Desk {
    /// Gives the open orders of an account, those that wait for their start last.
    pub fn open_orders(&self, trader: TraderIx) -> impl Iterator<Item = OrderNo> + '_ {
        self.accounts.get(&trader).into_iter().flat_map(|account| account.open.iter().copied())
    }

    /// Gives every ended order that is remembered, the one that ended first first.
    pub fn ended_orders(&self, trader: TraderIx) -> impl Iterator<Item = OrderNo> + '_ {
        self.accounts.get(&trader).into_iter().flat_map(|account| account.closed.iter().copied())
    }

    /// Gives when the dead man's switch of an account fires, where it is armed.
    #[must_use]
    pub fn cancel_all_at(&self, trader: TraderIx) -> Option<Timestamp> {
        self.accounts.get(&trader)?.cancel_all_at
    }

    /// Gives a page of ended orders, the one that ended last first.
    #[must_use]
    pub fn closed_orders(&self, trader: TraderIx, query: &ClosedQuery) -> Page<OrderNo> {
        let times = self.times(trader, &query.span);
        let cl_ord_id = query.cl_ord_id.as_deref().map(clordid::key);
        let is_asked = |order: &OrderNo| {
            let Some(record) = self.records.get(order) else { return false };
            let closed = record.ended.map(|ended| ended.at);
            let opened = self.view(*order).map(|view| view.created);
            let is_within = |time: Option<Timestamp>| time.is_some_and(|time| times.has(time));
            let is_in_time = match query.close_time {
                CloseTime::Open => is_within(opened),
                CloseTime::Close => is_within(closed),
                CloseTime::Both => is_within(opened) || is_within(closed),
            };
            let id = record.cl_ord_id.as_ref().map(|&(key, _)| key);
            is_in_time
                && query.userref.is_none_or(|userref| record.userref == Some(userref))
                && cl_ord_id.is_none_or(|key| key.is_some() && key == id)
        };
        let closed = self.accounts.get(&trader).map(|account| &account.closed);
        let rows = closed.into_iter().flatten().rev().copied().filter(is_asked);
        page(rows, query.span.offset)
    }

    /// Gives a page of executions, newest first.
    #[must_use]
    pub fn executions(&self, trader: TraderIx, query: &ExecutionQuery) -> Page<Arc<Execution>> {
        let times = self.times(trader, &query.span);
        let all = self.accounts.get(&trader).map(|account| &account.executions);
        let rows = all.into_iter().flatten().rev().filter(|row| times.has(row.time)).cloned();
        if query.is_taker_consolidated {
            page(consolidate(rows).into_iter(), query.span.offset)
        } else {
            page(rows, query.span.offset)
        }
    }

    /// Finds an execution of an account by its id.
    #[must_use]
    pub fn execution(&self, trader: TraderIx, exec_id: &str) -> Option<&Arc<Execution>> {
        let trade = trade_of(self.mint.number(IdKind::Trade, exec_id)?);
        let all = &self.accounts.get(&trader)?.executions;
        let found = all.get(all.partition_point(|row| row.trade < trade));
        found.filter(|row| row.exec_id == exec_id)
    }

    /// Gives the last executions of an account, oldest first.
    pub fn last_executions(
        &self,
        trader: TraderIx,
        count: usize,
    ) -> impl Iterator<Item = &Arc<Execution>> {
        let all = self.accounts.get(&trader).map(|account| &account.executions);
        let rows = all.into_iter().flatten();
        let surplus = all.map_or(0, |all| all.len().saturating_sub(count));
        rows.skip(surplus)
    }

    /// Gives a page of ledger entries, newest first.
    #[must_use]
    pub fn ledger(&self, trader: TraderIx, query: &LedgerQuery) -> Page<Arc<LedgerEntry>> {
        let times = self.times(trader, &query.span);
        let found = query.assets.iter().filter_map(|name| self.catalogue.find_asset(name));
        let assets: BTreeSet<&str> = found.map(|asset| &*asset.id).collect();
        let is_asked = |row: &&Arc<LedgerEntry>| {
            times.has(row.time)
                && (query.assets.is_empty() || assets.contains(&*row.asset))
                && query.kind.as_deref().is_none_or(|kind| kind == row.kind)
        };
        let all = self.accounts.get(&trader).map(|account| &account.ledger);
        page(all.into_iter().flatten().rev().filter(is_asked).cloned(), query.span.offset)
    }

    /// Finds a ledger entry of an account by its id.
    #[must_use]
    pub fn ledger_entry(&self, trader: TraderIx, ledger_id: &str) -> Option<&Arc<LedgerEntry>> {
        let number = |id: &str| self.mint.number(IdKind::Ledger, id);
        let wanted = number(ledger_id)?;
        let all = &self.accounts.get(&trader)?.ledger;
        let at = all.partition_point(|row| number(&row.ledger_id).is_some_and(|no| no < wanted));
        all.get(at).filter(|row| row.ledger_id == ledger_id)
    }

    /// Gives the history of an order's changes, the original first.
    ///
    /// # Errors
    /// `EOrder:Unknown order`.
    pub fn order_amends(&self, trader: TraderIx, txid: &str) -> DeskResult<Vec<AmendRow>> {
        let order = self.find_order(trader, txid).ok_or(KrakenError::UnknownOrder)?;
        let record = self.records.get(&order).ok_or(KrakenError::UnknownOrder)?;
        match record.amends.is_empty() {
            true => Ok(self.original_row(order).into_iter().collect()),
            false => Ok(record.amends.clone()),
        }
    }

    /// Gives where the engine's counter of an account and pair stands, in points.
    #[must_use]
    pub fn rate_count(&self, now: Timestamp, trader: TraderIx, market: MarketIx) -> Decimal {
        let account = self.accounts.get(&trader);
        let limit = account.and_then(|account| account.tier.engine());
        let of_market = |account: &Account| account.markets.get(&market).copied();
        let units = account.and_then(of_market).zip(limit);
        rate::points(units.map_or(0, |(market, limit)| market.counter.level(now, limit)))
    }

    /// Gives the threshold of the engine's counter, in points; none for accounts without limits.
    #[must_use]
    pub fn max_rate_count(&self, trader: TraderIx) -> Option<u32> {
        let limit = self.accounts.get(&trader)?.tier.engine()?;
        Some(limit.points_max)
    }

    /// Turns ids of a span into instants; what is no id of ours bounds nothing.
    fn times(&self, trader: TraderIx, span: &Span) -> Times {
        let time = |bound: &Bound| match bound {
            Bound::At(time) => Some(*time),
            Bound::Id(id) => {
                let order = self.find_order(trader, id).and_then(|order| self.view(order));
                let opened = order.map(|view| view.created);
                let traded = || self.execution(trader, id).map(|row| row.time);
                let booked = || self.ledger_entry(trader, id).map(|row| row.time);
                opened.or_else(traded).or_else(booked)
            }
        };
        Times { after: span.start.as_ref().and_then(time), until: span.end.as_ref().and_then(time) }
    }
}

fn page<T>(rows: impl Iterator<Item = T>, offset: usize) -> Page<T> {
    let mut page = Page { rows: Vec::new(), count: 0 };
    for row in rows {
        if page.count >= offset && page.rows.len() < PAGE_ROWS {
            page.rows.push(row);
        }
        page.count = page.count.saturating_add(1);
    }
    page
}

/// Makes one row of all taker fills of an order; it keeps the id and place of the last of them.
fn consolidate(newest_first: impl Iterator<Item = Arc<Execution>>) -> Vec<Arc<Execution>> {
    let mut rows: Vec<Arc<Execution>> = Vec::new();
    let mut takers: BTreeMap<OrderNo, usize> = BTreeMap::new();
    for row in newest_first {
        let known = takers.get(&row.order).copied().filter(|_| !row.is_maker);
        match known.and_then(|index| rows.get_mut(index)) {
            Some(last) => {
                let last = Arc::make_mut(last);
                last.qty = last.qty.saturating_add(row.qty);
                last.cost = last.cost.saturating_add(row.cost);
                last.fee = last.fee.saturating_add(row.fee);
                let decimals = last.price.scale();
                last.price = last.cost.checked_div(last.qty).unwrap_or(last.price);
                last.price.rescale(decimals);
            }
            None => {
                if !row.is_maker {
                    takers.insert(row.order, rows.len());
                }
                rows.push(row);
            }
        }
    }
    rows
}
