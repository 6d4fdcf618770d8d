//! `remora simulate`: the whole system in virtual time under faults, seed by seed.

use crate::output;
use anyhow::{Context as _, Result};
use remora_sim::seeds::{self, SeedArguments};

/// Runs every seed that is not done yet; ends at the first that breaks a promise.
pub(crate) async fn run(arguments: SeedArguments) -> Result<()> {
    let series = tokio::task::spawn_blocking(move || seeds::run(&arguments, output::line));
    Ok(series.await.context("simulate")??)
}
