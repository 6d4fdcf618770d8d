//! What configuration validation reports, and the configured conversion to one reporting currency.

use crate::{AmountError, Asset, DurationNs, Notional, Rate};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

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

/// Checks the settings of one section and collects every problem.
#[derive(Debug)]
pub struct SettingCheck {
    section: &'static str,
    problems: Vec<SettingProblem>,
}

impl SettingCheck {
    /// Starts without problems.
    #[must_use]
    pub const fn new(section: &'static str) -> Self {
        Self { section, problems: Vec::new() }
    }

    /// Reports a problem.
    pub fn problem(&mut self, key: &str, value: impl fmt::Display, allowed: impl fmt::Display) {
        self.problems.push(SettingProblem {
            key: format!("{}.{key}", self.section),
            value: value.to_string(),
            allowed: allowed.to_string(),
        });
    }

    /// Wants a number between two bounds, both allowed.
    pub fn range<T>(&mut self, key: &str, value: T, min: T, max: T)
    where
        T: PartialOrd + fmt::Display,
    {
        // Written so that NaN is outside.
        let is_inside = value >= min && value <= max;
        if !is_inside {
            self.problem(key, value, format!("{min} to {max}"));
        }
    }

    /// Wants milliseconds between two bounds, both allowed.
    pub fn ms(&mut self, key: &str, value: i64, min: i64, max: i64) -> DurationNs {
        self.range(key, value, min, max);
        DurationNs::from_ms(value)
    }

    /// Wants text of a type of ours that `is_allowed`; `allowed` says in words what that is.
    pub fn text<T: FromStr>(
        &mut self,
        key: &str,
        text: &str,
        allowed: &str,
        is_allowed: impl Fn(&T) -> bool,
    ) -> Option<T> {
        let value = text.parse().ok().filter(is_allowed);
        if value.is_none() {
            self.problem(key, text, allowed);
        }
        value
    }

    /// Gives the checked configuration when there was no problem.
    ///
    /// # Errors
    /// Gives all problems.
    pub fn finish<T>(self, config: Option<T>) -> Result<T, Vec<SettingProblem>> {
        match config {
            Some(config) if self.problems.is_empty() => Ok(config),
            Some(_) | None => Err(self.problems),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_collected_with_its_key() {
        let mut check = SettingCheck::new("decision");
        check.range("count", 3, 1, 2);
        check.range("ratio", f64::NAN, 0.0, 1.0);
        assert_eq!(check.ms("pause_ms", 5, 1, 10), DurationNs::from_ms(5));
        let none = check.text("order_usd", "x", "a number above 0", |n: &Notional| !n.is_zero());
        assert_eq!(none, None);
        let problems = check.finish(Some(())).unwrap_err();
        let keys: Vec<&str> = problems.iter().map(|p| p.key.as_str()).collect();
        assert_eq!(keys, ["decision.count", "decision.ratio", "decision.order_usd"]);
    }
}
