//! `cargo xtask fault-run`: live trading on the simulated exchange through all of its faults, too long for every day.

use crate::steps;
use anyhow::{Context as _, Result};
use std::path::Path;

/// Builds the programs and runs the test that is it, full or small; what happened is printed on the way.
pub(crate) fn run(root: &Path, seed: u64, is_small: bool) -> Result<()> {
    remora_test_servers::ensure_tools().context("get the servers")?;
    steps::build_programs(root, false)?;
    let name = if is_small { "a_small_fault_run" } else { "a_full_fault_run" };
    let test = ["test", "--package", "remora-deployment", "--test", "deployment", "--"];
    let only = ["--include-ignored", name, "--nocapture"];
    let seed = seed.to_string();
    let seed = [("REMORA_FAULT_SEED", &*seed)];
    steps::run_with(root, "fault run", "cargo", &[&test[..], &only].concat(), &seed)
}
