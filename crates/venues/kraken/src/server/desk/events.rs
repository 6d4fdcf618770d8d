//! What the exchange says happened, to what the venue tells.

use super::Desk;
use super::api::{AccountFact, Execution, LedgerEntry, PublicFact};
use super::ids::IdKind;
use super::record::{Ended, Ending};
use remora_domain::{Lots, Side, Ticks, Timestamp};
use remora_matching::{
    AssetIx, EndCause, Event, MarketIx, Money, OrderNo, TradeNo, TradeSide, TraderIx,
};
use std::sync::Arc;

/// Is a trade without its two orders.
#[derive(Clone, Copy)]
struct Print {
    trade: TradeNo,
    trade_id: u64,
    market: MarketIx,
    price: Ticks,
    qty: Lots,
    cost: Money,
}

/// Is a change of a balance.
struct Change {
    trader: TraderIx,
    asset: AssetIx,
    amount: Money,
    fee: Money,
    balance: Money,
    trade: Option<TradeNo>,
}

impl Desk {
    /// Works through everything the exchange said, and places the conditional closes of what was filled.
    pub(crate) fn absorb(&mut self, now: Timestamp) {
        loop {
            let mut events = std::mem::take(&mut self.events);
            for event in events.drain(..) {
                self.digest(now, event);
            }
            self.events = events;
            if self.closes.is_empty() {
                return;
            }
            for parent in std::mem::take(&mut self.closes) {
                self.place_close(now, parent);
            }
        }
    }

    fn digest(&mut self, now: Timestamp, event: Event) {
        match event {
            Event::Accepted { order } => self.accepted(now, order),
            Event::Opened { order } => self.opened(now, order),
            Event::Triggered { order } => {
                if let Some(record) = self.records.get_mut(&order) {
                    record.is_triggered = true;
                }
                self.tell_of(now, order, AccountFact::Status);
            }
            Event::TriggerMoved { order, .. } => self.tell_of(now, order, AccountFact::Status),
            Event::Traded {
                trade,
                market_trade: trade_id,
                market,
                price,
                qty,
                cost,
                taker_side,
                is_market_order,
                maker,
                taker,
            } => {
                let (price_units, qty_units) = (price.get(), qty.get());
                let fact = PublicFact::Trade {
                    market,
                    trade_id,
                    side: taker_side,
                    price: price_units,
                    qty: qty_units,
                    is_market_order,
                };
                self.public_facts.push((now, fact));
                let print = Print { trade, trade_id, market, price, qty, cost };
                self.filled(now, print, &maker, taker_side.opposite(), true);
                self.filled(now, print, &taker, taker_side, false);
            }
            Event::Refilled { order } => self.tell_of(now, order, AccountFact::IcebergRefill),
            Event::Amended { order } => self.tell_of(now, order, AccountFact::Amended),
            Event::Ended { order, cause } => self.ended(now, order, cause),
            Event::LevelChanged { market, side, price, qty } => {
                let (price, qty) = (price.get(), qty.get());
                self.public_facts.push((now, PublicFact::Level { market, side, price, qty }));
            }
            Event::QueueChanged { market, side, price, order, change, qty } => {
                let (price, qty) = (price.get(), qty.get());
                let fact = PublicFact::Queue { market, side, price, order, change, qty };
                self.public_facts.push((now, fact));
            }
            Event::BalanceChanged { trader, asset, amount, fee, balance, trade } => {
                self.booked(now, &Change { trader, asset, amount, fee, balance, trade });
            }
        }
    }

    fn accepted(&mut self, now: Timestamp, order: OrderNo) {
        let Some(record) = self.records.get_mut(&order) else { return };
        let trader = record.trader;
        let is_pending_due = !std::mem::replace(&mut record.is_told_pending, true);
        // A sleeping order is live for its owner: `new` now, `status` when it wakes.
        let is_new_due = record.trigger.is_some() && !record.is_told_new;
        record.is_told_new |= is_new_due;
        if is_pending_due {
            self.tell(now, trader, AccountFact::PendingNew(order));
        }
        if is_new_due {
            self.tell(now, trader, AccountFact::New(order));
        }
    }

