//! Fee tiers and what volume is worth (section 20).
//!
//! The tier of a day is set by the volume `V` of the 30 days before it; maker fees `m_0 > m_1 > …` at thresholds `0 = h_0 < h_1 < …`.
//! Value of one more unit traded now (shadow price): `φ = Σ_{d=1}^{30} E[v_d]·Σ_j (m_{j−1} − m_j)·f_d(h_j)`, `f_d` the normal density of the volume
//! projected for day `d`. Quotes use the fee `m(V) − φ`. Push for tier `j` if `days·E[v]·Δm − gap·loss > 0`, the best of all higher tiers.
//! Cost of a plan: each day's volume at its fee, plus the loss on extra volume.
//! Worked number: gap 5,000, 25 days of 3,000 a day, fee drop 2 bps, loss 8 bps: 15 − 4 = 11.
//! Volume counts for the whole account; it is only ever produced by genuine two-sided quoting. Schedules come from the venue, never from here.
//! Estimates only: the fee that is booked is the venue's. Units: quote currency, fees in bps. Bound: 30 days are kept.

use crate::estimate::{at_least, check, finite};
use crate::numeric::count_est;
use crate::{BPS, NotReady};
use std::collections::VecDeque;
use std::f64::consts::PI;

/// Days whose volume sets the tier.
pub const TIER_DAYS: usize = 30;

/// Is one step of a schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeeTier {
    /// Volume of 30 days from which it holds, quote currency.
    pub volume_min: f64,
    /// Maker fee, bps; a rebate is negative.
    pub maker_bps: f64,
}

/// Holds the steps of one schedule, from no volume up.
#[derive(Clone, Debug, PartialEq)]
pub struct FeeSchedule {
    tiers: Vec<FeeTier>,
}

/// Is what a push for a higher tier brings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TierPush {
    /// The tier to reach, from 0.
    pub tier: usize,
    /// Volume that is missing, quote currency.
    pub gap: f64,
    /// Saved fees less what the missing volume costs, quote currency; above zero.
    pub net_value: f64,
}

/// Is what a plan of daily volumes costs.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanCost {
    /// Fees and losses over all days, quote currency.
    pub total: f64,
    /// Volume of the 30 days before each day.
    pub window_volumes: Vec<f64>,
    /// Maker fee of each day, bps.
    pub fees_bps: Vec<f64>,
}

impl FeeSchedule {
    /// Takes the tiers in rising order of volume.
    ///
    /// # Errors
    /// Refuses a schedule that does not begin at zero, whose thresholds do not rise or whose fees rise with volume.
    pub fn new(tiers: Vec<FeeTier>) -> Result<Self, NotReady> {
        let starts = tiers.first().is_some_and(|tier| tier.volume_min.total_cmp(&0.0).is_eq());
        let is_finite = tiers.iter().all(|t| t.volume_min.is_finite() && t.maker_bps.is_finite());
        let is_ordered = tiers
            .iter()
            .zip(tiers.iter().skip(1))
            .all(|(a, b)| a.volume_min < b.volume_min && a.maker_bps >= b.maker_bps);
        if starts && is_finite && is_ordered {
            return Ok(Self { tiers });
        }
        Err(NotReady::Input { what: "fee schedule" })
    }

    /// Gives the number of the tier at a volume of 30 days, and the tier.
    ///
    /// # Errors
    /// Refuses a volume below zero.
    pub fn tier(&self, volume: f64) -> Result<(usize, FeeTier), NotReady> {
        check("volume of 30 days", volume, volume >= 0.0)?;
        let reached = self.tiers.iter().enumerate().rfind(|(_, tier)| tier.volume_min <= volume);
        reached.map(|(i, tier)| (i, *tier)).ok_or(NotReady::Input { what: "fee schedule" })
    }

    /// Gives the value of one more unit of volume traded now, quote currency per unit: what to take off the fee when quoting.
    /// `days` are (projected volume of 30 days, its standard deviation, expected volume of the day) from tomorrow on.
    ///
    /// # Errors
    /// Refuses more than 30 days, deviations not above zero and volumes below zero.
    pub fn shadow_price(&self, days: &[(f64, f64, f64)]) -> Result<f64, NotReady> {
        if days.len() > TIER_DAYS {
            return Err(NotReady::Input { what: "days of a projection" });
        }
        let mut value = 0.0;
        for (mean, sd, volume) in days {
            check("projected volume", *mean, true)?;
            check("deviation of the projected volume", *sd, *sd > 0.0)?;
            check("volume of a day", *volume, *volume >= 0.0)?;
            for (below, tier) in self.tiers.iter().zip(self.tiers.iter().skip(1)) {
                let z = (tier.volume_min - mean) / sd;
                let density = libm::exp(-0.5 * z * z) / (sd * libm::sqrt(2.0 * PI));
                value += volume * (below.maker_bps - tier.maker_bps) / BPS * density;
            }
        }
        finite(value)
    }

