//! What configuration validation reports, and the configured conversion to one reporting currency.

use crate::{AmountError, Asset, Notional, Rate};
use std::collections::BTreeMap;
use std::fmt;

/// Is one thing wrong with a configuration: key, value, what is allowed. All are collected before any is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingProblem {
    /// The key, with its section: `risk_gate.order_notional_usd_max`.
    pub key: String,
    /// The value as given.
    pub value: String,
    /// What would be accepted.
    pub allowed: String,
}

impl fmt::Display for SettingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {:?}: want {}", self.key, self.value, self.allowed)
    }
}

/// Is the currency limits and reports are in, with one configured rate an asset. No asset has a default rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reporting {
    /// The currency, such as `USD`.
    pub currency: Asset,
    /// Units of the currency for one unit of each asset; holds the currency itself at 1.
    pub rates: BTreeMap<Asset, Rate>,
}

impl Reporting {
    /// Converts an amount of `asset`; `None` when no rate is configured.
    ///
    /// # Errors
    /// Refuses a result outside the exact range.
    pub fn convert(
        &self,
        asset: &Asset,
        amount: Notional,
    ) -> Result<Option<Notional>, AmountError> {
        self.rates.get(asset).map(|rate| amount.checked_convert(*rate)).transpose()
    }

    /// Gives the rate of an asset as a float, for estimators only.
    #[must_use]
    pub fn rate_est(&self, asset: &Asset) -> Option<f64> {
        self.rates.get(asset).map(|rate| rate.to_est())
    }
}
