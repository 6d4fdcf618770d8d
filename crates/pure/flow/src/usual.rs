//! What assets and pairs usually do, by their names: settings for a market nobody wrote settings for. Invented; of the
//! order of what such assets do on an ordinary day.

use crate::plan::FlowPair;
use crate::settings::{AssetFlow, FlowSettings, PairFlow};
use std::collections::BTreeMap;

/// Pairs up to which everybody is as busy as written; beyond it each is quieter, so that the whole is not busier.
const BUSY_PAIRS: usize = 50;

/// Name, deviation of one second in bps, correlation with the common factor.
const ASSETS: [(&str, f64, f64); 15] = [
    ("USD", 0.0, 0.0),
    ("USDT", 0.02, 0.0),
    ("USDC", 0.01, 0.0),
    ("DAI", 0.02, 0.0),
    ("PYUSD", 0.02, 0.0),
    ("EUR", 0.06, 0.1),
    ("GBP", 0.06, 0.1),
    ("CHF", 0.06, 0.0),
    ("CAD", 0.05, 0.1),
    ("AUD", 0.06, 0.2),
    ("JPY", 0.06, 0.0),
    ("BTC", 0.9, 0.9),
    ("ETH", 1.1, 0.85),
    ("SOL", 1.5, 0.8),
    ("XRP", 1.4, 0.75),
];
/// What any other asset does.
const OTHER: (f64, f64) = (1.7, 0.7);
/// Below this an asset counts as money.
const CALM_BPS: f64 = 0.1;

impl FlowSettings {
    /// Gives usual settings for pairs whose assets have these values, in any common unit.
    #[must_use]
    pub fn usual(values: &BTreeMap<String, f64>, pairs: &[FlowPair]) -> Self {
        let asset = |(name, value): (&String, &f64)| {
            let (volatility_1s_bps, factor_correlation) = law(name);
            let asset = AssetFlow { value_usd: *value, volatility_1s_bps, factor_correlation };
            (name.clone(), asset)
        };
        let quieter =
            f64::from(u32::try_from(pairs.len().div_ceil(BUSY_PAIRS)).unwrap_or(1)).max(1.0);
        let behaviour = |pair: &FlowPair| (pair.symbol.to_string(), usual_pair(pair, quieter));
        Self {
            index_interval_ms: crate::plan::to_units(500.0 * quieter).min(60_000),
            assets: values.iter().map(asset).collect(),
            defaults: PairFlow::default(),
            pairs: pairs.iter().map(behaviour).collect(),
        }
    }
}

fn law(name: &str) -> (f64, f64) {
    let known = ASSETS.iter().find(|(known, _, _)| *known == name);
    known.map_or(OTHER, |(_, sigma, rho)| (*sigma, *rho))
}

fn usual_pair(pair: &FlowPair, quieter: f64) -> PairFlow {
    let moves = law(&pair.base).0.max(law(&pair.quote).0);
    let is_large = matches!(&*pair.base, "BTC" | "ETH");
    let (half_spread_bps, maker_ms, takers_per_s) = if moves < CALM_BPS {
        (0.4, 500.0, 0.2)
    } else if is_large {
        (1.2 * moves, 100.0, 1.0)
    } else {
        (3.0 * moves, 250.0, 0.4)
    };
    PairFlow {
        half_spread_bps,
        depth_bps: 6.0 * half_spread_bps,
        maker_interval_ms: crate::plan::to_units(maker_ms * quieter),
        takers_per_s: takers_per_s / quieter,
        ..PairFlow::default()
    }
}
