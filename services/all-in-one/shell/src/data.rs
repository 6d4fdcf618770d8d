//! Data commands: fetch history, and say what files hold before anything is concluded from them.

mod fetch;
mod inspect;
mod store;

pub(crate) use fetch::FetchArguments;
pub(crate) use inspect::InspectArguments;

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum DataCommand {
    /// Fetch an exchange's public trades of the past into a local store, page by page, and make candles of them; resumable.
    Fetch(FetchArguments),
    /// Say what recordings and candle files hold: time, gaps, checksums, crossed books, rows that cannot be used.
    Inspect(InspectArguments),
}

/// Runs `remora data ...`.
pub(crate) async fn run(command: DataCommand) -> Result<()> {
    match command {
        DataCommand::Fetch(arguments) => fetch::run(arguments).await,
        DataCommand::Inspect(arguments) => inspect::run(arguments).await,
    }
}
