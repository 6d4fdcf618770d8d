//! The gate's section of a profile. Every limit must be given; nothing has a default.

use remora_domain::{
    AccountId, Bps, DurationNs, InstrumentId, InstrumentKey, Notional, Reporting, SettingCheck,
    SettingProblem, StrategyId, VenueId,
};
use remora_machine::HEARTBEAT_INTERVAL;
use std::collections::{BTreeMap, BTreeSet};

/// Is the `[risk_gate]` section as written. Keys that end in `_usd_max` are in USD, which the reporting currency
/// must be for now.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct RiskGateSettings {
    /// Strategies that may ask for orders, at least one.
    pub strategies: Vec<String>,
    /// Largest value of one order, above 0.
    pub order_notional_usd_max: String,
    /// Largest worst case of one pair, long or short, 0 or more; 0 allows no opening order.
    pub pair_position_usd_max: String,
    /// Other limits for single pairs, by `venue/INSTRUMENT`.
    #[serde(default)]
    pub pair_position_usd_max_overrides: BTreeMap<String, String>,
    /// Largest sum of the worst cases of all pairs, 0 or more.
    pub total_position_usd_max: String,
    /// Largest distance of a price from the mid, above 0 and at most 5,000 bps.
    pub price_collar_bps: String,
    /// Largest age of a book that orders are checked against, 1 to 60,000 ms.
    pub book_age_ms_max: i64,
    /// Orders and cancels in the window after which new orders are refused, 1 to 100,000.
    pub orders_per_window_max: u32,
    /// Length of that window, 1 to 3,600,000 ms.
    pub order_window_ms: i64,
    /// How long an approval may be used, 1 to 60,000 ms.
    pub approval_ttl_ms: i64,
    /// Largest age of the last mid at which a held pair is valued for the total limit, 1 ms to 20 years. An order that
    /// raises the total is refused beyond it.
    pub mark_age_ms_max: i64,
    /// Silence of a venue's router from which orders for it are refused, 2,000 to 60,000 ms: at least two heartbeats.
    pub router_silence_ms_max: i64,
}

/// Twenty years: one run may play recordings that lie years apart.
const MARK_AGE_MS_MOST: i64 = 631_152_000_000;

/// Is the checked configuration of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiskGateConfig {
    /// The account it guards.
    pub account: AccountId,
    /// The currency of the limits, and how other assets convert to it.
    pub reporting: Reporting,
    /// Strategies that may ask.
    pub strategies: BTreeSet<StrategyId>,
    /// Largest value of one order.
    pub order_notional_max: Notional,
    /// Largest worst case of a pair without a limit of its own.
    pub pair_position_max: Notional,
    /// Pairs with a limit of their own.
    pub pair_position_max_overrides: BTreeMap<InstrumentKey, Notional>,
    /// Largest sum of the worst cases.
    pub total_position_max: Notional,
    /// Largest distance of a price from the mid.
    pub price_collar: Bps,
    /// Largest age of a book.
    pub book_age_max: DurationNs,
    /// Orders and cancels in the window.
    pub orders_per_window_max: usize,
    /// Length of that window.
    pub order_window: DurationNs,
    /// How long an approval may be used.
    pub approval_ttl: DurationNs,
    /// Largest age of a mid that values what is held.
    pub mark_age_max: DurationNs,
    /// Silence of a router from which orders for its venue are refused.
    pub router_silence_max: DurationNs,
}

impl RiskGateConfig {
    /// Gives the limit of a pair.
    #[must_use]
    pub fn pair_position_max(&self, instrument: &InstrumentKey) -> Notional {
        let own = self.pair_position_max_overrides.get(instrument);
        own.copied().unwrap_or(self.pair_position_max)
    }
}

