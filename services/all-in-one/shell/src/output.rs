//! The one place that writes to the terminal line by line.
#![expect(clippy::print_stderr, reason = "the program talks to a person here")]

use std::io::Write as _;

/// Prints a line of results. Where nobody reads any more (`| head`) it is dropped: whoever trades must go on to its end.
pub(crate) fn line(text: &str) {
    drop(writeln!(std::io::stdout(), "{text}"));
}

/// Prints a line beside the results: progress, notes, warnings.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}
