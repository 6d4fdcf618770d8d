//! Changes of the limits while the gate works: recorded commands, validated as a whole, applied in the order of the log.
//!
//! A change names the version it makes, one more than the version in force, and the keys that become other values. What
//! it makes is checked like a profile, contradictions included, and refused as a whole. One that raises a limit waits,
//! where the limits say so, until a second person confirms it. A restart applies the recorded changes again on top of
//! its profile; a profile of a higher version stands for everything before it. Where the gate wants the limits signed, a
//! change brings the signature over what it makes (`limits_signature`), or it is refused.

use crate::config::RiskGateConfig;
use crate::facts::Facts;
use crate::settings::RiskGateSettings;
use crate::signature::SIGNATURE;
use remora_domain::{ControlCommand, DurationNs, LimitsChange, SettingProblem, Timestamp};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// How long a change waits for the second person.
const CONFIRM_WITHIN: DurationNs = DurationNs::from_s(600);
/// Below this likeness a "nearest" key would be noise.
const LIKENESS_MIN: f64 = 0.5;

/// Says why a change of the limits is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    /// The command carries no change.
    #[error("the command names no limits")]
    Empty,
    /// It was made for other limits than those in force.
    #[error(
        "limits of version {found} were asked for, want version {want}: one more than the one in force"
    )]
    Version {
        /// What it says.
        found: u64,
        /// What would follow the limits in force.
        want: u64,
    },
    /// A key is not one of the limits.
    #[error("{key}: no such limit{}", hint(.nearest.as_ref()))]
    UnknownKey {
        /// The key as given.
        key: String,
        /// The most similar limit, if any is similar.
        nearest: Option<String>,
    },
    /// A limit that only a new start changes.
    #[error("{key} is set in the profile and changes with the next start")]
    Fixed {
        /// Which.
        key: String,
    },
    /// A value is not written as TOML, or not of the kind of its key.
    #[error("{key} = {value}: {problem}")]
    Value {
        /// Which limit.
        key: String,
        /// What was given.
        value: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The limits as a whole are not sound.
    #[error("{}", all(.problems))]
    Unsound {
        /// Everything that is wrong.
        problems: Vec<SettingProblem>,
    },
    /// Nothing waits to be confirmed.
    #[error("no change of version {version} waits for a second person")]
    NothingWaits {
        /// What was to be confirmed.
        version: u64,
    },
    /// The person who asked cannot confirm.
    #[error("{actor} asked for the change and cannot confirm it: a second person must")]
    SamePerson {
        /// Who.
        actor: String,
    },
}

fn hint(nearest: Option<&String>) -> String {
    nearest.map(|key| format!("; did you mean {key}?")).unwrap_or_default()
}

fn all(problems: &[SettingProblem]) -> String {
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// Is a change that a second person must confirm.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    made: Box<RiskGateConfig>,
    actor: String,
    until: Timestamp,
}

/// Says what a change would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitsOutcome {
    /// It is in force.
    InForce,
    /// It waits for a second person.
    NeedsSecond,
}

impl LimitsError {
    /// Tells whether it is the signature that is missing or does not fit.
    pub(crate) fn is_signature(&self) -> bool {
        let Self::Unsound { problems } = self else { return false };
        problems.iter().any(|problem| problem.key.ends_with(SIGNATURE))
    }
}

impl Facts {
    /// Takes a change of the limits told at `at`.
    pub(crate) fn change_limits(
        &mut self,
        at: Timestamp,
        command: &ControlCommand,
    ) -> Result<LimitsOutcome, LimitsError> {
        let change = command.limits.as_ref().ok_or(LimitsError::Empty)?;
        let (made, is_raising) = self.made_of(change)?;
        if is_raising && self.config.raising_needs_two {
            let until = at.saturating_add(CONFIRM_WITHIN);
            let actor = command.actor.clone();
            self.waiting = Some(Waiting { made: Box::new(made), actor, until });
            return Ok(LimitsOutcome::NeedsSecond);
        }
        self.enforce(made);
        Ok(LimitsOutcome::InForce)
    }

