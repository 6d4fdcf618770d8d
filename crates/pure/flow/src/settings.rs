//! The `[flow]` settings: what the crowd does, checked as a whole.

use crate::hawkes::HawkesLaw;
use crate::market::PairLaw;
use crate::plan::{FlowPair, FlowPlan};
use crate::values::AssetLaw;
use remora_domain::{DurationNs, SettingCheck, SettingProblem};
use std::collections::BTreeMap;

/// A pair whose price has fewer ticks than this could run out of them.
const START_TICKS_MIN: f64 = 1_000.0;
/// The largest price or mean quantity, in units of the last decimal; above it floats could skip integers.
const UNITS_MAX: f64 = 1e15;

/// Is the section as written.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct FlowSettings {
    /// How often the index of each pair is told, 10 to 60,000 ms; 500 when absent.
    #[serde(default = "index_interval_default")]
    pub index_interval_ms: i64,
    /// Every asset of every pair, by its v2 name.
    pub assets: BTreeMap<String, AssetFlow>,
    /// How pairs behave that `pairs` says nothing about.
    #[serde(default)]
    pub defaults: PairFlow,
    /// How some pairs behave, by v2 symbol; what is absent there has the default of the field, not that of `defaults`.
    #[serde(default)]
    pub pairs: BTreeMap<String, PairFlow>,
}

/// Is an asset's value and how it moves.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct AssetFlow {
    /// Value at the start in any common unit, such as USD; above 0.
    pub value_usd: f64,
    /// Deviation of one second's change, 0 to 100 bps; 0 for a fixed one. 0.9 bps is half of the value in a year.
    pub volatility_1s_bps: f64,
    /// Correlation of its changes with the common factor, -1 to 1.
    pub factor_correlation: f64,
}

/// Is how the crowd behaves on one pair.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PairFlow {
    /// Distance of the crowd's best quotes from what makers see, 0.01 to 1,000 bps; 5 when absent.
    pub half_spread_bps: f64,
    /// Quotes a side that makers keep, 3 to 500; 16 when absent.
    pub quotes: u32,
    /// Mean distance of quotes behind the best, 0.01 to 5,000 bps; 20 when absent.
    pub depth_bps: f64,
    /// Mean value of a quote, above 0; 5,000 when absent.
    pub quote_mean_usd: f64,
    /// Mean time between two turns of the makers, 1 to 600,000 ms; 250 when absent.
    pub maker_interval_ms: i64,
    /// Takers a second in the mean, 0.0001 to 1,000; 0.5 when absent.
    pub takers_per_s: f64,
    /// Mean value of a taker, above 0; 1,500 when absent.
    pub taker_mean_usd: f64,
    /// Share of takers that earlier ones cause (branching ratio), 0 to 0.95; 0.5 when absent.
    pub branching_frac: f64,
    /// How long a taker goes on causing others, 1 to 600,000 ms; 500 when absent.
    pub excitation_ms: i64,
    /// Chance that an uninformed taker goes the way of the last taker, 0 to 1; 0.6 when absent.
    pub same_side_frac: f64,
    /// Share of takers that know where the price is going, 0 to 1; 0.25 when absent.
    pub informed_frac: f64,
    /// How far ahead of the index they know it, 0 to 60,000 ms; 1,000 when absent.
    pub informed_ahead_ms: i64,
    /// How far the index (and the futures it comes from) leads what makers see, 0 to 60,000 ms; 300 when absent.
    pub index_lead_ms: i64,
}

impl Default for PairFlow {
    fn default() -> Self {
        Self {
            half_spread_bps: 5.0,
            quotes: 16,
            depth_bps: 20.0,
            quote_mean_usd: 5_000.0,
            maker_interval_ms: 250,
            takers_per_s: 0.5,
            taker_mean_usd: 1_500.0,
            branching_frac: 0.5,
            excitation_ms: 500,
            same_side_frac: 0.6,
            informed_frac: 0.25,
            informed_ahead_ms: 1_000,
            index_lead_ms: 300,
        }
    }
}

const fn index_interval_default() -> i64 {
    500
}

impl FlowSettings {
    /// Checks the section for the pairs of a venue.
    ///
    /// # Errors
    /// Gives every problem found, each with key, value and what is allowed.
    pub fn validate(&self, pairs: &[FlowPair]) -> Result<FlowPlan, Vec<SettingProblem>> {
        let mut check = SettingCheck::new("flow");
        let index_interval = check.ms("index_interval_ms", self.index_interval_ms, 10, 60_000);
        for (name, asset) in &self.assets {
            check_asset(&mut check, name, asset);
        }
        check_behaviour(&mut check, "defaults", &self.defaults);
        for (symbol, behaviour) in &self.pairs {
            check_behaviour(&mut check, &format!("pairs.{symbol}"), behaviour);
            if !pairs.iter().any(|pair| *pair.symbol == **symbol) {
                check.problem(&format!("pairs.{symbol}"), symbol, "a pair of the venue");
            }
        }
        let names: Vec<&String> = self.assets.keys().collect();
        let asset = |name: &str| names.binary_search_by(|known| known.as_str().cmp(name)).ok();
        let mut laws = Vec::with_capacity(pairs.len());
        for pair in pairs {
            match asset(&pair.base).zip(asset(&pair.quote)) {
                Some(indexes) => laws.extend(self.law(&mut check, pair, indexes)),
                None => {
                    let wanted = format!("a value for both {} and {}", pair.base, pair.quote);
                    check.problem("assets", &pair.symbol, wanted);
                }
            }
        }
        let assets = self.assets.values().map(|asset| AssetLaw {
            sigma: asset.volatility_1s_bps * 1e-4,
            rho: asset.factor_correlation,
        });
        check.finish(Some(FlowPlan { assets: assets.collect(), pairs: laws, index_interval }))
    }

