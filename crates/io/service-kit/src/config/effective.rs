//! The values in force, each with where it came from.

use super::lines::join;
use crate::secret::{HIDDEN, is_secret_key};
use figment::value::Value;
use std::fmt;

/// Is one value in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveRow {
    /// Its key, with its section.
    pub key: String,
    /// The value; `***` for a secret.
    pub value: String,
    /// `default`, file and line, or the environment variable.
    pub source: String,
}

impl EffectiveRow {
    /// Tells whether a variable was laid over the profile.
    #[must_use]
    pub fn is_override(&self) -> bool {
        self.source.starts_with(super::source::PREFIX)
    }
}

/// Is everything in force; prints as an aligned table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effective {
    /// One row a value, in the order of the sections read.
    pub rows: Vec<EffectiveRow>,
    pub(super) values: toml::Table,
}

impl Effective {
    /// Gives everything in force as the text of a profile, secrets hidden: what a flight recording carries, so that a
    /// replay can build the same core.
    #[must_use]
    pub fn to_toml(&self) -> String {
        // A table of values that came from TOML can be written as TOML.
        toml::to_string(&self.values).unwrap_or_default()
    }

    /// Keeps what stands in the profile and was not read; nobody's type has hidden its secrets, so names decide.
    pub(super) fn keep_unread(&mut self, key: &str, mut value: toml::Value) {
        hide_secrets(key, &mut value);
        self.values.entry(key).or_insert(value);
    }

    /// Keeps a value under its dotted key.
    pub(super) fn keep(&mut self, key: &str, value: toml::Value) {
        match key.split_once('.') {
            None => {
                self.values.insert(key.to_owned(), value);
            }
            Some((section, key)) => {
                let empty = || toml::Value::Table(toml::Table::new());
                let section = self.values.entry(section).or_insert_with(empty);
                if let Some(table) = section.as_table_mut() {
                    table.insert(key.to_owned(), value);
                }
            }
        }
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows.iter().map(|row| [&*row.key, &*row.value, &*row.source]);
        table(f, ["key", "value", "source"], &rows.collect::<Vec<_>>())
    }
}

/// Prints a table with aligned columns; the last column is not padded.
pub(crate) fn table(
    f: &mut fmt::Formatter<'_>,
    head: [&str; 3],
    rows: &[[&str; 3]],
) -> fmt::Result {
    let width = |column: for<'a> fn(&[&'a str; 3]) -> &'a str| {
        let cells = rows.iter().map(|row| column(row).chars().count());
        cells.chain([column(&head).chars().count()]).max().unwrap_or(0)
    };
    let (first, second) = (width(|[first, ..]| first), width(|[_, second, _]| second));
    for [a, b, c] in [&head].into_iter().chain(rows) {
        writeln!(f, "  {a:first$}  {b:second$}  {c}")?;
    }
    Ok(())
}

fn hide_secrets(key: &str, value: &mut toml::Value) {
    if let Some(table) = value.as_table_mut() {
        for (key, value) in table {
            hide_secrets(key, value);
        }
    } else if is_secret_key(key) {
        *value = toml::Value::String(HIDDEN.to_owned());
    } else if let Some(elements) = value.as_array_mut() {
        for element in elements {
            hide_secrets(key, element);
        }
    }
}

/// Lists the leaves of a value with their paths, secrets hidden.
pub(crate) fn leaves(path: &str, value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Dict(_, dict) => {
            for (key, value) in dict {
                leaves(&join(path, key), value, out);
            }
        }
        Value::Array(_, elements) if elements.iter().any(|e| e.as_dict().is_some()) => {
            for (index, element) in elements.iter().enumerate() {
                leaves(&join(path, &index.to_string()), element, out);
            }
        }
        Value::Array(..)
        | Value::String(..)
        | Value::Char(..)
        | Value::Bool(..)
        | Value::Num(..)
        | Value::Empty(..) => out.push((path.to_owned(), shown(path, value))),
    }
}

/// Gives the text of a value for people; `***` where the key says that it is a secret.
pub(crate) fn shown(path: &str, value: &Value) -> String {
    if is_secret_key(path) && value.as_str() != Some("") && !matches!(value, Value::Empty(..)) {
        return HIDDEN.to_owned();
    }
    let text = match value {
        Value::String(_, text) => text.clone(),
        Value::Char(_, c) => c.to_string(),
        Value::Bool(_, is) => is.to_string(),
        Value::Num(_, number) => match (number.to_u128(), number.to_i128(), number.to_f64()) {
            (Some(number), _, _) => number.to_string(),
            (None, Some(number), _) => number.to_string(),
            (None, None, Some(number)) => number.to_string(),
            (None, None, None) => "?".to_owned(),
        },
        Value::Empty(..) => "(none)".to_owned(),
        Value::Dict(..) => "(table)".to_owned(),
        Value::Array(_, elements) => {
            let elements: Vec<String> = elements.iter().map(|e| shown(path, e)).collect();
            format!("[{}]", elements.join(", "))
        }
    };
    // Long values (descriptions, lists) would break the table; the file has them.
    match text.char_indices().nth(100) {
        Some((cut, _)) => format!("{}...", text.get(..cut).unwrap_or_default()),
        None => text,
    }
}
