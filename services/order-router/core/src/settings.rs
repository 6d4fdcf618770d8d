//! The `[order_router]` section of a profile.

use remora_domain::{AccountId, ClOrdId, DurationNs, SettingProblem, VenueId};
use remora_machine::HEARTBEAT_INTERVAL;

/// Says which venue stands beside the core. The core is not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TradingMode {
    /// A simulated one: section `paper`.
    #[default]
    Paper,
    /// The real one: section `live`, credentials, and the operator's word at the start.
    Live,
}

/// Is the section as written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct OrderRouterSettings {
    /// Whether orders go to a simulated venue (`paper`) or to the real one (`live`); `paper` when absent.
    #[serde(default)]
    pub mode: TradingMode,
    /// Which venue, such as `kraken-spot`.
    pub venue: String,
    /// What every client order id of ours begins with, 1 to 8 characters. An open order at the venue that carries it
    /// and has no owner is cancelled; one without it is somebody else's and is left alone. It has no default.
    pub cl_ord_id_prefix: String,
    /// After how long a send without an answer is `SubmitUnknown`, 10 to 60,000 ms; 2,000 when absent.
    #[serde(default = "submit_timeout_default")]
    pub submit_timeout_ms: i64,
    /// How often open orders and balances are compared with the venue's, 1,000 to 600,000 ms; 30,000 when absent.
    #[serde(default = "reconcile_interval_default")]
    pub reconcile_interval_ms: i64,
    /// After how long an unanswered query is sent again while orders wait for it, 100 to 60,000 ms; 5,000 when absent.
    #[serde(default = "query_timeout_default")]
    pub query_timeout_ms: i64,
    /// How long after the last news of an order the venue's silence about it counts as its absence, 10 to 60,000 ms;
    /// 2,000 when absent.
    #[serde(default = "absent_grace_default")]
    pub absent_grace_ms: i64,
    /// How long after it was sent a request that the venue never acknowledged may still be carried out, 10 to 120,000 ms;
    /// 8,000 when absent. Kraken Spot takes ours for 4 s after they were sent, and clocks differ.
    #[serde(default = "request_life_default")]
    pub request_life_ms: i64,
    /// Silence of the gate, or of the service that asked for an order, after which that order is taken back, 2,000 to
    /// 60,000 ms: at least two heartbeats; 5,000 when absent.
    #[serde(default = "owner_silence_default")]
    pub owner_silence_ms_max: i64,
    /// A person's word that what the account holds when the router starts is right (a deposit or withdrawal was made): the
    /// run compares with that from then on, and breaks of balances end. `false` when absent; take it off afterwards.
    #[serde(default)]
    pub accept_account: bool,
}

const fn submit_timeout_default() -> i64 {
    2_000
}

const fn reconcile_interval_default() -> i64 {
    30_000
}

const fn query_timeout_default() -> i64 {
    5_000
}

const fn absent_grace_default() -> i64 {
    2_000
}

const fn request_life_default() -> i64 {
    8_000
}

const fn owner_silence_default() -> i64 {
    5_000
}

/// Is the checked configuration of a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRouterConfig {
    /// For which account.
    pub account: AccountId,
    /// At which venue.
    pub venue: VenueId,
    /// What every client order id of ours begins with.
    pub cl_ord_id_prefix: String,
    /// After how long a send without an answer is unknown.
    pub submit_timeout: DurationNs,
    /// How often our state is compared with the venue's.
    pub reconcile_interval: DurationNs,
    /// After how long an unanswered query is sent again while orders wait for it.
    pub query_timeout: DurationNs,
    /// How long after the last news of an order its absence counts.
    pub absent_grace: DurationNs,
    /// How long a request that was never acknowledged may still be carried out.
    pub request_life: DurationNs,
    /// After which silence of gate or owner orders are taken back.
    pub owner_silence_max: DurationNs,
    /// Whether what the account holds at the start counts as right.
    pub is_account_accepted: bool,
}

impl OrderRouterSettings {
    /// Checks the section.
    ///
    /// # Errors
    /// Gives every problem found, each with key, value and what is allowed.
    pub fn validate(&self, account: &AccountId) -> Result<OrderRouterConfig, Vec<SettingProblem>> {
        let mut problems = Vec::new();
        let venue = VenueId::new(&self.venue);
        if venue.is_err() {
            problems.push(problem("venue", &self.venue, "1 to 32 characters from a-z 0-9 -"));
        }
        let prefix = &self.cl_ord_id_prefix;
        if prefix.len() > 8 || ClOrdId::new(prefix).is_err() {
            problems.push(problem("cl_ord_id_prefix", prefix, "1 to 8 characters from a-z 0-9 -"));
        }
        let mut duration = |key, ms: i64, (least, most): (i64, i64)| {
            if !(least..=most).contains(&ms) {
                problems.push(problem(key, &ms.to_string(), &format!("{least} to {most} ms")));
            }
            DurationNs::from_ms(ms)
        };
        let submit_timeout = duration("submit_timeout_ms", self.submit_timeout_ms, (10, 60_000));
        let reconcile_interval =
            duration("reconcile_interval_ms", self.reconcile_interval_ms, (1_000, 600_000));
        let query_timeout = duration("query_timeout_ms", self.query_timeout_ms, (100, 60_000));
        let absent_grace = duration("absent_grace_ms", self.absent_grace_ms, (10, 60_000));
        let request_life = duration("request_life_ms", self.request_life_ms, (10, 120_000));
        let silence_min = HEARTBEAT_INTERVAL.saturating_mul(2).as_ms();
        let owner_silence_max =
            duration("owner_silence_ms_max", self.owner_silence_ms_max, (silence_min, 60_000));
        match venue {
            Ok(venue) if problems.is_empty() => Ok(OrderRouterConfig {
                account: account.clone(),
                venue,
                cl_ord_id_prefix: prefix.clone(),
                submit_timeout,
                reconcile_interval,
                query_timeout,
                absent_grace,
                request_life,
                owner_silence_max,
                is_account_accepted: self.accept_account,
            }),
            Ok(_) | Err(_) => Err(problems),
        }
    }
}

fn problem(key: &str, value: &str, allowed: &str) -> SettingProblem {
    SettingProblem {
        key: format!("order_router.{key}"),
        value: value.to_owned(),
        allowed: allowed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_reported_at_once() {
        let settings = OrderRouterSettings {
            mode: TradingMode::Paper,
            venue: "Kraken".to_owned(),
            cl_ord_id_prefix: String::new(),
            submit_timeout_ms: 0,
            reconcile_interval_ms: 1,
            query_timeout_ms: 1,
            absent_grace_ms: -1,
            request_life_ms: 9,
            owner_silence_ms_max: 1_999,
            accept_account: false,
        };
        let account = AccountId::new("paper").unwrap();
        let keys: Vec<String> =
            settings.validate(&account).unwrap_err().into_iter().map(|p| p.key).collect();
        let expected = [
            "order_router.venue",
            "order_router.cl_ord_id_prefix",
            "order_router.submit_timeout_ms",
            "order_router.reconcile_interval_ms",
            "order_router.query_timeout_ms",
            "order_router.absent_grace_ms",
            "order_router.request_life_ms",
            "order_router.owner_silence_ms_max",
        ];
        assert_eq!(keys, expected);
    }
}
