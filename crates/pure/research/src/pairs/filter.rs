//! Hard filters: named in the field's words, each with its own reason, in any number and order.

use super::card::Card;
use serde::Serialize;

/// Is one condition that a pair must meet.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
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
    /// Least standard deviation of a day's move, percent.
    VolatilityPctMin(f64),
    /// Largest one, percent.
    VolatilityPctMax(f64),
    /// Least history, days.
    HistoryDaysMin(f64),
    /// Least share of the data that must be there, 0 to 1.
    CoverageMin(f64),
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

/// Is what one filter says of one pair.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FilterResult {
    /// The filter's name.
    pub filter: &'static str,
    /// Whether the pair passes.
    pub is_passed: bool,
    /// Why not.
    pub reason: Option<String>,
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
            "volatility_pct_min" => Self::VolatilityPctMin(limit),
            "volatility_pct_max" => Self::VolatilityPctMax(limit),
            "history_days_min" => Self::HistoryDaysMin(limit),
            "coverage_min" => Self::CoverageMin(limit),
            _ => return None,
        })
    }

    /// The names that [`Filter::of`] knows.
    pub const NAMES: [&str; 11] = [
        "volume_min",
        "spread_bps_min",
        "spread_bps_max",
        "edge_bps_min",
        "score_bps_min",
        "depth_min",
        "tick_bps_max",
        "volatility_pct_min",
        "volatility_pct_max",
        "history_days_min",
        "coverage_min",
    ];

    /// Gives its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::VolumeMin(_) => "volume_min",
            Self::SpreadBpsMin(_) => "spread_bps_min",
            Self::SpreadBpsMax(_) => "spread_bps_max",
            Self::EdgeBpsMin(_) => "edge_bps_min",
            Self::ScoreBpsMin(_) => "score_bps_min",
            Self::DepthMin(_) => "depth_min",
            Self::TickBpsMax(_) => "tick_bps_max",
            Self::VolatilityPctMin(_) => "volatility_pct_min",
            Self::VolatilityPctMax(_) => "volatility_pct_max",
            Self::HistoryDaysMin(_) => "history_days_min",
            Self::CoverageMin(_) => "coverage_min",
            Self::HasFuture => "has_future",
            Self::Allow(_) => "allow",
            Self::Deny(_) => "deny",
        }
    }

    /// Tests a pair. What the data do not tell fails the filter that needs it.
    #[must_use]
    pub fn test(&self, card: &Card) -> FilterResult {
        let facts = &card.facts;
        let fits = |patterns: &[Pattern]| patterns.iter().any(|p| p.fits(&facts.pair));
        let reason = match self {
            Self::VolumeMin(least) => at_least("volume", Some(facts.volume_day.value), *least, ""),
            Self::SpreadBpsMin(least) => at_least("spread", facts.spread_bps, *least, " bps"),
            Self::SpreadBpsMax(most) => at_most("spread", facts.spread_bps, *most, " bps"),
            Self::EdgeBpsMin(least) => at_least("edge", Some(card.shrunk_edge_bps), *least, " bps"),
            Self::ScoreBpsMin(least) => {
                at_least("score", Some(card.score_bps), *least, " bps a day")
            }
            Self::DepthMin(least) => {
                at_least("depth", facts.depth.map(|[_, ten, _]| ten), *least, "")
            }
            Self::TickBpsMax(most) => at_most("tick", facts.tick_bps, *most, " bps"),
            Self::VolatilityPctMin(least) => {
                at_least("volatility", Some(100.0 * facts.volatility_day), *least, " %")
            }
            Self::VolatilityPctMax(most) => {
                at_most("volatility", Some(100.0 * facts.volatility_day), *most, " %")
            }
            Self::HistoryDaysMin(least) => {
                at_least("history", Some(facts.history_days), *least, " days")
            }
            Self::CoverageMin(least) => at_least("coverage", Some(facts.coverage), *least, ""),
            Self::HasFuture => match facts.has_future {
                Some(true) => None,
                Some(false) => Some("no future is listed".to_owned()),
                None => Some("whether a future is listed is not in this data".to_owned()),
            },
            Self::Allow(patterns) => (!fits(patterns)).then(|| "not on the list".to_owned()),
            Self::Deny(patterns) => fits(patterns).then(|| "on the list".to_owned()),
        };
        FilterResult { filter: self.name(), is_passed: reason.is_none(), reason }
    }
}

fn at_least(what: &str, value: Option<f64>, least: f64, unit: &str) -> Option<String> {
    match value {
        None => Some(format!("{what} is not in this data")),
        Some(value) if value >= least => None,
        Some(value) => Some(format!("{what} {}{unit}, want {}{unit}", short(value), short(least))),
    }
}

fn at_most(what: &str, value: Option<f64>, most: f64, unit: &str) -> Option<String> {
    match value {
        None => Some(format!("{what} is not in this data")),
        Some(value) if value <= most => None,
        Some(value) => {
            Some(format!("{what} {}{unit}, at most {}{unit}", short(value), short(most)))
        }
    }
}

/// Shows a number in few characters.
fn short(x: f64) -> String {
    if x.abs() >= 1e6 {
        format!("{:.1} M", x / 1e6)
    } else if x.abs() >= 100.0 || x == 0.0 {
        format!("{x:.0}")
    } else {
        format!("{x:.3}")
    }
}
