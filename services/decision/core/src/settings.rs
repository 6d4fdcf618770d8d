//! The decision's section of a profile. Everything is explicit: a market maker without a stated size, limit or
//! prior does not start. `_usd` means the reporting currency of the profile.

use crate::insight::InsightUse;
use remora_domain::{
    AccountId, Bps, DurationNs, Notional, Reporting, SettingCheck, SettingProblem, StrategyId,
};
use remora_machine::HEARTBEAT_INTERVAL;

/// One day: the longest interval that any setting here may have.
const DAY_MS: i64 = 86_400_000;

/// Is the `[decision]` section as written.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionSettings {
    /// Name of the strategy in order requests, such as `glft`.
    pub strategy: String,
    /// Wanted value of one quote, above 0.
    pub order_notional_usd: String,
    /// Largest value of one quote where the venue's minimum asks for more than `order_notional_usd`; not below it.
    pub order_notional_usd_max: String,
    /// Largest inventory of one pair, long or short of its start; at least `order_notional_usd`.
    pub inventory_usd_max: String,
    /// Half-life of the fast volatility, 10 ms to 1 day.
    pub volatility_fast_half_life_ms: i64,
    /// Half-life of the slow volatility; the larger of the two counts. Not below the fast one.
    pub volatility_slow_half_life_ms: i64,
    /// Shortest time between two prices that count for volatility, 1 ms to 1 day.
    pub volatility_sample_ms: i64,
    /// Effective samples before the volatility is used, 1 to 10,000.
    pub volatility_n_eff_min: f64,
    /// Least volatility that quotes assume, basis points per square-root minute, above 0 to 10,000.
    pub volatility_bps_min: f64,
    /// Half-life of the mean spread, 10 ms to 1 day.
    pub spread_half_life_ms: i64,
    /// Half-life of the fill intensity, 10 ms to 1 day.
    pub fill_intensity_half_life_ms: i64,
    /// Effective prints before the observed fill intensity counts beside the prior, 1 to 10,000.
    pub fill_intensity_n_eff_min: f64,
    /// Prior: aggressors per second on one side that reach fair value, above 0 to 10,000.
    pub fill_intensity_prior_a_per_s: f64,
    /// Prior: distance at which the rate falls to 1/e, in mean half-spreads of the pair, above 0 to 1,000.
    pub fill_intensity_prior_decay_half_spreads: f64,
    /// How many prints the prior is worth once prints count, 0 to 10,000.
    pub fill_intensity_prior_weight: f64,
    /// That distance is never taken below this, prior or observed, basis points, above 0 to 1,000: where the touch
    /// is much closer than the fee, prints at the touch say little about where quotes will stand.
    pub fill_intensity_decay_bps_min: f64,
    /// Assumed move of fair value against us after a fill, basis points, 0 to 1,000.
    pub adverse_selection_bps: String,
    /// How many ticks a quote may improve on the best price of its side, 0 to 1,000.
    pub improve_ticks_max: u32,
    /// Age from which a book is stale, 1 ms to 1 day. The ingestor tells a quiet book again each second, so
    /// 2,000 ms and more keep quotes on a quiet market.
    pub book_age_ms_max: i64,
    /// Silence of the gate, or of the router of a venue, from which nothing is quoted there, 2,000 to 60,000 ms: at least
    /// two heartbeats.
    pub control_silence_ms_max: i64,
    /// How long a request may be answered, 1 ms to 1 minute.
    pub request_ttl_ms: i64,
    /// Shortest time between two requests, or a request and its replacement, on one side of a pair, 0 to 1 day.
    pub requote_interval_ms_min: i64,
    /// Time after which an unanswered cancel is repeated, 10 ms to 1 day.
    pub cancel_retry_ms: i64,
    /// Pause of a side after a refusal, 1 ms to 1 day; doubles with each further one until an order is accepted.
    pub refusal_pause_ms: i64,
    /// Longest such pause.
    pub refusal_pause_ms_max: i64,
    /// Shortest time between two records of a pair with the same reason, 0 to 1 day.
    pub record_interval_ms: i64,
    /// How far what pair-discovery found out may change quotes; absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insights: Option<InsightUse>,
}

/// Is the checked configuration of a decision core.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionConfig {
    pub(crate) account: AccountId,
    pub(crate) reporting: Reporting,
    pub(crate) strategy: StrategyId,
    pub(crate) order_notional_est: f64,
    pub(crate) order_notional_max_est: f64,
    pub(crate) inventory_max_est: f64,
    pub(crate) volatility_n_eff_min: f64,
    /// Variance of the log price per second.
    pub(crate) variance_min_est: f64,
    pub(crate) intensity_n_eff_min: f64,
    pub(crate) prior_a_per_s_est: f64,
    pub(crate) prior_decay_half_spreads: f64,
    pub(crate) prior_weight: f64,
    pub(crate) decay_bps_min: f64,
    pub(crate) adverse_bps_est: f64,
    pub(crate) improve_ticks_max: u32,
    pub(crate) times: Times,
    pub(crate) insights: Option<InsightUse>,
}

