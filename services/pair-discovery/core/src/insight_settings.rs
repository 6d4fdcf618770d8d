//! The `[pair_discovery.insights]` section: how patterns and leads are looked for. Where it is absent, none is.

use remora_domain::SettingCheck;

/// Batches that the shortest part has at the widest lag.
const REACHES: i64 = 20;

/// Is the section as written.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct InsightSettings {
    /// Expected share of false ones among patterns and among leads that are called significant, above 0, below 0.5.
    pub false_share_max: f64,
    /// How often all patterns are examined anew, 60,000 to 86,400,000 ms; the work is spread over that time.
    pub pattern_interval_ms: i64,
    /// Days of bars that count, 28 to 366.
    pub pattern_days_max: u32,
    /// Length of one part of a lead's history, 20 widest lags to 86,400,000 ms.
    pub lead_part_ms: i64,
    /// Parts of which the first half chooses and the second confirms, 8 to 200.
    pub lead_parts: u32,
    /// Widest lag, 100 to 60,000 ms.
    pub lead_reach_ms: i64,
    /// Step between lags, 1 ms to the widest lag; at most 500 steps a side.
    pub lead_step_ms: i64,
    /// The most couples of instruments of one asset that are measured, 0 to 10,000.
    pub lead_couples_max: u32,
    /// Seed of the turned clocks.
    pub seed: u64,
}

impl InsightSettings {
    pub(crate) fn check(&self, check: &mut SettingCheck) {
        const DAY_MS: i64 = 86_400_000;
        let key = |name: &str| format!("insights.{name}");
        check.range(&key("false_share_max"), self.false_share_max, 1e-6, 0.5);
        check.range(&key("pattern_interval_ms"), self.pattern_interval_ms, 60_000, DAY_MS);
        check.range(&key("pattern_days_max"), self.pattern_days_max, 28, 366);
        check.range(&key("lead_reach_ms"), self.lead_reach_ms, 100, 60_000);
        let reach = self.lead_reach_ms.clamp(100, 60_000);
        check.range(&key("lead_part_ms"), self.lead_part_ms, REACHES * reach, DAY_MS);
        check.range(&key("lead_parts"), self.lead_parts, 8, 200);
        check.range(&key("lead_step_ms"), self.lead_step_ms, (reach / 500).max(1), reach);
        check.range(&key("lead_couples_max"), self.lead_couples_max, 0, 10_000);
    }
}
