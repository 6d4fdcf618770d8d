//! One profile file with the environment over it, and the problems found in both.

use super::effective::{Effective, EffectiveRow, leaves, shown, table};
use super::extract::{Extracted, extract, find, nearest};
use super::lines::{self, join};
use super::{OPERATIONS, SECTIONS, TOP_LEVEL};
use figment::Provider;
use figment::providers::{Format, Toml};
use figment::value::{Dict, Tag, Value};
use remora_domain::SettingProblem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// Starts the name of every variable that overrides a key: `REMORA_<SECTION>__<KEY>`.
pub(super) const PREFIX: &str = "REMORA_";

/// Is one thing wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The key, with its section.
    pub key: String,
    /// The value as given; `***` for a secret.
    pub value: String,
    /// What would be accepted.
    pub allowed: String,
    /// File and line, or the environment variable; empty where nothing was given.
    pub source: String,
}

/// Says why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read configuration {path:?}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The file is not TOML.
    #[error("parse configuration {file}:{line}: {message}")]
    Syntax {
        /// Which file.
        file: String,
        /// In which line, from 1.
        line: usize,
        /// What the parser wants.
        message: String,
    },
    /// Values are missing, unknown or not allowed; prints all of them as a table.
    #[error("check configuration: {} problem(s)\n{}", .0.len(), ProblemTable(.0))]
    Problems(Vec<ConfigProblem>),
}

/// Holds a configuration while its sections are being read; collects what is wrong with them.
#[derive(Debug)]
pub struct Config {
    file: String,
    lines: BTreeMap<String, usize>,
    values: Dict,
    /// Variable name and text, by path.
    environment: BTreeMap<String, (String, String)>,
    problems: Vec<ConfigProblem>,
    effective: Effective,
}

