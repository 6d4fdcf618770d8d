//! From prices and quantities to amounts, with every rounding named.
//!
//! The rule (no venue documents one; it is our choice, and the same for every trade):
//! 1. cost = price times quantity, rounded **half away from zero** to the market's `cost_decimals`;
//! 2. fee = that cost times the rate, rounded half away from zero to `cost_decimals` (a fee in base: the booked quantity
//!    times the rate, to the base asset's decimals);
//! 3. what is booked is each of them rounded half away from zero once more, to the decimals of its asset.
//!
//! Both sides of a trade book the same cost and the same quantity, so money is only moved, never made. Holds round up.
//! Worked example (a test repeats it): 0.00012345 at 61234.5, cost decimals 5: 7.559399025 becomes 7.55940; a fee of
//! 0.4 % is 0.0302376 and becomes 0.03024; an asset with 4 decimals books 7.5594 and 0.0302.

use crate::api::{MarketSpec, Money};
use remora_domain::{Lots, Ticks};

/// Bounds every single cost and booked amount, so that no product leaves the range of the integers.
pub(crate) const MONEY_MAX: Money = 1_000_000_000_000_000_000_000_000_000_000;
/// Bounds quantities and prices.
pub(crate) const STEPS_MAX: i64 = 1_000_000_000_000_000_000;
/// Decimals of anything.
pub(crate) const DECIMALS_MAX: u32 = 18;
/// Rates are in millionths; a fee of more than everything is none.
pub(crate) const PPM: i64 = 1_000_000;

/// Divides and rounds to the nearest, halves away from zero. `divisor` is above zero.
fn half_away(number: i128, divisor: i128) -> i128 {
    let (quotient, rest) = divide(number, divisor);
    if rest.unsigned_abs().saturating_mul(2) >= divisor.unsigned_abs() {
        quotient.saturating_add(number.signum())
    } else {
        quotient
    }
}

/// Divides a number that is not negative and rounds up.
fn up(number: i128, divisor: i128) -> i128 {
    let (quotient, rest) = divide(number, divisor);
    if rest > 0 { quotient.saturating_add(1) } else { quotient }
}

/// Gives quotient and rest; in 64 bits where they do, because division in 128 is several times slower.
fn divide(number: i128, divisor: i128) -> (i128, i128) {
    if let (Ok(small), Ok(by)) = (i64::try_from(number), i64::try_from(divisor)) {
        let quotient = small.checked_div(by).unwrap_or(0);
        return (quotient.into(), small.checked_rem(by).unwrap_or(0).into());
    }
    (number.checked_div(divisor).unwrap_or(0), number.checked_rem(divisor).unwrap_or(0))
}

fn power_of_ten(exponent: u32) -> i128 {
    10_i128.checked_pow(exponent).unwrap_or(i128::MAX)
}

/// Converts between two numbers of decimals: times `times`, over `over`; one of them is 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    times: i128,
    over: i128,
}

impl Scale {
    /// From a number with `from` decimals to one with `to`.
    pub(crate) fn between(from: u32, to: u32) -> Self {
        Self {
            times: power_of_ten(to.saturating_sub(from)),
            over: power_of_ten(from.saturating_sub(to)),
        }
    }

    fn half_away(self, number: i128) -> i128 {
        let number = number.saturating_mul(self.times);
        if self.over == 1 { number } else { half_away(number, self.over) }
    }

    fn up(self, number: i128) -> i128 {
        up(number.saturating_mul(self.times), self.over)
    }
}

/// Converts between the units of one market and of its two assets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Units {
    /// Price times quantity to cost.
    cost: Scale,
    /// Cost to quote asset.
    quote: Scale,
    /// Quantity to base asset.
    base: Scale,
}

impl Units {
    pub(crate) fn of(spec: &MarketSpec, base_decimals: u32, quote_decimals: u32) -> Self {
        let product = spec.price_decimals.saturating_add(spec.qty_decimals);
        Self {
            cost: Scale::between(product, spec.cost_decimals),
            quote: Scale::between(spec.cost_decimals, quote_decimals),
            base: Scale::between(spec.qty_decimals, base_decimals),
        }
    }

    /// Gives what a trade costs, in cost units.
    pub(crate) fn cost(&self, price: Ticks, qty: Lots) -> Money {
        self.cost.half_away(product(price, qty))
    }

    /// Gives what it costs at most, in cost units.
    pub(crate) fn cost_up(&self, price: Ticks, qty: Lots) -> Money {
        self.cost.up(product(price, qty))
    }

    /// Gives the largest quantity whose cost at `price` does not exceed `budget`.
    pub(crate) fn affordable(&self, budget: Money, price: Ticks) -> Lots {
        let per_lot = i128::from(price.get()).saturating_mul(self.cost.times);
        let exact = budget.checked_mul(self.cost.over).and_then(|sum| sum.checked_div(per_lot));
        let lots = exact.or_else(|| {
            // Too large to multiply first: divide first, which gives a little less.
            budget.checked_div(per_lot).map(|each| each.saturating_mul(self.cost.over))
        });
        let lots = lots.unwrap_or(0).clamp(0, STEPS_MAX.into());
        Lots::new(i64::try_from(lots).unwrap_or(STEPS_MAX))
    }

    /// Gives a cost or a fee as the quote asset books it.
    pub(crate) fn in_quote(&self, cost: Money) -> Money {
        self.quote.half_away(cost)
    }

