//! `remora sim`: a simulated exchange in this process.

use crate::cli::SimCommand;
use crate::output;
use anyhow::{Context as _, Result};
use remora_service_kit::Telemetry;

/// Runs the exchange until it is told to end.
pub(crate) async fn run(command: SimCommand) -> Result<()> {
    let SimCommand::KrakenSpot(arguments) = command;
    let plan = arguments.plan()?;
    let version = env!("CARGO_PKG_VERSION");
    let telemetry = Telemetry::start(&plan.telemetry, "remora", "sim-kraken-spot", version)
        .context("start the log")?;
    remora_venue_sim::run(plan.sim, output::line).await?;
    telemetry.stop().await;
    Ok(())
}
