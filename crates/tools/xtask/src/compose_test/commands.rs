//! Runs programs whose output is looked at, not shown.

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

/// Runs a program to its end and gives its output; both outputs become part of the error when it fails.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("run {}", name(command)))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let problem = String::from_utf8_lossy(&output.stderr);
        let arguments: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        let line = format!("{} {}", name(command), arguments.join(" "));
        bail!("{line} ended with {}: {}{}", output.status, said, problem.trim());
    }
    Ok(said)
}

fn name(command: &Command) -> String {
    Path::new(command.get_program())
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Gives a path as text for a command line.
pub(crate) fn text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).with_context(|| format!("path {} is not text", path.display()))
}
