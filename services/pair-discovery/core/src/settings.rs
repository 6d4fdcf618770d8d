//! The `[pair_discovery]` section of a profile. Filters have no defaults: what a pair must be is said out loud.

use crate::filters::{ClusterSettings, FilterSettings};
use crate::insight_settings::InsightSettings;
use remora_domain::{
    AccountId, DurationNs, Notional, PairReason, Reporting, SettingCheck, SettingProblem,
};
use remora_research::pairs::{Filter, Pattern};

/// Is the `[pair_discovery]` section as written.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct PairDiscoverySettings {
    /// The most pairs selected at once, 1 to 1,000.
    pub pairs_max: u32,
    /// Places below `pairs_max` a selected pair may fall before it leaves, 0 to 1,000.
    pub hysteresis_ranks: u32,
    /// Pairs allowed, in canonical names; `*` stands for any text. At least one.
    pub allow: Vec<String>,
    /// Pairs denied, in canonical names; `*` stands for any text.
    pub deny: Vec<String>,
    /// Observation a pair needs before it is assessed, 1 to 86,400,000 ms.
    pub observation_ms_min: i64,
    /// Age of its book from which a pair is not known any more, 1 to 60,000 ms.
    pub book_age_ms_max: i64,
    /// How often pairs are assessed, 10 to 3,600,000 ms.
    pub assess_interval_ms: i64,
    /// How often an unchanged universe is published again, `assess_interval_ms` to 3,600,000 ms.
    pub publish_interval_ms: i64,
    /// How long a universe may be used, more than `publish_interval_ms`, to 86,400,000 ms.
    pub validity_ms: i64,
    /// Half-life of spread, volume and volatility, 100 to 86,400,000 ms.
    pub half_life_ms: i64,
    /// Smallest distance of two volatility samples, 1 to 3,600,000 ms.
    pub volatility_sample_ms: i64,
    /// Traded value per day a pair must have, in the reporting currency.
    pub volume_day_usd_min: String,
    /// Smallest time-weighted spread, basis points.
    pub spread_bps_min: f64,
    /// Largest time-weighted spread, basis points.
    pub spread_bps_max: f64,
    /// Largest volatility, basis points per square-root minute.
    pub volatility_bps_max: f64,
    /// Smallest half-spread minus maker fee minus adverse selection, basis points; may be negative.
    pub edge_bps_min: f64,
    /// Assumed loss to better-informed takers, basis points a fill.
    pub adverse_bps: f64,
    /// Share of a pair's volume that we expect to trade, above 0 to 1.
    pub participation_frac: f64,
    /// What one pair may hold, in the reporting currency; its smallest order must fit.
    pub pair_budget_usd: String,
    /// What else a pair must be; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filters: Option<FilterSettings>,
    /// How many pairs that move together may be selected; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterSettings>,
    /// How patterns by the hour and leads between instruments of one asset are looked for; absent: they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insights: Option<InsightSettings>,
}

/// Is the checked configuration of pair discovery.
#[derive(Clone, Debug)]
pub struct PairDiscoveryConfig {
    pub(crate) settings: PairDiscoverySettings,
    /// Whose fees count.
    pub(crate) account: AccountId,
    /// Filters that a definition answers, in the order in which they are asked.
    pub(crate) kind_filters: Vec<(Filter, PairReason)>,
    /// Filters that need what was observed.
    pub(crate) number_filters: Vec<(Filter, PairReason)>,
    pub(crate) reporting: Reporting,
}

/// Turns basis points per square-root minute into percent per square-root day.
pub(crate) fn day_pct(volatility_bps: f64) -> f64 {
    volatility_bps / 100.0 * libm::sqrt(1_440.0)
}

