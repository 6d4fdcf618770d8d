//! `cargo xtask fault-run`: live trading on the simulated exchange through all of its faults, too long for every day.

use crate::steps;
use anyhow::Result;
use std::path::Path;

/// Runs the test that is it, full or small; what happened is printed on the way.
pub(crate) fn run(root: &Path, seed: u64, is_small: bool) -> Result<()> {
    let test = if is_small { "a_small_fault_run" } else { "a_full_fault_run" };
    let seed = seed.to_string();
    steps::long_test(root, ("fault run", test), false, &[("REMORA_FAULT_SEED", &*seed)])
}