    fn opened(&mut self, now: Timestamp, order: OrderNo) {
        let Some(record) = self.records.get_mut(&order) else { return };
        if !std::mem::replace(&mut record.is_told_new, true) {
            let trader = record.trader;
            self.tell(now, trader, AccountFact::New(order));
        }
    }

    fn filled(
        &mut self,
        now: Timestamp,
        print: Print,
        side: &TradeSide,
        direction: Side,
        is_maker: bool,
    ) {
        let Self { records, catalogue, mint, .. } = self;
        let (Some(record), Some(pair)) =
            (records.get_mut(&side.order), catalogue.pair(print.market))
        else {
            if side.is_filled {
                self.forget_crowd(side.order);
            }
            return;
        };
        let fee_asset = catalogue.asset(side.fee_asset);
        let fee = match fee_asset {
            Some(asset) if side.fee_asset == pair.base => asset.amount(side.fee),
            Some(_) | None => pair.cost(side.fee),
        };
        let execution = Arc::new(Execution {
            exec_id: mint.id(IdKind::Trade, exec_number(print.trade, record.trader)).to_string(),
            trade_id: print.trade_id,
            trade: print.trade,
            order: side.order,
            side: direction,
            kind: record.kind,
            market: print.market,
            price: pair.price(print.price),
            qty: pair.qty(print.qty),
            cost: pair.cost(print.cost),
            is_maker,
            fee_asset: fee_asset.map_or_else(|| Arc::from(""), |asset| Arc::clone(&asset.v2)),
            fee,
            cum_qty: pair.qty(side.cum_qty),
            cum_cost: pair.cost(side.cum_cost),
            time: now,
        });
        let trader = record.trader;
        record.executions.push(Arc::clone(&execution));
        if record.contingent.is_some() && !self.closes.contains(&side.order) {
            self.closes.push(side.order);
        }
        self.remember_execution(trader, Arc::clone(&execution));
        self.count_volume(now, trader, print.market, execution.cost);
        self.tell(now, trader, AccountFact::Trade(side.order, execution));
        if side.is_filled {
            self.tell(now, trader, AccountFact::Filled(side.order));
            self.finish(now, side.order, Ending::Filled);
        }
    }

    /// Keeps an execution; the one that is dropped for it is no longer told with its order either.
    fn remember_execution(&mut self, trader: TraderIx, execution: Arc<Execution>) {
        let Some(account) = self.accounts.get_mut(&trader) else { return };
        let Some(dropped) = account.remember_execution(execution, self.bounds) else { return };
        if let Some(record) = self.records.get_mut(&dropped.order)
            && record.executions.first().is_some_and(|first| first.trade == dropped.trade)
        {
            record.executions.remove(0);
        }
    }

    fn ended(&mut self, now: Timestamp, order: OrderNo, cause: EndCause) {
        if !self.records.contains_key(&order) {
            self.forget_crowd(order);
            return;
        }
        // The words are the venue's where they are documented (requested, post only); the others are ours.
        let how = match cause {
            EndCause::Requested => Ending::Canceled(self.cancel_reason),
            EndCause::PostOnly => Ending::Canceled("Post only order"),
            EndCause::AmendedBelowFilled => Ending::Canceled("Amended below filled quantity"),
            EndCause::NotExecutable => Ending::Canceled("Insufficient funds or liquidity"),
            EndCause::Market => Ending::Canceled("Market closed"),
            EndCause::SelfTrade => Ending::Expired("Self trade prevention"),
            EndCause::Unfilled => Ending::Expired("Unfilled remainder"),
            EndCause::Expired => Ending::Expired("Expired"),
        };
        self.end(now, order, how);
    }