    /// Gives the higher tier that pays best to push for; `None` where none pays. `projected` is the volume of 30 days without a
    /// push, `days_held` how long the tier would then hold, `daily` the expected volume of a day, `loss` what a unit of extra
    /// volume costs (fraction). `margin` (zero or above) is kept for the chance to miss, quote currency.
    ///
    /// # Errors
    /// Refuses inputs below zero.
    pub fn best_push(
        &self,
        projected: f64,
        days_held: f64,
        daily: f64,
        loss: f64,
        margin: f64,
    ) -> Result<Option<TierPush>, NotReady> {
        check("margin", margin, margin >= 0.0)?;
        let (now, tier) = self.tier(projected)?;
        let mut best: Option<TierPush> = None;
        for (i, higher) in self.tiers.iter().enumerate().skip(now + 1) {
            let gap = higher.volume_min - projected;
            let drop = (tier.maker_bps - higher.maker_bps) / BPS;
            let net_value = push_value(gap, days_held, daily, drop, loss)? - margin;
            if net_value > best.map_or(0.0, |push| push.net_value) {
                best = Some(TierPush { tier: i, gap, net_value });
            }
        }
        Ok(best)
    }

    /// Adds up what a plan costs: `history` is the volume of the 30 days before, `base` and `extra` that of each day to come,
    /// `loss` what a unit of extra volume loses beyond its fee (fraction).
    ///
    /// # Errors
    /// Refuses another history than 30 days, plans of different length and volumes below zero.
    pub fn plan_cost(
        &self,
        history: &[f64],
        base: &[f64],
        extra: &[f64],
        loss: f64,
    ) -> Result<PlanCost, NotReady> {
        let is_usable = history.len() == TIER_DAYS
            && base.len() == extra.len()
            && history.iter().chain(base).chain(extra).all(|v| v.is_finite() && *v >= 0.0);
        if !is_usable {
            return Err(NotReady::Input { what: "volumes of a plan" });
        }
        check("loss of extra volume", loss, true)?;
        let mut window: VecDeque<f64> = history.iter().copied().collect();
        let mut plan = PlanCost { total: 0.0, window_volumes: Vec::new(), fees_bps: Vec::new() };
        for (base, extra) in base.iter().zip(extra) {
            let volume: f64 = window.iter().sum();
            let (_, tier) = self.tier(volume)?;
            plan.total += (base + extra) * tier.maker_bps / BPS + extra * loss;
            plan.window_volumes.push(volume);
            plan.fees_bps.push(tier.maker_bps);
            window.pop_front();
            window.push_back(base + extra);
        }
        finite(plan.total)?;
        Ok(plan)
    }
}

/// Gives what closing a gap to a tier brings: fees saved while it holds less the loss on the volume of the gap.
///
/// # Errors
/// Refuses volumes and days below zero.
pub fn push_value(
    gap: f64,
    days_held: f64,
    daily: f64,
    fee_drop: f64,
    loss: f64,
) -> Result<f64, NotReady> {
    check("gap", gap, gap >= 0.0)?;
    check("days held", days_held, days_held >= 0.0)?;
    check("volume of a day", daily, daily >= 0.0)?;
    finite(days_held * daily * fee_drop - gap * loss)
}

/// Counts the account's volume day by day. O(1) per trade.
#[derive(Clone, Debug, PartialEq)]
pub struct TrailingVolume {
    /// (Day since the epoch, volume), oldest first; at most 31.
    days: VecDeque<(i64, f64)>,
    since: i64,
}

impl TrailingVolume {
    /// Starts empty on a day (since the epoch) from which every trade is counted.
    #[must_use]
    pub const fn new(day: i64) -> Self {
        Self { days: VecDeque::new(), since: day }
    }

    /// Takes a trade of a day. Days before the newest are refused.
    ///
    /// # Errors
    /// Refuses a value below zero and days that run back.
    pub fn observe(&mut self, day: i64, value: f64) -> Result<(), NotReady> {
        check("value of a trade", value, value >= 0.0)?;
        let newest = self.days.back().map_or(self.since, |(newest, _)| *newest);
        if day < newest {
            return Err(NotReady::Input { what: "order of days" });
        }
        match self.days.back_mut().filter(|(newest, _)| *newest == day) {
            Some((_, volume)) => *volume += value,
            None => self.days.push_back((day, value)),
        }
        while self.days.len() > TIER_DAYS + 1 {
            self.days.pop_front();
        }
        Ok(())
    }

    /// Gives the volume of the 30 days before `day`.
    ///
    /// # Errors
    /// Not ready while fewer than 30 days were counted: the rest is not known to be zero.
    pub fn before(&self, day: i64) -> Result<f64, NotReady> {
        let counted = usize::try_from(day.saturating_sub(self.since)).unwrap_or(0);
        at_least(counted, TIER_DAYS)?;
        let first = day.saturating_sub(30);
        let inside = self.days.iter().filter(|(d, _)| (first..day).contains(d));
        Ok(inside.map(|(_, volume)| volume).sum())
    }

