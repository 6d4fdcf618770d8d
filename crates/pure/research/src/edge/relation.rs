//! Two markets of one asset: who leads, and how sure that is.

use super::{DAY, EdgeSettings, QuoteTape, ms_est};
use remora_domain::{DurationNs, Timestamp};
use remora_estimators::{
    LagGrid, LeadCriteria, LeadDoubt, LeadLag, LeadVerdict, NotReady, NullTest, PriceDiscovery,
    Surrogate, TickSeries, judge_lead, lead_lag, null_test, price_discovery,
};
use serde::Serialize;

/// The clock on which prices are compared for their shares of discovery.
const SHARE_STEP: DurationNs = DurationNs::from_ms(100);
/// Steps of that comparison at most: a longer recording is compared on a coarser clock.
const SHARE_STEPS_MAX: i64 = 50_000;
/// Lags of that comparison, the same for all: half a second.
const SHARE_LAGS: usize = 5;

/// Says who leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeadOutcome {
    /// The first market leads the second.
    FirstLeads,
    /// The second market leads the first.
    SecondLeads,
    /// Neither was shown to lead; the reasons are beside it.
    NotEstablished,
}

/// Is one point of the lead–lag curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LagCurvePoint {
    /// Above zero where the first market leads, milliseconds.
    pub lag_ms: f64,
    /// Correlation at that lag.
    pub rho: f64,
}

/// Is what two markets say of each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RelationReport {
    /// The asset.
    pub base: String,
    /// The first market.
    pub first: String,
    /// The second market.
    pub second: String,
    /// Seconds that both were recorded.
    pub seconds: f64,
    /// The lead; `null` where nothing could be estimated, with the reason.
    pub lead: Option<LeadReport>,
    /// Why there is no lead estimate.
    pub refused: Option<String>,
    /// Share of the first market in finding the price: lower and upper bound, 0 to 1; `null` where it could not be estimated.
    pub information_share_first: Option<(f64, f64)>,
}

/// Holds the numbers of a lead.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LeadReport {
    /// What came out.
    pub outcome: LeadOutcome,
    /// What speaks against a lead.
    pub reasons: Vec<String>,
    /// Lag of the largest correlation; above zero where the first market leads, milliseconds.
    pub lag_ms: f64,
    /// What it is known to, milliseconds.
    pub resolution_ms: f64,
    /// Correlation there.
    pub rho: f64,
    /// Correlation without a lag.
    pub rho_zero: f64,
    /// Lead–lag ratio: above 1 where the first market leads.
    pub ratio: Option<f64>,
    /// Peak over the root mean square of the curve away from it.
    pub peak_to_floor: Option<f64>,
    /// Chance of such a peak between unrelated prices.
    pub p_value: f64,
    /// The same adjusted for all relations.
    pub p_adjusted: f64,
    /// Correlation below which the curve of unrelated prices stays in 95 of 100 cases.
    pub band_95: f64,
    /// Parts in which the lead was estimated again.
    pub parts: usize,
    /// Share of them with the same sign.
    pub same_sign_share: f64,
    /// Lag of the peak on the first part of the recording, milliseconds.
    pub fitted_lag_ms: f64,
    /// Correlation at that lag on the second part.
    pub confirmed_rho: f64,
    /// Lag of the second part's own peak, milliseconds.
    pub confirmed_lag_ms: f64,
    /// The whole curve.
    pub curve: Vec<LagCurvePoint>,
}

/// Is a lead before all relations are judged together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LeadFinding {
    whole: LeadLag,
    pub(super) null: NullTest,
    parts: Vec<LeadLag>,
    fitted: LeadLag,
    confirmed: LeadLag,
    has_days: bool,
}

/// Gives the time that both were recorded.
pub(super) fn common(first: &QuoteTape, second: &QuoteTape) -> Option<(Timestamp, Timestamp)> {
    let ((a, b), (c, d)) = first.span().zip(second.span())?;
    Some((a.max(c), b.min(d))).filter(|(from, until)| from < until)
}

/// Gives where fitting ends and confirming begins.
pub(super) fn split(from: Timestamp, until: Timestamp, share: f64) -> Timestamp {
    let fitted = until.since(from).as_seconds_est() * share;
    from.saturating_add(seconds(fitted))
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "seconds of a recording; what does not fit is held at the ends"
)]
fn seconds(value: f64) -> DurationNs {
    DurationNs::from_ns((value * 1e9) as i64)
}

