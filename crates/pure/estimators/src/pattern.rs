//! From tests to multipliers: which patterns by the clock decision may use (section 15).
//!
//! Every (pair, family, target) that is looked at is examined; the p-values of **all** of them are adjusted together for false discoveries:
//! of each, the larger one of the rank test and of the buckets' own tests combined, because ranks take hours that follow each other for
//! independent and the buckets' tests do not. A pattern is accepted when the adjusted p is at most `q`, the permutation within groups agrees, the effect is large enough, the
//! profile of the first half repeats in the second (Spearman and its permutation p), and the history is long enough; else "no pattern" with
//! every reason.
//! Factors: bucket medians `s_b` of levelled values with `se_b = 1.2533·1.4826·MAD/√n`, shrunk by `w_b = τ²/(τ² + se_b²)` (Paule–Mandel over the
//! buckets): `exp(w_b·s_b)` held in [½, 2] for logs, `w_b·s_b` for plain values.
//! Worked number: s = 0.4, τ² = se²: w = ½, factor e^0.2 = 1.2214.

use crate::discovery_rate::{Dependence, adjusted_p_values, combined_p_value};
use crate::lead_lag_test::Surrogate;
use crate::numeric::{count_est, mad_sigma, median, variance};
use crate::ranking::{Measured, paule_mandel};
use crate::season::{BucketFamily, Scale, SeasonTable};
use crate::season_test::{KruskalWallis, PermutationTest, Persistence, columns};
use crate::{NotReady, estimate::finite};

/// Standard error of a median relative to that of a mean, for normal noise.
const MEDIAN_SE: f64 = 1.2533;
/// Factors stay between these.
const FACTOR_RANGE: (f64, f64) = (0.5, 2.0);

/// Is what one bucket does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BucketFactor {
    /// Groups (days or weeks) that have a value for it.
    pub groups: usize,
    /// Multiplier (logs) or offset in the unit of the values (plain), after shrinking.
    pub factor: f64,
    /// What was seen before shrinking and holding: log units or the unit of the values.
    pub season: f64,
    /// `w`: what the bucket's own data count, from 0 (nothing) to 1.
    pub confidence: f64,
    /// Standard error of the season before shrinking, log units or the unit of the values.
    pub se: f64,
    /// Chance that exchanging values within groups takes this bucket so far; not adjusted for the other buckets.
    /// `None` with too few groups.
    pub p_value: Option<f64>,
}

/// Is everything that was found of one table.
#[derive(Clone, Debug, PartialEq)]
pub struct PatternFinding {
    /// Its family.
    pub family: BucketFamily,
    /// Weeks of history.
    pub weeks: f64,
    /// The p-value that counts: the larger one of the rank test and of all buckets' tests combined.
    pub p_value: f64,
    /// Rank test.
    pub ranks: KruskalWallis,
    /// Values turned within groups.
    pub permutation: PermutationTest,
    /// Whether the profile repeats.
    pub persistence: Persistence,
    /// One for each bucket, in order.
    pub buckets: Vec<BucketFactor>,
}

/// Says what a pattern must show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PatternCriteria {
    /// Expected share of false ones among the accepted; also the largest permutation p-value.
    pub q: f64,
    /// How the tests depend on each other.
    pub dependence: Dependence,
    /// Least effect of the rank test.
    pub effect_min: f64,
    /// Least correlation of both halves.
    pub persistence_min: f64,
    /// Largest p-value of it.
    pub persistence_p_max: f64,
}

impl PatternCriteria {
    /// The criteria of the methods, section 15.
    pub const STANDARD: Self = Self {
        q: 0.05,
        dependence: Dependence::Positive,
        effect_min: 0.02,
        persistence_min: 0.3,
        persistence_p_max: 0.05,
    };
}

/// Names what speaks against a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternDoubt {
    /// Chance gives such differences too often among so many tests.
    Chance,
    /// Turning the values within days gives them too.
    Permutation,
    /// They are real but too small to act on.
    Effect,
    /// The second half does not repeat the first.
    Persistence,
    /// The history is too short.
    History,
}

