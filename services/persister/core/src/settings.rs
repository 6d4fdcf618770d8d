//! The persister's section of a profile. Nothing in it is a risk limit, so everything has a documented default.

use remora_domain::{DurationNs, SettingProblem};
use std::fmt::Display;

/// Is the `[persister]` section as written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PersisterSettings {
    /// Messages in one write at most, 1 to 5,000.
    pub batch_messages_max: usize,
    /// The longest a message waits for its batch to fill, 1 to 60,000 ms.
    pub batch_age_ms_max: i64,
    /// Messages held before further ones are declined, `batch_messages_max` to 1,000,000.
    pub pending_messages_max: usize,
    /// Stored messages remembered so that a repeat costs no write, 0 to 1,000,000.
    pub dedup_messages: usize,
    /// Pause after the first failed write, 1 to 60,000 ms; it doubles with each further one.
    pub retry_first_ms: i64,
    /// The longest pause between two tries, `retry_first_ms` to 600,000 ms.
    pub retry_ms_max: i64,
    /// How often changed hot views are written, 1 to 60,000 ms.
    pub hot_interval_ms: i64,
    /// How often a heartbeat is published, 100 to 60,000 ms.
    pub heartbeat_ms: i64,
}

impl Default for PersisterSettings {
    /// Gives bounds that keep a row at most a quarter of a second behind and hold at most some tens of MB.
    fn default() -> Self {
        Self {
            batch_messages_max: 500,
            batch_age_ms_max: 200,
            pending_messages_max: 20_000,
            dedup_messages: 100_000,
            retry_first_ms: 100,
            retry_ms_max: 10_000,
            hot_interval_ms: 250,
            heartbeat_ms: 1_000,
        }
    }
}

/// Is the checked configuration of a persister.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersisterConfig {
    pub(crate) batch_messages_max: usize,
    pub(crate) batch_age_max: DurationNs,
    pub(crate) pending_messages_max: usize,
    pub(crate) dedup_messages: usize,
    pub(crate) retry_first: DurationNs,
    pub(crate) retry_max: DurationNs,
    pub(crate) hot_interval: DurationNs,
    pub(crate) heartbeat_interval: DurationNs,
}

impl PersisterSettings {
    /// Checks every setting.
    ///
    /// # Errors
    /// Gives all problems at once.
    pub fn validate(&self) -> Result<PersisterConfig, Vec<SettingProblem>> {
        let mut problems = Vec::new();
        let batch = self.batch_messages_max;
        check(&mut problems, "batch_messages_max", batch, 1, 5_000);
        check(&mut problems, "batch_age_ms_max", self.batch_age_ms_max, 1, 60_000);
        check(
            &mut problems,
            "pending_messages_max",
            self.pending_messages_max,
            batch.max(1),
            1_000_000,
        );
        check(&mut problems, "dedup_messages", self.dedup_messages, 0, 1_000_000);
        check(&mut problems, "retry_first_ms", self.retry_first_ms, 1, 60_000);
        check(
            &mut problems,
            "retry_ms_max",
            self.retry_ms_max,
            self.retry_first_ms.max(1),
            600_000,
        );
        check(&mut problems, "hot_interval_ms", self.hot_interval_ms, 1, 60_000);
        check(&mut problems, "heartbeat_ms", self.heartbeat_ms, 100, 60_000);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(PersisterConfig {
            batch_messages_max: batch,
            batch_age_max: DurationNs::from_ms(self.batch_age_ms_max),
            pending_messages_max: self.pending_messages_max,
            dedup_messages: self.dedup_messages,
            retry_first: DurationNs::from_ms(self.retry_first_ms),
            retry_max: DurationNs::from_ms(self.retry_ms_max),
            hot_interval: DurationNs::from_ms(self.hot_interval_ms),
            heartbeat_interval: DurationNs::from_ms(self.heartbeat_ms),
        })
    }
}

fn check<T: PartialOrd + Display>(
    problems: &mut Vec<SettingProblem>,
    key: &str,
    value: T,
    min: T,
    max: T,
) {
    if value < min || value > max {
        problems.push(SettingProblem {
            key: format!("persister.{key}"),
            value: value.to_string(),
            allowed: format!("{min} to {max}"),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert!(PersisterSettings::default().validate().is_ok());
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let settings = PersisterSettings {
            batch_messages_max: 0,
            pending_messages_max: 0,
            retry_first_ms: 500,
            retry_ms_max: 100,
            heartbeat_ms: 1,
            ..PersisterSettings::default()
        };
        let keys: Vec<String> =
            settings.validate().unwrap_err().into_iter().map(|p| p.key).collect();
        assert_eq!(
            keys,
            [
                "persister.batch_messages_max",
                "persister.pending_messages_max",
                "persister.retry_ms_max",
                "persister.heartbeat_ms"
            ]
        );
    }
}
