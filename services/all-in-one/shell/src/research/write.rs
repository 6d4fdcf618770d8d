//! Where results go: JSON, CSV and a page, checked before any work is done.

use super::args::OutArguments;
use crate::output;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::path::Path;

/// Refuses places that nothing can be written to.
pub(crate) fn check(out: &OutArguments) -> Result<()> {
    for (flag, path) in [("--json", &out.json), ("--csv", &out.csv), ("--report", &out.report)] {
        let Some(path) = path else { continue };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) {
            bail!("{flag} {}: its folder does not exist", path.display());
        }
        if path.is_dir() {
            bail!("{flag} {}: is a folder, want a file", path.display());
        }
    }
    Ok(())
}

/// Writes everything that was asked for.
pub(crate) fn all<T: Serialize, R: Serialize>(
    out: &OutArguments,
    result: &T,
    rows: impl IntoIterator<Item = R>,
    page: impl FnOnce() -> Result<String>,
) -> Result<()> {
    if let Some(path) = &out.json {
        let mut text = serde_json::to_string_pretty(result).context("encode results")?;
        text.push('\n');
        put(path, &text)?;
    }
    if let Some(path) = &out.csv {
        let mut writer =
            csv::Writer::from_path(path).with_context(|| format!("write {}", path.display()))?;
        for row in rows {
            writer.serialize(row).with_context(|| format!("write {}", path.display()))?;
        }
        writer.flush().with_context(|| format!("write {}", path.display()))?;
        output::note(&format!("rows: {}", path.display()));
    }
    if let Some(path) = &out.report {
        put(path, &page()?)?;
    }
    Ok(())
}

fn put(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    output::note(&format!("written: {}", path.display()));
    Ok(())
}
