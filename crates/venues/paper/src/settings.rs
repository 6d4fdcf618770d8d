//! The `[paper]` section of a profile.

use crate::queue::QueueModel;
use remora_domain::{
    AccountId, Amount, Asset, Bps, DurationNs, FeeSchedule, SessionId, SettingProblem, VenueId,
};
use std::collections::BTreeMap;

/// The longest latency or jitter, in microseconds.
const LATENCY_US_MAX: i64 = 10_000_000;

/// Is the section as written. Starting balances and fees have no default.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct PaperSettings {
    /// What the account holds before its first fill: asset = "amount".
    pub balances: BTreeMap<String, String>,
    /// Fee for adding liquidity, in basis points of the value; negative is a rebate.
    pub maker_bps: String,
    /// Fee for removing liquidity, in basis points of the value.
    pub taker_bps: String,
    /// From our send to the venue's matching, for orders and queries, 1 to 10,000,000 us; 25,000 when absent.
    #[serde(default = "order_latency_default")]
    pub order_latency_us: i64,
    /// From our send to the venue's matching, for cancels, 1 to 10,000,000 us; 25,000 when absent.
    #[serde(default = "order_latency_default")]
    pub cancel_latency_us: i64,
    /// From the venue's event to our hearing of it, 1 to 10,000,000 us; 10,000 when absent.
    #[serde(default = "response_latency_default")]
    pub response_latency_us: i64,
    /// The most that chance adds to each latency, evenly spread, 0 to 10,000,000 us; 0 when absent.
    #[serde(default)]
    pub latency_jitter_us: i64,
    /// How cancellations ahead of us are guessed: `trade_only`, `proportional` or `power`; `trade_only` when absent.
    #[serde(default = "queue_model_default")]
    pub queue_model: String,
    /// The exponent of the `power` model, 2 or 3; 2 when absent.
    #[serde(default = "queue_power_default")]
    pub queue_power: u32,
    /// How many new orders the venue takes within any second, at least 1; unlimited when absent.
    #[serde(default)]
    pub orders_per_second_max: Option<u32>,
    /// How long a book that is not told again is matched against, 100 to 3,600,000 ms; 60,000 when absent.
    #[serde(default = "book_age_default")]
    pub book_age_ms_max: i64,
    /// Decimals that fees are rounded up to, 0 to 12; 8 when absent.
    #[serde(default = "fee_decimals_default")]
    pub fee_decimals: u32,
}

const fn order_latency_default() -> i64 {
    25_000
}

const fn response_latency_default() -> i64 {
    10_000
}

fn queue_model_default() -> String {
    "trade_only".to_owned()
}

const fn queue_power_default() -> u32 {
    2
}

const fn book_age_default() -> i64 {
    60_000
}

const fn fee_decimals_default() -> u32 {
    8
}

/// Is the checked configuration of a paper venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaperConfig {
    /// Whose account.
    pub account: AccountId,
    /// Which venue is simulated.
    pub venue: VenueId,
    /// Tells this run's order and execution numbers from those of other runs.
    pub run: SessionId,
    /// What the account holds before its first fill.
    pub balances: BTreeMap<Asset, Amount>,
    /// What fills cost.
    pub fees: FeeSchedule,
    /// From our send to the venue's matching, for orders and queries.
    pub order_latency: DurationNs,
    /// From our send to the venue's matching, for cancels.
    pub cancel_latency: DurationNs,
    /// From the venue's event to our hearing of it.
    pub response_latency: DurationNs,
    /// The most that chance adds to each latency.
    pub latency_jitter: DurationNs,
    /// How cancellations ahead of us are guessed.
    pub queue_model: QueueModel,
    /// How many new orders the venue takes within any second.
    pub orders_per_second_max: Option<u32>,
    /// How long a book that is not told again is matched against.
    pub book_age_max: DurationNs,
    /// Decimals that fees are rounded up to.
    pub fee_decimals: u32,
}

