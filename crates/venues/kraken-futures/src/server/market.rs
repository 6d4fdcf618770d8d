//! One contract of the simulated exchange: what it remembers of its trades, its index, its mark and its funding.

use super::listing::Product;
use remora_domain::{DurationNs, Lots, Side, Ticks, Timestamp};
use remora_matching::{Exchange, MarketIx};
use rust_decimal::{Decimal, RoundingStrategy};
use std::collections::VecDeque;

/// Trades that are given out.
pub(super) const TRADES_MAX: usize = 100;
/// Minutes that are remembered: two days.
const MINUTES_MAX: usize = 2_880;
/// Periods of funding that are remembered.
const PERIODS_MAX: usize = 1_000;
/// Minutes of the 24-hour summary.
const DAY_MINUTES: usize = 1_440;
const MINUTE: DurationNs = DurationNs::from_s(60);
const HOUR: DurationNs = DurationNs::from_s(3_600);
/// What a premium is divided by for the rate of one hour, and the cap of that rate: the venue's own for linear perpetuals.
const FUNDING_COEFFICIENT: i64 = 24;
/// 0.25 %.
const FUNDING_MAX: Decimal = Decimal::from_parts(25, 0, 0, false, 4);
/// The mark stays within 1 % of the index.
const MARK_BAND: Decimal = Decimal::from_parts(1, 0, 0, false, 2);
/// Decimals that rates are cut to: those of the venue's own.
const RATE_DECIMALS: u32 = 12;

/// Is one trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trade {
    pub(super) seq: u64,
    pub(super) time: Timestamp,
    pub(super) side: Side,
    pub(super) price: Ticks,
    pub(super) qty: Lots,
}

/// Is one minute of one kind of price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Minute {
    pub(super) begin: Timestamp,
    pub(super) open: Decimal,
    pub(super) high: Decimal,
    pub(super) low: Decimal,
    pub(super) close: Decimal,
    /// In units of the last quantity decimal; 0 for prices that nobody trades at.
    pub(super) volume: i64,
}

/// Is the minutes of one kind of price, oldest first; those in which nothing happened are left out.
#[derive(Debug, Default)]
pub(super) struct Minutes(VecDeque<Minute>);

impl Minutes {
    fn add(&mut self, now: Timestamp, price: Decimal, qty: i64) {
        let begin = begin_of(now, MINUTE);
        if let Some(last) = self.0.back_mut().filter(|last| last.begin == begin) {
            last.high = last.high.max(price);
            last.low = last.low.min(price);
            last.close = price;
            last.volume = last.volume.saturating_add(qty);
            return;
        }
        if self.0.len() >= MINUTES_MAX {
            self.0.pop_front();
        }
        let (open, high, low, close) = (price, price, price, price);
        self.0.push_back(Minute { begin, open, high, low, close, volume: qty });
    }

    /// Gives bars of a length, oldest first.
    pub(super) fn bars(&self, length: DurationNs) -> Vec<Minute> {
        let mut bars: Vec<Minute> = Vec::new();
        for minute in &self.0 {
            let begin = begin_of(minute.begin, length);
            match bars.last_mut().filter(|bar| bar.begin == begin) {
                Some(bar) => {
                    bar.high = bar.high.max(minute.high);
                    bar.low = bar.low.min(minute.low);
                    bar.close = minute.close;
                    bar.volume = bar.volume.saturating_add(minute.volume);
                }
                None => bars.push(Minute { begin, ..*minute }),
            }
        }
        bars
    }

    /// Gives the last 24 hours as one bar.
    pub(super) fn day(&self, now: Timestamp) -> Option<Minute> {
        let from = now.saturating_sub(HOUR.saturating_mul(24));
        let mut of_day = self.0.iter().rev().take(DAY_MINUTES).filter(|minute| minute.begin > from);
        let mut day = *of_day.next()?;
        for minute in of_day {
            day = Minute {
                begin: minute.begin,
                open: minute.open,
                high: day.high.max(minute.high),
                low: day.low.min(minute.low),
                close: day.close,
                volume: day.volume.saturating_add(minute.volume),
            };
        }
        Some(day)
    }
}

/// Gives when the interval of an instant began.
fn begin_of(time: Timestamp, length: DurationNs) -> Timestamp {
    time.saturating_sub(DurationNs::from_ns(time.as_ns().rem_euclid(length.as_ns().max(1))))
}

