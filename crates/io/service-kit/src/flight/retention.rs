//! Which recordings of a service are kept: the newest runs, within a number of bytes and an age.

use super::FlightSettings;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How the names of all parts end,
const SUFFIX: &str = ".flight.gz";
/// and those of the files with the heads of chains.
const HEAD_SUFFIX: &str = ".flight.head";

#[derive(Default)]
struct Run {
    parts: Vec<PathBuf>,
    bytes: u64,
    written: Option<SystemTime>,
}

/// Removes what is too old or too much, oldest run first, but nothing of the run `now` and nothing of another producer.
/// Gives how many bytes are left.
pub(super) fn sweep(
    settings: &FlightSettings,
    (producer, now): (&str, &str),
    at: SystemTime,
) -> std::io::Result<u64> {
    let mut runs = runs(&settings.folder, producer)?;
    let mut bytes = runs.values().fold(0, |sum: u64, run| sum.saturating_add(run.bytes));
    runs.remove(now);
    // Runs are named by the instant of their start, in figures of one width.
    for (name, run) in runs {
        let age = run.written.and_then(|written| at.duration_since(written).ok());
        let is_old = age.is_some_and(|age| age > settings.age_max);
        if !is_old && bytes <= settings.total_bytes_max {
            continue;
        }
        for part in &run.parts {
            std::fs::remove_file(part)?;
        }
        bytes = bytes.saturating_sub(run.bytes);
        tracing::info!(run = name, bytes = run.bytes, "old flight recording removed");
    }
    Ok(bytes)
}

fn runs(folder: &Path, producer: &str) -> std::io::Result<BTreeMap<String, Run>> {
    let mut runs: BTreeMap<String, Run> = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let run = name
            .to_str()
            .and_then(|name| run_of(name, producer).or_else(|| run_of_head(name, producer)));
        let Some(run) = run else { continue };
        let facts = entry.metadata()?;
        let run = runs.entry(run.to_owned()).or_default();
        run.parts.push(entry.path());
        run.bytes = run.bytes.saturating_add(facts.len());
        run.written = run.written.max(facts.modified().ok());
    }
    Ok(runs)
}

/// Gives the files with the heads of a producer's runs, by run.
pub(super) fn heads(folder: &Path, producer: &str) -> std::io::Result<BTreeMap<String, PathBuf>> {
    let mut heads = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if let Some(run) = name.to_str().and_then(|name| run_of_head(name, producer)) {
            heads.insert(run.to_owned(), entry.path());
        }
    }
    Ok(heads)
}

/// Reads `<producer>-<run>.flight.head`.
fn run_of_head<'a>(name: &'a str, producer: &str) -> Option<&'a str> {
    let (found, run) = name.strip_suffix(HEAD_SUFFIX)?.rsplit_once('-')?;
    (found == producer).then_some(run)
}

/// Reads `<producer>-<run>-<part>.flight.gz`.
fn run_of<'a>(name: &'a str, producer: &str) -> Option<&'a str> {
    let (start, part) = name.strip_suffix(SUFFIX)?.rsplit_once('-')?;
    let (found, run) = start.rsplit_once('-')?;
    let is_ours = found == producer && part.bytes().all(|digit| digit.is_ascii_digit());
    is_ours.then_some(run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn folder(names: &[String]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(folder.path().join(name), [0; 100]).unwrap();
        }
        folder
    }

    /// Sweeps a folder for run `0c` of the gate; gives what is left of it.
    fn check(folder: &Path, total_bytes_max: u64, at: SystemTime) -> (u64, Vec<String>) {
        let settings = FlightSettings {
            folder: folder.to_owned(),
            file_bytes_max: 1,
            total_bytes_max,
            age_max: DAY,
            flush_interval: Duration::ZERO,
            keeps_outputs: false,
        };
        let left = sweep(&settings, ("risk-gate", "0c"), at).unwrap();
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> =
            entries.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        (left, names)
    }

    const OF_OTHERS: [&str; 3] =
        ["notes.txt", "risk-gate-b-0a-00001.flight.gz", "risk-gate-shell-0a-1.halt"];

    fn with_others(ours: &[&str]) -> Vec<String> {
        let mut names: Vec<String> =
            ours.iter().chain(&OF_OTHERS).map(|name| (*name).to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_over_its_bound_loses_the_oldest_run_whole() {
        let a = ["risk-gate-0a-00001.flight.gz", "risk-gate-0a-00002.flight.gz"];
        let (b, c) = ("risk-gate-0b-00001.flight.gz", "risk-gate-0c-00001.flight.gz");
        let folder = folder(&with_others(&[a[0], a[1], b, c]));
        let now = SystemTime::now();
        assert_eq!(check(folder.path(), 400, now).0, 400, "all may stay");
        let (left, names) = check(folder.path(), 399, now);
        assert_eq!((left, names), (200, with_others(&[b, c])));
        let (left, names) = check(folder.path(), 1, now);
        assert_eq!((left, names), (100, with_others(&[c])), "the present run stays");
    }

    #[test]
    fn a_recording_beyond_its_age_is_removed() {
        let (b, c) = ("risk-gate-0b-00001.flight.gz", "risk-gate-0c-00001.flight.gz");
        let folder = folder(&with_others(&[b, c]));
        let later = SystemTime::now() + DAY + DAY;
        assert_eq!(check(folder.path(), 10_000, later), (100, with_others(&[c])));
    }
}