/// Is every interval of the configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Times {
    pub(crate) volatility_fast: DurationNs,
    pub(crate) volatility_slow: DurationNs,
    pub(crate) volatility_sample: DurationNs,
    pub(crate) spread_half_life: DurationNs,
    pub(crate) intensity_half_life: DurationNs,
    pub(crate) book_age_max: DurationNs,
    pub(crate) control_silence_max: DurationNs,
    pub(crate) request_ttl: DurationNs,
    pub(crate) requote_interval: DurationNs,
    pub(crate) cancel_retry: DurationNs,
    pub(crate) refusal_pause: DurationNs,
    pub(crate) refusal_pause_max: DurationNs,
    pub(crate) record_interval: DurationNs,
}

impl DecisionSettings {
    /// Checks every setting.
    ///
    /// # Errors
    /// Gives all problems at once.
    pub fn validate(
        &self,
        account: &AccountId,
        reporting: &Reporting,
    ) -> Result<DecisionConfig, Vec<SettingProblem>> {
        let mut check = SettingCheck::new("decision");
        let strategy = check.text("strategy", &self.strategy, "1 to 32 of a-z 0-9 -", |_| true);
        let sizes = self.checked_sizes(&mut check);
        let adverse = check.text::<Bps>(
            "adverse_selection_bps",
            &self.adverse_selection_bps,
            "0 to 1000",
            |bps| (0.0..=1_000.0).contains(&bps.to_est()),
        );
        self.check_estimators(&mut check);
        let times = self.checked_times(&mut check);
        if let Some(insights) = &self.insights {
            insights.check(&mut check);
        }
        let config = || {
            let (order_notional_est, order_notional_max_est, inventory_max_est) = sizes?;
            Some(DecisionConfig {
                account: account.clone(),
                reporting: reporting.clone(),
                strategy: strategy?,
                order_notional_est,
                order_notional_max_est,
                inventory_max_est,
                volatility_n_eff_min: self.volatility_n_eff_min,
                variance_min_est: variance_per_s(self.volatility_bps_min),
                intensity_n_eff_min: self.fill_intensity_n_eff_min,
                prior_a_per_s_est: self.fill_intensity_prior_a_per_s,
                prior_decay_half_spreads: self.fill_intensity_prior_decay_half_spreads,
                prior_weight: self.fill_intensity_prior_weight,
                decay_bps_min: self.fill_intensity_decay_bps_min,
                adverse_bps_est: adverse?.to_est(),
                improve_ticks_max: self.improve_ticks_max,
                times,
                insights: self.insights.clone(),
            })
        };
        check.finish(config())
    }

    fn checked_times(&self, check: &mut SettingCheck) -> Times {
        let mut ms = |key, value, min| check.ms(key, value, min, DAY_MS);
        let fast = self.volatility_fast_half_life_ms;
        let slow = self.volatility_slow_half_life_ms;
        let intensity = self.fill_intensity_half_life_ms;
        let (pause, pause_max) = (self.refusal_pause_ms, self.refusal_pause_ms_max);
        let mut times = Times {
            volatility_fast: ms("volatility_fast_half_life_ms", fast, 10),
            volatility_slow: ms("volatility_slow_half_life_ms", slow, fast),
            volatility_sample: ms("volatility_sample_ms", self.volatility_sample_ms, 1),
            spread_half_life: ms("spread_half_life_ms", self.spread_half_life_ms, 10),
            intensity_half_life: ms("fill_intensity_half_life_ms", intensity, 10),
            book_age_max: ms("book_age_ms_max", self.book_age_ms_max, 1),
            control_silence_max: DurationNs::ZERO,
            request_ttl: DurationNs::ZERO,
            requote_interval: ms("requote_interval_ms_min", self.requote_interval_ms_min, 0),
            cancel_retry: ms("cancel_retry_ms", self.cancel_retry_ms, 10),
            refusal_pause: ms("refusal_pause_ms", pause, 1),
            refusal_pause_max: ms("refusal_pause_ms_max", pause_max, pause),
            record_interval: ms("record_interval_ms", self.record_interval_ms, 0),
        };
        let (silence, least) = (self.control_silence_ms_max, HEARTBEAT_INTERVAL.saturating_mul(2));
        times.control_silence_max =
            check.ms("control_silence_ms_max", silence, least.as_ms(), 60_000);
        times.request_ttl = check.ms("request_ttl_ms", self.request_ttl_ms, 1, 60_000);
        times
    }