/// Is the funding of a perpetual.
#[derive(Debug)]
pub(super) struct Funding {
    /// The rate of the period that runs, as a fraction of the index.
    pub(super) rate: Decimal,
    premiums: Decimal,
    samples: i64,
    /// When the period ends.
    pub(super) until: Timestamp,
    /// Ends and rates of periods that are over, oldest first, with the index at their end.
    pub(super) past: VecDeque<(Timestamp, Decimal, Decimal)>,
}

impl Funding {
    /// Gives what the next rate would be if the period ended now.
    pub(super) fn predicted(&self) -> Decimal {
        let mean = self.premiums.checked_div(Decimal::from(self.samples.max(1)));
        let rate = mean.and_then(|mean| mean.checked_div(Decimal::from(FUNDING_COEFFICIENT)));
        let rate = rate.unwrap_or_default().clamp(-FUNDING_MAX, FUNDING_MAX);
        rate.round_dp_with_strategy(RATE_DECIMALS, RoundingStrategy::ToZero)
    }

    fn sample(&mut self, now: Timestamp, premium: Decimal, index: Decimal) {
        if now >= self.until {
            self.past.push_back((self.until, self.rate, index));
            if self.past.len() > PERIODS_MAX {
                self.past.pop_front();
            }
            self.rate = self.predicted();
            (self.premiums, self.samples) = (Decimal::ZERO, 0);
            self.until = begin_of(now, HOUR).saturating_add(HOUR);
        }
        self.premiums = self.premiums.saturating_add(premium);
        self.samples = self.samples.saturating_add(1);
    }
}

/// Is one contract.
#[derive(Debug)]
pub(super) struct Market {
    pub(super) product: Product,
    pub(super) ix: MarketIx,
    /// The number of the last book change.
    pub(super) seq: u64,
    /// The number of the last trade.
    pub(super) trade_seq: u64,
    /// Oldest first.
    pub(super) trades: VecDeque<Trade>,
    pub(super) traded: Minutes,
    pub(super) marked: Minutes,
    pub(super) indexed: Minutes,
    pub(super) index: Option<Decimal>,
    /// Contracts that are open, in units of the last quantity decimal.
    pub(super) open_interest: i64,
    /// `None` of a dated future.
    pub(super) funding: Option<Funding>,
    /// Whether anything changed since the last ticker.
    pub(super) is_changed: bool,
}

impl Market {
    pub(super) fn new(product: Product, ix: MarketIx, now: Timestamp) -> Self {
        let funding = product.maturity.is_none().then(|| Funding {
            rate: Decimal::ZERO,
            premiums: Decimal::ZERO,
            samples: 0,
            until: begin_of(now, HOUR).saturating_add(HOUR),
            past: VecDeque::new(),
        });
        Self {
            open_interest: product.lot().get().saturating_mul(10_000),
            product,
            ix,
            seq: 0,
            trade_seq: 0,
            trades: VecDeque::new(),
            traded: Minutes::default(),
            marked: Minutes::default(),
            indexed: Minutes::default(),
            index: None,
            funding,
            is_changed: false,
        }
    }

    /// Gives a price.
    pub(super) fn price(&self, ticks: Ticks) -> Decimal {
        Decimal::new(ticks.get(), self.product.price_decimals)
    }

    /// Gives a price's number of ticks for a quantity of the crowd, which counts in base: an inverse contract counts in US dollars.
    pub(super) fn contracts(&self, price: Ticks, base: Lots, base_decimals: u32) -> Lots {
        if !self.product.is_inverse {
            return base;
        }
        let units = i128::from(price.get()).saturating_mul(i128::from(base.get()));
        let scale = 10_i128.pow(base_decimals.saturating_add(self.product.price_decimals).min(30));
        Lots::new(i64::try_from(units / scale).unwrap_or(i64::MAX).max(1))
    }

    /// Gives the mark price; `None` before there is an index.
    pub(super) fn mark(&self, exchange: &Exchange) -> Option<Decimal> {
        let index = self.index?;
        let best = |side| exchange.best(self.ix, side).map(|(ticks, _)| self.price(ticks));
        let (Some(bid), Some(ask)) = (best(Side::Buy), best(Side::Sell)) else {
            return Some(index);
        };
        let middle = bid.checked_add(ask)?.checked_div(Decimal::TWO)?;
        let band = index.checked_mul(MARK_BAND)?;
        Some(middle.clamp(index.checked_sub(band)?, index.checked_add(band)?))
    }

