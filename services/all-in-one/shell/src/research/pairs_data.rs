//! Facts of pairs from candle files, from recordings and from a live feed.

use super::args::PairsArguments;
use super::feed::Feed;
use super::inputs::{self, Input};
use super::pool;
use super::recorded::{self, LEVELS};
use super::seen::Seen;
use crate::listen::Passing;
use anyhow::{Context, Result, bail};
use remora_research::CandleSeries;
use remora_research::pairs::{PairFacts, candle_facts, in_currency};
use remora_service_kit::Clock;
use remora_venue_api::{FeedInput, FeedOutput};
use remora_venue_link::Player;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Is what could be read, and what could not and why.
pub(crate) type Facts = (Vec<PairFacts>, BTreeMap<String, String>);

/// Reads everything that was named: recordings are told from candles by their ending.
pub(crate) async fn read(arguments: &PairsArguments) -> Result<Facts> {
    if let Some((url, seconds)) = arguments.feed.url.as_ref().zip(arguments.feed.seconds) {
        return of_feed(url, seconds, arguments).await;
    }
    let endings = [".csv", ".csv.gz", ".jsonl", ".jsonl.gz"];
    let files = inputs::list(&arguments.data, &endings)?;
    let is_recording = |input: &Input| {
        let name = input.path.to_string_lossy();
        name.ends_with(".jsonl") || name.ends_with(".jsonl.gz")
    };
    let (recordings, candles): (Vec<Input>, Vec<Input>) = files.into_iter().partition(is_recording);
    if recordings.is_empty() {
        of_candles(candles, arguments).await
    } else if candles.is_empty() {
        let paths = recordings.into_iter().map(|input| input.path).collect();
        let currency = arguments.currency.clone();
        tokio::task::spawn_blocking(move || of_recordings(paths, &currency)).await?
    } else {
        bail!("recordings and candles of one pair would be compared: give one or the other")
    }
}

/// Splits `BASE_QUOTE`, what stands before the last `/` left out.
fn assets(name: &str) -> Result<(String, String)> {
    let stem = name.rsplit('/').next().unwrap_or(name);
    let (base, quote) = stem.rsplit_once(['_', '-']).with_context(|| {
        format!("{stem:?} is not named BASE_QUOTE, so what it is paid in is unknown")
    })?;
    Ok((base.to_owned(), quote.to_owned()))
}

async fn of_candles(files: Vec<Input>, arguments: &PairsArguments) -> Result<Facts> {
    let coverage_min = arguments.coverage_min;
    let work = move |input: &Input| {
        let assets = assets(&input.name)?;
        Ok((assets, inputs::candles(&input.path, coverage_min)?))
    };
    let mut refused = BTreeMap::new();
    let mut series: Vec<(String, (String, String), CandleSeries)> = Vec::new();
    for (Input { name, .. }, read) in pool::each(files, "files", work).await? {
        match read {
            Ok((assets, candles)) => series.push((name, assets, candles)),
            Err(cause) => drop(refused.insert(name, format!("{cause:#}"))),
        }
    }
    let rates: BTreeMap<(String, String), f64> = series
        .iter()
        .filter_map(|(_, assets, candles)| Some((assets.clone(), candles.bars.last()?.close)))
        .collect();
    let mut facts = Vec::new();
    for (name, (base, quote), candles) in &series {
        let found = in_currency(quote, &arguments.currency, &rates)
            .and_then(|rate| candle_facts(name, (base, quote), candles, rate));
        match found {
            Ok(found) => facts.push(found),
            Err(cause) => drop(refused.insert(name.clone(), cause.to_string())),
        }
    }
    Ok((facts, refused))
}

/// Plays recordings through the venue's own session: the books are those that would be quoted on, checksums and all.
fn of_recordings(paths: Vec<PathBuf>, currency: &str) -> Result<Facts> {
    let player = Player::open(&paths)?;
    let mut session = recorded::session(&player)?;
    let mut seen = Seen::default();
    let mut out = Vec::new();
    for played in player {
        let played = played?;
        let is_end = matches!(played.input, FeedInput::SessionEnded);
        session.handle(played.at, played.input, &mut out);
        for output in out.drain(..) {
            if let FeedOutput::Event(event) = output {
                seen.take(event);
            }
        }
        if is_end {
            seen.end_session();
        }
    }
    Ok(seen.finish(currency))
}

/// Listens to every pair of a live feed, through the session that would be quoted on.
async fn of_feed(url: &str, seconds: u64, arguments: &PairsArguments) -> Result<Facts> {
    let feed = Feed::new(&arguments.feed.venue, url, seconds)?;
    let bar = pool::bar(usize::try_from(seconds)?, "seconds listened");
    let (clock, mut seen) = (Clock::new(), Seen::default());
    let heard = feed.hear(LEVELS, &clock, &bar, |passing| match passing {
        Passing::Learnt(event) => seen.take(event),
        Passing::Second | Passing::Sent { .. } | Passing::Heard { .. } => {}
    });
    let heard = heard.await;
    bar.finish_and_clear();
    heard?;
    seen.listened_until(clock.now());
    Ok(seen.finish(&arguments.currency))
}