    /// Gives a cost in quote, rounded up.
    pub(crate) fn in_quote_up(&self, cost: Money) -> Money {
        self.quote.up(cost)
    }

    /// Gives a quantity as the base asset books it.
    pub(crate) fn in_base(&self, qty: Lots) -> Money {
        self.base.half_away(qty.get().into())
    }

    /// Gives a quantity in base, rounded up.
    pub(crate) fn in_base_up(&self, qty: Lots) -> Money {
        self.base.up(qty.get().into())
    }

    /// Tells whether everything about this much at this price stays in range.
    pub(crate) fn is_in_range(&self, price: Ticks, qty: Lots) -> bool {
        is_step(price.get())
            && is_step(qty.get())
            && product(price, qty)
                .checked_mul(self.cost.times)
                .is_some_and(|units| up(units, self.cost.over) <= MONEY_MAX)
            && self.is_cost_in_range(self.cost_up(price, qty))
            && self.in_base_up(qty) <= MONEY_MAX
    }

    /// Tells whether a cost stays in range when it is booked.
    pub(crate) fn is_cost_in_range(&self, cost: Money) -> bool {
        (0..=MONEY_MAX).contains(&cost)
            && cost.checked_mul(self.quote.times).is_some_and(|booked| booked <= MONEY_MAX)
    }
}

fn is_step(steps: i64) -> bool {
    (0..=STEPS_MAX).contains(&steps)
}

fn product(price: Ticks, qty: Lots) -> i128 {
    i128::from(price.get()).saturating_mul(qty.get().into())
}

/// Gives the fee on an amount; negative for a rebate.
pub(crate) fn fee(amount: Money, rate_ppm: i64) -> Money {
    if rate_ppm == 0 {
        return 0;
    }
    half_away(amount.saturating_mul(rate_ppm.into()), PPM.into())
}

/// Gives the fee on an amount at most; 0 for a rebate.
pub(crate) fn fee_up(amount: Money, rate_ppm: i64) -> Money {
    up(amount.saturating_mul(rate_ppm.max(0).into()), PPM.into())
}

/// Subtracts quantities; what is taken is never more than what is there.
pub(crate) const fn less(a: Lots, b: Lots) -> Lots {
    Lots::new(a.get().saturating_sub(b.get()))
}

/// Adds quantities; admission keeps every sum in range.
pub(crate) const fn more(a: Lots, b: Lots) -> Lots {
    Lots::new(a.get().saturating_add(b.get()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{AssetIx, MarketMode};

    fn units(price: u32, qty: u32, cost: u32, base: u32, quote: u32) -> Units {
        let spec = MarketSpec {
            base: AssetIx::new(0),
            quote: AssetIx::new(1),
            price_decimals: price,
            qty_decimals: qty,
            tick: Ticks::new(1),
            lot: Lots::new(1),
            qty_min: Lots::new(1),
            cost_decimals: cost,
            cost_min: 0,
            mode: MarketMode::Open,
        };
        Units::of(&spec, base, quote)
    }

    #[test]
    fn the_worked_example_of_the_header_holds() {
        let units = units(1, 8, 5, 10, 4);
        let cost = units.cost(Ticks::new(612_345), Lots::new(12_345));
        assert_eq!(cost, 755_940);
        assert_eq!(fee(cost, 4_000), 3_024);
        assert_eq!((units.in_quote(cost), units.in_quote(3_024)), (75_594, 302));
        assert_eq!(units.in_base(Lots::new(12_345)), 1_234_500);
        assert_eq!(units.cost_up(Ticks::new(612_345), Lots::new(12_345)), 755_940);
    }

    #[test]
    fn halves_go_away_from_zero_on_both_sides() {
        assert_eq!(
            [half_away(5, 10), half_away(-5, 10), half_away(4, 10), half_away(-4, 10)],
            [1, -1, 0, 0]
        );
        assert_eq!((fee(125, 4_000), fee(125, -4_000), fee_up(125, -4_000)), (1, -1, 0));
        let huge = i128::from(i64::MAX) * 10;
        assert_eq!(half_away(huge + 5, 10), i128::from(i64::MAX) + 1);
    }

    #[test]
    fn what_is_affordable_never_costs_more_than_the_budget() {
        let units = units(2, 4, 3, 8, 8);
        for budget in 0..200 {
            for price in 1..60 {
                let price = Ticks::new(price);
                let lots = units.affordable(budget, price);
                assert!(units.cost(price, lots) <= budget);
                assert!(product(price, more(lots, Lots::new(1))) > budget * 1_000);
            }
        }
        assert_eq!(units.affordable(MONEY_MAX, Ticks::new(1)), Lots::new(STEPS_MAX));
    }

    #[test]
    fn numbers_that_cannot_be_booked_are_out_of_range() {
        let fine = units(0, 0, 0, 0, 0);
        assert!(fine.is_in_range(Ticks::new(1_000_000_000_000), Lots::new(STEPS_MAX)));
        assert!(!fine.is_in_range(Ticks::new(STEPS_MAX), Lots::new(STEPS_MAX)));
        assert!(!units(0, 0, 18, 0, 18).is_in_range(Ticks::new(STEPS_MAX), Lots::new(2)));
        assert!(!units(0, 0, 0, 18, 0).is_in_range(Ticks::new(1), Lots::new(STEPS_MAX)));
        assert!(!fine.is_in_range(Ticks::new(-1), Lots::new(1)));
    }
}
