//! `remora bench`: how fast and how large, measured here.

use crate::cli::BenchCommand;
use crate::{demo, output};
use anyhow::{Context as _, Result};
use std::time::Duration;

/// Measures, or serves the echo that is measured against.
pub(crate) async fn run(command: BenchCommand) -> Result<()> {
    let arguments = match command {
        BenchCommand::Echo => return remora_bench::serve_echo(output::line).await,
        BenchCommand::Kraken(arguments) => arguments,
    };
    let (data, _folder) = demo::recordings(&arguments.data)?;
    let program = std::env::current_exe().context("find this program")?;
    let duration = Duration::from_secs(arguments.seconds.max(1));
    remora_bench::run(&remora_bench::Plan { data, program, duration }, output::line).await
}