    fn law(
        &self,
        check: &mut SettingCheck,
        pair: &FlowPair,
        (base, quote): (usize, usize),
    ) -> Option<PairLaw> {
        let value = |name: &str| self.assets.get(name).map(|asset| asset.value_usd);
        let (base_usd, quote_usd) = (value(&pair.base)?, value(&pair.quote)?);
        let behaviour = self.pairs.get(&*pair.symbol).unwrap_or(&self.defaults);
        let units = |decimals: u32| libm::exp10(f64::from(decimals));
        let start = base_usd / quote_usd * units(pair.price_decimals);
        let lots = |usd: f64| usd / base_usd * units(pair.qty_decimals);
        let (quote_mean, taker_mean) =
            (lots(behaviour.quote_mean_usd), lots(behaviour.taker_mean_usd));
        let key = format!("assets.{}.value_usd", pair.base);
        let tick = crate::plan::to_est(pair.tick.get());
        if !(start / tick >= START_TICKS_MIN && start <= UNITS_MAX) {
            let wanted = "1,000 ticks to 1e15 units of the last decimal as a price";
            check.problem(&key, base_usd, format!("{wanted} of {}", pair.symbol));
        }
        if pair.tick.get() < 1 || pair.lot.get() < 1 || pair.qty_min.get() < 1 {
            check.problem("pairs", &pair.symbol, "tick, lot and smallest quantity of 1 or more");
        }
        if quote_mean.max(taker_mean) > UNITS_MAX {
            check.problem("quote_mean_usd", &pair.symbol, "at most 1e15 units of quantity");
        }
        let (ahead, lead) = (behaviour.informed_ahead_ms, behaviour.index_lead_ms);
        Some(PairLaw {
            symbol: pair.symbol.clone(),
            base,
            quote,
            start,
            tick: pair.tick.get().max(1),
            lot: pair.lot.get().max(1),
            qty_min: pair.qty_min.get().max(1),
            half_spread: behaviour.half_spread_bps * 1e-4,
            quotes: usize::try_from(behaviour.quotes).unwrap_or(3),
            depth: behaviour.depth_bps * 1e-4,
            quote_mean,
            taker_mean,
            maker_interval_s: DurationNs::from_ms(behaviour.maker_interval_ms).as_seconds_est(),
            takers: HawkesLaw {
                rate: behaviour.takers_per_s,
                branching: behaviour.branching_frac,
                tau: DurationNs::from_ms(behaviour.excitation_ms).as_seconds_est(),
            },
            same_side: behaviour.same_side_frac,
            informed: behaviour.informed_frac,
            ahead: DurationNs::from_ms(ahead),
            lead: DurationNs::from_ms(lead),
        })
    }
}

fn check_asset(check: &mut SettingCheck, name: &str, asset: &AssetFlow) {
    let key = |field: &str| format!("assets.{name}.{field}");
    check.range(&key("value_usd"), asset.value_usd, 1e-12, 1e12);
    check.range(&key("volatility_1s_bps"), asset.volatility_1s_bps, 0.0, 100.0);
    check.range(&key("factor_correlation"), asset.factor_correlation, -1.0, 1.0);
}

fn check_behaviour(check: &mut SettingCheck, at: &str, flow: &PairFlow) {
    let key = |field: &str| format!("{at}.{field}");
    check.range(&key("half_spread_bps"), flow.half_spread_bps, 0.01, 1_000.0);
    check.range(&key("quotes"), flow.quotes, 3, 500);
    check.range(&key("depth_bps"), flow.depth_bps, 0.01, 5_000.0);
    check.range(&key("quote_mean_usd"), flow.quote_mean_usd, 1e-6, 1e12);
    check.range(&key("maker_interval_ms"), flow.maker_interval_ms, 1, 600_000);
    check.range(&key("takers_per_s"), flow.takers_per_s, 1e-4, 1_000.0);
    check.range(&key("taker_mean_usd"), flow.taker_mean_usd, 1e-6, 1e12);
    check.range(&key("branching_frac"), flow.branching_frac, 0.0, 0.95);
    check.range(&key("excitation_ms"), flow.excitation_ms, 1, 600_000);
    check.range(&key("same_side_frac"), flow.same_side_frac, 0.0, 1.0);
    check.range(&key("informed_frac"), flow.informed_frac, 0.0, 1.0);
    check.range(&key("informed_ahead_ms"), flow.informed_ahead_ms, 0, 60_000);
    check.range(&key("index_lead_ms"), flow.index_lead_ms, 0, 60_000);
}
