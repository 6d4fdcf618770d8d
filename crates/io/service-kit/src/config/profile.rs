//! What stands at the top of every profile: its name, the account, and the reporting currency with its rates.

use super::source::Config;
use figment::value::Value;
use remora_domain::{AccountId, Asset, Rate, Reporting};
use std::collections::BTreeMap;

/// Is the top of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileFacts {
    /// Its name, such as `demo`.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Which account trades.
    pub account: AccountId,
    /// The currency of limits and reports, with the configured rates.
    pub reporting: Reporting,
}

impl Config {
    /// Reads the top of the profile. `None` when something in it is wrong; what, is kept for `finish`.
    pub fn profile(&mut self) -> Option<ProfileFacts> {
        let name = self.text("name");
        let description = self.text("description");
        let account = self.text("account").and_then(|text| {
            AccountId::new(&text).map_err(|error| self.problem("account", error.to_string())).ok()
        });
        let currency = self.text("reporting_currency").and_then(|text| {
            let asset = Asset::new(&text);
            asset.map_err(|error| self.problem("reporting_currency", error.to_string())).ok()
        });
        let rates = self.rates();
        let (currency, mut rates) = (currency?, rates?);
        match Rate::parse("1") {
            Ok(one) => {
                if rates.insert(currency.clone(), one).is_some_and(|rate| rate != one) {
                    self.problem(&format!("conversion.{currency}"), "1, or nothing".to_owned());
                    return None;
                }
            }
            Err(error) => {
                self.problem("reporting_currency", error.to_string());
                return None;
            }
        }
        let facts = ProfileFacts {
            name: name?,
            description: description?,
            account: account?,
            reporting: Reporting { currency, rates },
        };
        for (key, value) in [
            ("name", &*facts.name),
            ("description", &*facts.description),
            ("account", facts.account.as_str()),
            ("reporting_currency", facts.reporting.currency.as_str()),
        ] {
            self.note_effective(key, &value);
        }
        for (asset, rate) in &facts.reporting.rates {
            self.note_effective(&format!("conversion.{asset}"), &rate.to_string());
        }
        Some(facts)
    }

    fn text(&mut self, key: &str) -> Option<String> {
        let text = self.value(key).and_then(|value| value.as_str()).map(str::to_owned);
        if text.is_none() {
            self.problem(key, "a text: it has no default".to_owned());
        }
        text
    }

    fn rates(&mut self) -> Option<BTreeMap<Asset, Rate>> {
        let given: Vec<(String, Option<String>)> = match self.value("conversion") {
            Some(Value::Dict(_, dict)) => dict
                .iter()
                .map(|(asset, rate)| (asset.clone(), rate.as_str().map(str::to_owned)))
                .collect(),
            Some(_) | None => Vec::new(),
        };
        let mut rates = BTreeMap::new();
        let mut is_good = true;
        for (key, text) in given {
            let path = format!("conversion.{key}");
            let rate = text.as_deref().map(Rate::parse);
            match (Asset::new(&key), rate) {
                (Ok(asset), Some(Ok(rate))) if !rate.is_zero() => {
                    rates.insert(asset, rate);
                    continue;
                }
                (Err(error), _) => self.problem(&path, error.to_string()),
                (_, Some(Err(error))) => self.problem(&path, error.to_string()),
                (_, Some(Ok(_))) => self.problem(&path, "a rate above 0".to_owned()),
                (_, None) => self.problem(&path, "a decimal in quotes".to_owned()),
            }
            is_good = false;
        }
        is_good.then_some(rates)
    }
}
