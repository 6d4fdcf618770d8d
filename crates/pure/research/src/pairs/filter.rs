//! Hard filters: named in the field's words, each with its own reason, in any number and order. Research commands and the live service
//! ask the same ones.
//!
//! In: what is known of a pair ([`FilterFacts`]). Out: nothing where it passes, or the limit and the value. What is not known fails the filter
//! that needs it; only past performance lets a pair through that has no record, because none could ever begin one, and says so.

use super::record::Record;
use super::refusal::FilterRefusal;
use remora_domain::{Instrument, InstrumentStatus};
use serde::Serialize;

/// Is one condition that a pair must meet.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// The venue must take resting orders on both sides: not delisted, not in maintenance, not cancel-only or reduce-only.
    Status,
    /// Least volume a day, reporting currency.
    VolumeMin(f64),
    /// Least quoted spread, basis points.
    SpreadBpsMin(f64),
    /// Largest quoted spread, basis points.
    SpreadBpsMax(f64),
    /// Least edge after fee, shrunk, basis points.
    EdgeBpsMin(f64),
    /// Least score, basis points of the capital per day.
    ScoreBpsMin(f64),
    /// Least depth within 10 basis points on the thinner side, reporting currency.
    DepthMin(f64),
    /// Largest tick, basis points.
    TickBpsMax(f64),
    /// Largest tick, times the maker fee.
    TickToFeeMax(f64),
    /// Largest smallest order (minimum cost, minimum quantity) that fits the budget, reporting currency.
    MinimumOrderMax(f64),
    /// Least standard deviation of a day's move, percent.
    VolatilityPctMin(f64),
    /// Largest one, percent.
    VolatilityPctMax(f64),
    /// Least history, days.
    HistoryDaysMin(f64),
    /// Least time for which it has surely been listed, days.
    ListingAgeDaysMin(f64),
    /// Least share of the data that must be there, 0 to 1.
    CoverageMin(f64),
    /// Least share of the time in which its book could be used, 0 to 1.
    FeedHealthMin(f64),
    /// Least that our own fills have earned a day, reporting currency: fails where the whole interval lies below.
    RealisedDayMin(f64),
    /// There must be a record of our own fills.
    HasRecord,
    /// A future on it must be listed.
    HasFuture,
    /// Only pairs that match one of these.
    Allow(Vec<Pattern>),
    /// No pair that matches one of these.
    Deny(Vec<Pattern>),
}

/// Is a name with `*` for any run of letters, such as `*_USDT`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Pattern(pub String);

