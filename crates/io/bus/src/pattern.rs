//! Subjects and patterns of subjects: words between dots, `*` for one word, `>` for one or more at the end.

use crate::BusError;

/// Bounds a subject in bytes.
const SUBJECT_BYTES_MAX: usize = 512;

/// Says what is wrong with a subject, pattern or name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternProblem {
    /// Empty, too long, an empty word, white space, or a wildcard in the wrong place.
    #[error("malformed")]
    Malformed,
    /// A subject to publish on has a wildcard.
    #[error("a wildcard where one subject is needed")]
    Wildcard,
    /// Two patterns of one call match a common subject.
    #[error("overlaps {other:?}")]
    Overlap {
        /// The other.
        other: String,
    },
    /// The filter is not within the stream.
    #[error("not within the stream's subjects")]
    Foreign,
}

/// Tells whether `subject` is one that `pattern` describes.
pub(crate) fn matches(pattern: &str, subject: &str) -> bool {
    let (mut wanted, mut found) = (pattern.split('.'), subject.split('.'));
    loop {
        match (wanted.next(), found.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some(w), Some(f)) if w == "*" || w == f => {}
            (Some(_) | None, Some(_) | None) => return false,
        }
    }
}

/// Tells whether some subject is described by both patterns.
pub(crate) fn overlap(a: &str, b: &str) -> bool {
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        match (left.next(), right.next()) {
            (Some(">"), Some(_)) | (Some(_), Some(">")) | (None, None) => return true,
            (Some(l), Some(r)) if l == r || l == "*" || r == "*" => {}
            (Some(_) | None, Some(_) | None) => return false,
        }
    }
}

/// Tells whether every subject that `inner` describes is described by `outer` too.
pub(crate) fn is_within(inner: &str, outer: &str) -> bool {
    let (mut i, mut o) = (inner.split('.'), outer.split('.'));
    loop {
        match (i.next(), o.next()) {
            (Some(_), Some(">")) | (None, None) => return true,
            (Some(">"), Some(_)) => return false,
            (Some(word), Some(out)) if out == "*" || word == out => {}
            (Some(_) | None, Some(_) | None) => return false,
        }
    }
}

/// Checks a subject to publish on.
pub(crate) fn check_subject(text: &str) -> Result<(), BusError> {
    check_words(text)?;
    if text.split('.').any(|word| word == "*" || word == ">") {
        return Err(refused(text, PatternProblem::Wildcard));
    }
    Ok(())
}

/// Checks patterns of one call: each well formed, no two with a common subject.
pub(crate) fn check_patterns(patterns: &[String]) -> Result<(), BusError> {
    let mut rest = patterns.iter();
    while let Some(pattern) = rest.next() {
        check_words(pattern)?;
        if let Some(other) = rest.clone().find(|other| overlap(pattern, other)) {
            return Err(refused(pattern, PatternProblem::Overlap { other: other.clone() }));
        }
    }
    Ok(())
}

/// Checks the filters of a reader of a stream with these subjects.
pub(crate) fn check_filters(filters: &[String], subjects: &[String]) -> Result<(), BusError> {
    check_patterns(filters)?;
    for filter in filters {
        if !subjects.iter().any(|subject| is_within(filter, subject)) {
            return Err(refused(filter, PatternProblem::Foreign));
        }
    }
    Ok(())
}

/// Checks the name of a durable consumer.
pub(crate) fn check_name(name: &str) -> Result<(), BusError> {
    let is_fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_fine) {
        return Err(refused(name, PatternProblem::Malformed));
    }
    Ok(())
}

fn check_words(text: &str) -> Result<(), BusError> {
    let is_fine = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|b| b.is_ascii_graphic())
            && (word.len() == 1 || !word.contains(['*', '>']))
    };
    let mut words = text.split('.').rev();
    let last_is_fine = words.next().is_some_and(is_fine);
    if text.len() > SUBJECT_BYTES_MAX || !last_is_fine || !words.all(|w| w != ">" && is_fine(w)) {
        return Err(refused(text, PatternProblem::Malformed));
    }
    Ok(())
}

fn refused(text: &str, problem: PatternProblem) -> BusError {
    BusError::Pattern { text: text.chars().take(200).collect(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_word_and_an_arrow_is_the_rest() {
        assert!(matches("a.*.c", "a.b.c"));
        assert!(!matches("a.*.c", "a.b.d"));
        assert!(!matches("a.*", "a.b.c"));
        assert!(matches("a.>", "a.b.c"));
        assert!(!matches("a.>", "a"));
        assert!(matches("a.b", "a.b"));
        assert!(!matches("a.b", "a"));
    }

    #[test]
    fn overlapping_patterns_are_refused() {
        let refused = |a: &str, b: &str| check_patterns(&[a.into(), b.into()]).is_err();
        assert!(refused("a.>", "a.b.c"));
        assert!(refused("a.*.c", "a.b.*"));
        assert!(refused("a.b", "a.b"));
        assert!(!refused("a.b", "a.c"));
        assert!(!refused("a.*", "a.b.c"));
        assert!(!refused("a.>", "a"));
    }

    #[test]
    fn malformed_subjects_are_refused() {
        for text in ["", ".", "a.", ".a", "a..b", "a b", "a.b*", "a.>.b", "a\n", "ä"] {
            assert!(check_patterns(&[text.to_owned()]).is_err(), "{text:?}");
        }
        assert!(check_subject("a.*").is_err());
        assert!(check_subject("a.>").is_err());
        assert!(check_subject("remora.v1.md.book.kraken-spot.BTC-USD").is_ok());
    }

    #[test]
    fn a_filter_must_lie_within_its_stream() {
        let stream = ["remora.v1.order.*.>".to_owned()];
        let check = |filter: &str| check_filters(&[filter.to_owned()], &stream).is_ok();
        assert!(check("remora.v1.order.event.>"));
        assert!(check("remora.v1.order.*.paper.>"));
        assert!(!check("remora.v1.order.>"), "wider than the stream");
        assert!(!check("remora.v1.md.book.>"));
        assert!(!check("remora.v1.order.event"), "too short for the stream");
    }
}
