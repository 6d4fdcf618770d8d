//! `cargo xtask test`: everything CI runs, from a bare machine.

use crate::compose_test::{self, Outcome};
use crate::{simulate, steps, tidy};
use anyhow::{Context, Result};
use remora_test_servers::{ensure_cargo_deny, ensure_kubectl, ensure_tools, private_namespace};
use std::path::{Path, PathBuf};

/// Seeds that are simulated.
const SEEDS: u64 = 100;

/// Installs what is absent, then runs formatting, lints, layout, dependencies, tests, docs and the containers, in this
/// order. Ends with a list of what could not be checked here.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut skipped = Vec::new();
    ensure_tools().context("get the servers that tests start")?;
    steps::run(root, "formatting", "cargo", &["fmt", "--all", "--check"])?;
    let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    steps::run(root, "lints", "cargo", &lints)?;
    tidy::run(root)?;
    dependencies(root, &mut skipped)?;
    // Tests of whole deployments start the programs themselves.
    let programs = steps::build_programs(root, false)?;
    nextest(root)?;
    let seeds = simulate::Arguments { seeds: SEEDS, resume: None };
    simulate::run_beside(root, &programs, &seeds)?;
    note_what_tests_will_miss(root, &mut skipped);
    tests(root)?;
    steps::run(root, "doc tests", "cargo", &["test", "--workspace", "--doc", "--quiet"])?;
    let docs = ["doc", "--workspace", "--no-deps", "--quiet"];
    steps::run_with(root, "docs", "cargo", &docs, &[("RUSTDOCFLAGS", "-D warnings")])?;
    match compose_test::run(root, Some(&programs))? {
        Outcome::Good => {}
        Outcome::Skipped(why) => skipped.push(format!("containers (compose-test): {why}")),
    }
    crate::say(&closing(&skipped));
    Ok(())
}

/// Runs the tests. Properties get the same cases each time, so that a run judges the change and not its luck; the variable
/// looks at others: `PROPTEST_RNG_SEED=7 cargo xtask test`. Without this command they are new each time.
fn tests(root: &Path) -> Result<()> {
    const SEED: &str = "PROPTEST_RNG_SEED";
    let seed = std::env::var(SEED).unwrap_or_else(|_| "1".to_owned());
    crate::say(&format!("==> cases of properties: {SEED}={seed}"));
    let arguments = ["nextest", "run", "--workspace", "--no-fail-fast"];
    steps::run_with(root, "tests", "cargo", &arguments, &[(SEED, &seed)])
}

/// Gives the last lines: what was good, and what nobody looked at.
fn closing(skipped: &[String]) -> String {
    let mut lines = vec!["==> all good".to_owned()];
    if skipped.is_empty() {
        lines.push("==> skipped: nothing".to_owned());
    } else {
        lines.push(format!("==> skipped here, {} in all:", skipped.len()));
        lines.extend(skipped.iter().map(|what| format!("      {what}")));
    }
    lines.join("\n")
}

fn nextest(root: &Path) -> Result<()> {
    if steps::is_present("cargo", &["nextest", "--version"]) {
        return Ok(());
    }
    steps::run(root, "cargo-nextest", "cargo", &["install", "--locked", "cargo-nextest"])
}

/// Checks licences and banned crates.
fn dependencies(root: &Path, skipped: &mut Vec<String>) -> Result<()> {
    let program = match ensure_cargo_deny() {
        Ok(program) => program,
        Err(error) => {
            skipped.push(format!(
                "licences and banned crates: no cargo-deny (cargo install cargo-deny): {error:#}"
            ));
            return Ok(());
        }
    };
    let program = program.to_str().context("the path of cargo-deny is not text")?;
    // It looks at the packages of every platform, and a build fetches those of its own only.
    steps::run(root, "packages", "cargo", &["fetch", "--locked"])?;
    let check = ["--offline", "--log-level", "error", "check", "licenses", "bans", "sources"];
    steps::run(root, "dependencies", program, &check)
}

/// Tests that need what is not here say so and pass; the list in the end must not hide it.
fn note_what_tests_will_miss(root: &Path, skipped: &mut Vec<String>) {
    if let Err(error) = ensure_kubectl() {
        skipped.push(format!("Kubernetes manifests: no kubectl: {error:#}"));
    }
    if let Err(error) = private_namespace() {
        skipped.push(format!("other people's clients: {error:#}"));
    }
    let named = std::env::var_os("REMORA_SHARED").map(PathBuf::from);
    let recordings = named.unwrap_or_else(|| root.join("../shared"));
    if !recordings.is_dir() {
        let folder = recordings.display();
        skipped.push(format!("tests on real recordings: none at {folder}; set REMORA_SHARED"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_skipped_stands_at_the_end_by_name() {
        assert_eq!(closing(&[]), "==> all good\n==> skipped: nothing");
        let skipped = ["containers: no engine".to_owned(), "manifests: no kubectl".to_owned()];
        let wanted = "==> all good\n==> skipped here, 2 in all:\n      containers: no engine\n      manifests: no kubectl";
        assert_eq!(closing(&skipped), wanted);
    }

    #[test]
    fn a_folder_of_recordings_that_is_not_there_is_told() {
        // The variable of this machine may name one; without it the folder beside the workspace counts.
        let folder = tempfile::tempdir().unwrap();
        let mut skipped = Vec::new();
        if std::env::var_os("REMORA_SHARED").is_none() {
            note_what_tests_will_miss(&folder.path().join("absent"), &mut skipped);
            assert!(skipped.iter().any(|what| what.contains("set REMORA_SHARED")), "{skipped:?}");
        }
    }
}
