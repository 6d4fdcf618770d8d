//! Basis, cost of carry and funding of futures (section 10).
//!
//! Symbols: spot `S`, future `F`, interest `r` and yield `y` per year, `τ` years to expiry.
//! Dated: fair `F* = S·e^{(r−y)τ}`; basis `(F − S)/S·1e4` bps; implied carry `ln(F/S)/τ`; **basis net of carry** `(F − F*)/F*·1e4` bps.
//! Perpetual: premium `b = ln F/S`; cash per interval `−position·mark·rate` (long pays a rate above zero); simple yearly rate
//! `rate·intervals per day·365`. Expected rate: realised ones (decayed mean) blended with the venue's own prediction.
//! No-arbitrage band `[F*(1 − c_sell spot − c_buy future), F*(1 + c_buy spot + c_sell future)]`: only outside is carry free.
//! Cash and carry, net `F/S − 1 − 2f_s − 2f_f − 4·half-spread − borrow`, per year times `365/days`.
//! Worked number: S = 60,000, F = 60,550, 45 days, r = 5 %: F* = 60,371.0, basis 91.67 bps, net of carry 29.65 bps.
//! Rates must already be fractions of value per interval: venues quote them per contract, per hour or per eight hours.

use crate::estimate::{check, finite};
use crate::{BPS, Estimate, NotReady, TimeWeightedMean};
use libm::{exp, log};
use remora_domain::{DurationNs, Timestamp};

/// Days of a year: crypto trades on all of them.
const YEAR_DAYS: f64 = 365.0;

/// Is what it costs to hold the asset until a future expires.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Carry {
    /// `r`, per year (0.05 is 5 %).
    pub interest: f64,
    /// `y`, per year: what holding the asset earns.
    pub yield_rate: f64,
    /// `τ`, above zero.
    pub years: f64,
}

impl Carry {
    /// Gives `F*`, quote currency.
    ///
    /// # Errors
    /// Refuses a spot price and a time to expiry not above zero, and rates that are not finite.
    pub fn fair_future(&self, spot: f64) -> Result<f64, NotReady> {
        check("spot", spot, spot > 0.0)?;
        check("years to expiry", self.years, self.years > 0.0)?;
        finite(spot * exp((self.interest - self.yield_rate) * self.years))
    }

    /// Gives the basis net of carry, bps of the fair future; above zero the future is dear.
    ///
    /// # Errors
    /// As [`Self::fair_future`].
    pub fn net_basis_bps(&self, spot: f64, future: f64) -> Result<f64, NotReady> {
        check("future", future, future > 0.0)?;
        let fair = self.fair_future(spot)?;
        finite((future - fair) / fair * BPS)
    }

    /// Gives the prices of the future between which no trade of both legs earns anything.
    ///
    /// # Errors
    /// As [`Self::fair_future`]; refuses costs below zero.
    pub fn no_arbitrage_band(&self, spot: f64, costs: &LegCosts) -> Result<(f64, f64), NotReady> {
        let fair = self.fair_future(spot)?;
        for cost in [costs.buy_spot, costs.sell_spot, costs.buy_future, costs.sell_future] {
            check("cost of a leg", cost, cost >= 0.0)?;
        }
        let low = fair * (1.0 - costs.sell_spot - costs.buy_future);
        Ok((finite(low)?, finite(fair * (1.0 + costs.buy_spot + costs.sell_future))?))
    }
}

/// Is the all-in cost of taking each leg: fee, half-spread and slippage, fractions of value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LegCosts {
    /// Buying the asset.
    pub buy_spot: f64,
    /// Selling (borrowing) the asset.
    pub sell_spot: f64,
    /// Buying the future.
    pub buy_future: f64,
    /// Selling the future.
    pub sell_future: f64,
}

/// Gives the plain basis `(F − S)/S`, bps.
///
/// # Errors
/// Refuses prices not above zero.
pub fn basis_bps(spot: f64, future: f64) -> Result<f64, NotReady> {
    check("spot", spot, spot > 0.0)?;
    check("future", future, future > 0.0)?;
    finite((future - spot) / spot * BPS)
}