impl PaperSettings {
    /// Checks the section for one account at one venue; `run` is the session of the process or of the replay.
    ///
    /// # Errors
    /// Gives every problem found, each with key, value and what is allowed.
    pub fn validate(
        &self,
        account: &AccountId,
        venue: &VenueId,
        run: SessionId,
    ) -> Result<PaperConfig, Vec<SettingProblem>> {
        let mut problems = Vec::new();
        let config = PaperConfig {
            account: account.clone(),
            venue: venue.clone(),
            run,
            balances: self.balances(&mut problems),
            fees: FeeSchedule {
                maker_bps: bps("maker_bps", &self.maker_bps, &mut problems),
                taker_bps: bps("taker_bps", &self.taker_bps, &mut problems),
            },
            order_latency: latency("order_latency_us", self.order_latency_us, 1, &mut problems),
            cancel_latency: latency("cancel_latency_us", self.cancel_latency_us, 1, &mut problems),
            response_latency: latency(
                "response_latency_us",
                self.response_latency_us,
                1,
                &mut problems,
            ),
            latency_jitter: latency("latency_jitter_us", self.latency_jitter_us, 0, &mut problems),
            queue_model: self.queue_model(&mut problems),
            orders_per_second_max: self.orders_per_second_max,
            book_age_max: DurationNs::from_ms(self.book_age_ms_max),
            fee_decimals: self.fee_decimals,
        };
        if self.orders_per_second_max == Some(0) {
            problems.push(problem("orders_per_second_max", "0", "at least 1, or absent"));
        }
        if !(100..=3_600_000).contains(&self.book_age_ms_max) {
            let value = self.book_age_ms_max.to_string();
            problems.push(problem("book_age_ms_max", &value, "100 to 3600000 ms"));
        }
        if self.fee_decimals > 12 {
            problems.push(problem("fee_decimals", &self.fee_decimals.to_string(), "0 to 12"));
        }
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    fn balances(&self, problems: &mut Vec<SettingProblem>) -> BTreeMap<Asset, Amount> {
        let mut balances = BTreeMap::new();
        for (name, text) in &self.balances {
            let amount = Amount::parse(text).ok().filter(|amount| *amount >= Amount::ZERO);
            match (Asset::new(name), amount) {
                (Ok(asset), Some(amount)) => drop(balances.insert(asset, amount)),
                (Ok(_) | Err(_), _) => problems.push(problem(
                    &format!("balances.{name}"),
                    text,
                    "an asset name and an amount such as \"10000.50\", not below zero",
                )),
            }
        }
        if self.balances.is_empty() {
            problems.push(problem("balances", "", "at least one asset"));
        }
        balances
    }

    fn queue_model(&self, problems: &mut Vec<SettingProblem>) -> QueueModel {
        if !(2..=3).contains(&self.queue_power) {
            problems.push(problem("queue_power", &self.queue_power.to_string(), "2 or 3"));
        }
        match self.queue_model.as_str() {
            "trade_only" => QueueModel::TradeOnly,
            "proportional" => QueueModel::Proportional,
            "power" => QueueModel::Power(self.queue_power),
            other => {
                problems.push(problem("queue_model", other, "trade_only, proportional or power"));
                QueueModel::TradeOnly
            }
        }
    }
}

/// Fees of 1,000 bps and more are a slip of the pen.
fn bps(key: &str, text: &str, problems: &mut Vec<SettingProblem>) -> Bps {
    let most = Bps::parse("1000").unwrap_or_default();
    match Bps::parse(text) {
        Ok(bps) if bps < most && bps.to_decimal() > -most.to_decimal() => bps,
        Ok(_) | Err(_) => {
            problems.push(problem(
                key,
                text,
                "basis points such as \"2.5\", between -1000 and 1000",
            ));
            Bps::ZERO
        }
    }
}

/// At least one microsecond: what costs no time at all is not a venue, and could answer itself for ever.
fn latency(key: &str, us: i64, least: i64, problems: &mut Vec<SettingProblem>) -> DurationNs {
    if !(least..=LATENCY_US_MAX).contains(&us) {
        let allowed = format!("{least} to {LATENCY_US_MAX} us");
        problems.push(problem(key, &us.to_string(), &allowed));
    }
    DurationNs::from_us(us)
}

fn problem(key: &str, value: &str, allowed: &str) -> SettingProblem {
    SettingProblem {
        key: format!("paper.{key}"),
        value: value.to_owned(),
        allowed: allowed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_testkit::{account, venue};

    fn settings() -> PaperSettings {
        let balances = [("USD".to_owned(), "1000".to_owned())].into_iter().collect();
        PaperSettings {
            balances,
            maker_bps: "-0.5".to_owned(),
            taker_bps: "5".to_owned(),
            order_latency_us: order_latency_default(),
            cancel_latency_us: order_latency_default(),
            response_latency_us: response_latency_default(),
            latency_jitter_us: 0,
            queue_model: queue_model_default(),
            queue_power: 2,
            orders_per_second_max: None,
            book_age_ms_max: book_age_default(),
            fee_decimals: 8,
        }
    }

    #[test]
    fn the_defaults_are_accepted() {
        let config = settings().validate(&account(), &venue(), SessionId::new(1)).unwrap();
        assert_eq!(config.queue_model, QueueModel::TradeOnly);
        assert_eq!(config.order_latency, DurationNs::from_ms(25));
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let bad = PaperSettings {
            balances: [("US/D".to_owned(), "1".to_owned()), ("BTC".to_owned(), "-1".to_owned())]
                .into_iter()
                .collect(),
            maker_bps: "1e3".to_owned(),
            order_latency_us: 0,
            latency_jitter_us: -1,
            queue_model: "hopeful".to_owned(),
            queue_power: 9,
            orders_per_second_max: Some(0),
            book_age_ms_max: 0,
            fee_decimals: 13,
            ..settings()
        };
        let problems = bad.validate(&account(), &venue(), SessionId::new(1)).unwrap_err();
        let keys: Vec<&str> = problems.iter().map(|p| p.key.as_str()).collect();
        let expected = [
            "paper.balances.BTC",
            "paper.balances.US/D",
            "paper.maker_bps",
            "paper.order_latency_us",
            "paper.latency_jitter_us",
            "paper.queue_power",
            "paper.queue_model",
            "paper.orders_per_second_max",
            "paper.book_age_ms_max",
            "paper.fee_decimals",
        ];
        assert_eq!(keys, expected);
    }
}