/// Says whether decision may use a pattern.
#[derive(Clone, Debug, PartialEq)]
pub enum PatternVerdict {
    /// Yes: a factor for each bucket.
    Pattern(Vec<BucketFactor>),
    /// No, for these reasons.
    NoPattern(Vec<PatternDoubt>),
}

impl BucketFamily {
    /// Gives the weeks of history without which no pattern of the family is accepted.
    #[must_use]
    pub const fn weeks_min(self) -> f64 {
        match self {
            Self::MinuteOfHour => 2.0,
            Self::HourOfDay => 4.0,
            Self::DayOfWeek | Self::HourOfWeek => 8.0,
        }
    }
}

/// Runs every test on a table.
///
/// # Errors
/// Not ready where a test has too little, unsolvable where values do not vary; both are "no pattern" to a consumer.
pub fn examine_pattern(
    table: &SeasonTable,
    permutations: usize,
    seed: u64,
) -> Result<PatternFinding, NotReady> {
    let (ranks, buckets) = (table.rank_test()?, factors(table)?);
    let p_values: Vec<f64> = buckets.iter().filter_map(|bucket| bucket.p_value).collect();
    Ok(PatternFinding {
        family: table.family(),
        weeks: table.family().weeks(table.groups()),
        p_value: combined_p_value(&p_values)?.max(ranks.p_value.clamp(0.0, 1.0)),
        ranks,
        permutation: table.permutation_test(Surrogate::Rotate, permutations, seed)?,
        persistence: table.persistence(permutations, seed)?,
        buckets,
    })
}

fn factors(table: &SeasonTable) -> Result<Vec<BucketFactor>, NotReady> {
    let columns = columns(&table.levelled(), table.family().buckets());
    let season = |column: &Vec<f64>| -> Option<Measured> {
        let value = median(column)?;
        // More than half of equal values leave no MAD though the others differ.
        let sigma =
            mad_sigma(column).filter(|s| *s > 0.0).or_else(|| variance(column).map(libm::sqrt))?;
        let se = MEDIAN_SE * sigma / libm::sqrt(count_est(column.len()));
        Some(Measured { value, se }).filter(|_| se > 0.0)
    };
    let seasons: Option<Vec<Measured>> = columns.iter().map(season).collect();
    let seasons = seasons.ok_or(NotReady::NoObservation)?;
    let tau2 = paule_mandel(&seasons)?;
    let tests = table.bucket_tests();
    seasons
        .iter()
        .zip(tests)
        .zip(&columns)
        .map(|((season, test), column)| {
            let confidence = tau2 / (tau2 + season.se * season.se);
            let shrunk = confidence * season.value;
            let factor = match table.scale() {
                Scale::Log => libm::exp(shrunk).clamp(FACTOR_RANGE.0, FACTOR_RANGE.1),
                Scale::Plain => shrunk,
            };
            Ok(BucketFactor {
                groups: column.len(),
                factor: finite(factor)?,
                season: season.value,
                confidence,
                se: season.se,
                p_value: test.map(|test| test.p_value),
            })
        })
        .collect()
}

/// Judges all findings together: give every one that was examined, whatever it showed.
///
/// # Errors
/// None in practice: p-values of findings lie in their range.
pub fn judge_patterns(
    findings: &[PatternFinding],
    criteria: &PatternCriteria,
) -> Result<Vec<PatternVerdict>, NotReady> {
    let p_values: Vec<f64> = findings.iter().map(|finding| finding.p_value).collect();
    let adjusted = adjusted_p_values(&p_values, criteria.dependence)?;
    let pairs = findings.iter().zip(adjusted);
    Ok(pairs.map(|(finding, adjusted)| judge_pattern(finding, adjusted, criteria)).collect())
}