impl RiskGateSettings {
    /// Checks every setting.
    ///
    /// # Errors
    /// Gives all problems at once.
    pub fn validate(
        &self,
        account: &AccountId,
        reporting: &Reporting,
    ) -> Result<RiskGateConfig, Vec<SettingProblem>> {
        // Not of this section, so the helper's prefix would name the wrong key.
        let currency = (reporting.currency.as_str() != "USD").then(|| SettingProblem {
            key: "reporting_currency".to_owned(),
            value: reporting.currency.to_string(),
            allowed: "USD: the limits of risk_gate are in USD".to_owned(),
        });
        let mut check = SettingCheck::new("risk_gate");
        let config = self.config(&mut check, account, reporting);
        match (currency, check.finish(config)) {
            (None, checked) => checked,
            (Some(first), Ok(_)) => Err(vec![first]),
            (Some(first), Err(others)) => Err(std::iter::once(first).chain(others).collect()),
        }
    }

    fn config(
        &self,
        check: &mut SettingCheck,
        account: &AccountId,
        reporting: &Reporting,
    ) -> Option<RiskGateConfig> {
        let strategies = self.strategies(check);
        let order = limit(check, "order_notional_usd_max", &self.order_notional_usd_max, false);
        let pair = limit(check, "pair_position_usd_max", &self.pair_position_usd_max, true);
        let overrides = self.overrides(check);
        let total = limit(check, "total_position_usd_max", &self.total_position_usd_max, true);
        let is_collar =
            |bps: &Bps| *bps > Bps::ZERO && Bps::parse("5000").is_ok_and(|most| *bps <= most);
        let allowed = "above 0, at most 5000";
        let collar = check.text("price_collar_bps", &self.price_collar_bps, allowed, is_collar);
        let book_age_max = check.ms("book_age_ms_max", self.book_age_ms_max, 1, 60_000);
        check.range("orders_per_window_max", self.orders_per_window_max, 1, 100_000);
        let order_window = check.ms("order_window_ms", self.order_window_ms, 1, 3_600_000);
        let approval_ttl = check.ms("approval_ttl_ms", self.approval_ttl_ms, 1, 60_000);
        let mark_age_max = check.ms("mark_age_ms_max", self.mark_age_ms_max, 1, MARK_AGE_MS_MOST);
        let silence_min = HEARTBEAT_INTERVAL.saturating_mul(2).as_ms();
        let silence = self.router_silence_ms_max;
        let router_silence_max = check.ms("router_silence_ms_max", silence, silence_min, 60_000);
        Some(RiskGateConfig {
            account: account.clone(),
            reporting: reporting.clone(),
            strategies,
            order_notional_max: order?,
            pair_position_max: pair?,
            pair_position_max_overrides: overrides,
            total_position_max: total?,
            price_collar: collar?,
            book_age_max,
            orders_per_window_max: usize::try_from(self.orders_per_window_max).ok()?,
            order_window,
            approval_ttl,
            mark_age_max,
            router_silence_max,
        })
    }

    fn strategies(&self, check: &mut SettingCheck) -> BTreeSet<StrategyId> {
        if self.strategies.is_empty() {
            check.problem("strategies", "[]", "at least one strategy");
        }
        let names = self.strategies.iter();
        let allowed = "1 to 32 characters from a-z 0-9 -";
        names.filter_map(|name| check.text("strategies", name, allowed, |_| true)).collect()
    }

    fn overrides(&self, check: &mut SettingCheck) -> BTreeMap<InstrumentKey, Notional> {
        let mut overrides = BTreeMap::new();
        for (name, text) in &self.pair_position_usd_max_overrides {
            let key = format!("pair_position_usd_max_overrides.{name}");
            let limit = limit(check, &key, text, true);
            match (key_of(name), limit) {
                (Some(instrument), Some(limit)) => {
                    overrides.insert(instrument, limit);
                }
                (Some(_), None) => {}
                (None, _) => check.problem(&key, name, "a key such as kraken-spot/BTC-USD"),
            }
        }
        overrides
    }
}

