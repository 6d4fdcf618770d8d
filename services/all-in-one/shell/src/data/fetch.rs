//! `remora data fetch`.

use super::store::{PairStore, candles};
use crate::{listen, output};
use anyhow::{Context, Result, bail};
use clap::Args;
use remora_domain::{DurationNs, Timestamp};
use remora_service_kit::Clock;
use remora_venue_api::{CallEnd, CallId, CallMethod, VenueCall};
use remora_venue_link::{CallSettings, VenueCalls};
use remora_venue_registry::history::{HistoryError, TradePage, trade_page, trades_path};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Times a page is asked for again, each after twice the time.
const RETRIES: u32 = 6;
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(crate) struct FetchArguments {
    /// Pairs, in the exchange's spelling, such as BTC/USD.
    #[arg(long, num_args = 1.., required = true, value_name = "PAIR")]
    pairs: Vec<String>,
    /// Days back from now at which a pair begins that nothing is stored of.
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=5_000))]
    days: i64,
    /// The folder that everything is kept in; what is there is gone on with.
    #[arg(long, value_name = "FOLDER")]
    store: PathBuf,
    /// Which exchange.
    #[arg(long, default_value = "kraken-spot")]
    venue: String,
    /// Address of its calls, such as `http://127.0.0.1:9080`. Default: the exchange's own.
    #[arg(long, value_name = "URL")]
    rest_url: Option<String>,
    /// Shortest time between two calls, milliseconds.
    #[arg(long, default_value_t = 1_500, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    interval_ms: u64,
    /// Pages of this run; run again to go on.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pages_max: Option<u64>,
    /// Length of the candles that are made of everything stored, seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(i64).range(1..=86_400))]
    candles_s: i64,
}

/// Asks for pages, never faster than told.
struct Asker {
    calls: VenueCalls,
    url: String,
    interval: Duration,
    due: Instant,
    asked: u64,
}

/// Fetches every pair to its end, or until the pages are used up.
pub(crate) async fn run(arguments: FetchArguments) -> Result<()> {
    let entry = listen::venue(&arguments.venue)?;
    let url = arguments.rest_url.clone().unwrap_or_else(|| entry.rest_url.to_owned());
    let mut asker = Asker {
        calls: VenueCalls::new(CallSettings::default())?,
        url: url.trim_end_matches('/').to_owned(),
        interval: Duration::from_millis(arguments.interval_ms),
        due: Instant::now(),
        asked: 0,
    };
    let folder = arguments.store.join(entry.id);
    let from = Clock::new().now().saturating_sub(DurationNs::from_s(86_400 * arguments.days));
    for symbol in &arguments.pairs {
        let mut store = PairStore::open(&folder, symbol)?;
        let is_whole = pair(&mut asker, &mut store, symbol, from, arguments.pages_max).await?;
        let (path, count) = candles(&folder, symbol, arguments.candles_s)?;
        let end = if is_whole { "to its end" } else { "not yet to its end: run again" };
        output::line(&format!("{symbol}: fetched {end}; {count} candles in {}", path.display()));
    }
    Ok(())
}

/// Fetches one pair; tells whether its end was reached.
async fn pair(
    asker: &mut Asker,
    store: &mut PairStore,
    symbol: &str,
    from: Timestamp,
    pages_max: Option<u64>,
) -> Result<bool> {
    let (mut pages, mut trades) = (0_u64, 0_usize);
    loop {
        if pages_max.is_some_and(|most| asker.asked >= most) {
            return Ok(false);
        }
        let after = store.next.unwrap_or_else(|| from.as_ns());
        let mut page = asker.page(symbol, after).await.with_context(|| symbol.to_owned())?;
        let last_id = store.last_id;
        page.trades.retain(|trade| last_id.is_none_or(|last| trade.trade_id > last));
        let Some(first) = page.trades.first() else {
            output::note(&format!("{symbol}: {trades} trades in {pages} pages"));
            return Ok(true);
        };
        if let Some(last) = last_id.filter(|last| first.trade_id != last.saturating_add(1)) {
            let (from, to) = (last.saturating_add(1), first.trade_id.saturating_sub(1));
            output::note(&format!("{symbol}: the exchange gives no trades {from} to {to}"));
        }
        if page.next <= after {
            bail!("{symbol}: the exchange's next page begins at {} again", page.next);
        }
        trades = trades.saturating_add(page.trades.len());
        pages = pages.saturating_add(1);
        store.add(&page)?;
        let until = Timestamp::from_ns(page.next);
        output::note(&format!("{symbol}: page {pages}, {trades} trades, until {until}"));
    }
}

impl Asker {
    /// Gives a page; what may pass is tried again.
    async fn page(&mut self, symbol: &str, after: i64) -> Result<TradePage> {
        let mut wait = RETRY_AFTER;
        for retry in 0..=RETRIES {
            sleep_until(self.due).await;
            self.due = Instant::now() + self.interval;
            self.asked = self.asked.saturating_add(1);
            let why = match self.ask(symbol, after).await {
                CallEnd::Answered { status: 200, body } => match trade_page(body.expose()) {
                    Ok(page) => return Ok(page),
                    Err(HistoryError::TooMany(why)) => why,
                    Err(error) => return Err(error.into()),
                },
                CallEnd::Answered { status, .. } if status == 429 || status >= 500 => {
                    format!("status {status}")
                }
                CallEnd::Answered { status, .. } => bail!("status {status}"),
                CallEnd::Failed { detail, .. } => detail,
            };
            if retry < RETRIES {
                output::note(&format!("{symbol}: {why}; again in {} s", wait.as_secs()));
                sleep(wait).await;
                wait = wait.saturating_mul(2);
            } else {
                bail!("gave up after {RETRIES} retries: {why}");
            }
        }
        bail!("gave up")
    }

    async fn ask(&mut self, symbol: &str, after: i64) -> CallEnd {
        self.calls.perform(VenueCall {
            call: CallId::new(self.asked),
            method: CallMethod::Get,
            url: format!("{}{}", self.url, trades_path(symbol, after)),
            headers: Vec::new(),
            body: String::new().into(),
        });
        self.calls.recv().await.1
    }
}
