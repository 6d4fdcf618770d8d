//! `cargo xtask simulate`: the whole system under faults, by seed, in a build that is optimised for it.

use crate::steps;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};

/// Minutes and pairs of each run.
const MINUTES: &str = "10";
const PAIRS: &str = "3";
/// Seeds and minutes that the debug build runs too: its hashes must be the same.
const COMPARED: &str = "1..3";
const COMPARED_MINUTES: &str = "3";

/// Which seeds.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How many seeds, from 1.
    #[arg(long, default_value_t = 100)]
    pub(crate) seeds: u64,
    /// Note each seed that is done in this file, and leave those out that are in it already.
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
}

/// Simulates the seeds, and compares some hashes with those of the debug build.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    let debug = steps::build_programs(root, false)?;
    run_beside(root, &debug, arguments)
}

/// As `run`, beside programs that are built already.
pub(crate) fn run_beside(root: &Path, debug: &Path, arguments: &Arguments) -> Result<()> {
    let optimised = build(root, &steps::target(root)?)?;
    let range = format!("1..{}", arguments.seeds);
    let resume = match &arguments.resume {
        Some(path) => Some(path.to_str().context("the file of seeds done has no plain name")?),
        None => None,
    };
    let resume = resume.map(|path| ["--resume", path]);
    let seeds = ["--seeds", range.as_str(), "--minutes", MINUTES, "--pairs", PAIRS];
    let all: Vec<&str> = seeds.into_iter().chain(resume.into_iter().flatten()).collect();
    steps::run(root, "simulation", path_text(&optimised)?, &all)?;
    compare(root, &debug.join("remora-simulate"), &optimised)
}

/// Builds the simulation alone, optimised; gives the program.
pub(crate) fn build(root: &Path, target: &Path) -> Result<PathBuf> {
    let target_text = path_text(target)?;
    let arguments = [
        "build",
        "--profile",
        "sim",
        "-p",
        "remora-sim",
        "--bin",
        "remora-simulate",
        "--target-dir",
    ];
    let arguments = [&arguments[..], &[target_text]].concat();
    steps::run(root, "simulation program", "cargo", &arguments)?;
    Ok(target.join("sim").join("remora-simulate"))
}

/// Runs some seeds in the debug build and twice in the optimised one: what happens must depend on nothing but the seed.
fn compare(root: &Path, debug: &Path, optimised: &Path) -> Result<()> {
    let folder = tempfile::tempdir().context("make a folder for hashes")?;
    let hashes = |program: &Path, name: &str| {
        let file = folder.path().join(name);
        let seeds = ["--seeds", COMPARED, "--minutes", COMPARED_MINUTES, "--pairs", PAIRS];
        let arguments = [&seeds[..], &["--resume", path_text(&file)?]].concat();
        steps::run(root, name, path_text(program)?, &arguments)?;
        fs::read_to_string(&file).with_context(|| format!("read the hashes of the {name}"))
    };
    let first = hashes(debug, "debug build")?;
    for name in ["optimised build", "optimised build again"] {
        let other = hashes(optimised, name)?;
        if first.is_empty() || first != other {
            bail!("debug build and {name} differ:\n{first}and\n{other}");
        }
    }
    crate::say(&format!(
        "==> seeds {COMPARED}: the debug build and two optimised runs give the same hashes"
    ));
    Ok(())
}

pub(crate) fn path_text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not plain text", path.display()))
}
