//! Whether a lead is more than chance: surrogate series, and the criteria of a verdict (section 9).
//!
//! Null: the steps of Y (a change with the time it took) are put in another order, so that their sizes stay and the link to X
//! goes. Changes alone over fixed tick times would break that long steps are large, which makes the covariation of independent
//! prices look too narrow: at 5 % it called 12 % of them. Statistic: the largest `|ρ|` over the grid;
//! `p = (1 + #{surrogate ≥ seen})/(1 + n)`. `Shuffle` makes every order equally likely; `Rotate` turns the series against X by a
//! random part, which keeps how calm and busy times follow each other.
//! A lead is called only if all hold: `p` small, peak to floor ≥ 5, `|ρ̂| ≥ 0.1`, LLR outside [0.8, 1.25], the sign of `θ̂` the same
//! in ≥ 80 % of the parts (days), and `|θ̂|` above its resolution. What can be traded on is the lead less our latency.
//! Worked number: 99 surrogates, none as large: p = 1/100.

use crate::lead_lag::{LagGrid, LeadLag, TickSeries, covariation, lead_lag};
use crate::numeric::{count_est, sorted};
use crate::resample::{below, percentile, shuffle};
use crate::{NotReady, estimate::at_least};
use remora_domain::DurationNs;
use remora_machine::SplitMix64;

/// Says how surrogates are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surrogate {
    /// Every order of the steps is equally likely.
    Shuffle,
    /// The steps are turned by a tenth to nine tenths of the series.
    Rotate,
}

/// Is what chance alone gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NullTest {
    /// Share of surrogates at least as extreme, the seen series counted: above 0, at most 1.
    pub p_value: f64,
    /// `|ρ|` below which the largest of the curve stays in 95 of 100 surrogates: the band of the plot.
    pub band_95: f64,
    /// Surrogates made.
    pub surrogates: usize,
}

/// Compares the peak with surrogates. Takes O(surrogates · lags · ticks).
///
/// # Errors
/// Refuses fewer than 19 surrogates (no level of 5 % could be reached), and what [`lead_lag`] refuses.
pub fn null_test(
    x: &TickSeries,
    y: &TickSeries,
    grid: &LagGrid,
    kind: Surrogate,
    surrogates: usize,
    seed: u64,
) -> Result<NullTest, NotReady> {
    at_least(surrogates, 19)?;
    let seen = lead_lag(x, y, grid)?.peak.rho.abs();
    let scale = libm::sqrt(x.variation() * y.variation());
    let mut random = SplitMix64::new(seed);
    let steps = y.steps();
    let largest: Vec<f64> = (0..surrogates)
        .map(|_| {
            let mut other = steps.clone();
            match kind {
                Surrogate::Shuffle => shuffle(&mut other, &mut random),
                Surrogate::Rotate => {
                    let tenth = other.len() / 10;
                    let by = tenth + below(&mut random, (other.len() - 2 * tenth).max(1));
                    other.rotate_left(by.min(steps.len()));
                }
            }
            let y = y.with_steps(&other);
            let rho = |lag: &DurationNs| (covariation(x, &y, *lag) / scale).abs();
            grid.lags().iter().map(rho).fold(0.0, f64::max)
        })
        .collect();
    let as_large = largest.iter().filter(|rho| **rho >= seen).count();
    Ok(NullTest {
        p_value: (1.0 + count_est(as_large)) / (1.0 + count_est(surrogates)),
        band_95: percentile(&sorted(&largest), 0.95).ok_or(NotReady::NoObservation)?,
        surrogates,
    })
}

/// Says what a lead must show to be called one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeadCriteria {
    /// Largest p-value of the null test.
    pub p_value_max: f64,
    /// Least peak over floor.
    pub peak_to_floor_min: f64,
    /// Least `|ρ(θ̂)|`.
    pub rho_min: f64,
    /// Lead–lag ratio above which X leads; below its inverse Y leads.
    pub ratio_min: f64,
    /// Least share of parts with the same sign of `θ̂`.
    pub same_sign_share_min: f64,
    /// Fewest parts (days) to compare.
    pub parts_min: usize,
}

impl LeadCriteria {
    /// The criteria of the methods, section 9, for parts of a day.
    pub const STANDARD: Self = Self {
        p_value_max: 0.05,
        peak_to_floor_min: 5.0,
        rho_min: 0.1,
        ratio_min: 1.25,
        same_sign_share_min: 0.8,
        parts_min: 5,
    };
}

/// Names what speaks against a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeadDoubt {
    /// Chance gives such a peak too often.
    Chance,
    /// The peak hardly stands out of the curve.
    Floor,
    /// The correlation is small.
    Correlation,
    /// Both sides of the curve weigh alike, or the ratio points the other way.
    Ratio,
    /// The sign does not repeat.
    Parts,
    /// There are too few parts to see whether it repeats.
    TooFewParts,
    /// The lag is below its resolution: the series move together as far as can be seen.
    Resolution,
}

/// Says who leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeadVerdict {
    /// X leads Y by so much.
    XLeads(DurationNs),
    /// Y leads X by so much (above zero).
    YLeads(DurationNs),
    /// Not established, for these reasons; the numbers are in the estimate.
    NotEstablished(Vec<LeadDoubt>),
}

