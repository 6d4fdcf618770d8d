//! How fast and how large: `remora bench kraken`.
//!
//! In: recordings, the program to start simulated exchanges with. Out: lines for people; each number stands beside a
//! floor that was measured in the same run, and beside its target where it has one.
//! Invariants: nothing is estimated, and a target that was missed says so. Nothing here fails because something is slow.
//!
//! Codec and engine run in this process on one core. Sockets are measured from here against a process of its own, the
//! exchange or a bare echo of the same stack, in turn: on two cores, clients and server share them.
//! What must never happen here: use in a test that could fail by the clock; traffic beyond loopback.
//! Test alone: `cargo nextest run -p remora-bench`.
#![deny(missing_docs)]

mod echo;
mod engine;
mod executions;
mod feed;
mod machine;
mod memory;
mod program;
mod report;
mod rest;
mod sign;
mod sockets;
mod websocket;

pub use echo::serve as serve_echo;

use anyhow::Result;
use report::Report;
use std::path::PathBuf;
use std::time::Duration;

/// Is what is measured, and with what.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Recordings whose book frames are read.
    pub data: Vec<PathBuf>,
    /// `remora` itself: it is started as `sim kraken-spot` and as `bench echo`.
    pub program: PathBuf,
    /// How long each measurement takes.
    pub duration: Duration,
}

/// Measures everything and says it line by line.
///
/// # Errors
/// Says which recording cannot be read or which process did not start.
pub async fn run(plan: &Plan, say: impl Fn(&str)) -> Result<()> {
    let report = Report::new(&say);
    machine::describe(&report, plan);
    feed::measure(&report, plan)?;
    engine::measure(&report, plan)?;
    sockets::measure(&report, plan).await?;
    memory::measure(&report, plan).await?;
    report.verdict();
    Ok(())
}