impl Pattern {
    /// Tells whether a name fits; letters match in either case.
    #[must_use]
    pub fn fits(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.to_lowercase(), name.to_lowercase());
        let mut pieces = pattern.split('*');
        let Some(rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else {
            return false;
        };
        let mut pieces: Vec<&str> = pieces.collect();
        let Some(last) = pieces.pop() else { return rest.is_empty() };
        let mut rest = rest;
        for piece in pieces {
            match rest.split_once(piece) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

/// Holds what filters ask of a pair; what is `None` is not known. Units are those of the filters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FilterFacts<'a> {
    /// Its name.
    pub pair: &'a str,
    /// What the venue allows.
    pub status: Option<InstrumentStatus>,
    /// Volume a day.
    pub volume_day: Option<f64>,
    /// Quoted spread.
    pub spread_bps: Option<f64>,
    /// Edge after the maker fee.
    pub edge_bps: Option<f64>,
    /// Score.
    pub score_bps: Option<f64>,
    /// Depth within 10 basis points.
    pub depth: Option<f64>,
    /// Smallest price step.
    pub tick_bps: Option<f64>,
    /// Maker fee, basis points.
    pub maker_fee_bps: Option<f64>,
    /// Standard deviation of a day's move.
    pub volatility_pct: Option<f64>,
    /// History.
    pub history_days: Option<f64>,
    /// For how long it has surely been listed.
    pub listed_days: Option<f64>,
    /// Share of the data that is there.
    pub coverage: Option<f64>,
    /// Share of the time with a usable book.
    pub feed_health: Option<f64>,
    /// Smallest order.
    pub order_min: Option<f64>,
    /// Whether a future is listed.
    pub has_future: Option<bool>,
    /// What our own fills have earned.
    pub record: Option<Record>,
}

impl Filter {
    /// Makes a numeric filter of its name; `None` where there is none of that name.
    #[must_use]
    pub fn of(name: &str, limit: f64) -> Option<Self> {
        Some(match name {
            "volume_min" => Self::VolumeMin(limit),
            "spread_bps_min" => Self::SpreadBpsMin(limit),
            "spread_bps_max" => Self::SpreadBpsMax(limit),
            "edge_bps_min" => Self::EdgeBpsMin(limit),
            "score_bps_min" => Self::ScoreBpsMin(limit),
            "depth_min" => Self::DepthMin(limit),
            "tick_bps_max" => Self::TickBpsMax(limit),
            "tick_to_fee_max" => Self::TickToFeeMax(limit),
            "minimum_order_max" => Self::MinimumOrderMax(limit),
            "volatility_pct_min" => Self::VolatilityPctMin(limit),
            "volatility_pct_max" => Self::VolatilityPctMax(limit),
            "history_days_min" => Self::HistoryDaysMin(limit),
            "listing_age_days_min" => Self::ListingAgeDaysMin(limit),
            "coverage_min" => Self::CoverageMin(limit),
            "feed_health_min" => Self::FeedHealthMin(limit),
            "realised_day_min" => Self::RealisedDayMin(limit),
            _ => return None,
        })
    }

    /// The names that [`Filter::of`] knows.
    pub const NAMES: [&str; 16] = [
        "volume_min",
        "spread_bps_min",
        "spread_bps_max",
        "edge_bps_min",
        "score_bps_min",
        "depth_min",
        "tick_bps_max",
        "tick_to_fee_max",
        "minimum_order_max",
        "volatility_pct_min",
        "volatility_pct_max",
        "history_days_min",
        "listing_age_days_min",
        "coverage_min",
        "feed_health_min",
        "realised_day_min",
    ];

    /// Gives its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::VolumeMin(_) => "volume_min",
            Self::SpreadBpsMin(_) => "spread_bps_min",
            Self::SpreadBpsMax(_) => "spread_bps_max",
            Self::EdgeBpsMin(_) => "edge_bps_min",
            Self::ScoreBpsMin(_) => "score_bps_min",
            Self::DepthMin(_) => "depth_min",
            Self::TickBpsMax(_) => "tick_bps_max",
            Self::TickToFeeMax(_) => "tick_to_fee_max",
            Self::MinimumOrderMax(_) => "minimum_order_max",
            Self::VolatilityPctMin(_) => "volatility_pct_min",
            Self::VolatilityPctMax(_) => "volatility_pct_max",
            Self::HistoryDaysMin(_) => "history_days_min",
            Self::ListingAgeDaysMin(_) => "listing_age_days_min",
            Self::CoverageMin(_) => "coverage_min",
            Self::FeedHealthMin(_) => "feed_health_min",
            Self::RealisedDayMin(_) => "realised_day_min",
            Self::HasRecord => "has_record",
            Self::HasFuture => "has_future",
            Self::Allow(_) => "allow",
            Self::Deny(_) => "deny",
        }
    }