fn key_of(name: &str) -> Option<InstrumentKey> {
    let (venue, instrument) = name.split_once('/')?;
    Some(InstrumentKey::new(VenueId::new(venue).ok()?, InstrumentId::new(instrument).ok()?))
}

fn limit(check: &mut SettingCheck, key: &str, text: &str, may_be_zero: bool) -> Option<Notional> {
    let allowed = match may_be_zero {
        true => "an amount of USD, 0 or more, such as \"500\"",
        false => "an amount of USD above 0, such as \"500\"",
    };
    check.text(key, text, allowed, |limit: &Notional| {
        *limit > Notional::ZERO || (may_be_zero && limit.is_zero())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_testkit::{account, asset, key, notional, usd};

    const SOUND: &str = r#"
        strategies = ["glft"]
        order_notional_usd_max = "100"
        pair_position_usd_max = "500"
        pair_position_usd_max_overrides = { "sim-spot/BTC-USD" = "250" }
        total_position_usd_max = "1000"
        price_collar_bps = "100"
        book_age_ms_max = 3000
        orders_per_window_max = 20
        order_window_ms = 1000
        approval_ttl_ms = 500
        mark_age_ms_max = 60000
        router_silence_ms_max = 5000
    "#;

    fn sound() -> RiskGateSettings {
        toml::from_str(SOUND).unwrap()
    }

    #[test]
    fn sound_settings_become_limits() {
        let config = sound().validate(&account(), &usd(&[])).unwrap();
        assert_eq!(config.pair_position_max(&key("BTC-USD")), notional("250"));
        assert_eq!(config.pair_position_max(&key("ETH-USD")), notional("500"));
        assert_eq!(config.router_silence_max, DurationNs::from_s(5));
    }

    #[test]
    fn no_limit_has_a_default() {
        let lines: Vec<&str> = SOUND.lines().filter(|line| line.contains('=')).collect();
        for absent in lines.iter().filter(|line| !line.contains("overrides")) {
            let rest: Vec<&str> = lines.iter().filter(|line| line != &absent).copied().collect();
            assert!(toml::from_str::<RiskGateSettings>(&rest.join("\n")).is_err(), "{absent}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let text = format!("{SOUND}\nbypass = true");
        assert!(toml::from_str::<RiskGateSettings>(&text).is_err());
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let settings = RiskGateSettings {
            strategies: vec!["GLFT".to_owned()],
            order_notional_usd_max: "0".to_owned(),
            pair_position_usd_max: "-1".to_owned(),
            pair_position_usd_max_overrides: BTreeMap::from([("BTC".to_owned(), "x".to_owned())]),
            total_position_usd_max: "1e6".to_owned(),
            price_collar_bps: "5000.1".to_owned(),
            book_age_ms_max: 0,
            orders_per_window_max: 0,
            order_window_ms: 0,
            approval_ttl_ms: 60_001,
            mark_age_ms_max: 0,
            router_silence_ms_max: 1_999,
        };
        let mut reporting = usd(&[]);
        reporting.currency = asset("EUR");
        let problems = settings.validate(&account(), &reporting).unwrap_err();
        let keys: Vec<&str> = problems.iter().map(|p| p.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "reporting_currency",
                "risk_gate.strategies",
                "risk_gate.order_notional_usd_max",
                "risk_gate.pair_position_usd_max",
                "risk_gate.pair_position_usd_max_overrides.BTC",
                "risk_gate.pair_position_usd_max_overrides.BTC",
                "risk_gate.total_position_usd_max",
                "risk_gate.price_collar_bps",
                "risk_gate.book_age_ms_max",
                "risk_gate.orders_per_window_max",
                "risk_gate.order_window_ms",
                "risk_gate.approval_ttl_ms",
                "risk_gate.mark_age_ms_max",
                "risk_gate.router_silence_ms_max",
            ]
        );
    }
}
