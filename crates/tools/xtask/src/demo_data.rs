//! Makes the recording that ships with the project: a synthetic market, told as Kraken WebSocket v2 frames.
//!
//! In: a seed. Out: `demo/synthetic_kraken_spot.jsonl.gz`; equal seeds give equal bytes. Everything is computed in
//! integers from one `remora_flow::Chance`, so no float and no clock can make two machines differ.
//!
//! The market (`market`): a common factor and one factor a pair move target prices on a 10 ms grid; now and then
//! the common factor drifts for a third of a second, like news. The perpetual's traders see the target at once, spot
//! traders follow it with a mean lag of 300 ms. Around what they see, makers add and cancel levels; takers without
//! knowledge arrive at random with exponential sizes; takers with knowledge hit quotes that the lag left behind.
//! A trade is told before the book update that removes its volume, as on a real feed.
//!
//! The telling (`frames`): status, definitions, acknowledgements, book depth 25 with checksums, trades with
//! consecutive ids, tickers, heartbeats. The checksum is written here for itself and shares no code with the
//! ingestor's, so that each is a check of the other.
//!
//! What must never happen here: a price that could be taken for a real one. Every line names the venue
//! `remora_synthetic`, and every consumer shows that.

mod frames;
mod instruments;
mod market;

#[cfg(test)]
mod tests;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use frames::Telling;
use instruments::SPECS;
use market::{Event, Market};
use remora_flow::Chance;
use std::fs;
use std::io::Write;
use std::path::Path;

/// Where the recording lies, below the workspace folder.
pub(crate) const PATH: &str = "demo/synthetic_kraken_spot.jsonl.gz";

/// The seed of the recording that ships.
const SEED: u64 = 20_260_302;

/// 2 March 2026, 13:59:45 UTC, in microseconds: a quarter of a minute before a whole one.
const START_US: i64 = 1_772_459_985_000_000;

/// How long the recording is, in microseconds: five whole minutes and a half.
const LENGTH_US: i64 = 345_000_000;

/// When the market begins after the subscriptions, in microseconds.
const SETUP_US: i64 = 400_000;

/// How often the venue sends a heartbeat, in microseconds.
const HEARTBEAT_US: i64 = 1_000_000;

/// Mean time between two events of the whole market, in microseconds.
const EVENT_MEAN_US: i64 = 12_500;

/// Writes the recording of the default seed below `root`.
pub(crate) fn run(root: &Path) -> Result<()> {
    let lines = generate(SEED, LENGTH_US)?;
    let path = root.join(PATH);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    let packed = pack(&lines)?;
    fs::write(&path, &packed).with_context(|| format!("write {}", path.display()))?;
    let (frames, bytes) = (lines.lines().count(), packed.len());
    crate::say(&format!("{PATH}: {frames} frames, {bytes} bytes, seed {SEED}, synthetic"));
    Ok(())
}

/// Compresses without a time or a name in the header, so that equal lines give equal bytes.
fn pack(lines: &str) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(lines.as_bytes()).context("compress the recording")?;
    encoder.finish().context("compress the recording")
}

/// Makes the lines of a recording of some microseconds.
fn generate(seed: u64, length_us: i64) -> Result<String> {
    let mut chance = Chance::new(seed);
    let mut telling = Telling::new(START_US);
    telling.open();
    let mut now = START_US + SETUP_US;
    let mut market = Market::new(now, &mut chance);
    telling.subscribe(now, &market)?;
    let end = START_US + length_us;
    let mut heartbeat = now + HEARTBEAT_US;
    loop {
        now += chance.exponential(EVENT_MEAN_US).max(200);
        while heartbeat < now.min(end) {
            telling.heartbeat(heartbeat);
            heartbeat += HEARTBEAT_US;
        }
        if now >= end {
            return Ok(telling.finish());
        }
        market.advance(now, &mut chance);
        let index = instruments::by_weight(chance.below(instruments::WEIGHT_SUM));
        for event in market.act(index, &mut chance)? {
            match event {
                Event::Traded(trades) => telling.trades(now, index, &trades)?,
                Event::BookChanged => telling.book(now, &market, index, &mut chance)?,
            }
        }
        telling.ticker_if_due(now, &market, index)?;
    }
}

/// Gives the specification of an instrument.
fn spec(index: usize) -> Result<&'static instruments::Spec> {
    SPECS.get(index).with_context(|| format!("no instrument {index}"))
}
