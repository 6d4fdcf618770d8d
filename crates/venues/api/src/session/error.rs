//! What can be wrong with a frame: the field, an excerpt of its value, and what is allowed.

use std::fmt::Write as _;

/// The most characters of a foreign text that an error keeps.
const EXCERPT_CHARS: usize = 80;

/// Says why a frame, or a part of it, was not understood.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The frame is longer than any the venue sends.
    #[error("frame of {bytes} bytes: at most {max} are read")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// The JSON is broken or has another structure.
    #[error("decode {what} from {excerpt:?}")]
    Shape {
        /// What was being read.
        what: &'static str,
        /// The start of the text.
        excerpt: String,
        /// Why it failed.
        #[source]
        cause: serde_json::Error,
    },
    /// A field is missing.
    #[error("{what} has no {field}")]
    Missing {
        /// Of what.
        what: &'static str,
        /// Which field.
        field: &'static str,
    },
    /// A field has an impossible value.
    #[error("{field} is {excerpt:?}: want {allowed}")]
    Field {
        /// Which field.
        field: &'static str,
        /// The start of its value.
        excerpt: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A side of a book has more levels than were asked for.
    #[error("book item has {count} levels a side: want at most {max}")]
    Levels {
        /// How many its longer side has.
        count: usize,
        /// The depth of the subscription, or the greatest there is.
        max: usize,
    },
    /// A number has more digits than its instrument prints.
    #[error("{field} is {excerpt:?}: want at most {decimals} decimals")]
    Decimals {
        /// Which field.
        field: &'static str,
        /// The start of its value.
        excerpt: String,
        /// What the instrument allows.
        decimals: u32,
    },
}

impl FrameError {
    /// Says that a field has an impossible value, keeping the start of it.
    #[must_use]
    pub fn field(field: &'static str, value: &str, allowed: &'static str) -> Self {
        Self::Field { field, excerpt: excerpt(value), allowed }
    }

    /// Says that JSON has another structure, keeping the start of it.
    #[must_use]
    pub fn shape(what: &'static str, text: &str, cause: serde_json::Error) -> Self {
        Self::Shape { what, excerpt: excerpt(text), cause }
    }
}

/// Cuts foreign text to what an error may carry.
#[must_use]
pub fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT_CHARS).collect()
}

/// Writes an error and its causes in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {next}");
        cause = next.source();
    }
    text
}
