//! The market: what nobody's client did, and what the exchange and its pairs allow.

use super::api::PublicFact;
use super::{Desk, DeskResult};
use crate::server::catalogue::{PairDef, PairStatus, SystemMode};
use crate::server::error::KrakenError;
use crate::server::io::Flow;
use remora_domain::Timestamp;
use remora_matching::{
    EndCause, Exchange, Funding, MarketIx, MarketMode, NewOrder, OrderNo, Refusal, TraderIx,
};
use std::collections::BTreeMap;

/// Is everybody who is no client.
#[derive(Debug)]
pub(crate) struct Crowd {
    trader: TraderIx,
    /// The generated makers' open orders by their own numbers, and back.
    tags: BTreeMap<(MarketIx, u64), OrderNo>,
    orders: BTreeMap<OrderNo, (MarketIx, u64)>,
}

impl Crowd {
    pub(crate) fn new(exchange: &mut Exchange) -> Self {
        Self {
            trader: exchange.add_trader(Funding::Unlimited),
            tags: BTreeMap::new(),
            orders: BTreeMap::new(),
        }
    }

    /// Forgets an order that ended.
    pub(crate) fn forget(&mut self, order: OrderNo) {
        if let Some(tag) = self.orders.remove(&order) {
            self.tags.remove(&tag);
        }
    }
}

impl Desk {
    /// Lets the background flow move a market.
    ///
    /// # Errors
    /// `EQuery:Unknown asset pair`, or why the exchange does not take a generated order.
    pub fn flow(&mut self, now: Timestamp, flow: &Flow) -> DeskResult<()> {
        let (Flow::Level { symbol, .. }
        | Flow::Reset { symbol }
        | Flow::Take { symbol, .. }
        | Flow::Add { symbol, .. }
        | Flow::Remove { symbol, .. }
        | Flow::Index { symbol, .. }) = flow;
        let pair = self.catalogue.find_symbol(symbol).ok_or(KrakenError::UnknownPair)?;
        let (market, crowd) = (pair.market, self.crowd.trader);
        let Self { exchange, events, .. } = self;
        match *flow {
            Flow::Level { side, price, qty, .. } => {
                exchange.set_crowd_level(now, crowd, market, side, price, qty, events);
            }
            Flow::Reset { .. } => exchange.reset_crowd(now, crowd, market, events),
            Flow::Take { side, limit, qty, is_market_order: is_market, .. } => {
                // What it traded with clients is in the events.
                let _ = exchange
                    .take_for_crowd(now, crowd, market, side, limit, qty, is_market, events);
            }
            Flow::Add { side, price, qty, tag, .. } => {
                self.add_crowd(now, NewOrder::limit(market, crowd, side, price, qty), tag)?;
            }
            Flow::Remove { tag, .. } => self.remove_crowd(now, market, tag),
            Flow::Index { price, .. } => exchange.set_index(now, market, price, events),
        }
        self.absorb(now);
        Ok(())
    }

    fn add_crowd(&mut self, now: Timestamp, order: NewOrder, tag: u64) -> DeskResult<()> {
        let market = order.market;
        let place = (market, tag);
        if self.crowd.tags.contains_key(&place) {
            return Err(KrakenError::InvalidOrder);
        }
        let order = self.exchange.place(now, order, &mut self.events);
        let order = order.map_err(|refusal| self.refused(market, refusal))?;
        // Kept before the events are read: the order may have ended in them.
        self.crowd.tags.insert(place, order);
        self.crowd.orders.insert(order, place);
        Ok(())
    }

    fn remove_crowd(&mut self, now: Timestamp, market: MarketIx, tag: u64) {
        let Some(order) = self.crowd.tags.get(&(market, tag)).copied() else { return };
        let (crowd, out) = (self.crowd.trader, &mut self.events);
        // A closed market lets nobody cancel: the order is gone from the generator's list all the same, and stays.
        let _ = self.exchange.cancel(now, crowd, order, EndCause::Requested, out);
    }

    /// Gives what the exchange as a whole allows.
    #[must_use]
    pub const fn system_mode(&self) -> SystemMode {
        self.system
    }

