//! What a connection may do; the venue does not publish its numbers, so they are settings.

use remora_domain::{DurationNs, SettingProblem};
use serde::Deserialize;

/// Is the limits of WebSocket connections.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct WsSettings {
    /// How many messages a connection may send; none for no limit (throughput runs).
    pub message_rate: Option<MessageRate>,
}

/// Is a rate of messages.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct MessageRate {
    /// In the long run, in each second; at least 1.
    pub per_s: u32,
    /// At once; at least 1.
    pub burst: u32,
}

impl WsSettings {
    /// Lists what is wrong with the settings.
    #[must_use]
    pub fn problems(&self) -> Vec<SettingProblem> {
        let rate = self.message_rate;
        let rate = rate.filter(|rate| rate.per_s == 0 || rate.burst == 0);
        let problem = |rate: MessageRate| SettingProblem {
            key: "ws.message_rate".to_owned(),
            value: format!("{} per second, {} at once", rate.per_s, rate.burst),
            allowed: "both at least 1, or none for no limit".to_owned(),
        };
        rate.map(problem).into_iter().collect()
    }
}

impl MessageRate {
    /// Gives how much of the future a message uses up.
    pub(crate) fn interval(self) -> DurationNs {
        DurationNs::from_ns(1_000_000_000 / i64::from(self.per_s.max(1)))
    }

    /// Gives how much of the future may be used up at once.
    pub(crate) fn tolerance(self) -> DurationNs {
        self.interval().saturating_mul(i64::from(self.burst.max(1)) - 1)
    }
}