    /// Gives the mean volume of the days from `day − days` to the day before, days without a trade as zero.
    ///
    /// # Errors
    /// Not ready while fewer days were counted; refuses none and more than 30.
    pub fn daily_mean(&self, day: i64, days: u8) -> Result<f64, NotReady> {
        check("days of a mean", f64::from(days), (1..=30).contains(&days))?;
        let counted = usize::try_from(day.saturating_sub(self.since)).unwrap_or(0);
        at_least(counted, usize::from(days))?;
        let first = day.saturating_sub(i64::from(days));
        let inside = self.days.iter().filter(|(d, _)| (first..day).contains(d));
        finite(inside.map(|(_, volume)| volume).sum::<f64>() / count_est(usize::from(days)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schedule() -> FeeSchedule {
        let tiers = [(0.0, 25.0), (10_000.0, 20.0), (50_000.0, 14.0), (100_000.0, 12.0)];
        let tier = |(volume_min, maker_bps)| FeeTier { volume_min, maker_bps };
        FeeSchedule::new(tiers.into_iter().map(tier).collect()).unwrap()
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        assert!((push_value(5_000.0, 25.0, 3_000.0, 0.0002, 0.0008).unwrap() - 11.0).abs() < 1e-12);
        let push = schedule().best_push(95_000.0, 25.0, 3_000.0, 0.0008, 0.0).unwrap().unwrap();
        assert_eq!((push.tier, push.gap), (3, 5_000.0));
        assert_eq!(schedule().best_push(95_000.0, 25.0, 3_000.0, 0.0008, 12.0), Ok(None));
        assert_eq!(schedule().best_push(100_000.0, 25.0, 3_000.0, 0.0008, 0.0), Ok(None));
    }

    #[test]
    fn broken_schedules_and_negative_volumes_are_refused() {
        let tier = |volume_min, maker_bps| FeeTier { volume_min, maker_bps };
        assert!(FeeSchedule::new(vec![]).is_err());
        assert!(FeeSchedule::new(vec![tier(5.0, 1.0)]).is_err());
        assert!(FeeSchedule::new(vec![tier(0.0, 1.0), tier(5.0, 2.0)]).is_err());
        assert!(FeeSchedule::new(vec![tier(0.0, 1.0), tier(0.0, 0.5)]).is_err());
        assert!(schedule().tier(-1.0).is_err());
    }

    #[test]
    fn volume_is_worth_something_near_a_threshold_and_nothing_far_away() {
        let value = |mean: f64| schedule().shadow_price(&[(mean, 1_000.0, 3_000.0); 30]).unwrap();
        assert!(value(100_000.0) > 0.0001 && value(100_000.0) > value(98_000.0));
        assert!(value(75_000.0) < 1e-12 && value(1e6) < 1e-12);
    }

    #[test]
    fn thirty_days_roll_off_and_unknown_days_are_not_zero() {
        let mut volume = TrailingVolume::new(100);
        (100..135).for_each(|day| volume.observe(day, 10.0).unwrap());
        assert!(matches!(volume.before(129), Err(NotReady::TooLittle { .. })));
        assert_eq!(volume.before(135), Ok(300.0));
        assert_eq!(volume.before(160), Ok(50.0));
        assert_eq!(volume.daily_mean(135, 5), Ok(10.0));
        assert!(volume.observe(134, 1.0).is_ok() && volume.observe(133, 1.0).is_err());
    }

    proptest! {
        #[test]
        fn more_volume_never_raises_the_fee(a in 0f64..3e5, more in 0f64..3e5) {
            let fee = |v| schedule().tier(v).unwrap().1.maker_bps;
            prop_assert!(fee(a + more) <= fee(a));
        }

        #[test]
        fn the_shadow_price_is_the_slope_of_the_expected_fee_bill(mean in 0f64..1.5e5, sd in 500f64..2e4) {
            // Expected fee of a unit at volume V + x, by the normal distribution, differentiated numerically.
            let bill = |shift: f64| -> f64 {
                let above = |h: f64| 0.5 * libm::erfc((h - mean - shift) / sd / 2f64.sqrt());
                [(10_000.0, 5.0), (50_000.0, 6.0), (100_000.0, 2.0)].iter().map(|(h, drop)| -drop / 1e4 * above(*h)).sum()
            };
            let slope = -(bill(1.0) - bill(-1.0)) / 2.0;
            let got = schedule().shadow_price(&[(mean, sd, 1.0)]).unwrap();
            prop_assert!((got - slope).abs() < 1e-6 * got + 1e-13);
        }
    }
}