    /// Changes what the exchange as a whole allows. Dead man's switches that came due in a maintenance fire at its end.
    pub fn set_system_mode(&mut self, now: Timestamp, mode: SystemMode) {
        if self.system != mode {
            self.system = mode;
            self.public_facts.push((now, PublicFact::System));
            self.set_modes();
            self.absorb(now);
            self.cancel_overdue(now);
            self.tick(now);
        }
    }

    /// Changes what a pair allows.
    ///
    /// # Errors
    /// `EQuery:Unknown asset pair`.
    pub fn set_pair_status(
        &mut self,
        now: Timestamp,
        pair: &str,
        status: PairStatus,
    ) -> DeskResult<()> {
        let pair = self.catalogue.find_pair(pair).ok_or(KrakenError::UnknownPair)?;
        if pair.status != status {
            let market = pair.market;
            self.catalogue.set_status(market, status);
            self.public_facts.push((now, PublicFact::Instrument(market)));
            self.exchange.set_mode(market, mode(self.system, status), &mut self.events);
            self.absorb(now);
            self.cancel_overdue(now);
        }
        Ok(())
    }

    pub(crate) fn set_modes(&mut self) {
        for pair in self.catalogue.pairs() {
            let mode = mode(self.system, pair.status);
            self.exchange.set_mode(pair.market, mode, &mut self.events);
        }
    }

    /// Says why a pair takes nothing new at all, if so. What only some orders may, the exchange checks.
    pub(crate) fn check_mode(&self, pair: &PairDef) -> DeskResult<()> {
        match mode(self.system, pair.status) {
            MarketMode::Open | MarketMode::PostOnly | MarketMode::LimitOnly => Ok(()),
            MarketMode::CancelOnly | MarketMode::Closed => Err(self.mode_error(pair)),
        }
    }

    /// Says what the exchange's refusal is at the venue.
    pub(crate) fn refused(&self, market: MarketIx, refusal: Refusal) -> KrakenError {
        match refusal {
            Refusal::Unknown => KrakenError::UnknownOrder,
            Refusal::Mode(_) => self
                .catalogue
                .pair(market)
                .map_or(KrakenError::Unavailable, |pair| self.mode_error(pair)),
            Refusal::Tick => KrakenError::TickSize,
            Refusal::Lot | Refusal::Range => KrakenError::InvalidArgument("volume"),
            Refusal::QtyMin => KrakenError::OrderMinimum,
            Refusal::CostMin => KrakenError::CostMinimum,
            Refusal::Funds => KrakenError::InsufficientFunds,
            Refusal::PostOnly => KrakenError::PostOnly,
            Refusal::Fields(_) => KrakenError::InvalidArguments,
        }
    }

    fn mode_error(&self, pair: &PairDef) -> KrakenError {
        match (self.system, pair.status) {
            (SystemMode::Maintenance, _)
            | (_, PairStatus::Delisted | PairStatus::Maintenance | PairStatus::WorkInProgress) => {
                KrakenError::Unavailable
            }
            (SystemMode::CancelOnly, _) | (_, PairStatus::CancelOnly) => {
                KrakenError::MarketMode("cancel_only")
            }
            (_, PairStatus::ReduceOnly) => KrakenError::MarketMode("reduce_only"),
            (SystemMode::PostOnly, _) | (_, PairStatus::PostOnly) => {
                KrakenError::MarketMode("post_only")
            }
            (_, PairStatus::LimitOnly) => KrakenError::MarketMode("limit_only"),
            (SystemMode::Online, PairStatus::Online) => KrakenError::Unavailable,
        }
    }
}

/// Gives what a market allows: the stricter of what the exchange and the pair do. On a cash account nothing makes
/// a position smaller, so reduce-only allows cancels alone.
const fn mode(system: SystemMode, pair: PairStatus) -> MarketMode {
    match (system, pair) {
        (SystemMode::Maintenance, _)
        | (_, PairStatus::Delisted | PairStatus::Maintenance | PairStatus::WorkInProgress) => {
            MarketMode::Closed
        }
        (SystemMode::CancelOnly, _) | (_, PairStatus::CancelOnly | PairStatus::ReduceOnly) => {
            MarketMode::CancelOnly
        }
        (SystemMode::PostOnly, _) | (_, PairStatus::PostOnly) => MarketMode::PostOnly,
        (SystemMode::Online, PairStatus::LimitOnly) => MarketMode::LimitOnly,
        (SystemMode::Online, PairStatus::Online) => MarketMode::Open,
    }
}
