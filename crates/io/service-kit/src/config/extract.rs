//! Reads one typed section and finds everything that is wrong with its shape, not only the first thing.
//!
//! serde stops at the first error. So each error is noted and repaired (an unknown key is taken out, a missing or
//! ill-typed value is replaced by a stand-in) and reading is tried again; stand-ins are never handed out.

use super::lines::join;
use figment::error::{Error, Kind};
use figment::value::{Dict, Num, Tag, Value};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};

/// More wrong keys than this are not reported: something else is wrong then.
const PROBLEMS_MAX: usize = 200;
/// Below this likeness a "nearest" key would be noise.
const LIKENESS_MIN: f64 = 0.5;

/// Is one thing wrong, relative to the section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShapeProblem {
    pub(crate) path: String,
    pub(crate) allowed: String,
}

/// Is what came of reading a section: the value only if nothing had to be invented.
pub(crate) struct Extracted<T> {
    pub(crate) value: Option<T>,
    pub(crate) problems: Vec<ShapeProblem>,
}

/// Reads a section. `texts` are the paths that came as text from the environment: a text that does not fit is
/// read as TOML (a number, a list) before it counts as wrong.
pub(crate) fn extract<T: DeserializeOwned>(
    section: Dict,
    texts: &BTreeSet<String>,
) -> Extracted<T> {
    let mut value = Value::from(section);
    let mut texts_left = texts.clone();
    let mut stand_ins: BTreeMap<String, usize> = BTreeMap::new();
    let mut problems = Vec::new();
    while problems.len() < PROBLEMS_MAX {
        let error = match value.deserialize::<T>() {
            Ok(read) => {
                let value = stand_ins.is_empty().then_some(read);
                return Extracted { value, problems };
            }
            Err(error) => error,
        };
        let path = path_of(&error);
        if texts_left.remove(&path) && reread(&mut value, &path) {
            continue;
        }
        if let Kind::UnknownField(found, known) = &error.kind {
            let allowed = unknown(found, known);
            problems.push(ShapeProblem { path: path.clone(), allowed });
            if !remove(&mut value, &path) {
                break;
            }
            continue;
        }
        let tried = stand_ins.get(&path).copied();
        if tried.is_none() {
            problems.push(ShapeProblem { path: path.clone(), allowed: allowed(&error.kind) });
        }
        let tried = tried.unwrap_or(0);
        let Some(stand_in) = stand_in(&error.kind, tried) else { break };
        stand_ins.insert(path.clone(), tried.saturating_add(1));
        if !replace(&mut value, &path, stand_in) {
            break;
        }
    }
    Extracted { value: None, problems }
}

/// Gives the known word that is most like the given one, if any is like it at all.
pub(crate) fn nearest<'a>(
    found: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (word, strsim::normalized_damerau_levenshtein(found, word)))
        .filter(|(_, likeness)| *likeness >= LIKENESS_MIN)
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .map(|(word, _)| word)
}

/// Says what a key that is not known might have been.
pub(crate) fn unknown(found: &str, known: &[&str]) -> String {
    match nearest(found, known.iter().copied()) {
        Some(nearest) => format!("no such key; did you mean {nearest}?"),
        None => format!("no such key; known: {}", known.join(", ")),
    }
}

fn path_of(error: &Error) -> String {
    let path = error.path.iter().fold(String::new(), |path, key| join(&path, key));
    let Kind::MissingField(name) = &error.kind else { return path };
    join(&path, name)
}

fn allowed(kind: &Kind) -> String {
    match kind {
        Kind::MissingField(_) => "a value: it has no default".to_owned(),
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => expected.clone(),
        Kind::InvalidLength(_, expected) => format!("length {expected}"),
        Kind::UnknownVariant(found, known) => match nearest(found, known.iter().copied()) {
            Some(nearest) => format!("one of {}; did you mean {nearest}?", known.join(", ")),
            None => format!("one of {}", known.join(", ")),
        },
        Kind::Message(text) => text.clone(),
        Kind::UnknownField(..)
        | Kind::DuplicateField(_)
        | Kind::ISizeOutOfRange(_)
        | Kind::USizeOutOfRange(_)
        | Kind::Unsupported(_)
        | Kind::UnsupportedKey(..) => kind.to_string(),
    }
}

/// Gives the n-th value to try where the real one is missing or wrong, so that reading can go on behind it.
fn stand_in(kind: &Kind, tried: usize) -> Option<Value> {
    if let (Kind::UnknownVariant(_, known), 0) = (kind, tried) {
        return known.first().map(|word| Value::from(*word));
    }
    match tried {
        0 => Some(Value::from("0")),
        1 => Some(Value::Num(Tag::Default, Num::U8(0))),
        2 => Some(Value::from(false)),
        3 => Some(Value::from(Vec::<Value>::new())),
        4 => Some(Value::from(Dict::new())),
        5 => Some(Value::Num(Tag::Default, Num::F64(0.0))),
        _ => None,
    }
}