/// Gives the carry per year that the prices imply, `ln(F/S)/τ`.
///
/// # Errors
/// As [`basis_bps`]; refuses a time not above zero.
pub fn implied_carry(spot: f64, future: f64, years: f64) -> Result<f64, NotReady> {
    basis_bps(spot, future)?;
    check("years to expiry", years, years > 0.0)?;
    finite(log(future / spot) / years)
}

/// Gives the cash that a position (base, signed) gets at one funding stamp, quote currency; below zero it pays.
///
/// # Errors
/// Refuses a mark not above zero and what is not finite.
pub fn funding_cash(position: f64, mark: f64, rate: f64) -> Result<f64, NotReady> {
    check("mark", mark, mark > 0.0)?;
    finite(-position * mark * rate)
}

/// Gives the simple yearly rate of a funding rate per interval.
///
/// # Errors
/// Refuses intervals per day not above zero.
pub fn funding_per_year(rate: f64, intervals_per_day: f64) -> Result<f64, NotReady> {
    check("intervals per day", intervals_per_day, intervals_per_day > 0.0)?;
    finite(rate * intervals_per_day * YEAR_DAYS)
}

/// Is a purchase of the asset against a sale of its future, held to expiry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CashAndCarry {
    /// Price of the asset.
    pub spot: f64,
    /// Price of the future.
    pub future: f64,
    /// Days to expiry, above zero.
    pub days: f64,
    /// Fee of the spot legs, fraction.
    pub fee_spot: f64,
    /// Fee of the futures legs, fraction.
    pub fee_future: f64,
    /// Half-spread of each of the four trades, bps.
    pub half_spread_bps: f64,
    /// Cost of borrowed money, per year.
    pub borrow_per_year: f64,
}

/// Is what cash and carry returns, fractions of the spot value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CarryReturn {
    /// `F/S − 1`.
    pub gross: f64,
    /// Fees, spreads and borrowing.
    pub cost: f64,
    /// What is left.
    pub net: f64,
    /// The same per year, not compounded.
    pub net_per_year: f64,
}

impl CashAndCarry {
    /// Gives its return to expiry.
    ///
    /// # Errors
    /// Refuses prices and days not above zero, and what is not finite.
    pub fn returns(&self) -> Result<CarryReturn, NotReady> {
        let gross = basis_bps(self.spot, self.future)? / BPS;
        check("days to expiry", self.days, self.days > 0.0)?;
        let borrow = self.borrow_per_year * self.days / YEAR_DAYS;
        let trades = 2.0 * self.fee_spot + 2.0 * self.fee_future + 4.0 * self.half_spread_bps / BPS;
        let cost = finite(trades + borrow)?;
        let net = gross - cost;
        Ok(CarryReturn { gross, cost, net, net_per_year: finite(net * YEAR_DAYS / self.days)? })
    }
}

/// Gives the funding rate to expect at the next stamp: realised ones and the venue's prediction, which counts
/// `prediction_weight` (0 to 1). Without a prediction the realised mean stands alone.
///
/// # Errors
/// Refuses a weight outside its range.
pub fn expected_funding(
    realised: &Estimate,
    predicted: Option<f64>,
    prediction_weight: f64,
) -> Result<f64, NotReady> {
    check("weight of the prediction", prediction_weight, (0.0..=1.0).contains(&prediction_weight))?;
    let Some(predicted) = predicted else { return Ok(realised.value) };
    finite(prediction_weight * predicted + (1.0 - prediction_weight) * realised.value)
}

/// Follows the basis net of carry: its mean over time, and how far the newest is from it. O(1) per event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NetBasis {
    mean: TimeWeightedMean,
    newest: Option<(Timestamp, f64)>,
}

impl NetBasis {
    /// Starts empty; 10 to 30 minutes let the carry drop out and leave the lead.
    #[must_use]
    pub const fn new(half_life: DurationNs) -> Self {
        Self { mean: TimeWeightedMean::new(half_life), newest: None }
    }

