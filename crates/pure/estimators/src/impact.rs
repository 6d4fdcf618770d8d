//! What taking costs: walking a book, market impact, implementation shortfall (section 13).
//!
//! - Walk: levels are taken best first; what they do not hold stays unfilled, and is said. Slippage is against the mid.
//! - Square-root law: `I = Y·σ·√(Q/V)`, fraction of the price, with the day's volatility σ and volume V.
//! - Almgren and others: permanent `γσ(X/V)(Θ/V)^¼`, temporary `ησ(X/(V·T))^⅗`, cost `permanent/2 + temporary`.
//! - Shortfall of an order with side `e`: delay `e·Q_f(P_a − P_d)`, execution `e·Σq(p − P_a)`, opportunity `e·(Q − Q_f)(P_e − P_d)`, fees.
//!
//! Worked number: a hundredth of the day's volume at 2 % volatility and Y = 1 moves the price 0.2 %.
//! Sources: Tóth et al. (2011), "Anomalous price impact and the critical nature of liquidity in financial markets"; Almgren, Thum, Hauptmann, Li (2005),
//! "Direct estimation of equity market impact"; Perold (1988), "The implementation shortfall: paper versus reality".

use crate::touch::BPS;

/// Is what walking a book gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BookWalk {
    /// Mean price of what was filled, quote currency.
    pub vwap: f64,
    /// Filled, base units; less than wanted where the book holds no more.
    pub filled: f64,
    /// Price of the last level touched.
    pub worst: f64,
    /// Mean price beyond the mid, basis points; above zero is a cost.
    pub slippage_bps: f64,
}

/// Walks levels (price, quantity), best first, with a quantity above zero; `None` where nothing fills.
#[must_use]
pub fn walk_book(levels: &[(f64, f64)], qty: f64, mid: f64) -> Option<BookWalk> {
    let (mut filled, mut value, mut worst) = (0.0, 0.0, None);
    for (price, size) in levels {
        let taken = size.min(qty - filled);
        if taken > 0.0 {
            filled += taken;
            value += taken * price;
            worst = Some(*price);
        }
    }
    let (worst, vwap) = (worst?, value / filled);
    let slippage_bps = (vwap / mid - 1.0).abs() * BPS;
    let walk = BookWalk { vwap, filled, worst, slippage_bps };
    (vwap.is_finite() && slippage_bps.is_finite()).then_some(walk)
}

/// Gives the impact of the square-root law, fraction of the price; `None` where it is no number.
#[must_use]
pub fn square_root_impact(
    factor: f64,
    volatility_day: f64,
    qty: f64,
    volume_day: f64,
) -> Option<f64> {
    Some(factor * volatility_day * libm::sqrt(qty / volume_day)).filter(|x| x.is_finite())
}

/// Is an order as the calibration of 2005 sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImpactModel {
    /// Scale of the permanent part, γ.
    pub permanent: f64,
    /// Scale of the temporary part, η.
    pub temporary: f64,
}

/// Is what an order costs, basis points of the price.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImpactCost {
    /// What stays.
    pub permanent_bps: f64,
    /// What is gone again afterwards.
    pub temporary_bps: f64,
    /// What is paid: half of the first and all of the second.
    pub cost_bps: f64,
}

impl ImpactModel {
    /// Gives the cost of trading `qty` evenly over `days`, of a day's `volume` and `volatility`, with `outstanding` units in existence.
    #[must_use]
    pub fn cost(
        &self,
        qty: f64,
        days: f64,
        volume: f64,
        volatility: f64,
        outstanding: f64,
    ) -> Option<ImpactCost> {
        let permanent_bps = self.permanent
            * volatility
            * (qty / volume)
            * libm::pow(outstanding / volume, 0.25)
            * BPS;
        let temporary_bps =
            self.temporary * volatility * libm::pow(qty / (volume * days), 0.6) * BPS;
        let cost_bps = permanent_bps / 2.0 + temporary_bps;
        cost_bps.is_finite().then_some(ImpactCost { permanent_bps, temporary_bps, cost_bps })
    }
}

/// Is an order from its decision to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorkedOrder<'a> {
    /// +1 to buy, −1 to sell.
    pub side: f64,
    /// Quantity wanted.
    pub qty: f64,
    /// Price when it was decided.
    pub decision_px: f64,
    /// Price when the market first saw it.
    pub arrival_px: f64,
    /// Price at its end.
    pub end_px: f64,
    /// Fills (price, quantity).
    pub fills: &'a [(f64, f64)],
    /// Fees paid, quote currency.
    pub fees: f64,
}

/// Is what was lost against trading everything at the decision's price, quote currency; below zero is a gain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shortfall {
    /// Before the market saw it.
    pub delay: f64,
    /// While it was worked.
    pub execution: f64,
    /// On what was not filled.
    pub opportunity: f64,
    /// Fees.
    pub fees: f64,
    /// All of it.
    pub total: f64,
    /// All of it against the value decided on, basis points.
    pub total_bps: f64,
}

impl WorkedOrder<'_> {
    /// Gives its shortfall; `None` where it is no number.
    #[must_use]
    pub fn shortfall(&self) -> Option<Shortfall> {
        let filled: f64 = self.fills.iter().map(|(_, qty)| qty).sum();
        let delay = self.side * filled * (self.arrival_px - self.decision_px);
        let beyond = self.fills.iter().map(|(price, qty)| qty * (price - self.arrival_px));
        let execution = self.side * beyond.sum::<f64>();
        let opportunity = self.side * (self.qty - filled) * (self.end_px - self.decision_px);
        let total = delay + execution + opportunity + self.fees;
        let total_bps = total / (self.qty * self.decision_px) * BPS;
        let fees = self.fees;
        total_bps.is_finite().then_some(Shortfall {
            delay,
            execution,
            opportunity,
            fees,
            total,
            total_bps,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_number_of_the_header_holds() {
        assert!((square_root_impact(1.0, 0.02, 1.0, 100.0).unwrap() - 0.002).abs() < 1e-15);
        assert_eq!(square_root_impact(1.0, 0.02, 1.0, 0.0), None);
    }

    #[test]
    fn a_sale_walks_down_and_an_empty_book_fills_nothing() {
        let walk = walk_book(&[(100.0, 1.0), (99.0, 1.0)], 5.0, 100.5).unwrap();
        assert_eq!((walk.vwap, walk.filled, walk.worst), (99.5, 2.0, 99.0));
        assert!((walk.slippage_bps - 1.0 / 100.5 * 1e4).abs() < 1e-9);
        assert_eq!(walk_book(&[], 1.0, 100.0), None);
        assert_eq!(walk_book(&[(100.0, 1.0)], 0.0, 100.0), None);
    }
}
