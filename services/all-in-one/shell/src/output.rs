//! The one place that writes to the terminal line by line.
#![expect(clippy::print_stderr, reason = "the program talks to a person here")]

use std::io::{ErrorKind, Write as _};

/// Prints a line of results. Where nobody reads any more (`| head`) it is dropped, and where it cannot be written that is told:
/// whoever trades must go on to its end.
pub(crate) fn line(text: &str) {
    if let Err(error) = writeln!(std::io::stdout(), "{text}")
        && error.kind() != ErrorKind::BrokenPipe
    {
        note(&format!("results cannot be written: {error}"));
    }
}

/// Prints a line beside the results: progress, notes, warnings.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}