    /// Ends an order and tells its owner.
    pub(crate) fn end(&mut self, now: Timestamp, order: OrderNo, how: Ending) {
        self.tell_of(now, order, |order| match how {
            Ending::Filled => AccountFact::Filled(order),
            Ending::Canceled(why) => AccountFact::Canceled(order, why),
            Ending::Expired(why) => AccountFact::Expired(order, why),
        });
        self.finish(now, order, how);
    }

    /// Moves an order from the open ones to the ended ones.
    fn finish(&mut self, now: Timestamp, order: OrderNo, how: Ending) {
        let Some(record) = self.records.get_mut(&order).filter(|record| record.is_open()) else {
            return;
        };
        record.ended = Some(Ended { at: now, how });
        let Some(account) = self.accounts.get_mut(&record.trader) else { return };
        account.open.remove(&order);
        if let Some((key, _)) = &record.cl_ord_id {
            account.by_cl_ord_id.remove(key);
        }
        if let Some(market) = account.markets.get_mut(&record.market) {
            market.open = market.open.saturating_sub(1);
        }
        account.closed.push_back(order);
        account.closed_now = account.closed_now.saturating_add(1);
        self.stale.insert(record.trader);
    }

    /// Drops ended orders beyond the configured number, but none that nobody can have read yet.
    pub(crate) fn forget_surplus(&mut self) {
        let Self { stale, accounts, records, moved, exchange, bounds, .. } = self;
        for trader in std::mem::take(stale) {
            let Some(account) = accounts.get_mut(&trader) else { continue };
            let kept = bounds.orders_max.max(std::mem::take(&mut account.closed_now));
            while account.closed.len() > kept {
                let Some(order) = account.closed.pop_front() else { break };
                if let Some(record) = records.remove(&order) {
                    moved.remove(&OrderNo::new(record.id));
                }
                exchange.forget(order);
                account.forgotten.orders = account.forgotten.orders.saturating_add(1);
            }
        }
    }

    fn booked(&mut self, now: Timestamp, change: &Change) {
        let &Change { trader, asset, amount, fee, balance, trade } = change;
        let Self { catalogue, accounts, counts, mint, bounds, .. } = self;
        let (Some(asset), Some(account)) = (catalogue.asset(asset), accounts.get_mut(&trader))
        else {
            return;
        };
        counts.ledger = counts.ledger.saturating_add(1);
        let (kind, ref_id) = match trade {
            Some(trade) => ("trade", mint.id(IdKind::Trade, exec_number(trade, trader))),
            None => {
                counts.transfers = counts.transfers.saturating_add(1);
                let kind = if amount < 0 { "withdrawal" } else { "deposit" };
                (kind, mint.id(IdKind::Transfer, counts.transfers))
            }
        };
        let entry = Arc::new(LedgerEntry {
            ledger_id: mint.id(IdKind::Ledger, counts.ledger).to_string(),
            ref_id: ref_id.to_string(),
            kind,
            asset: Arc::clone(&asset.id),
            asset_v2: Arc::clone(&asset.v2),
            amount: asset.amount(amount),
            fee: asset.amount(fee),
            balance: asset.amount(balance),
            time: now,
        });
        account.remember_entry(Arc::clone(&entry), *bounds);
        self.tell(now, trader, AccountFact::Ledger(entry));
    }

    fn tell_of(&mut self, now: Timestamp, order: OrderNo, what: impl Fn(OrderNo) -> AccountFact) {
        if let Some(record) = self.records.get(&order) {
            let trader = record.trader;
            self.tell(now, trader, what(order));
        }
    }

    fn forget_crowd(&mut self, order: OrderNo) {
        self.crowd.forget(order);
        self.exchange.forget(order);
    }
}

/// Gives the number that an execution's id is made of: each side of a trade has its own.
pub(crate) fn exec_number(trade: TradeNo, trader: TraderIx) -> u64 {
    // 2^44 trades and 2^20 accounts: the venue would be busy for centuries.
    (trade.get() << 20) | (u64::from(trader.get()) & 0xF_FFFF)
}

/// Gives the trade of an execution's number.
pub(crate) const fn trade_of(number: u64) -> TradeNo {
    TradeNo::new(number >> 20)
}
