//! The decision: which quotes should stand for a pair now, or the reason why there are none.

use crate::core::DecisionCore;
use crate::facts::Permission;
use crate::insight::Adjustment;
use crate::market::{BPS, Book, Ladder};
use crate::model::Question;
use crate::size::{SizeLimits, qty_min};
use remora_domain::{
    Bps, CancelReason, ContractKind, DecisionReason, DurationNs, Instrument, InstrumentKey,
    InstrumentStatus, Price, QuoteTarget, Rounding, Side, Timestamp,
};
use remora_quoting::SideOffsets;
use rust_decimal::Decimal;

/// Is what should stand, and the numbers it came from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Quotes {
    pub(crate) reason: DecisionReason,
    pub(crate) bid: Option<QuoteTarget>,
    pub(crate) ask: Option<QuoteTarget>,
    pub(crate) fair_est: f64,
    /// Quote currency per square-root second.
    pub(crate) sigma_est: f64,
    pub(crate) bid_offset_est: Option<f64>,
    pub(crate) ask_offset_est: Option<f64>,
    /// Whether an order that is larger than its target must go, however little.
    pub(crate) is_reduce_only: bool,
}

impl Quotes {
    pub(crate) const fn side(&self, side: Side) -> Option<QuoteTarget> {
        match side {
            Side::Buy => self.bid,
            Side::Sell => self.ask,
        }
    }

    /// Gives half the distance between our quotes; of one quote, its own distance.
    pub(crate) fn half_spread_est(&self) -> f64 {
        match (self.bid_offset_est, self.ask_offset_est) {
            (Some(bid), Some(ask)) => (bid + ask) / 2.0,
            (Some(one), None) | (None, Some(one)) => one.abs(),
            (None, None) => 0.0,
        }
    }
}

/// Says with which reason the orders of a pair are taken back when it is not quoted.
pub(crate) const fn cancel_reason(reason: DecisionReason) -> CancelReason {
    match reason {
        DecisionReason::NotInUniverse | DecisionReason::NotTradable => CancelReason::PairDeselected,
        DecisionReason::Halted
        | DecisionReason::VenueNotOpen
        | DecisionReason::ReconciliationBreak
        | DecisionReason::GateSilent
        | DecisionReason::RouterSilent => CancelReason::Halted,
        DecisionReason::Stopping => CancelReason::Shutdown,
        DecisionReason::QuotingBoth
        | DecisionReason::QuotingBidOnly
        | DecisionReason::QuotingAskOnly
        | DecisionReason::SizeBelowMin
        | DecisionReason::ReduceOnly
        | DecisionReason::NoRoom => CancelReason::InventoryLimit,
        DecisionReason::RefusalPause => CancelReason::Requote,
        DecisionReason::NoInstrument
        | DecisionReason::NoBook
        | DecisionReason::BookInvalid
        | DecisionReason::BookStale
        | DecisionReason::BookCrossed
        | DecisionReason::NoVolatility
        | DecisionReason::NoFees
        | DecisionReason::NoBalance
        | DecisionReason::NoConversion
        | DecisionReason::CostMinUnknown
        | DecisionReason::OutOfRange => CancelReason::MarketDataLost,
    }
}

/// Is what both sides of a decision share.
struct Basis {
    instrument: Instrument,
    /// Two-sided and not crossed.
    bids: Ladder,
    asks: Ladder,
    maker_bps: Bps,
    question: Question,
    /// Largest order, base.
    most_est: f64,
    adjustment: Adjustment,
}