    /// Says why a pair does not pass; `None` where it does.
    #[must_use]
    pub fn refusal(&self, facts: &FilterFacts<'_>) -> Option<FilterRefusal> {
        let fits = |patterns: &[Pattern]| patterns.iter().any(|p| p.fits(facts.pair));
        match self {
            Self::Status => match facts.status {
                None => Some(FilterRefusal::Unknown { what: "status" }),
                Some(status) => {
                    (!status.is_quotable()).then_some(FilterRefusal::NotQuotable { status })
                }
            },
            Self::VolumeMin(least) => at_least("volume", facts.volume_day, *least, ""),
            Self::SpreadBpsMin(least) => at_least("spread", facts.spread_bps, *least, " bps"),
            Self::SpreadBpsMax(most) => at_most("spread", facts.spread_bps, *most, " bps"),
            Self::EdgeBpsMin(least) => at_least("edge", facts.edge_bps, *least, " bps"),
            Self::ScoreBpsMin(least) => at_least("score", facts.score_bps, *least, " bps a day"),
            Self::DepthMin(least) => at_least("depth", facts.depth, *least, ""),
            Self::TickBpsMax(most) => at_most("tick", facts.tick_bps, *most, " bps"),
            Self::TickToFeeMax(most) => tick_to_fee(facts, *most),
            Self::MinimumOrderMax(most) => at_most("smallest order", facts.order_min, *most, ""),
            Self::VolatilityPctMin(least) => {
                at_least("volatility", facts.volatility_pct, *least, " %")
            }
            Self::VolatilityPctMax(most) => {
                at_most("volatility", facts.volatility_pct, *most, " %")
            }
            Self::HistoryDaysMin(least) => at_least("history", facts.history_days, *least, " days"),
            Self::ListingAgeDaysMin(least) => {
                at_least("known listing age", facts.listed_days, *least, " days")
            }
            Self::CoverageMin(least) => at_least("coverage", facts.coverage, *least, ""),
            Self::FeedHealthMin(least) => {
                at_least("share of time with a usable book", facts.feed_health, *least, "")
            }
            Self::RealisedDayMin(least) => lost(facts.record, *least),
            Self::HasRecord => no_record(facts.record),
            Self::HasFuture => match facts.has_future {
                Some(true) => None,
                Some(false) => Some(FilterRefusal::NoFuture),
                None => Some(FilterRefusal::Unknown { what: "whether a future is listed" }),
            },
            Self::Allow(patterns) => (!fits(patterns)).then_some(FilterRefusal::NotAllowed),
            Self::Deny(patterns) => fits(patterns).then_some(FilterRefusal::Denied),
        }
    }

    /// Says what should be known of a pair that passes although the filter had nothing to go by.
    #[must_use]
    pub fn remark(&self, facts: &FilterFacts<'_>) -> Option<String> {
        let Self::RealisedDayMin(_) = self else { return None };
        facts.record.and_then(|record| no_record(Some(record))).map(|why| why.to_string())
    }
}

fn at_least(
    what: &'static str,
    value: Option<f64>,
    least: f64,
    unit: &'static str,
) -> Option<FilterRefusal> {
    match value {
        None => Some(FilterRefusal::Unknown { what }),
        Some(value) if value >= least => None,
        Some(value) => Some(FilterRefusal::Below { what, value, least, unit }),
    }
}

fn at_most(
    what: &'static str,
    value: Option<f64>,
    most: f64,
    unit: &'static str,
) -> Option<FilterRefusal> {
    match value {
        None => Some(FilterRefusal::Unknown { what }),
        Some(value) if value <= most => None,
        Some(value) => Some(FilterRefusal::Above { what, value, most, unit }),
    }
}

fn tick_to_fee(facts: &FilterFacts<'_>, most: f64) -> Option<FilterRefusal> {
    match facts.maker_fee_bps {
        Some(fee_bps) if fee_bps <= 0.0 => Some(FilterRefusal::NoFee { fee_bps }),
        fee_bps => {
            let ratio = facts.tick_bps.zip(fee_bps).map(|(tick, fee)| tick / fee);
            at_most("tick", ratio, most, " times the maker fee")
        }
    }
}

/// A loss counts where chance does not explain it: the whole interval lies below the limit.
fn lost(record: Option<Record>, least: f64) -> Option<FilterRefusal> {
    match record {
        None => Some(FilterRefusal::Unknown { what: "a history of our own" }),
        Some(Record::NoRecord | Record::TooShort { .. }) => None,
        Some(Record::Realised(realised)) => {
            // Written so that a number that is none does not pass.
            let is_passed = realised.high >= least;
            (!is_passed).then_some(FilterRefusal::Lost { realised, least })
        }
    }
}

const fn no_record(record: Option<Record>) -> Option<FilterRefusal> {
    match record {
        None => Some(FilterRefusal::Unknown { what: "a history of our own" }),
        Some(record @ (Record::NoRecord | Record::TooShort { .. })) => {
            Some(FilterRefusal::NoRecord { record })
        }
        Some(Record::Realised(_)) => None,
    }
}

/// Gives the value of the smallest order that the venue takes, by value and by quantity, in the reporting currency; `mid` is in quote
/// currency, `rate` the price of that. `None` where the venue has not said its minimum cost.
#[must_use]
pub fn smallest_order_est(instrument: &Instrument, mid: f64, rate: f64) -> Option<f64> {
    let by_value = instrument.cost_min?.to_est() * rate;
    let by_qty = instrument.qty_min.to_est() * instrument.multiplier.to_est() * mid * rate;
    Some(by_value.max(by_qty)).filter(|value| value.is_finite())
}
