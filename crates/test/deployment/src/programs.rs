//! Finds the shipped programs, and runs those that end by themselves.

use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Gives the folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(3).unwrap_or(here).to_owned()
}

/// Gives the folder of the programs that were built with this one.
pub(crate) fn beside_this() -> Result<PathBuf> {
    let this = std::env::current_exe().context("find this program")?;
    let folder = this.parent().context("find the folder of this program")?;
    // Tests stand one folder deeper than programs.
    let is_test = folder.file_name().is_some_and(|name| name == "deps");
    let folder = if is_test { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_owned())
}

/// Gives the path of a program.
pub(crate) fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    if !path.is_file() {
        bail!("{} is absent: run `cargo build --workspace --bins` first", path.display());
    }
    Ok(path)
}

/// Runs a program to its end; its output becomes part of the error when it fails.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}: {said}{complaint}", output.status);
    }
    Ok(said)
}