impl DecisionCore {
    /// Decides which quotes should stand.
    ///
    /// # Errors
    /// Gives the reason why none should.
    pub(crate) fn quotes(
        &mut self,
        now: Timestamp,
        key: &InstrumentKey,
    ) -> Result<Quotes, DecisionReason> {
        if self.is_stopping {
            return Err(DecisionReason::Stopping);
        }
        let basis = self.basis(now, key)?;
        let pair = self.pairs.get_mut(key).ok_or(DecisionReason::NoInstrument)?;
        let offsets = pair.model.offsets(now, &basis.question)?;
        let market = &basis.question.market;
        let cost_bps = basis.question.maker_bps_est + basis.question.adverse_bps_est;
        let cost_est = market.fair_est * cost_bps / BPS;
        let offsets = SideOffsets {
            bid_est: offsets.bid_est.map(|offset| basis.adjustment.offset(offset, cost_est)),
            ask_est: offsets.ask_est.map(|offset| basis.adjustment.offset(offset, cost_est)),
        };
        let mut quotes = Quotes {
            reason: DecisionReason::NoRoom,
            bid: None,
            ask: None,
            fair_est: market.fair_est,
            sigma_est: market.fair_est * libm::sqrt(market.variance_est),
            bid_offset_est: offsets.bid_est,
            ask_offset_est: offsets.ask_est,
            is_reduce_only: false,
        };
        if let Some(offset) = offsets.bid_est {
            quotes.bid = self.target(&basis, Side::Buy, market.fair_est - offset)?;
        }
        if let Some(offset) = offsets.ask_est {
            quotes.ask = self.target(&basis, Side::Sell, market.fair_est + offset)?;
        }
        self.only_reduce(key, &basis.instrument, &mut quotes)?;
        quotes.reason = match (&quotes.bid, &quotes.ask) {
            (Some(_), None) | (None, Some(_)) if quotes.is_reduce_only => {
                DecisionReason::ReduceOnly
            }
            (Some(bid), Some(ask)) if bid.price < ask.price => DecisionReason::QuotingBoth,
            (Some(_), Some(_)) => return Err(DecisionReason::OutOfRange),
            (Some(_), None) => DecisionReason::QuotingBidOnly,
            (None, Some(_)) => DecisionReason::QuotingAskOnly,
            (None, None) => DecisionReason::NoRoom,
        };
        Ok(quotes)
    }

    fn basis(&self, now: Timestamp, key: &InstrumentKey) -> Result<Basis, DecisionReason> {
        let pair = self.pairs.get(key).ok_or(DecisionReason::NoInstrument)?;
        let instrument = pair.market.instrument.get().ok_or(DecisionReason::NoInstrument)?;
        self.check_permission(now, key, instrument)?;
        let book = pair.market.book().ok_or(DecisionReason::NoBook)?;
        book.touch()?;
        if self.stale_at(book) <= now {
            return Err(DecisionReason::BookStale);
        }
        let (Some(bids), Some(asks)) = (book.bids, book.asks) else {
            return Err(DecisionReason::BookCrossed);
        };
        let rate = self.config.reporting.rate_est(&instrument.quote);
        let rate = rate.filter(|rate| *rate > 0.0).ok_or(DecisionReason::NoConversion)?;
        let fees = self.facts.fees(&key.venue).ok_or(DecisionReason::NoFees)?;
        self.facts.balances(&key.venue).ok_or(DecisionReason::NoBalance)?;
        if self.orders.has_unbooked(key) {
            return Err(DecisionReason::OutOfRange);
        }
        let mut market = pair.market.estimates(now, &self.config)?;
        let adjustment = self.adjustment(now, key);
        market.fair_est *= adjustment.fair;
        let value_est = market.fair_est * rate * instrument.multiplier.to_est();
        let least_est = qty_min(instrument, bids.best.price)?.to_est();
        let most_est = self.config.order_notional_max_est / value_est;
        if least_est > most_est {
            return Err(DecisionReason::SizeBelowMin);
        }
        let question = Question {
            market,
            maker_bps_est: fees.maker_bps.to_est(),
            adverse_bps_est: self.config.adverse_bps_est,
            order_est: (self.config.order_notional_est / value_est * adjustment.size)
                .min(most_est.min(self.config.inventory_max_est / value_est))
                .max(least_est),
            limit_est: self.config.inventory_max_est / value_est,
            position_est: self.orders.position(key).to_est(),
        };
        let (instrument, maker_bps) = (instrument.clone(), fees.maker_bps);
        Ok(Basis { instrument, bids, asks, maker_bps, question, most_est, adjustment })
    }

    fn check_permission(
        &self,
        now: Timestamp,
        key: &InstrumentKey,
        instrument: &Instrument,
    ) -> Result<(), DecisionReason> {
        match self.facts.permission(now, &self.config.strategy, key) {
            Permission::Open => {}
            Permission::GateSilent => return Err(DecisionReason::GateSilent),
            Permission::RouterSilent => return Err(DecisionReason::RouterSilent),
            Permission::Halted => return Err(DecisionReason::Halted),
            Permission::RouterNotReady => return Err(DecisionReason::VenueNotOpen),
        }
        if self.facts.has_break(key, instrument) {
            return Err(DecisionReason::ReconciliationBreak);
        }
        if !is_tradable(instrument) {
            return Err(DecisionReason::NotTradable);
        }
        if !self.facts.is_selected(now, key) {
            return Err(DecisionReason::NotInUniverse);
        }
        if !self.facts.is_venue_open(&key.venue) {
            return Err(DecisionReason::VenueNotOpen);
        }
        Ok(())
    }