impl PairDiscoverySettings {
    /// Checks every setting, for the account that will trade.
    ///
    /// # Errors
    /// Gives all problems at once.
    pub fn validate(
        &self,
        account: &AccountId,
        reporting: &Reporting,
    ) -> Result<PairDiscoveryConfig, Vec<SettingProblem>> {
        let mut check = SettingCheck::new("pair_discovery");
        check.range("pairs_max", self.pairs_max, 1, 1_000);
        check.range("hysteresis_ranks", self.hysteresis_ranks, 0, 1_000);
        check.range("observation_ms_min", self.observation_ms_min, 1, 86_400_000);
        check.range("book_age_ms_max", self.book_age_ms_max, 1, 60_000);
        check.range("assess_interval_ms", self.assess_interval_ms, 10, 3_600_000);
        let assess = self.assess_interval_ms.clamp(10, 3_600_000);
        check.range("publish_interval_ms", self.publish_interval_ms, assess, 3_600_000);
        let validity_min = self.publish_interval_ms.saturating_add(1).clamp(1, 86_400_000);
        check.range("validity_ms", self.validity_ms, validity_min, 86_400_000);
        check.range("half_life_ms", self.half_life_ms, 100, 86_400_000);
        check.range("volatility_sample_ms", self.volatility_sample_ms, 1, 3_600_000);
        check.range("spread_bps_min", self.spread_bps_min, 0.0, 10_000.0);
        check.range("spread_bps_max", self.spread_bps_max, self.spread_bps_min.max(0.0), 10_000.0);
        check.range("volatility_bps_max", self.volatility_bps_max, 0.0, 100_000.0);
        check.range("edge_bps_min", self.edge_bps_min, -10_000.0, 10_000.0);
        check.range("adverse_bps", self.adverse_bps, 0.0, 10_000.0);
        check.range("participation_frac", self.participation_frac, 1e-9, 1.0);
        if let Some(insights) = &self.insights {
            insights.check(&mut check);
        }
        let more = self.filters.as_ref().map_or_else(Vec::new, |more| more.check(&mut check));
        if let Some(cluster) = &self.cluster {
            cluster.check(&mut check, assess);
        }
        if self.allow.is_empty() {
            check.problem("allow", "[]", "at least one pattern, such as \"*\" for every pair");
        }
        let allowed = "an amount of the reporting currency, such as \"1000\"";
        let is_amount = |amount: &Notional| *amount >= Notional::ZERO;
        let volume = check.text("volume_day_usd_min", &self.volume_day_usd_min, allowed, is_amount);
        let budget = check.text("pair_budget_usd", &self.pair_budget_usd, allowed, is_amount);
        check.finish(volume.zip(budget).map(|(volume, pair_budget)| PairDiscoveryConfig {
            settings: self.clone(),
            account: account.clone(),
            kind_filters: self.kind_filters(),
            number_filters: [self.number_filters(volume, pair_budget), more].concat(),
            reporting: reporting.clone(),
        }))
    }

    fn kind_filters(&self) -> Vec<(Filter, PairReason)> {
        let patterns = |texts: &[String]| texts.iter().cloned().map(Pattern).collect();
        vec![
            (Filter::Deny(patterns(&self.deny)), PairReason::Denied),
            (Filter::Allow(patterns(&self.allow)), PairReason::NotAllowed),
            (Filter::Status, PairReason::NotTradable),
        ]
    }

    fn number_filters(&self, volume: Notional, budget: Notional) -> Vec<(Filter, PairReason)> {
        let volatility_max = day_pct(self.volatility_bps_max);
        vec![
            (Filter::VolumeMin(volume.to_est()), PairReason::VolumeTooLow),
            (Filter::SpreadBpsMin(self.spread_bps_min), PairReason::SpreadTooTight),
            (Filter::SpreadBpsMax(self.spread_bps_max), PairReason::SpreadTooWide),
            (Filter::VolatilityPctMax(volatility_max), PairReason::VolatilityTooHigh),
            (Filter::EdgeBpsMin(self.edge_bps_min), PairReason::EdgeTooSmall),
            (Filter::MinimumOrderMax(budget.to_est()), PairReason::MinimumAboveBudget),
        ]
    }
}

impl PairDiscoveryConfig {
    pub(crate) const fn half_life(&self) -> DurationNs {
        DurationNs::from_ms(self.settings.half_life_ms)
    }

    pub(crate) const fn book_age_max(&self) -> DurationNs {
        DurationNs::from_ms(self.settings.book_age_ms_max)
    }

    pub(crate) const fn assess_interval(&self) -> DurationNs {
        DurationNs::from_ms(self.settings.assess_interval_ms)
    }

    pub(crate) const fn publish_interval(&self) -> DurationNs {
        DurationNs::from_ms(self.settings.publish_interval_ms)
    }

    pub(crate) const fn validity(&self) -> DurationNs {
        DurationNs::from_ms(self.settings.validity_ms)
    }
}
