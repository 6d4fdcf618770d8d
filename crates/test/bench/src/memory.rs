//! The memory of a simulated exchange with a thousand live books.

use crate::program::Program;
use crate::report::Measured;
use crate::websocket::Socket;
use crate::{Plan, Report};
use anyhow::{Context as _, Result};
use std::time::Instant;

/// Pairs of the shipped market, to which others are invented.
const USUAL: u32 = 13;
const INSTRUMENTS: u32 = 1_000;
const TARGET: Measured = Measured { value: 300.0, unit: " MB" };
/// How long the books move before memory is read, in measurements.
const MOVED_FOR: u32 = 4;

/// Measures what is in RAM once every book has been sent and has moved.
pub(crate) async fn measure(report: &Report<'_>, plan: &Plan) -> Result<()> {
    report.part(
        "memory of the simulated exchange",
        "a process of its own with a generated crowd in every market; one client follows every book at depth 10. \
         Resident memory after four measurements' time of movement. Floor: the same process with the 13 usual pairs",
    );
    let floor = resident(plan, 0).await?;
    let full = resident(plan, INSTRUMENTS.saturating_sub(USUAL)).await?;
    report.row(&format!("resident memory, {INSTRUMENTS} live books"), full, Some(floor));
    let what = format!("memory with {INSTRUMENTS} live books");
    let cause = format!(
        "{:.0} kB for each market beyond the usual ones",
        (full.value - floor.value) * 1_000.0 / f64::from(INSTRUMENTS - USUAL)
    );
    report.target(&what, full, TARGET, true, &cause);
    Ok(())
}

async fn resident(plan: &Plan, invented: u32) -> Result<Measured> {
    let exchange = Program::exchange(&plan.program, invented).await?;
    let mut socket = Socket::open(exchange.websocket).await?;
    socket.send(r#"{"method":"subscribe","params":{"channel":"instrument"}}"#.to_owned()).await?;
    let definitions = socket.hear("\"channel\":\"instrument\",\"type\":\"snapshot\"").await?;
    let symbols: Vec<&str> = definitions
        .split("\"symbol\":\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let listed = serde_json::to_string(&symbols).context("list the symbols")?;
    socket
        .send(format!(
            r#"{{"method":"subscribe","params":{{"channel":"book","depth":10,"symbol":{listed}}}}}"#
        ))
        .await?;
    for _ in &symbols {
        let snapshot = socket.hear("\"channel\":\"book\",\"type\":\"snapshot\"").await?;
        if !snapshot.contains("\"price\"") {
            anyhow::bail!("a book without levels: {snapshot}");
        }
    }
    let until = Instant::now() + plan.duration.saturating_mul(MOVED_FOR);
    while Instant::now() < until {
        socket.hear("\"type\":\"update\"").await?;
    }
    Ok(Measured { value: exchange.resident_mb()?, unit: " MB" })
}