/// Judges a lead from the whole series, its null test and the same estimate on each part (day).
#[must_use]
pub fn judge_lead(
    whole: &LeadLag,
    null: &NullTest,
    parts: &[LeadLag],
    criteria: &LeadCriteria,
) -> LeadVerdict {
    let lag = whole.peak.lag;
    let sign = lag.as_ns().signum();
    let same = parts.iter().filter(|part| part.peak.lag.as_ns().signum() == sign).count();
    let share = count_est(same) / count_est(parts.len().max(1));
    // The side whose lags carry more must be the side of the peak; without any weight on the other side it is.
    let lead_ratio = whole.ratio.map_or(f64::INFINITY, |r| if sign > 0 { r } else { 1.0 / r });
    let doubts = [
        (null.p_value > criteria.p_value_max, LeadDoubt::Chance),
        (
            whole.peak_to_floor.is_none_or(|peak| peak < criteria.peak_to_floor_min),
            LeadDoubt::Floor,
        ),
        (whole.peak.rho.abs() < criteria.rho_min, LeadDoubt::Correlation),
        (lead_ratio < criteria.ratio_min, LeadDoubt::Ratio),
        (share < criteria.same_sign_share_min, LeadDoubt::Parts),
        (parts.len() < criteria.parts_min, LeadDoubt::TooFewParts),
        (lag.as_ns().abs() < whole.resolution.as_ns(), LeadDoubt::Resolution),
    ];
    let doubts: Vec<LeadDoubt> =
        doubts.into_iter().filter(|(is_doubt, _)| *is_doubt).map(|(_, doubt)| doubt).collect();
    if !doubts.is_empty() {
        LeadVerdict::NotEstablished(doubts)
    } else if sign > 0 {
        LeadVerdict::XLeads(lag)
    } else {
        LeadVerdict::YLeads(DurationNs::from_ns(-lag.as_ns()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead_lag::tests::pair;

    fn grid() -> LagGrid {
        LagGrid::symmetric(DurationNs::from_s(1), DurationNs::from_ms(50)).unwrap()
    }

    fn test(lag_ms: i64, rho: f64, kind: Surrogate, seed: u64) -> NullTest {
        let grid = LagGrid::symmetric(DurationNs::from_ms(400), DurationNs::from_ms(50)).unwrap();
        let (x, y) = pair(seed, 40, lag_ms, rho, [600.0, 500.0]);
        null_test(&x, &y, &grid, kind, 39, seed).unwrap()
    }

    #[test]
    fn a_planted_lead_is_more_than_chance_and_replays() {
        for kind in [Surrogate::Shuffle, Surrogate::Rotate] {
            let got = test(200, 0.7, kind, 1);
            assert!((got.p_value - 1.0 / 40.0).abs() < 1e-12, "{got:?}");
            assert_eq!(got, test(200, 0.7, kind, 1));
        }
    }

    #[test]
    fn independent_series_are_rejected_about_as_often_as_the_level_says() {
        for kind in [Surrogate::Shuffle, Surrogate::Rotate] {
            let rejected = (0..200).filter(|seed| test(0, 0.0, kind, 1_000 + seed).p_value <= 0.05);
            // 5 % of 200 is 10; 20 is more than three standard deviations above.
            let rejected = rejected.count();
            assert!(rejected <= 20, "{kind:?}: {rejected} of 200");
        }
    }

    fn judged(lag_ms: i64, rho: f64, parts: u64) -> LeadVerdict {
        let (x, y) = pair(7, 300, lag_ms, rho, [900.0, 800.0]);
        let whole = lead_lag(&x, &y, &grid()).unwrap();
        let null = null_test(&x, &y, &grid(), Surrogate::Shuffle, 19, 7).unwrap();
        let part = |seed| {
            let (x, y) = pair(100 + seed, 120, lag_ms, rho, [900.0, 800.0]);
            lead_lag(&x, &y, &grid()).unwrap()
        };
        let parts: Vec<LeadLag> = (0..parts).map(part).collect();
        judge_lead(
            &whole,
            &null,
            &parts,
            &LeadCriteria { p_value_max: 0.05, ..LeadCriteria::STANDARD },
        )
    }

    #[test]
    fn verdicts_name_the_leader_and_what_is_missing() {
        assert!(
            matches!(judged(300, 0.7, 5), LeadVerdict::XLeads(lag) if (lag.as_ms() - 300).abs() <= 50)
        );
        assert!(
            matches!(judged(-300, 0.7, 5), LeadVerdict::YLeads(lag) if (lag.as_ms() - 300).abs() <= 50)
        );
        assert_eq!(judged(300, 0.7, 2), LeadVerdict::NotEstablished(vec![LeadDoubt::TooFewParts]));
        let LeadVerdict::NotEstablished(doubts) = judged(0, 0.0, 5) else {
            panic!("a lead from nothing")
        };
        assert!(doubts.contains(&LeadDoubt::Floor), "{doubts:?}");
        let LeadVerdict::NotEstablished(doubts) = judged(0, 0.8, 5) else {
            panic!("a lead of nothing")
        };
        assert!(doubts.contains(&LeadDoubt::Resolution), "{doubts:?}");
    }

    #[test]
    fn too_few_surrogates_for_the_level_are_refused() {
        let (x, y) = pair(1, 30, 0, 0.0, [600.0, 500.0]);
        let got = null_test(&x, &y, &grid(), Surrogate::Shuffle, 18, 1);
        assert!(matches!(got, Err(NotReady::TooLittle { .. })));
    }
}
