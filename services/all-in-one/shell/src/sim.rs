//! `remora sim`: a simulated exchange in this process.

use crate::cli::SimCommand;
use crate::output;
use anyhow::{Context as _, Result};
use remora_service_kit::Telemetry;
use remora_venue_sim::SimVenue;

/// Runs the exchange until it is told to end.
pub(crate) async fn run(command: SimCommand) -> Result<()> {
    let (venue, arguments) = match command {
        SimCommand::KrakenSpot(arguments) => (SimVenue::KrakenSpot, arguments),
        SimCommand::KrakenFutures(arguments) => (SimVenue::KrakenFutures, arguments),
    };
    let plan = arguments.plan(Some(venue))?;
    let (version, instance) = (env!("CARGO_PKG_VERSION"), format!("sim-{}", venue.id()));
    let telemetry =
        Telemetry::start(&plan.telemetry, "remora", &instance, version).context("start the log")?;
    remora_venue_sim::run(plan.sim, output::line).await?;
    telemetry.stop().await;
    Ok(())
}
