//! The one place that writes to the terminal line by line.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the program talks to a person here"
)]

/// Prints a line of results.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// Prints a line beside the results: progress, notes, warnings.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}