    /// Takes the word of a second person told at `at`.
    pub(crate) fn confirm_limits(
        &mut self,
        at: Timestamp,
        command: &ControlCommand,
    ) -> Result<LimitsOutcome, LimitsError> {
        let version = command.limits.as_ref().ok_or(LimitsError::Empty)?.version;
        let made = self.confirmed(at, version, &command.actor)?;
        self.enforce(made);
        Ok(LimitsOutcome::InForce)
    }

    /// Gives the limits that a person's word would put in force.
    pub(crate) fn confirmed(
        &self,
        at: Timestamp,
        version: u64,
        actor: &str,
    ) -> Result<RiskGateConfig, LimitsError> {
        let waiting = self.waiting.as_ref();
        let found = waiting.filter(|found| found.made.version == version && at <= found.until);
        let found = found.ok_or(LimitsError::NothingWaits { version })?;
        if person(&found.actor) == person(actor) {
            return Err(LimitsError::SamePerson { actor: actor.to_owned() });
        }
        Ok(RiskGateConfig::clone(&found.made))
    }

    pub(crate) fn waiting_version(&self) -> Option<u64> {
        self.waiting.as_ref().map(|waiting| waiting.made.version)
    }

    /// Computes what a change would make, and whether it raises anything.
    pub(crate) fn made_of(
        &self,
        change: &LimitsChange,
    ) -> Result<(RiskGateConfig, bool), LimitsError> {
        let want = self.config.version.saturating_add(1);
        if change.version != want {
            return Err(LimitsError::Version { found: change.version, want });
        }
        if change.limits.keys().all(|key| key == SIGNATURE) {
            return Err(LimitsError::Empty);
        }
        let before = &self.config.document;
        let after = before.changed(change)?;
        let made = after.validate(&self.config.account, &self.config.reporting);
        // Here, and not only where the command came in: what is read back from the log is held to it too.
        let made = made.and_then(|made| made.wanting(self.config.limits_key));
        let made = made.map_err(|problems| LimitsError::Unsound { problems })?;
        Ok((made, before.is_raised_by(change)))
    }

    fn enforce(&mut self, made: RiskGateConfig) {
        self.waiting = None;
        self.limits_unsigned = None;
        self.limits_refused = None;
        self.rate.resize(made.orders_per_window_max, made.order_window);
        self.cancels.resize(made.cancels_per_window_max.saturating_add(1), made.order_window);
        self.config = made;
    }
}

/// Gives who a person is: the token that was proven, where there is one, not the name that was claimed.
fn person(actor: &str) -> &str {
    let token = actor.rsplit_once("(token ").and_then(|(_, token)| token.strip_suffix(')'));
    token.unwrap_or(actor)
}

/// Keys that processes around the gate were started with.
const FIXED: [&str; 2] = ["version", "router_silence_ms_max"];
/// Keys whose larger value is the tighter one.
const TIGHTER_WHEN_LARGER: [&str; 9] = [
    "edge_bps_min",
    "reference_venues_min",
    "stale_mark_haircut_bps",
    "loss_streak_pause_ms",
    "order_window_ms",
    "duplicate_window_ms",
    "execution_window_ms",
    "venue_budget_window_ms",
    "ramp_ms",
];

impl RiskGateSettings {
    /// Gives the limits with some keys changed; those of groups and overrides are written with dots. The signature is
    /// the one that the change brings: the one before is of other limits.
    ///
    /// # Errors
    /// Says which key or value is none of these limits.
    pub fn changed(&self, change: &LimitsChange) -> Result<Self, LimitsError> {
        let mut table = self.to_table()?;
        table.remove(SIGNATURE);
        for (key, text) in &change.limits {
            if key == SIGNATURE {
                let text = text.trim().trim_matches('"').to_owned();
                table.insert(key.clone(), toml::Value::String(text));
                continue;
            }
            if FIXED.contains(&key.as_str()) {
                return Err(LimitsError::Fixed { key: key.clone() });
            }
            set(&mut table, key, text)?;
        }
        let made: Result<Self, _> = table.try_into();
        let made = made.map_err(|error| LimitsError::Value {
            key: change.limits.keys().cloned().collect::<Vec<_>>().join(", "),
            value: change.limits.values().cloned().collect::<Vec<_>>().join(", "),
            problem: error.message().to_owned(),
        })?;
        Ok(Self { version: change.version, ..made })
    }

