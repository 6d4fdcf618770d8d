//! Finds the line of every key of a TOML text, so that a problem can be pointed at.

use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// Is what is wrong with a text that is not TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxProblem {
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// Gives the line (from 1) of each key, by its dotted path; elements of arrays by their index.
pub(crate) fn lines(text: &str) -> Result<BTreeMap<String, usize>, SyntaxProblem> {
    let table = DeTable::parse(text).map_err(|error| SyntaxProblem {
        line: line_at(text, error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })?;
    let mut lines = BTreeMap::new();
    walk_table(text, "", table.get_ref(), &mut lines);
    Ok(lines)
}

fn walk_table(text: &str, path: &str, table: &DeTable<'_>, lines: &mut BTreeMap<String, usize>) {
    for (key, value) in table.iter() {
        let path = join(path, key.get_ref());
        lines.insert(path.clone(), line_at(text, key.span().start));
        walk_value(text, &path, value.get_ref(), lines);
    }
}

fn walk_value(text: &str, path: &str, value: &DeValue<'_>, lines: &mut BTreeMap<String, usize>) {
    match value {
        DeValue::Table(table) => walk_table(text, path, table, lines),
        DeValue::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                let path = join(path, &index.to_string());
                lines.insert(path.clone(), line_at(text, element.span().start));
                walk_value(text, &path, element.get_ref(), lines);
            }
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
}

/// Joins two parts of a dotted path.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before.filter(|byte| **byte == b'\n').count().saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_line() {
        let text = "name = \"x\"\n\n[bus]\nurl = \"u\"\n[[paper.venue]]\nid = 1\n[[paper.venue]]\nid = 2\n";
        let lines = lines(text).unwrap();
        let of = |path: &str| lines.get(path).copied();
        assert_eq!(of("name"), Some(1));
        assert_eq!(of("bus.url"), Some(4));
        assert_eq!(of("paper.venue.1.id"), Some(8));
        assert_eq!(of("bus.user"), None);
    }

    #[test]
    fn a_broken_text_is_pointed_at() {
        assert_eq!(lines("a = 1\nb = = 2\n").unwrap_err().line, 2);
    }
}
