//! Series of our own making, with and without hours, and shared candles.

use flate2::read::GzDecoder;
use remora_machine::SplitMix64;
use remora_research::{CandleReader, CandleSeries};
use std::io::Read;
use std::path::Path;

/// Midnight of a Monday.
const START_S: i64 = 1_704_067_200;

pub(crate) fn normal(random: &mut SplitMix64) -> f64 {
    (0..12).map(|_| random.next_unit_est()).sum::<f64>() - 6.0
}

/// Says what a made market is like.
#[derive(Clone, Copy)]
pub(crate) struct Market {
    pub(crate) days: i64,
    pub(crate) bar_s: i64,
    /// Height of a wave by hour of the day in the logs of volume and volatility, highest at 14 UTC.
    pub(crate) wave: f64,
    /// Share of its activity that an hour keeps from the one before.
    pub(crate) memory: f64,
}

/// Makes candles whose activity wanders, with a wave by the hour on top.
pub(crate) fn market(seed: u64, made: Market) -> CandleSeries {
    let mut random = SplitMix64::new(seed);
    let mut reader = CandleReader::new("t,o,h,l,c,v".split(',')).unwrap();
    let (mut price, mut activity, mut hour_before) = (100.0, 0.0, -1);
    for i in 0..made.days * 86_400 / made.bar_s {
        let at = START_S + i * made.bar_s;
        let hour = at.rem_euclid(86_400) / 3_600;
        if hour != hour_before {
            activity = made.memory * activity + 0.5 * normal(&mut random);
            hour_before = hour;
        }
        let angle =
            2.0 * std::f64::consts::PI * f64::from(i32::try_from(hour - 14).unwrap()) / 24.0;
        let level = (activity + made.wave * angle.cos()).exp();
        let open: f64 = price;
        price = open * (1e-4 * level * normal(&mut random)).exp();
        let volume = 10.0 * level * (0.3 * normal(&mut random)).exp();
        let row = [open, open.max(price), open.min(price), price, volume];
        let cells: Vec<String> =
            std::iter::once(at.to_string()).chain(row.iter().map(f64::to_string)).collect();
        reader.row(u64::try_from(i + 2).unwrap(), cells.iter().map(String::as_str)).unwrap();
    }
    reader.finish(0.9).unwrap()
}

/// Reads shared candles.
pub(crate) fn recorded(candles: &Path, name: &str) -> CandleSeries {
    let file = std::fs::File::open(candles.join(format!("{name}.csv.gz"))).unwrap();
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let mut reader = CandleReader::new(lines.next().unwrap().split(',')).unwrap();
    for (line, row) in (2..).zip(lines) {
        reader.row(line, row.split(',')).unwrap();
    }
    reader.finish(0.9).unwrap()
}