    /// Takes both prices that hold from `now`; `carry` is that of a dated future, `None` for a perpetual. Unusable prices
    /// pause until the next.
    ///
    /// # Errors
    /// Says why prices are not usable.
    pub fn observe(
        &mut self,
        now: Timestamp,
        spot: f64,
        future: f64,
        carry: Option<&Carry>,
    ) -> Result<f64, NotReady> {
        let net = carry.map_or_else(
            || basis_bps(spot, future).map(|_| log(future / spot) * BPS),
            |carry| carry.net_basis_bps(spot, future),
        );
        match net {
            Ok(net) => {
                self.mean.observe(now, net);
                self.newest = Some((now, net));
            }
            Err(_) => self.pause(now),
        }
        net
    }

    /// Says that from `now` one of the prices is unknown.
    pub fn pause(&mut self, now: Timestamp) {
        self.mean.pause(now);
        self.newest = None;
    }

    /// Gives the mean over time, bps.
    ///
    /// # Errors
    /// Not ready below `seconds_min` of (decayed) observation.
    pub fn mean_bps(&self, now: Timestamp, seconds_min: f64) -> Result<Estimate, NotReady> {
        self.mean.estimate(now, seconds_min)
    }

    /// Gives how far the newest basis is above its mean, bps: what spot may still have to catch up.
    ///
    /// # Errors
    /// As [`Self::mean_bps`]; not ready while paused.
    pub fn deviation_bps(&self, now: Timestamp, seconds_min: f64) -> Result<f64, NotReady> {
        let (_, newest) = self.newest.ok_or(NotReady::NoObservation)?;
        finite(newest - self.mean.estimate(now, seconds_min)?.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CARRY: Carry = Carry { interest: 0.05, yield_rate: 0.0, years: 45.0 / 365.0 };

    #[test]
    fn the_worked_number_of_the_header_holds() {
        assert!((CARRY.fair_future(60_000.0).unwrap() - 60_371.0).abs() < 0.01);
        assert!((basis_bps(60_000.0, 60_550.0).unwrap() - 91.67).abs() < 0.01);
        assert!((CARRY.net_basis_bps(60_000.0, 60_550.0).unwrap() - 29.65).abs() < 0.01);
    }

    #[test]
    fn a_long_position_pays_a_rate_above_zero() {
        assert!(funding_cash(2.0, 100.0, 0.001).unwrap() < 0.0);
        assert!(funding_cash(-2.0, 100.0, 0.001).unwrap() > 0.0);
    }

    #[test]
    fn the_deviation_is_against_the_past_and_pauses_with_the_prices() {
        let mut basis = NetBasis::new(DurationNs::from_s(60));
        let at = |s: i64| Timestamp::from_ns(s * 1_000_000_000);
        basis.observe(at(0), 100.0, 100.1, None).unwrap();
        basis.observe(at(300), 100.0, 100.2, None).unwrap();
        let got = basis.deviation_bps(at(301), 10.0).unwrap();
        assert!(got > 9.0 && got < 10.0, "{got}");
        assert!(basis.observe(at(302), 0.0, 100.0, None).is_err());
        assert_eq!(basis.deviation_bps(at(303), 10.0), Err(NotReady::NoObservation));
    }

    #[test]
    fn unusable_inputs_are_named() {
        let expired = Carry { years: 0.0, ..CARRY };
        assert_eq!(expired.fair_future(1.0), Err(NotReady::Input { what: "years to expiry" }));
        assert_eq!(basis_bps(0.0, 1.0), Err(NotReady::Input { what: "spot" }));
    }

    proptest! {
        #[test]
        fn the_fair_future_has_no_net_basis_and_lies_in_the_band(
            spot in 1e-6f64..1e6, interest in -0.2f64..0.5, years in 0.01f64..2.0, cost in 0f64..0.01,
        ) {
            let carry = Carry { interest, yield_rate: 0.01, years };
            let fair = carry.fair_future(spot).unwrap();
            prop_assert!(carry.net_basis_bps(spot, fair).unwrap().abs() < 1e-9);
            prop_assert!((implied_carry(spot, fair, years).unwrap() - interest + 0.01).abs() < 1e-9);
            let costs = LegCosts { buy_spot: cost, sell_spot: cost, buy_future: cost, sell_future: cost };
            let (low, high) = carry.no_arbitrage_band(spot, &costs).unwrap();
            prop_assert!(low <= fair && fair <= high);
        }
    }
}