    fn checked_sizes(&self, check: &mut SettingCheck) -> Option<(f64, f64, f64)> {
        let mut money = |key, text: &str, min: Option<Notional>, allowed| {
            check.text(key, text, allowed, |value: &Notional| {
                *value > Notional::ZERO && min.is_none_or(|min| *value >= min)
            })
        };
        let order =
            money("order_notional_usd", &self.order_notional_usd, None, "an amount above 0");
        let at_least = "an amount not below order_notional_usd";
        let most = money("order_notional_usd_max", &self.order_notional_usd_max, order, at_least);
        let inventory = money("inventory_usd_max", &self.inventory_usd_max, order, at_least);
        Some((order?.to_est(), most?.to_est(), inventory?.to_est()))
    }

    fn check_estimators(&self, check: &mut SettingCheck) {
        const SMALLEST: f64 = 1e-9;
        check.range("volatility_n_eff_min", self.volatility_n_eff_min, 1.0, 10_000.0);
        check.range("volatility_bps_min", self.volatility_bps_min, SMALLEST, 10_000.0);
        check.range("fill_intensity_n_eff_min", self.fill_intensity_n_eff_min, 1.0, 10_000.0);
        let a = self.fill_intensity_prior_a_per_s;
        check.range("fill_intensity_prior_a_per_s", a, SMALLEST, 10_000.0);
        let decay = self.fill_intensity_prior_decay_half_spreads;
        check.range("fill_intensity_prior_decay_half_spreads", decay, SMALLEST, 1_000.0);
        let weight = self.fill_intensity_prior_weight;
        check.range("fill_intensity_prior_weight", weight, 0.0, 10_000.0);
        let decay_min = self.fill_intensity_decay_bps_min;
        check.range("fill_intensity_decay_bps_min", decay_min, SMALLEST, 1_000.0);
        check.range("improve_ticks_max", self.improve_ticks_max, 0, 1_000);
    }
}

/// Turns basis points per square-root minute into variance of the log price per second.
fn variance_per_s(bps: f64) -> f64 {
    let per_minute = bps * 1e-4;
    per_minute * per_minute / 60.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::settings;
    use remora_testkit::{account, usd};

    #[test]
    fn every_problem_is_reported_at_once() {
        let broken = DecisionSettings {
            strategy: "GLFT".to_owned(),
            order_notional_usd: "0".to_owned(),
            inventory_usd_max: "much".to_owned(),
            volatility_bps_min: f64::NAN,
            fill_intensity_decay_bps_min: 0.0,
            control_silence_ms_max: 1_999,
            request_ttl_ms: 0,
            ..settings()
        };
        let problems = broken.validate(&account(), &usd(&[])).unwrap_err();
        let keys: Vec<&str> = problems.iter().map(|p| p.key.as_str()).collect();
        let want = [
            "decision.strategy",
            "decision.order_notional_usd",
            "decision.inventory_usd_max",
            "decision.volatility_bps_min",
            "decision.fill_intensity_decay_bps_min",
            "decision.control_silence_ms_max",
            "decision.request_ttl_ms",
        ];
        for key in want {
            assert!(keys.contains(&key), "{key} is missing in {keys:?}");
        }
    }

    #[test]
    fn an_inventory_below_one_order_is_refused() {
        let broken = DecisionSettings { inventory_usd_max: "9".to_owned(), ..settings() };
        assert!(broken.validate(&account(), &usd(&[])).is_err());
        assert!(settings().validate(&account(), &usd(&[])).is_ok());
    }

    #[test]
    fn the_examples_of_the_readme_are_valid() {
        let examples = [
            include_str!("../fixtures/example_2021_crosses.toml"),
            include_str!("../fixtures/example_2024_tight.toml"),
        ];
        for text in examples {
            let example: DecisionSettings = toml::from_str(text).unwrap();
            example.validate(&account(), &usd(&[])).unwrap();
        }
    }

    #[test]
    fn an_unknown_or_missing_key_is_refused() {
        let text = include_str!("../fixtures/example_2021_crosses.toml");
        let unknown = format!("{text}\norder_notional_usd_mx = \"1\"");
        assert!(toml::from_str::<DecisionSettings>(&unknown).is_err());
        let missing = text.replace("inventory_usd_max = \"500\"", "");
        assert!(toml::from_str::<DecisionSettings>(&missing).is_err());
    }
}
