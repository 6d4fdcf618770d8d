//! The ranked, versioned set of pairs worth quoting, with a reason for every pair in or out.

use crate::{InstrumentKey, PairInsight, Timestamp};

macro_rules! pair_reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// Says why a pair is in or out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum PairReason { $($(#[$doc])* $name,)* }

        impl PairReason {
            /// All reasons.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Gives the word used in metrics, reports and storage.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

pair_reasons! {
    /// In: passes every filter and ranks high enough.
    Selected = "selected";
    /// Out: passes, but others rank higher.
    RankTooLow = "rank_too_low";
    /// Out: not enough has been seen yet.
    NotEnoughData = "not_enough_data";
    /// Out: the venue does not let us trade it.
    NotTradable = "not_tradable";
    /// Out: a future, used as reference only.
    ReferenceOnly = "reference_only";
    /// Out: not on the allow list.
    NotAllowed = "not_allowed";
    /// Out: on the deny list.
    Denied = "denied";
    /// Out: its book is not usable.
    FeedUnhealthy = "feed_unhealthy";
    /// Out: traded value per day below the minimum.
    VolumeTooLow = "volume_too_low";
    /// Out: spread below the minimum.
    SpreadTooTight = "spread_too_tight";
    /// Out: spread above the maximum.
    SpreadTooWide = "spread_too_wide";
    /// Out: volatility above the maximum.
    VolatilityTooHigh = "volatility_too_high";
    /// Out: half the spread does not pay fees and adverse selection.
    EdgeTooSmall = "edge_too_small";
    /// Out: no fee tier is known.
    FeesUnknown = "fees_unknown";
    /// Out: no conversion rate for its quote currency.
    ConversionUnknown = "conversion_unknown";
    /// Out: the venue has not said what its minimum order value is.
    CostMinUnknown = "cost_min_unknown";
    /// Out: the smallest order is above the budget of a pair.
    MinimumAboveBudget = "minimum_above_budget";
    /// Out: too little is shown near the mid.
    DepthTooLow = "depth_too_low";
    /// Out: one tick is too much of the maker fee.
    TickTooLarge = "tick_too_large";
    /// Out: not known for long enough.
    ListedTooBriefly = "listed_too_briefly";
    /// Out: its book could not be used for too much of the time.
    FeedUnsteady = "feed_unsteady";
    /// Out: no future on it is listed.
    NoFuture = "no_future";
    /// Out: it moves with as many better ones as are allowed together.
    ClusterFull = "cluster_full";
}

impl std::fmt::Display for PairReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Is the assessment of one pair.
#[derive(Clone, Debug, PartialEq)]
pub struct PairScore {
    /// Which pair.
    pub instrument: InstrumentKey,
    /// Whether to quote it.
    pub is_selected: bool,
    /// Place in the ranking, from 1; `None` when a filter excluded it.
    pub rank: Option<u32>,
    /// Why it is in or out.
    pub reason: PairReason,
    /// Time-weighted spread, basis points of the mid.
    pub spread_bps_est: Option<f64>,
    /// Traded value per day in the reporting currency.
    pub volume_day_est: Option<f64>,
    /// Volatility, basis points per square-root minute.
    pub volatility_bps_est: Option<f64>,
    /// Half-spread minus maker fee, basis points.
    pub edge_bps_est: Option<f64>,
    /// Score used for ranking: expected net edge per day in the reporting currency.
    pub score_est: Option<f64>,
    /// Since when it has surely been listed: when discovery first heard of it, restarts included; `None` from a discovery that did not say.
    pub known_since: Option<Timestamp>,
}

/// Is the universe in force until its validity ends or a newer version arrives.
#[derive(Clone, Debug, PartialEq)]
pub struct Universe {
    /// Counts universes of this session, from 1.
    pub version: u64,
    /// Not to be used after this instant.
    pub valid_until: Timestamp,
    /// Every known pair, sorted by instrument.
    pub pairs: Vec<PairScore>,
    /// What history says beyond scores, of pairs that anything was tested of, sorted by instrument.
    pub insights: Vec<PairInsight>,
}
