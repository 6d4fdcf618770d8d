//! `cargo xtask mutants`: whether the tests of what guards the money bite.
//!
//! cargo-mutants changes one thing at a time in a copy of the sources (a comparison turned, a result made up, a match arm
//! taken out) and runs the tests of that package; a change that no test notices survived. Changes that alter nothing a
//! test could see are left out by `.cargo/mutants.toml`, each with its reason. Some hours for all of it: what was caught
//! before is not tried again until `--anew` is given.

use crate::steps;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::Path;

/// The version that is fetched where none is installed.
const CARGO_MUTANTS: &str = "cargo-mutants@27.1.0";
/// What decides whether an order may leave and what became of it.
const GUARDS: [&str; 5] = [
    "remora-approval",
    "remora-ledger",
    "remora-orderbook",
    "remora-risk-gate-core",
    "remora-order-router-core",
];
/// A test that hangs is a change that was noticed.
const TIMEOUT_S: &str = "120";

/// Says what to change.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Packages, instead of approval, ledger, order book, gate and router.
    #[arg(long = "package", value_name = "NAME")]
    packages: Vec<String>,
    /// Only a share of the changes, such as 1/8: the first of eight.
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
    /// Tries also what was caught before.
    #[arg(long)]
    anew: bool,
}

/// Runs the changes package by package, prints what survived, and fails when anything did.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    if !steps::is_present("cargo", &["mutants", "--version"]) {
        let install = ["install", "--locked", CARGO_MUTANTS];
        steps::run(root, "cargo-mutants", "cargo", &install)?;
    }
    let target = steps::target(root)?.join("mutants");
    // A folder that is shared would be locked by whoever else builds.
    let build = target.join("build");
    let build = build.to_str().context("the folder of builds has no plain name")?;
    let mut survived = Vec::new();
    let usual: Vec<String> = GUARDS.map(str::to_owned).into();
    let packages = if arguments.packages.is_empty() { &usual } else { &arguments.packages };
    for package in packages {
        let output = target.join(package);
        fs::create_dir_all(&output).context("make the folder of results")?;
        let output = output.to_str().context("the folder of results has no plain name")?;
        survived.extend(survivors(root, package, (build, output), arguments)?);
    }
    survived.iter().for_each(|one| crate::say(one));
    if !survived.is_empty() {
        bail!("{} change(s) that no test notices", survived.len());
    }
    Ok(())
}

/// Tries the changes of one package; gives those that survived.
fn survivors(
    root: &Path,
    package: &str,
    (build, output): (&str, &str),
    arguments: &Arguments,
) -> Result<Vec<String>> {
    let mut tried = vec!["mutants", "--package", package, "--output", output, "--no-shuffle"];
    tried.extend(["--timeout", TIMEOUT_S, "--profile", "mutants", "--colors", "never"]);
    tried.extend((!arguments.anew).then_some("--iterate"));
    tried.extend(arguments.shard.iter().flat_map(|shard| ["--shard", shard.as_str()]));
    let own = [("CARGO_TARGET_DIR", build), ("PROPTEST_RNG_SEED", "1")];
    let outcome = steps::run_with(root, &format!("mutants of {package}"), "cargo", &tried, &own);
    let missed = Path::new(output).join("mutants.out").join("missed.txt");
    match fs::read_to_string(&missed) {
        Ok(missed) if !missed.is_empty() => Ok(missed.lines().map(str::to_owned).collect()),
        Ok(_) => outcome.map(|()| Vec::new()),
        Err(_) => outcome.and_then(|()| bail!("{} was not written", missed.display())),
    }
}
