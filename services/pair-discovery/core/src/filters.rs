//! The `[pair_discovery.filters]` and `[pair_discovery.cluster]` sections: filters that are asked only where they are written.

use remora_domain::{Notional, PairReason, SettingCheck};
use remora_research::pairs::Filter;

/// Is the `[pair_discovery.filters]` section as written: what else a pair must be. What is absent is not asked; what is asked and not known yet
/// keeps the pair out.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterSettings {
    /// Smallest value shown within 10 basis points of the mid on the thinner side, weighted by time, in the reporting currency. What lies
    /// beyond the levels that the feed shows is not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth_usd_min: Option<String>,
    /// Largest tick, times the maker fee: 1.0 asks that a step of the price is not dearer than the fee.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tick_to_fee_max: Option<f64>,
    /// Fewest days since discovery first heard of it, 0 to 3,650.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listing_age_days_min: Option<f64>,
    /// Smallest share of the time in which its book could be used, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feed_health_min: Option<f64>,
    /// Whether a future or perpetual of its base asset must be listed, at any venue that is heard.
    pub has_future: bool,
}

/// Is the `[pair_discovery.cluster]` section as written: how many pairs that move together may be selected.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterSettings {
    /// Correlation of returns from which two pairs are one bet, 0 to 1; one that is not known yet counts as 1.
    pub correlation: f64,
    /// Pairs of a cluster at most, the pair itself counted; 1 to 1,000.
    pub pairs_max: u32,
    /// How long a return is, `assess_interval_ms` to 3,600,000 ms.
    pub return_ms: i64,
    /// How many returns count, 20 to 2,000.
    pub returns_max: u32,
}

/// Fewest common returns for a correlation.
pub(crate) const RETURNS_MIN: usize = 20;

impl FilterSettings {
    /// Notes what is wrong; gives the filters in the order in which they are asked.
    pub(crate) fn check(&self, check: &mut SettingCheck) -> Vec<(Filter, PairReason)> {
        let mut filters = Vec::new();
        if let Some(text) = &self.depth_usd_min {
            let allowed = "an amount of the reporting currency, such as \"1000\"";
            let is_amount = |amount: &Notional| *amount >= Notional::ZERO;
            if let Some(least) = check.text("filters.depth_usd_min", text, allowed, is_amount) {
                filters.push((Filter::DepthMin(least.to_est()), PairReason::DepthTooLow));
            }
        }
        if let Some(most) = self.tick_to_fee_max {
            check.range("filters.tick_to_fee_max", most, 0.0, 1e6);
            filters.push((Filter::TickToFeeMax(most), PairReason::TickTooLarge));
        }
        if let Some(least) = self.listing_age_days_min {
            check.range("filters.listing_age_days_min", least, 0.0, 3_650.0);
            filters.push((Filter::ListingAgeDaysMin(least), PairReason::ListedTooBriefly));
        }
        if let Some(least) = self.feed_health_min {
            check.range("filters.feed_health_min", least, 0.0, 1.0);
            filters.push((Filter::FeedHealthMin(least), PairReason::FeedUnsteady));
        }
        if self.has_future {
            filters.push((Filter::HasFuture, PairReason::NoFuture));
        }
        filters
    }
}

impl ClusterSettings {
    /// Notes what is wrong.
    pub(crate) fn check(&self, check: &mut SettingCheck, assess_interval_ms: i64) {
        check.range("cluster.correlation", self.correlation, 0.0, 1.0);
        check.range("cluster.pairs_max", self.pairs_max, 1, 1_000);
        check.range("cluster.return_ms", self.return_ms, assess_interval_ms, 3_600_000);
        check.range("cluster.returns_max", self.returns_max, 20, 2_000);
    }
}