    /// Takes a trade; gives it with its number.
    pub(super) fn traded(&mut self, now: Timestamp, side: Side, price: Ticks, qty: Lots) -> Trade {
        self.trade_seq = self.trade_seq.saturating_add(1);
        let trade = Trade { seq: self.trade_seq, time: now, side, price, qty };
        if self.trades.len() >= TRADES_MAX {
            self.trades.pop_front();
        }
        self.trades.push_back(trade);
        let paid = self.price(price);
        self.traded.add(now, paid, qty.get());
        let least = self.product.lot().get().saturating_mul(10_000);
        self.open_interest = match side {
            Side::Buy => self.open_interest.saturating_add(qty.get()),
            Side::Sell => self.open_interest.saturating_sub(qty.get()).max(least),
        };
        self.is_changed = true;
        trade
    }

    /// Takes a move of the index: mark and premium are sampled with it.
    pub(super) fn indexed(&mut self, now: Timestamp, exchange: &Exchange, index: Ticks) {
        let index = self.price(index);
        self.index = Some(index);
        self.indexed.add(now, index, 0);
        self.is_changed = true;
        let Some(mark) = self.mark(exchange) else { return };
        self.marked.add(now, mark, 0);
        let premium = mark.checked_sub(index).and_then(|gap| gap.checked_div(index));
        if let (Some(funding), Some(premium)) = (&mut self.funding, premium) {
            funding.sample(now, premium, index);
        }
    }
}

/// Gives the funding of one period in the contract's money per unit, as the venue states it: linear contracts in US dollars per
/// unit of base, inverse ones in base per dollar.
pub(super) fn absolute(product: &Product, rate: Decimal, index: Decimal) -> Decimal {
    let value = if product.is_inverse { rate.checked_div(index) } else { rate.checked_mul(index) };
    value.unwrap_or_default().round_dp_with_strategy(24, RoundingStrategy::ToZero)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::listing::listed;

    const START: Timestamp = Timestamp::from_ns(1_780_315_200_000_000_000);

    fn market(at: usize) -> Market {
        Market::new(listed(START).swap_remove(at), MarketIx::new(0), START)
    }

    #[test]
    fn a_quantity_of_base_is_as_many_dollars_of_an_inverse_contract() {
        // 0.5 BTC at 50,000.0 dollars.
        let base = Lots::new(50_000_000);
        assert_eq!(market(1).contracts(Ticks::new(500_000), base, 8), Lots::new(25_000));
        assert_eq!(market(0).contracts(Ticks::new(50_000), base, 8), base);
        assert_eq!(market(1).contracts(Ticks::new(500_000), Lots::new(1), 8), Lots::new(1));
    }

    #[test]
    fn funding_is_the_mean_premium_divided_and_capped_and_begins_anew_each_hour() {
        let mut funding = market(0).funding.unwrap();
        let premium = Decimal::new(24, 4);
        for minute in 0..60 {
            let now = START.saturating_add(MINUTE.saturating_mul(minute));
            funding.sample(now, premium, Decimal::ONE_HUNDRED);
        }
        assert_eq!((funding.rate, funding.predicted()), (Decimal::ZERO, Decimal::new(1, 4)));
        let next = START.saturating_add(HOUR);
        funding.sample(next, Decimal::ONE, Decimal::ONE_HUNDRED);
        assert_eq!(funding.rate, Decimal::new(1, 4));
        assert_eq!(funding.past.back().unwrap().0, next);
        assert_eq!(funding.predicted(), FUNDING_MAX);
        assert_eq!(funding.until, next.saturating_add(HOUR));
    }

    #[test]
    fn bars_are_the_minutes_they_hold() {
        let mut minutes = Minutes::default();
        for (second, price) in [(0, 10), (30, 12), (60, 9), (300, 11)] {
            let now = START.saturating_add(DurationNs::from_s(second));
            minutes.add(now, Decimal::from(price), 2);
        }
        let bars = minutes.bars(DurationNs::from_s(300));
        let told: Vec<_> =
            bars.iter().map(|it| (it.open, it.high, it.low, it.close, it.volume)).collect();
        let d = |price: i64| Decimal::from(price);
        assert_eq!(told, [(d(10), d(12), d(9), d(9), 6), (d(11), d(11), d(11), d(11), 2)]);
        let day = minutes.day(START.saturating_add(DurationNs::from_s(301))).unwrap();
        assert_eq!(
            (day.open, day.high, day.low, day.close, day.volume),
            (d(10), d(12), d(9), d(11), 8)
        );
    }
}
