//! What is listed: for each asset a linear perpetual, for the two largest an inverse perpetual and dated futures of both kinds.
//! Steps follow what `instruments` answered in November 2025 as far as it is recorded; which contracts exist is invented.

use remora_domain::{DurationNs, Lots, Ticks, Timestamp};
use remora_venue_api::session::date::Civil;
use std::sync::Arc;

/// Is one contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// The venue's symbol, such as `PF_XBTUSD`.
    pub symbol: Arc<str>,
    /// Common name of what is priced, such as `BTC`; the quote is USD.
    pub base: &'static str,
    /// Whether it is settled in its base: its quantities are then whole US dollars.
    pub is_inverse: bool,
    /// When it ends; `None` of a perpetual.
    pub maturity: Option<Timestamp>,
    /// Decimals of prices.
    pub price_decimals: u32,
    /// Price step in units of the last price decimal.
    pub tick: Ticks,
    /// The venue's precision of quantities: the step is ten to minus this.
    pub precision: i32,
}

impl Product {
    /// Gives the decimals of quantities.
    #[must_use]
    pub fn qty_decimals(&self) -> u32 {
        u32::try_from(self.precision).unwrap_or(0)
    }

    /// Gives the quantity step in units of the last quantity decimal.
    #[must_use]
    pub fn lot(&self) -> Lots {
        let coarse = u32::try_from(self.precision.saturating_neg()).unwrap_or(0);
        Lots::new(10_i64.checked_pow(coarse).unwrap_or(1))
    }
}

/// Common name, name in symbols, decimals of prices, price step in units of the last, precision of quantities, and the same two
/// of prices for inverse contracts where there are any.
type Row = (&'static str, &'static str, (u32, i64), i32, Option<(u32, i64)>);

const ASSETS: [Row; 6] = [
    ("BTC", "XBT", (0, 1), 4, Some((1, 5))),
    ("ETH", "ETH", (1, 1), 3, Some((2, 5))),
    ("SOL", "SOL", (2, 1), 2, None),
    ("XRP", "XRP", (5, 1), 0, None),
    ("DOGE", "DOGE", (6, 1), 0, None),
    ("ADA", "ADA", (5, 1), 0, None),
];

/// The first hour, UTC, behind the last trade of a contract: four in the afternoon in London, in summer and in winter.
const SUMMER_END_H: i64 = 15;
const WINTER_END_H: i64 = 16;
const DAY: DurationNs = DurationNs::from_s(86_400);

/// Lists everything for an exchange that opens at an instant.
#[must_use]
pub fn listed(now: Timestamp) -> Vec<Product> {
    let mut products = Vec::new();
    let ends = maturities(now);
    for (base, name, linear, precision, inverse) in ASSETS {
        let made = |symbol: String, is_inverse, maturity, (decimals, tick), precision| Product {
            symbol: symbol.into(),
            base,
            is_inverse,
            maturity,
            price_decimals: decimals,
            tick: Ticks::new(tick),
            precision,
        };
        products.push(made(format!("PF_{name}USD"), false, None, linear, precision));
        let Some(steps) = inverse else { continue };
        products.push(made(format!("PI_{name}USD"), true, None, steps, 0));
        for (at, day) in &ends {
            products.push(made(format!("FI_{name}USD_{day}"), true, Some(*at), steps, 0));
            products.push(made(format!("FF_{name}USD_{day}"), false, Some(*at), linear, precision));
        }
    }
    products
}

/// Gives the last Fridays of the next two quarters, each with its day as the venue writes it in symbols.
fn maturities(now: Timestamp) -> Vec<(Timestamp, String)> {
    let midnight = now.saturating_sub(DurationNs::from_ns(now.as_ns().rem_euclid(DAY.as_ns())));
    let days = (1..370_i64).map(|count| midnight.saturating_add(DAY.saturating_mul(count)));
    let last_friday = |day: &Timestamp| {
        let week = DAY.saturating_mul(7);
        let (civil, next) = (Civil::of(*day), Civil::of(day.saturating_add(week)));
        civil.is_friday() && civil.month % 3 == 0 && next.month != civil.month
    };
    let ending = |day: Timestamp| {
        let civil = Civil::of(day);
        let hour = if matches!(civil.month, 6 | 9) { SUMMER_END_H } else { WINTER_END_H };
        let at = day.saturating_add(DurationNs::from_s(hour * 3_600));
        let (year, month, day) = (civil.year.rem_euclid(100), civil.month, civil.day);
        (at, format!("{year:02}{month:02}{day:02}"))
    };
    days.filter(last_friday).take(2).map(ending).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dated_contracts_end_on_the_last_fridays_of_the_next_two_quarters() {
        // 2026-06-01T12:00:00Z
        let now = Timestamp::from_ns(1_780_315_200_000_000_000);
        let days: Vec<String> = maturities(now).into_iter().map(|(_, day)| day).collect();
        assert_eq!(days, ["260626", "260925"]);
        // 2026-06-26T15:00:00Z
        assert_eq!(maturities(now)[0].0, Timestamp::from_ns(1_782_486_000_000_000_000));
    }

    #[test]
    fn no_symbol_is_listed_twice_and_steps_are_possible() {
        let products = listed(Timestamp::from_ns(1_780_315_200_000_000_000));
        let symbols: std::collections::BTreeSet<_> = products.iter().map(|it| &it.symbol).collect();
        assert_eq!((symbols.len(), products.len()), (16, 16));
        assert!(products.iter().all(|it| it.lot().get() > 0 && it.tick.get() > 0));
        let coarse = Product { precision: -3, ..products[0].clone() };
        assert_eq!((coarse.lot().get(), coarse.qty_decimals()), (1_000, 0));
    }
}
