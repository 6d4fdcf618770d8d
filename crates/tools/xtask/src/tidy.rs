//! `cargo xtask tidy`: the layout rules that no compiler checks. Source: ARCHITECTURE.md.
//!
//! Dependency directions between our crates, no I/O dependency in pure code, file length, crate headers.

use anyhow::{Context, Result, bail};
use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What pure code must not list: everything that reaches the world or brings its own randomness.
const IMPURE: [&str; 12] = [
    "tokio",
    "async-nats",
    "redis",
    "sqlx",
    "reqwest",
    "tonic",
    "axum",
    "uuid",
    "getrandom",
    "rand",
    "tokio-tungstenite",
    "opentelemetry_sdk",
];

/// The longest source file.
const FILE_LINES_MAX: usize = 600;

/// Where a crate stands in the layout.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Pure,
    VenueApi,
    Venue,
    Registry,
    Io,
    Test,
    Tool,
    Core(String),
    Shell(String),
}

impl Place {
    fn of(path: &str) -> Option<Self> {
        let words: Vec<&str> = path.split('/').collect();
        Some(match words.as_slice() {
            ["crates", "pure", _] => Self::Pure,
            ["crates", "venues", "api"] => Self::VenueApi,
            ["crates", "venues", "registry"] => Self::Registry,
            ["crates", "venues", _] => Self::Venue,
            ["crates", "io", _] => Self::Io,
            ["crates", "test", _] => Self::Test,
            ["crates", "tools", _] => Self::Tool,
            ["services", service, "core"] => Self::Core((*service).to_owned()),
            ["services", service, "shell"] => Self::Shell((*service).to_owned()),
            _ => return None,
        })
    }

    /// The dependency table: may a crate here depend on one there?
    fn may_use(&self, other: &Self) -> bool {
        match self {
            Self::Pure | Self::VenueApi => *other == Self::Pure,
            Self::Venue => matches!(other, Self::Pure | Self::VenueApi),
            Self::Registry => matches!(other, Self::Pure | Self::VenueApi | Self::Venue),
            Self::Core(_) => matches!(other, Self::Pure | Self::VenueApi),
            Self::Io => matches!(other, Self::Pure | Self::VenueApi | Self::Io),
            Self::Test => !matches!(other, Self::Shell(_) | Self::Tool),
            Self::Tool => true,
            Self::Shell(service) if service == "all-in-one" => {
                // The one shell that is a library too: `remora sim` starts it in process.
                *other == Self::Shell("venue-sim".to_owned())
                    || !matches!(other, Self::Shell(_) | Self::Tool)
            }
            Self::Shell(service) => match other {
                Self::Pure | Self::VenueApi | Self::Registry | Self::Io => true,
                Self::Core(core) => core == service,
                Self::Venue | Self::Test | Self::Tool | Self::Shell(_) => false,
            },
        }
    }

    const fn is_pure(&self) -> bool {
        matches!(self, Self::Pure | Self::VenueApi | Self::Venue | Self::Registry | Self::Core(_))
    }
}

/// Checks the tree and fails with every problem found.
pub(crate) fn run(root: &Path) -> Result<()> {
    let metadata = MetadataCommand::new().current_dir(root).no_deps().exec();
    let metadata = metadata.context("read cargo metadata")?;
    let mut places = BTreeMap::new();
    let mut problems = Vec::new();
    for package in &metadata.packages {
        let folder = package.manifest_path.parent().map(|p| p.as_std_path().to_path_buf());
        let folder = folder.unwrap_or_default();
        let relative = folder.strip_prefix(root).unwrap_or(&folder).display().to_string();
        match Place::of(&relative) {
            Some(place) => drop(places.insert(package.name.to_string(), (place, folder))),
            None => problems.push(format!("{relative}: a crate outside the layout")),
        }
    }
    for package in &metadata.packages {
        if let Some((place, folder)) = places.get(package.name.as_str()) {
            check_dependencies(package, place, &places, &mut problems);
            check_sources(place, folder, root, &mut problems)?;
        }
    }
    check_migrations(&root.join("migrations"), &mut problems)?;
    if problems.is_empty() {
        crate::say(&format!("tidy: {} crates keep the layout", places.len()));
        return Ok(());
    }
    bail!("tidy: {} problems\n  {}", problems.len(), problems.join("\n  "))
}

fn check_dependencies(
    package: &Package,
    place: &Place,
    places: &BTreeMap<String, (Place, PathBuf)>,
    problems: &mut Vec<String>,
) {
    let normal = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
    for dependency in normal {
        if let Some((other, _)) = places.get(&dependency.name) {
            if !place.may_use(other) {
                let name = &package.name;
                problems.push(format!(
                    "{name} ({place:?}) must not depend on {} ({other:?})",
                    dependency.name
                ));
            }
        } else if place.is_pure() && IMPURE.contains(&dependency.name.as_str()) {
            problems.push(format!("{} is pure and lists {}", package.name, dependency.name));
        }
    }
}

fn check_sources(
    place: &Place,
    folder: &Path,
    root: &Path,
    problems: &mut Vec<String>,
) -> Result<()> {
    for file in rust_files(folder)? {
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        let shown = file.strip_prefix(root).unwrap_or(&file).display();
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            problems.push(format!("{shown}: {lines} lines, at most {FILE_LINES_MAX}"));
        }
        if !text.starts_with("//!") {
            problems.push(format!("{shown}: no header saying what it is"));
        }
        let is_lib = file.ends_with("src/lib.rs");
        let in_crates = !matches!(place, Place::Core(_) | Place::Shell(_) | Place::Tool);
        if is_lib && in_crates && !text.contains("#![deny(missing_docs)]") {
            problems.push(format!("{shown}: wants #![deny(missing_docs)]"));
        }
    }
    Ok(())
}

fn check_migrations(folder: &Path, problems: &mut Vec<String>) -> Result<()> {
    for file in files(folder, "sql")? {
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        for word in ["-- Purpose:", "-- Lock impact:", "-- Backfill:"] {
            if !text.contains(word) {
                problems.push(format!("{}: no line {word:?}", file.display()));
            }
        }
    }
    Ok(())
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    files(folder, "rs")
}

/// Lists the files below a folder with an ending, sorted.
fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, to: &str, expected: bool) {
        let (from, to) = (Place::of(from).unwrap(), Place::of(to).unwrap());
        assert_eq!(from.may_use(&to), expected, "{from:?} -> {to:?}");
    }

    #[test]
    fn the_dependency_table_is_the_one_of_the_style_guide() {
        check("crates/pure/ledger", "crates/pure/domain", true);
        check("crates/pure/ledger", "crates/io/bus", false);
        check("crates/venues/kraken", "crates/venues/paper", false);
        check("crates/venues/registry", "crates/venues/paper", true);
        check("services/decision/core", "crates/venues/api", true);
        check("services/decision/core", "services/risk-gate/core", false);
        check("services/decision/shell", "services/decision/core", true);
        check("services/decision/shell", "services/risk-gate/core", false);
        check("services/decision/shell", "crates/venues/kraken", false);
        check("services/all-in-one/shell", "crates/test/sim", true);
        check("services/persister/shell", "crates/test/testkit", false);
        check("crates/io/bus", "services/persister/core", false);
        check("services/venue-sim/shell", "crates/venues/kraken", false);
        check("services/venue-sim/shell", "crates/venues/registry", true);
        check("services/all-in-one/shell", "services/venue-sim/shell", true);
        check("services/all-in-one/shell", "services/decision/shell", false);
    }
}