/// Judges one finding whose p-value was adjusted together with those of everything else that was tested.
#[must_use]
pub fn judge_pattern(
    finding: &PatternFinding,
    adjusted_p_value: f64,
    criteria: &PatternCriteria,
) -> PatternVerdict {
    let persistence = &finding.persistence;
    let repeats = persistence.halves >= criteria.persistence_min
        && persistence.p_value <= criteria.persistence_p_max;
    let doubts = [
        (adjusted_p_value > criteria.q, PatternDoubt::Chance),
        (finding.permutation.family_p_value > criteria.q, PatternDoubt::Permutation),
        (finding.ranks.effect < criteria.effect_min, PatternDoubt::Effect),
        (!repeats, PatternDoubt::Persistence),
        (finding.weeks < finding.family.weeks_min(), PatternDoubt::History),
    ];
    let doubts: Vec<PatternDoubt> =
        doubts.into_iter().filter(|(is_doubt, _)| *is_doubt).map(|(_, doubt)| doubt).collect();
    if doubts.is_empty() {
        PatternVerdict::Pattern(finding.buckets.clone())
    } else {
        PatternVerdict::NoPattern(doubts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::season_test::tests::days;

    fn judged(tables: &[SeasonTable]) -> Vec<PatternVerdict> {
        let findings: Vec<PatternFinding> =
            tables.iter().map(|table| examine_pattern(table, 39, 5).unwrap()).collect();
        judge_patterns(&findings, &PatternCriteria::STANDARD).unwrap()
    }

    #[test]
    fn planted_waves_are_found_among_noise_and_their_factors_are_near() {
        let tables: Vec<SeasonTable> =
            (0..20).map(|seed| days(seed, 30, if seed < 5 { 0.5 } else { 0.0 })).collect();
        let verdicts = judged(&tables);
        for verdict in &verdicts[..5] {
            let PatternVerdict::Pattern(buckets) = verdict else { panic!("{verdict:?}") };
            // Within three standard errors (0.1) of the planted height.
            assert!((buckets[0].factor.ln() - 0.5).abs() < 0.3, "{:?}", buckets[0]);
            assert!(buckets[12].factor < 0.75 && buckets[12].confidence > 0.8);
        }
        let false_ones = verdicts[5..].iter().filter(|v| matches!(v, PatternVerdict::Pattern(_)));
        assert_eq!(false_ones.count(), 0);
    }

    #[test]
    fn noise_hardly_ever_gets_a_pattern_in_any_of_many_families_of_tests() {
        // Each run asks 8 pairs at once; false discovery at 5 % means at most about 5 % of runs with one.
        let runs = (0..60).filter(|run| {
            let tables: Vec<SeasonTable> =
                (0..8).map(|i| days(9_000 + run * 8 + i, 30, 0.0)).collect();
            judged(&tables).iter().any(|v| matches!(v, PatternVerdict::Pattern(_)))
        });
        let runs = runs.count();
        assert!(runs <= 6, "{runs} of 60");
    }

    #[test]
    fn short_histories_and_changed_profiles_are_no_pattern() {
        let PatternVerdict::NoPattern(doubts) = &judged(&[days(1, 10, 0.6)])[0] else { panic!() };
        assert_eq!(doubts, &[PatternDoubt::History]);
        let mut turned = days(1, 30, 0.6);
        for (day, row) in (30..60).zip(days(2, 30, -0.6).levelled()) {
            for (hour, x) in row.iter().enumerate() {
                turned.add(day, hour, libm::exp(x.unwrap())).unwrap();
            }
        }
        let PatternVerdict::NoPattern(doubts) = &judged(&[turned])[0] else { panic!() };
        assert!(doubts.contains(&PatternDoubt::Persistence), "{doubts:?}");
    }

    #[test]
    fn noise_is_shrunk_to_no_factor() {
        let finding = examine_pattern(&days(4, 30, 0.0), 39, 5).unwrap();
        assert!(
            finding.buckets.iter().all(|b| (b.factor - 1.0).abs() < 0.1),
            "{:?}",
            finding.buckets
        );
    }
}
