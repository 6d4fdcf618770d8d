//! What the settings come to once they are checked: everything the generator needs.

use crate::market::PairLaw;
use crate::values::AssetLaw;
use remora_domain::{DurationNs, Lots, Ticks};
use std::sync::Arc;

/// Is a pair as its venue defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowPair {
    /// v2 symbol, such as `BTC/USD`.
    pub symbol: Arc<str>,
    /// v2 name of what is traded.
    pub base: String,
    /// v2 name of what it is paid in.
    pub quote: String,
    /// Decimals of prices.
    pub price_decimals: u32,
    /// Decimals of quantities.
    pub qty_decimals: u32,
    /// Price step, in units of the last price decimal.
    pub tick: Ticks,
    /// Quantity step, in units of the last quantity decimal.
    pub lot: Lots,
    /// Smallest quantity of an order.
    pub qty_min: Lots,
}

/// Is checked settings for the pairs of a venue.
#[derive(Clone, Debug)]
pub struct FlowPlan {
    pub(crate) assets: Vec<AssetLaw>,
    pub(crate) pairs: Vec<PairLaw>,
    pub(crate) index_interval: DurationNs,
}

/// Gives a number of units as a float.
#[expect(
    clippy::as_conversions,
    reason = "a model input: above 2^53 the error is below 1e-15 of it"
)]
pub(crate) fn to_est(units: i64) -> f64 {
    units as f64
}

/// Cuts a float to whole units, stopping at the ends of the range; NaN gives 0.
#[expect(clippy::as_conversions, reason = "a cast from a float saturates, which is what is wanted")]
pub(crate) fn to_units(value: f64) -> i64 {
    value as i64
}