fn reread(value: &mut Value, path: &str) -> bool {
    let Some(text) = find(value, path).and_then(|value| value.as_str()).map(str::to_owned) else {
        return false;
    };
    // Parsing a figment value never fails: what is nothing else is a text.
    let Ok(parsed) = text.parse::<Value>();
    replace(value, path, parsed)
}

/// Finds a value by its dotted path.
pub(crate) fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(value);
    }
    path.split('.').try_fold(value, |value, key| match value {
        Value::Dict(_, dict) => dict.get(key),
        Value::Array(_, elements) => elements.get(key.parse::<usize>().ok()?),
        Value::String(..)
        | Value::Char(..)
        | Value::Bool(..)
        | Value::Num(..)
        | Value::Empty(..) => None,
    })
}

fn find_mut<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    if path.is_empty() {
        return Some(value);
    }
    path.split('.').try_fold(value, |value, key| match value {
        Value::Dict(_, dict) => dict.get_mut(key),
        Value::Array(_, elements) => elements.get_mut(key.parse::<usize>().ok()?),
        Value::String(..)
        | Value::Char(..)
        | Value::Bool(..)
        | Value::Num(..)
        | Value::Empty(..) => None,
    })
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

fn remove(value: &mut Value, path: &str) -> bool {
    let (parent, key) = split(path);
    match find_mut(value, parent) {
        Some(Value::Dict(_, dict)) => dict.remove(key).is_some(),
        _ => false,
    }
}

fn replace(value: &mut Value, path: &str, by: Value) -> bool {
    if let Some(slot) = find_mut(value, path) {
        *slot = by;
        return true;
    }
    let (parent, key) = split(path);
    match find_mut(value, parent) {
        Some(Value::Dict(_, dict)) => {
            dict.insert(key.to_owned(), by);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use figment::providers::{Format, Toml};

    #[derive(serde::Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Limits {
        order_notional_usd_max: String,
        orders_per_s_max: u32,
        #[serde(default)]
        mode: Mode,
        inner: Inner,
    }

    #[derive(serde::Deserialize, Debug, PartialEq, Default)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        #[default]
        Paper,
        Live,
    }

    #[derive(serde::Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        levels: Vec<u8>,
    }

    fn check(text: &str, texts: &[&str], expected: &[(&str, &str)]) -> Option<Limits> {
        let dict: Dict = Toml::from_str(text).unwrap();
        let texts = texts.iter().map(|&path| path.to_owned()).collect();
        let Extracted { value, problems } = extract::<Limits>(dict, &texts);
        let got: Vec<(&str, &str)> =
            problems.iter().map(|problem| (&*problem.path, &*problem.allowed)).collect();
        assert_eq!(got, expected);
        value
    }

    #[test]
    fn all_problems_are_found_at_once() {
        let text = "order_notional_usd_mx = \"5\"\norders_per_s_max = \"many\"\nmode = \"lve\"\n\
                    [inner]\nlevels = [1, \"two\", -3]\nzzzzzzzz = 1\n";
        let value = check(
            text,
            &[],
            &[
                ("inner.levels.1", "u8"),
                ("inner.levels.2", "u8"),
                ("inner.zzzzzzzz", "no such key; known: levels"),
                ("mode", "one of paper, live; did you mean live?"),
                ("order_notional_usd_mx", "no such key; did you mean order_notional_usd_max?"),
                ("orders_per_s_max", "u32"),
                ("order_notional_usd_max", "a value: it has no default"),
            ],
        );
        assert_eq!(value, None);
    }

    #[test]
    fn a_missing_table_is_reported_with_what_it_must_hold() {
        let text = "order_notional_usd_max = \"5\"\norders_per_s_max = 1\n";
        let missing = "a value: it has no default";
        check(text, &[], &[("inner", missing), ("inner.levels", missing)]);
    }

    #[test]
    fn text_from_the_environment_fits_numbers_lists_and_text() {
        let text = "order_notional_usd_max = \"500\"\norders_per_s_max = \"7\"\nmode = \"live\"\n\
                    [inner]\nlevels = \"[1, 2]\"\n";
        let texts = ["order_notional_usd_max", "orders_per_s_max", "mode", "inner.levels"];
        let value = check(text, &texts, &[]).unwrap();
        assert_eq!(value.order_notional_usd_max, "500");
        assert_eq!(value.orders_per_s_max, 7);
        assert_eq!(value.mode, Mode::Live);
        assert_eq!(value.inner.levels, [1, 2]);
    }

    #[test]
    fn an_unknown_key_alone_leaves_the_rest_checked() {
        let text = "order_notional_usd_max = \"5\"\norders_per_s_max = 1\nmood = \"live\"\n\
                    [inner]\nlevels = []\n";
        assert!(check(text, &[], &[("mood", "no such key; did you mean mode?")]).is_some());
    }
}