impl Config {
    /// Reads a profile file and the variables of this process.
    ///
    /// # Errors
    /// Refuses a file that cannot be read or is not TOML.
    pub fn open(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })?;
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            // A variable that is not text cannot be one of ours.
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self::parse(&path.display().to_string(), &text, environment)
    }

    /// Takes the text of a profile and the variables to lay over it.
    ///
    /// # Errors
    /// Refuses a text that is not TOML.
    pub fn parse(
        file: &str,
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let syntax = |line, message| ConfigError::Syntax { file: file.to_owned(), line, message };
        let lines = lines::lines(text).map_err(|problem| syntax(problem.line, problem.message))?;
        let mut data = Toml::string(text).data().map_err(|error| syntax(1, error.to_string()))?;
        let values = data.remove(&figment::Profile::Default).unwrap_or_default();
        let mut config = Self {
            file: file.to_owned(),
            lines,
            values,
            environment: BTreeMap::new(),
            problems: Vec::new(),
            effective: Effective::default(),
        };
        config.check_top_level();
        for (name, text) in environment {
            config.take_variable(name, text);
        }
        Ok(config)
    }

    /// Reads one section. `None` when something in it is wrong; what, is kept for `finish`.
    pub fn section<T: DeserializeOwned + Serialize>(&mut self, section: &str) -> Option<T> {
        let dict = match self.values.get(section) {
            Some(Value::Dict(_, dict)) => dict.clone(),
            Some(_) | None => Dict::new(),
        };
        let inside =
            |path: &String| path.strip_prefix(section)?.strip_prefix('.').map(str::to_owned);
        let texts: BTreeSet<String> = self.environment.keys().filter_map(inside).collect();
        let Extracted { value, problems } = extract::<T>(dict, &texts);
        for problem in problems {
            self.problem(&join(section, &problem.path), problem.allowed);
        }
        if let Some(value) = &value {
            self.note_effective(section, value);
        }
        value
    }

    /// Takes the outcome of a section's own validation. Keys without the section's name get it.
    pub fn check<T>(
        &mut self,
        section: &str,
        outcome: Result<T, Vec<SettingProblem>>,
    ) -> Option<T> {
        let problems = match outcome {
            Ok(value) => return Some(value),
            Err(problems) => problems,
        };
        for SettingProblem { key, value, allowed } in problems {
            let is_full = key.split('.').next().is_some_and(|first| {
                first == section || SECTIONS.contains(&first) || TOP_LEVEL.contains(&first)
            });
            let key = if is_full { key } else { join(section, &key) };
            let value = if crate::secret::is_secret_key(&key) { "***".to_owned() } else { value };
            let source = self.source_of(&key);
            self.problems.push(ConfigProblem { key, value, allowed, source });
        }
        None
    }

    /// Ends the reading: gives the values and the effective configuration when nothing at all was wrong.
    ///
    /// # Errors
    /// Gives every problem found, in the order of keys.
    pub fn finish<T>(mut self, values: Option<T>) -> Result<(T, Effective), ConfigError> {
        self.problems.sort_by(|a, b| a.key.cmp(&b.key));
        self.problems.dedup();
        // A recording says all of the profile, also what belongs to the neighbours of this service.
        for (key, value) in &self.values {
            if !OPERATIONS.contains(&&**key)
                && let Ok(value) = toml::Value::try_from(value)
            {
                self.effective.keep_unread(key, value);
            }
        }
        match values {
            Some(values) if self.problems.is_empty() => Ok((values, self.effective)),
            _ => Err(ConfigError::Problems(self.problems)),
        }
    }

    /// Notes a problem with a key.
    pub(crate) fn problem(&mut self, key: &str, allowed: String) {
        let value = match self.value(key) {
            Some(value) => shown(key, value),
            None => "(missing)".to_owned(),
        };
        let source = self.source_of(key);
        self.problems.push(ConfigProblem { key: key.to_owned(), value, allowed, source });
    }

    /// Gives the value of a key, as given.
    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        let (first, rest) = key.split_once('.').unwrap_or((key, ""));
        find(self.values.get(first)?, rest)
    }

    /// Notes the leaves of a value that is in force.
    pub(crate) fn note_effective(&mut self, section: &str, value: &impl Serialize) {
        if let Ok(value) = toml::Value::try_from(value) {
            self.effective.keep(section, value);
        }
        let Ok(value) = Value::serialize(value) else {
            // Only maps with odd keys cannot be shown; they are still in force.
            return self.note_row(section.to_owned(), "(not shown)".to_owned());
        };
        let mut rows = Vec::new();
        leaves(section, &value, &mut rows);
        for (key, value) in rows {
            self.note_row(key, value);
        }
    }

    fn note_row(&mut self, key: String, value: String) {
        let source = self.source_of(&key);
        let source = if source.is_empty() { "default".to_owned() } else { source };
        self.effective.rows.push(EffectiveRow { key, value, source });
    }

    fn source_of(&self, key: &str) -> String {
        if let Some((name, _)) = self.environment.get(key) {
            return name.clone();
        }
        self.lines.get(key).map(|line| format!("{}:{line}", self.file)).unwrap_or_default()
    }

    fn check_top_level(&mut self) {
        let known = || TOP_LEVEL.iter().chain(&SECTIONS).copied();
        let found: Vec<(String, bool)> = self
            .values
            .iter()
            .map(|(key, value)| (key.clone(), value.as_dict().is_some()))
            .collect();
        for (key, is_table) in found {
            if SECTIONS.contains(&&*key) {
                if !is_table {
                    self.problem(&key, "a table".to_owned());
                }
            } else if !TOP_LEVEL.contains(&&*key) {
                let allowed = match nearest(&key, known()) {
                    Some(nearest) => format!("no such section; did you mean {nearest}?"),
                    None => format!("no such section; known: {}", SECTIONS.join(", ")),
                };
                self.problem(&key, allowed);
            }
        }
    }

    /// Lays one variable over the file; variables without `__` are not about keys.
    fn take_variable(&mut self, name: String, text: String) {
        let Some((section, keys)) =
            name.strip_prefix(PREFIX).and_then(|rest| rest.split_once("__"))
        else {
            return;
        };
        let section = section.to_ascii_lowercase();
        if !SECTIONS.contains(&&*section) {
            let allowed = match nearest(&section, SECTIONS) {
                Some(nearest) => {
                    let nearest = nearest.to_ascii_uppercase();
                    format!("no such section; did you mean {PREFIX}{nearest}__{keys}?")
                }
                None => format!("no such section; known: {}", SECTIONS.join(", ")),
            };
            let value = if crate::secret::is_secret_key(&keys.to_ascii_lowercase()) {
                "***".to_owned()
            } else {
                text
            };
            let key = join(&section, &keys.to_ascii_lowercase().replace("__", "."));
            self.problems.push(ConfigProblem { key, value, allowed, source: name });
            return;
        }
        // Assets are written in capitals in files and variables alike.
        let keys =
            if section == "conversion" { keys.to_owned() } else { keys.to_ascii_lowercase() };
        let path = keys.replace("__", ".");
        let table = self.values.entry(section.clone()).or_insert_with(|| Dict::new().into());
        put(table, &path, &text);
        self.environment.insert(join(&section, &path), (name, text));
    }
}

/// Sets a text at a dotted path, making tables on the way.
fn put(value: &mut Value, path: &str, text: &str) {
    if value.as_dict().is_none() {
        *value = Dict::new().into();
    }
    let Value::Dict(_, dict) = value else { return };
    match path.split_once('.') {
        Some((key, rest)) => {
            let inner = dict.entry(key.to_owned()).or_insert_with(|| Dict::new().into());
            put(inner, rest, text);
        }
        None => {
            dict.insert(path.to_owned(), Value::String(Tag::Default, text.to_owned()));
        }
    }
}

struct ProblemTable<'a>(&'a [ConfigProblem]);

impl fmt::Display for ProblemTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<(String, &ConfigProblem)> = self
            .0
            .iter()
            .map(|problem| {
                let key = match &*problem.source {
                    "" => problem.key.clone(),
                    source => format!("{} ({source})", problem.key),
                };
                (key, problem)
            })
            .collect();
        let rows: Vec<[&str; 3]> = keys
            .iter()
            .map(|(key, problem)| [&**key, &*problem.value, &*problem.allowed])
            .collect();
        table(f, ["key", "value", "allowed"], &rows)
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