    pub(crate) fn to_table(&self) -> Result<toml::Table, LimitsError> {
        toml::Table::try_from(self).map_err(|error| LimitsError::Value {
            key: "limits".to_owned(),
            value: String::new(),
            problem: error.to_string(),
        })
    }

    /// Tells whether a change loosens anything. What is not a number that was there before counts as loosening.
    fn is_raised_by(&self, change: &LimitsChange) -> bool {
        let Ok(table) = self.to_table() else { return true };
        change.limits.iter().filter(|(key, _)| *key != SIGNATURE).any(|(key, text)| {
            let before = value_at(&table, key).and_then(number);
            let after = Decimal::from_str_exact(text.trim().trim_matches('"')).ok();
            let Some((before, after)) = before.zip(after) else { return true };
            if key == "order_volume_share_bps_max" && after.is_zero() {
                return true; // 0 demands none
            }
            let is_mirrored = TIGHTER_WHEN_LARGER.contains(&key.as_str());
            if is_mirrored { after < before } else { after > before }
        })
    }
}

fn number(value: &toml::Value) -> Option<Decimal> {
    let number = value.as_integer().map(Decimal::from);
    number.or_else(|| Decimal::from_str_exact(value.as_str()?).ok())
}

fn value_at<'a>(table: &'a toml::Table, key: &str) -> Option<&'a toml::Value> {
    let mut parts = key.split('.');
    let first = table.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.as_table()?.get(part))
}

/// Puts a value in its place. Amounts are texts in these limits; they need not be quoted here.
fn set(table: &mut toml::Table, key: &str, text: &str) -> Result<(), LimitsError> {
    let unknown = |table: &toml::Table, part: &str| {
        let like = |word: &String| strsim::normalized_damerau_levenshtein(part, word);
        let known = table.keys().map(|word| (word, like(word)));
        let nearest = known.filter(|(_, likeness)| *likeness >= LIKENESS_MIN);
        let nearest = nearest.max_by(|(_, a), (_, b)| a.total_cmp(b));
        let nearest = nearest.map(|(word, _)| word.clone());
        LimitsError::UnknownKey { key: key.to_owned(), nearest }
    };
    let mut parts: Vec<&str> = key.split('.').collect();
    let last = parts.pop().unwrap_or_default();
    let is_top = parts.is_empty();
    let mut place = table;
    for part in parts {
        if !place.contains_key(part) {
            return Err(unknown(place, part));
        }
        let inner = place.get_mut(part).and_then(toml::Value::as_table_mut);
        let Some(inner) = inner else {
            return Err(LimitsError::UnknownKey { key: key.to_owned(), nearest: None });
        };
        place = inner;
    }
    if is_top && !place.contains_key(last) {
        return Err(unknown(place, last));
    }
    let is_text = place.get(last).is_none_or(toml::Value::is_str);
    let value = value_of(text, is_text).map_err(|problem| LimitsError::Value {
        key: key.to_owned(),
        value: text.to_owned(),
        problem,
    })?;
    place.insert(last.to_owned(), value);
    Ok(())
}

fn value_of(text: &str, is_text: bool) -> Result<toml::Value, String> {
    if is_text && !text.trim_start().starts_with('"') {
        return Ok(toml::Value::String(text.trim().to_owned()));
    }
    let parsed: Result<BTreeMap<String, toml::Value>, _> =
        toml::from_str(&format!("value = {text}"));
    let mut parsed = parsed.map_err(|error| error.message().to_owned())?;
    parsed.remove("value").ok_or_else(|| "no value".to_owned())
}
