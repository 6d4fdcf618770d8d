//! The process of a simulated exchange. Wiring only; see the library.

use anyhow::{Context, Result};
use remora_service_kit::{Telemetry, run_main};
use remora_venue_sim::{SimArguments, SimVenue, run};
use std::io::Write as _;
use std::process::ExitCode;

const NAME: &str = "remora-venue-sim";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Simulates an exchange that other people's clients trade on: its REST and WebSocket, with simulated money.
#[derive(clap::Parser)]
struct Arguments {
    /// Which venue is simulated. Default: the settings', else kraken-spot.
    #[arg(long)]
    venue: Option<SimVenue>,
    #[command(flatten)]
    sim: SimArguments,
    /// Checks the settings, prints the values in force with their sources, and ends.
    #[arg(long)]
    check_config: bool,
}

fn main() -> ExitCode {
    run_main(NAME, VERSION, "Simulates an exchange", start)
}

async fn start(arguments: Arguments) -> Result<()> {
    let plan = arguments.sim.plan(arguments.venue)?;
    if arguments.check_config {
        print(&plan.effective.to_string());
        return Ok(());
    }
    let telemetry =
        Telemetry::start(&plan.telemetry, "venue-sim", plan.sim.settings.venue.id(), VERSION)
            .context("start the log")?;
    run(plan.sim, print).await?;
    telemetry.stop().await;
    Ok(())
}

fn print(text: &str) {
    // Where nobody reads the terminal the exchange still runs.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