    /// Gives the instant from which a book is stale: only a newer book of the pair moves it. No other sign of life
    /// counts, since a withdrawal may be lost on the way while everything else arrives. The ingestor tells a
    /// quiet book again each second.
    pub(crate) const fn stale_at(&self, book: &Book) -> Timestamp {
        let old = book.time.saturating_add(self.config.times.book_age_max);
        old.saturating_add(DurationNs::from_ns(1))
    }

    /// Turns one raw price into a target: outward to the tick, behind the other side, at most a few ticks better
    /// than the best price of others, and as large as room and funds allow.
    fn target(
        &self,
        basis: &Basis,
        side: Side,
        raw_est: f64,
    ) -> Result<Option<QuoteTarget>, DecisionReason> {
        let Basis { instrument, question, .. } = basis;
        let out_of_range = DecisionReason::OutOfRange;
        let raw = instrument
            .quantise(raw_est, Rounding::AwayFromTouch(side))
            .map_err(|_| out_of_range)?;
        let bound = self.price_bound(basis, side).ok_or(out_of_range)?;
        let price = match side {
            Side::Buy => raw.min(bound),
            Side::Sell => raw.max(bound),
        };
        if price.is_zero() {
            return Err(out_of_range);
        }
        let (asset, held) = match side {
            Side::Buy => (&instrument.quote, question.position_est),
            Side::Sell => (&instrument.base, -question.position_est),
        };
        let limits = SizeLimits {
            instrument,
            side,
            price,
            wanted_est: question.order_est,
            most_est: basis.most_est,
            room_est: question.limit_est - held,
            free: self.free(&instrument.key, side, asset, basis.maker_bps)?,
            maker_bps: basis.maker_bps,
        };
        Ok(limits.qty()?.map(|qty| QuoteTarget { price, qty }))
    }

    /// Gives the best price a side may quote: one tick from the other side's best, and at most
    /// `improve_ticks_max` ticks better than the best price of its own side that is not ours alone.
    fn price_bound(&self, basis: &Basis, side: Side) -> Option<Price> {
        let tick = basis.instrument.tick.to_decimal();
        let improve = tick.checked_mul(Decimal::from(self.config.improve_ticks_max))?;
        let (own, other, sign) = match side {
            Side::Buy => (basis.bids, basis.asks, Decimal::ONE),
            Side::Sell => (basis.asks, basis.bids, Decimal::NEGATIVE_ONE),
        };
        let behind = other.best.price.to_decimal().checked_sub(tick.checked_mul(sign)?)?;
        let joined = self.best_of_others(&basis.instrument, side, own).to_decimal();
        let joined = joined.checked_add(improve.checked_mul(sign)?)?;
        let bound = match side {
            Side::Buy => behind.min(joined),
            Side::Sell => behind.max(joined),
        };
        // The book may hold prices finer than the tick of new orders.
        let steps = bound.checked_div(tick)?;
        let steps = match side {
            Side::Buy => steps.floor(),
            Side::Sell => steps.ceil(),
        };
        Price::from_decimal(steps.checked_mul(tick)?).ok()
    }

    /// Gives the best price of a side, skipping a level that is no more than our own order: improving on
    /// ourselves would walk the quote through the spread.
    fn best_of_others(&self, instrument: &Instrument, side: Side, ladder: Ladder) -> Price {
        let best = ladder.best;
        let is_ours_alone = self.orders.of_pair(&instrument.key).any(|(_, order)| {
            order.side == side && order.price == best.price && order.leaves() >= best.qty
        });
        match ladder.second {
            Some(second) if is_ours_alone => second.price,
            Some(_) | None => best.price,
        }
    }
}

/// Tells whether post-only orders may be entered. Only spot is quoted.
const fn is_tradable(instrument: &Instrument) -> bool {
    let is_open = match instrument.status {
        InstrumentStatus::Online | InstrumentStatus::PostOnly | InstrumentStatus::LimitOnly => true,
        InstrumentStatus::CancelOnly | InstrumentStatus::ReduceOnly | InstrumentStatus::Closed => {
            false
        }
    };
    let is_spot = match instrument.kind {
        ContractKind::Spot => true,
        ContractKind::LinearPerpetual
        | ContractKind::InversePerpetual
        | ContractKind::LinearFuture
        | ContractKind::InverseFuture => false,
    };
    is_open && is_spot
}
