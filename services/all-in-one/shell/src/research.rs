//! Research commands: what history says about when, which pairs, and who leads. Reading, wiring and showing; the answers come from
//! `remora-research`.

mod args;
mod edge;
mod edge_page;
mod feed;
mod filters;
mod futures;
mod heard_bars;
pub(crate) mod inputs;
mod page;
mod pairs;
mod pairs_data;
mod pairs_page;
mod pairs_rows;
mod past;
mod pool;
mod quotes;
pub(crate) mod recorded;
mod seen;
mod temporal;
mod temporal_page;
mod write;

pub(crate) use args::{EdgeCommand, PairsCommand, TemporalCommand};

use anyhow::Result;

/// Runs `remora temporal ...`.
pub(crate) async fn temporal(command: TemporalCommand) -> Result<()> {
    match command {
        TemporalCommand::Analyze(arguments) => temporal::analyze(arguments).await,
    }
}

/// Runs `remora edge ...`.
pub(crate) async fn edge(command: EdgeCommand) -> Result<()> {
    match command {
        EdgeCommand::Validate(arguments) => edge::validate(arguments).await,
    }
}

/// Runs `remora pairs ...`.
pub(crate) async fn pairs(command: PairsCommand) -> Result<()> {
    pairs::run(command).await
}
