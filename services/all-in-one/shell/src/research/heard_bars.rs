//! Bars made of a live feed while it is heard, one series for each pair: mids, volume of the trades, time-weighted spread. A bar in which the
//! book could not be used at some instant is missing, as it is on the bus.

use super::args::TemporalArguments;
use super::feed::Feed;
use super::pool;
use crate::listen::Passing;
use anyhow::{Context, Result};
use remora_domain::{Bar, BookState, DurationNs, Instrument, InstrumentKey, Timestamp};
use remora_ingestor_core::Bars;
use remora_research::{CandleReader, CandleSeries};
use remora_service_kit::Clock;
use remora_venue_api::MarketEvent;
use std::collections::BTreeMap;

/// Is the series of one pair, or why there is none.
pub(crate) type Heard = (String, Result<CandleSeries>);

/// Listens and gives a series for every pair that was defined.
pub(crate) async fn listen(
    url: &str,
    seconds: u64,
    arguments: &TemporalArguments,
) -> Result<Vec<Heard>> {
    let feed = Feed::new(&arguments.feed.venue, url, seconds)?;
    let progress = pool::bar(usize::try_from(seconds)?, "seconds listened");
    let clock = Clock::new();
    let mut gathered = Gathered::new(DurationNs::from_s(arguments.bar_s));
    let heard = feed.hear(1, &clock, &progress, |passing| match passing {
        Passing::Learnt(event) => gathered.take(event),
        Passing::Second => gathered.roll(clock.now()),
        Passing::Sent { .. } | Passing::Heard { .. } => {}
    });
    let heard = heard.await;
    progress.finish_and_clear();
    heard?;
    gathered.roll(clock.now());
    Ok(gathered.finish(arguments.coverage_min))
}

struct Gathered {
    bars: Bars,
    instruments: BTreeMap<InstrumentKey, Instrument>,
    made: BTreeMap<InstrumentKey, Vec<Bar>>,
}

impl Gathered {
    fn new(length: DurationNs) -> Self {
        Self { bars: Bars::new(length), instruments: BTreeMap::new(), made: BTreeMap::new() }
    }

    fn take(&mut self, event: MarketEvent) {
        match event {
            MarketEvent::Instrument(instrument) => {
                self.instruments.insert(instrument.key.clone(), instrument);
            }
            MarketEvent::Book { top, receive_time, .. } => {
                self.roll(receive_time);
                if top.state == BookState::Live {
                    self.bars.book(receive_time, &top);
                } else {
                    self.bars.invalid(receive_time, &top.instrument);
                }
            }
            MarketEvent::Trade { trade, receive_time, .. } => {
                self.roll(receive_time);
                self.bars.trade(&trade, self.instruments.get(&trade.instrument));
            }
            MarketEvent::Ticker { .. } | MarketEvent::Status(_) => {}
        }
    }

    fn roll(&mut self, now: Timestamp) {
        if self.bars.bar_end().is_some_and(|end| now < end) {
            return;
        }
        for bar in self.bars.roll(now) {
            self.made.entry(bar.instrument.clone()).or_default().push(bar);
        }
    }

    /// Gives every defined pair its series; the rules for files hold for what was heard.
    fn finish(mut self, coverage_min: f64) -> Vec<Heard> {
        let of = |key: &InstrumentKey| {
            let bars = self.made.remove(key).unwrap_or_default();
            (key.instrument.to_string(), series(&bars, coverage_min))
        };
        self.instruments.keys().map(of).collect()
    }
}

fn series(bars: &[Bar], coverage_min: f64) -> Result<CandleSeries> {
    let mut reader = CandleReader::new("t,o,h,l,c,v,spread_bps".split(','))?;
    for (line, bar) in (1..).zip(bars) {
        let seconds = bar.open_time.as_ns().div_euclid(1_000_000_000);
        let prices = [bar.open, bar.high, bar.low, bar.close].map(|price| price.to_string());
        let [open, high, low, close] = &prices;
        let (t, volume, spread) =
            (seconds.to_string(), bar.volume.to_string(), bar.spread_bps_est.to_string());
        let cells = [t.as_str(), open, high, low, close, &volume, &spread];
        reader.row(line, cells.into_iter()).context("read what was heard")?;
    }
    Ok(reader.finish(coverage_min)?)
}