/// Estimates the lead between two markets on the time that both were recorded.
pub(super) fn lead(
    first: &QuoteTape,
    second: &QuoteTape,
    settings: &EdgeSettings,
) -> Result<LeadFinding, NotReady> {
    let (from, until) = common(first, second).ok_or(NotReady::NoObservation)?;
    let step = DurationNs::from_ms(settings.lag_step_ms);
    let grid = LagGrid::symmetric(DurationNs::from_ms(settings.lag_reach_ms), step)?;
    let (x, y) = (first.thinned(step), second.thinned(step));
    let between = |ticks: &[(Timestamp, f64)], from: Timestamp, until: Timestamp| {
        let inside = ticks.iter().copied().filter(|(at, _)| *at >= from && *at <= until);
        TickSeries::new(inside)
    };
    let estimate = |from: Timestamp, until: Timestamp| {
        lead_lag(&between(&x, from, until)?, &between(&y, from, until)?, &grid)
    };
    let (whole_x, whole_y) = (between(&x, from, until)?, between(&y, from, until)?);
    let whole = lead_lag(&whole_x, &whole_y, &grid)?;
    let (surrogates, seed) = (settings.surrogates, settings.seed);
    let null = null_test(&whole_x, &whole_y, &grid, Surrogate::Rotate, surrogates, seed)?;
    let middle = split(from, until, settings.fitted_share);
    let pieces = pieces(from, until, settings.parts_min);
    let parts: Result<Vec<LeadLag>, NotReady> =
        pieces.iter().map(|(from, until)| estimate(*from, *until)).collect();
    Ok(LeadFinding {
        whole,
        null,
        parts: parts?,
        fitted: estimate(from, middle)?,
        confirmed: estimate(middle, until)?,
        has_days: until.since(from) >= DAY.saturating_mul(count(settings.parts_min)),
    })
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Cuts the time into days; where there are too few into `parts_min` equal parts, which show whether the sign repeats but are no days.
fn pieces(from: Timestamp, until: Timestamp, parts_min: usize) -> Vec<(Timestamp, Timestamp)> {
    let days = until.since(from).as_ns() / DAY.as_ns();
    let parts = days.max(count(parts_min)).max(1);
    let length = DurationNs::from_ns(until.since(from).as_ns() / parts);
    let edge = |i: i64| from.saturating_add(length.saturating_mul(i));
    (0..parts).map(|i| (edge(i), edge(i + 1))).collect()
}

impl LeadFinding {
    /// Judges it with its p-value adjusted for all relations.
    pub(super) fn report(&self, p_adjusted: f64, settings: &EdgeSettings) -> LeadReport {
        let criteria = LeadCriteria {
            p_value_max: settings.q,
            parts_min: settings.parts_min,
            ..LeadCriteria::STANDARD
        };
        let null = NullTest { p_value: p_adjusted, ..self.null };
        let (mut outcome, mut reasons) =
            match judge_lead(&self.whole, &null, &self.parts, &criteria) {
                LeadVerdict::XLeads(_) => (LeadOutcome::FirstLeads, Vec::new()),
                LeadVerdict::YLeads(_) => (LeadOutcome::SecondLeads, Vec::new()),
                LeadVerdict::NotEstablished(doubts) => (
                    LeadOutcome::NotEstablished,
                    doubts.into_iter().map(|doubt| words(doubt).to_owned()).collect(),
                ),
            };
        if !self.has_days && settings.days_min > 0.0 {
            outcome = LeadOutcome::NotEstablished;
            reasons.push(format!("recording shorter than {} days", settings.parts_min));
        }
        let sign = |lead: &LeadLag| lead.peak.lag.as_ns().signum();
        let same = self.parts.iter().filter(|part| sign(part) == sign(&self.whole)).count();
        let at_fitted = |point: &&remora_estimators::LagPoint| point.lag == self.fitted.peak.lag;
        let confirmed_rho = self.confirmed.curve.iter().find(at_fitted).map_or(0.0, |p| p.rho);
        LeadReport {
            outcome,
            reasons,
            lag_ms: ms_est(self.whole.peak.lag),
            resolution_ms: ms_est(self.whole.resolution),
            rho: self.whole.peak.rho,
            rho_zero: self.whole.rho_zero,
            ratio: self.whole.ratio,
            peak_to_floor: self.whole.peak_to_floor,
            p_value: self.null.p_value,
            p_adjusted,
            band_95: self.null.band_95,
            parts: self.parts.len(),
            same_sign_share: est(same) / est(self.parts.len().max(1)),
            fitted_lag_ms: ms_est(self.fitted.peak.lag),
            confirmed_rho,
            confirmed_lag_ms: ms_est(self.confirmed.peak.lag),
            curve: self.whole.curve.iter().map(|p| point(p.lag, p.rho)).collect(),
        }
    }
}

fn est(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::MAX, f64::from)
}

fn point(lag: DurationNs, rho: f64) -> LagCurvePoint {
    LagCurvePoint { lag_ms: ms_est(lag), rho }
}

const fn words(doubt: LeadDoubt) -> &'static str {
    match doubt {
        LeadDoubt::Chance => "unrelated prices show as much",
        LeadDoubt::Floor => "the peak hardly stands out",
        LeadDoubt::Correlation => "correlation too small",
        LeadDoubt::Ratio => "both sides of the curve weigh alike",
        LeadDoubt::Parts => "the sign does not repeat",
        LeadDoubt::TooFewParts => "too few parts to see whether it repeats",
        LeadDoubt::Resolution => "below the resolution: they move together as far as can be seen",
    }
}

/// Gives the share of the first market in finding the price, on the clock of a tenth of a second, last values carried.
pub(super) fn shares(first: &QuoteTape, second: &QuoteTape) -> Option<(f64, f64)> {
    let (from, until) = common(first, second)?;
    let span = until.since(from);
    let step = SHARE_STEP.max(DurationNs::from_ns(span.as_ns() / SHARE_STEPS_MAX));
    let steps = span.as_ns() / step.as_ns();
    let sampled = |tape: &QuoteTape| {
        let mids = tape.mids();
        let (mut next, mut values) = (0, Vec::new());
        for i in 1..=steps {
            let at = from.saturating_add(step.saturating_mul(i));
            while mids.get(next).is_some_and(|(time, _)| *time <= at) {
                next += 1;
            }
            let mid = next.checked_sub(1).and_then(|last| mids.get(last))?.1;
            values.push(libm::log(mid));
        }
        Some(values)
    };
    let shares: PriceDiscovery =
        price_discovery(&sampled(first)?, &sampled(second)?, SHARE_LAGS).ok()?;
    Some((shares.information_low, shares.information_high))
}
