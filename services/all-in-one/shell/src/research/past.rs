//! Our own history beside the facts of pairs: what our fills have earned, and since when each pair is known.

use super::args::{PairsArguments, PastArguments};
use crate::{history, output};
use anyhow::{Context, Result, bail};
use remora_domain::{DurationNs, InstrumentKey, Side, Timestamp};
use remora_history_sqlite::HistorySqlite;
use remora_history_store::past::PastFill;
use remora_research::pairs::{OwnFill, PairFacts, Record, RecordSettings};
use remora_service_kit::Clock;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const DAY_S: f64 = 86_400.0;

/// Is what a history answered.
pub(crate) struct Past {
    fills: Vec<PastFill>,
    known: BTreeMap<InstrumentKey, Timestamp>,
}

/// Asks our history; `None` where none was named. What is refused is refused before anything is read or heard.
pub(crate) async fn read(arguments: &PairsArguments) -> Result<Option<Past>> {
    let past = &arguments.past;
    let Some((place, account)) = past.history.as_ref().zip(past.account.as_ref()) else {
        return Ok(None);
    };
    let days = DurationNs::from_s(86_400_i64.saturating_mul(past.record_days));
    ask(place, account, Clock::new().now().saturating_sub(days), past).await.map(Some)
}

/// Adds what our history knows to every pair.
pub(crate) fn add(facts: &mut [PairFacts], past: &Past, arguments: &PairsArguments) -> Result<()> {
    let want = RecordSettings {
        fills_min: usize::try_from(arguments.past.record_fills_min)?,
        days_min: usize::try_from(arguments.past.record_days_min)?,
    };
    join(facts, past, (&arguments.feed.venue, Clock::new().now()), want);
    Ok(())
}

/// Joins by venue and by what is traded for what: files of candles spell the name of a pair in their own way.
fn join(
    facts: &mut [PairFacts],
    history: &Past,
    (venue, now): (&str, Timestamp),
    want: RecordSettings,
) {
    let mut left_out = BTreeSet::new();
    for facts in facts {
        let name = format!("{}-{}", facts.base, facts.quote);
        let is_it =
            |key: &InstrumentKey| key.venue.as_str() == venue && key.instrument.as_str() == name;
        let mut fills = Vec::new();
        for fill in history.fills.iter().filter(|fill| is_it(&fill.instrument)) {
            match own(fill) {
                Some(own) => fills.push(own),
                None => drop(left_out.insert(format!(
                    "{name}: fees in {} that nothing prices, or no definition",
                    fill.fee.asset
                ))),
            }
        }
        facts.record = Some(Record::of(&fills, facts.rate, want));
        let known = history.known.iter().find(|(key, _)| is_it(key));
        if let Some((_, since)) = known {
            let days = now.since(*since).as_seconds_est() / DAY_S;
            facts.listed_days = facts.listed_days.max(days);
        }
    }
    for what in left_out {
        output::note(&format!("fills left out of the record of {what}"));
    }
}

/// Brings a fill to its quote currency; `None` where its fee was charged in something else than what is traded.
fn own(fill: &PastFill) -> Option<OwnFill> {
    let (base, quote) = fill.assets.as_ref()?;
    let price = fill.price.to_est();
    let charged = fill.fee.amount.to_est();
    let fee = if fill.fee.asset == *quote || fill.fee.amount.is_zero() {
        charged
    } else if fill.fee.asset == *base {
        charged * price
    } else {
        return None;
    };
    Some(OwnFill {
        at: fill.at,
        is_buy: fill.side == Side::Buy,
        price,
        qty: fill.qty.to_est(),
        fee,
        mid_after: fill.mid_after.map(|mid| mid.to_est()),
    })
}

async fn ask(place: &str, account: &str, since: Timestamp, past: &PastArguments) -> Result<Past> {
    const TROUBLE: &str = "--history: read our own fills";
    let is_server = ["postgres://", "postgresql://"].iter().any(|scheme| place.starts_with(scheme));
    let (fills, known, accounts) = if is_server {
        let store = history::server(place, past.postgres_password_file.as_deref())?;
        let fills = store.past_fills(account, since).await.context(TROUBLE)?;
        let answers = (fills, store.known_since().await?, store.accounts().await?);
        store.close().await;
        answers
    } else {
        let path = Path::new(place);
        // Opening would make an empty one.
        if !path.is_file() {
            bail!("--history {place}: no such file");
        }
        let store = HistorySqlite::open(path).await;
        let store = store.with_context(|| format!("--history {place}"))?;
        let fills = store.past_fills(account, since).await.context(TROUBLE)?;
        let answers = (fills, store.known_since().await?, store.accounts().await?);
        store.close().await;
        answers
    };
    if !accounts.is_empty() && !accounts.iter().any(|known| known == account) {
        bail!("--account {account}: the history has fills of {}", accounts.join(", "));
    }
    Ok(Past { fills, known })
}
