//! `cargo xtask test`: everything CI runs, from a bare machine.

use crate::{steps, tidy};
use anyhow::{Context, Result};
use std::path::Path;

/// Installs what is absent, then runs formatting, lints, layout, tests and docs, in this order.
pub(crate) fn run(root: &Path) -> Result<()> {
    remora_test_servers::ensure_tools().context("get the servers that tests start")?;
    steps::run(root, "formatting", "cargo", &["fmt", "--all", "--check"])?;
    let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    steps::run(root, "lints", "cargo", &lints)?;
    tidy::run(root)?;
    dependencies(root)?;
    // Tests of whole deployments start the programs themselves.
    steps::run(root, "programs", "cargo", &["build", "--workspace", "--bins"])?;
    nextest(root)?;
    if let Err(error) = remora_test_servers::private_namespace() {
        crate::say(&format!("==> other people's clients: skipped, {error:#}"));
    }
    steps::run(root, "tests", "cargo", &["nextest", "run", "--workspace", "--no-fail-fast"])?;
    steps::run(root, "doc tests", "cargo", &["test", "--workspace", "--doc", "--quiet"])?;
    let docs = ["doc", "--workspace", "--no-deps", "--quiet"];
    steps::run_with(root, "docs", "cargo", &docs, &[("RUSTDOCFLAGS", "-D warnings")])?;
    crate::say("==> all good");
    Ok(())
}

fn nextest(root: &Path) -> Result<()> {
    if steps::is_present("cargo", &["nextest", "--version"]) {
        return Ok(());
    }
    steps::run(root, "cargo-nextest", "cargo", &["install", "--locked", "cargo-nextest"])
}

/// Checks licences and banned crates where cargo-deny is present; says so where it is not.
fn dependencies(root: &Path) -> Result<()> {
    if !steps::is_present("cargo", &["deny", "--version"]) {
        crate::say(
            "==> dependencies: skipped, cargo-deny is not installed (cargo install cargo-deny)",
        );
        return Ok(());
    }
    let check = ["deny", "--offline", "check", "licenses", "bans", "sources"];
    steps::run(root, "dependencies", "cargo", &check)
}
