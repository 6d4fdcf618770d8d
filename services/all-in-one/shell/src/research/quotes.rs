//! Best quotes of every market in a recording or on live feeds, as `edge validate` compares them.
//!
//! Recordings of venues that have a session are played through it: the books are those that would be quoted on, and markets belong
//! together by the asset of their definition, spot pairs and contracts alike. Of Binance only the frames of best quotes are read.

use super::feed::Feed;
use super::inputs::Input;
use super::{pool, recorded};
use crate::listen::Passing;
use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use remora_domain::{BookState, BookTop, InstrumentKey, Level, Timestamp};
use remora_research::edge::{QuoteTape, TapeBuilder};
use remora_service_kit::Clock;
use remora_venue_api::{FeedInput, FeedOutput, MarketEvent};
use remora_venue_link::{Direction, Player, RecordingReader};
use std::collections::BTreeMap;
use tokio::task::JoinSet;

/// Is one market as read: venue and symbol, and its quotes or why there are none.
pub(crate) type Market = (String, Result<QuoteTape, String>);

/// Reads the best quotes of every market in a recording.
pub(crate) fn markets(input: &Input) -> Result<Vec<Market>> {
    let first = RecordingReader::open(&input.path)?.next();
    let first = first.context("the recording is empty")??;
    if remora_binance::RECORDING_NAMES.contains(&first.venue.as_str()) {
        told(input)
    } else {
        played(input)
    }
}

fn finish(builders: BTreeMap<String, TapeBuilder>) -> Vec<Market> {
    let finish = |(market, builder): (String, TapeBuilder)| {
        (market, builder.finish().map_err(|cause| cause.to_string()))
    };
    builders.into_iter().map(finish).collect()
}

/// Reads quotes that the venue itself tells.
fn told(input: &Input) -> Result<Vec<Market>> {
    let mut builders: BTreeMap<String, TapeBuilder> = BTreeMap::new();
    for frame in RecordingReader::open(&input.path)? {
        let frame = frame?;
        if !remora_binance::RECORDING_NAMES.contains(&frame.venue.as_str()) {
            bail!("line {}: a frame of {:?} among those of Binance", frame.line, frame.venue);
        }
        if frame.direction == Direction::Out {
            continue;
        }
        let quote = remora_binance::quote(&frame.text);
        let Some(quote) = quote.with_context(|| format!("line {}", frame.line))? else { continue };
        let market = format!("{} {}", frame.venue, quote.symbol);
        if !builders.contains_key(&market) {
            let base = remora_binance::base_asset(quote.symbol)
                .with_context(|| format!("line {}: no asset in {:?}", frame.line, quote.symbol))?;
            builders.insert(market.clone(), TapeBuilder::new(&market, base));
        }
        if let Some(builder) = builders.get_mut(&market) {
            builder.quote(frame.t, quote.bid_est, quote.ask_est, quote.exchange_time);
        }
    }
    Ok(finish(builders))
}

/// Plays the recording and reads quotes from the books.
fn played(input: &Input) -> Result<Vec<Market>> {
    let player = Player::open(std::slice::from_ref(&input.path))?;
    let mut session = recorded::session(&player)?;
    let mut books = Books::default();
    let mut out = Vec::new();
    for played in player {
        let played = played?;
        if let FeedInput::SessionEnded = played.input {
            break;
        }
        session.handle(played.at, played.input, &mut out);
        for output in out.drain(..) {
            match output {
                FeedOutput::Event(event) => books.take(event),
                FeedOutput::Problem(_)
                | FeedOutput::Connect { .. }
                | FeedOutput::Send { .. }
                | FeedOutput::Close { .. } => {}
            }
        }
    }
    Ok(finish(books.builders))
}

/// Listens to several feeds at once, by one clock, so that receive times can be compared.
pub(crate) async fn heard_markets(feeds: Vec<Feed>, seconds: u64) -> Result<Vec<Market>> {
    let clock = Clock::new();
    let total = usize::try_from(seconds)?;
    let mut tasks = JoinSet::new();
    for (place, feed) in feeds.into_iter().enumerate() {
        let clock = clock.clone();
        // One line of progress for all of them.
        let bar =
            if place == 0 { pool::bar(total, "seconds listened") } else { ProgressBar::hidden() };
        tasks.spawn(async move {
            let mut books = Books::default();
            let heard = feed.hear(recorded::LEVELS, &clock, &bar, |passing| match passing {
                Passing::Learnt(event) => books.take(event),
                Passing::Second | Passing::Sent { .. } | Passing::Heard { .. } => {}
            });
            let heard = heard.await;
            bar.finish_and_clear();
            heard.map(|()| finish(books.builders))
        });
    }
    let mut markets = Vec::new();
    while let Some(heard) = tasks.join_next().await {
        markets.extend(heard.context("listen to a feed")??);
    }
    markets.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(markets)
}

#[derive(Default)]
struct Books {
    bases: BTreeMap<InstrumentKey, String>,
    builders: BTreeMap<String, TapeBuilder>,
}

impl Books {
    fn take(&mut self, event: MarketEvent) {
        match event {
            MarketEvent::Instrument(known) => {
                self.bases.insert(known.key, known.base.to_string());
            }
            MarketEvent::Book { top, venue_time, receive_time } => {
                self.book(&top, venue_time, receive_time);
            }
            MarketEvent::Trade { .. } | MarketEvent::Ticker { .. } | MarketEvent::Status(_) => {}
        }
    }

    /// A book that must not be used is no quote; one without a side counts as unusable.
    fn book(&mut self, top: &BookTop, venue_time: Option<Timestamp>, receive_time: Timestamp) {
        let Some(base) = self.bases.get(&top.instrument) else { return };
        if top.state != BookState::Live {
            return;
        }
        let market = format!("{} {}", top.instrument.venue, top.instrument.instrument);
        let builder =
            self.builders.entry(market).or_insert_with_key(|market| TapeBuilder::new(market, base));
        let best = |level: Option<&Level>| level.map_or(f64::NAN, |level| level.price.to_est());
        builder.quote(receive_time, best(top.best_bid()), best(top.best_ask()), venue_time);
    }
}
