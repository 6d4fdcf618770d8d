//! Public trades of the past over REST, page by page: what to ask, and what an answer holds.
//!
//! A page holds up to 1,000 trades after a cursor, oldest first, and the cursor of the next (`last`, nanoseconds, as text). An answer without a
//! trade is the end of what there is. Source: Kraken Spot REST reference, "Get Recent Trades" (checked June 2026).

use remora_domain::{Price, Qty, Side, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Letters of a foreign text that an error repeats.
const EXCERPT: usize = 120;

/// Is one trade of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastTrade {
    /// The pair's number of it; rises by one.
    pub trade_id: u64,
    /// When, by the venue's clock.
    pub time: Timestamp,
    /// The taker's side.
    pub taker_side: Side,
    /// Quote currency.
    pub price: Price,
    /// Base units.
    pub qty: Qty,
}

/// Is one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradePage {
    /// Oldest first.
    pub trades: Vec<PastTrade>,
    /// Where the next page begins.
    pub next: i64,
}

/// Says why an answer is no page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// The venue counts our calls and wants fewer; the same call may succeed later.
    #[error("the venue wants fewer calls: {0}")]
    TooMany(String),
    /// The venue refused.
    #[error("the venue refused: {0}")]
    Refused(String),
    /// Not what the venue documents.
    #[error("{what}: {excerpt}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// The text, cut.
        excerpt: String,
    },
}

/// Gives path and query of the page after a cursor.
#[must_use]
pub fn trades_path(symbol: &str, after: i64) -> String {
    format!("/0/public/Trades?pair={}&since={after}", symbol.replace('/', "%2F"))
}

#[derive(Deserialize)]
struct Answer<'a> {
    error: Vec<String>,
    #[serde(borrow, default)]
    result: BTreeMap<String, &'a RawValue>,
}

/// Price, quantity, seconds, side, type, text, number.
type Row<'a> = (String, String, &'a RawValue, String, IgnoredAny, IgnoredAny, u64);

/// Reads an answer.
///
/// # Errors
/// Gives the venue's own error, or what of the answer is not as documented.
pub fn trade_page(body: &str) -> Result<TradePage, HistoryError> {
    let answer: Answer<'_> =
        serde_json::from_str(body).map_err(|_| malformed("no answer of the venue", body))?;
    if let Some(error) = answer.error.first() {
        let is_rate = error.contains("Rate limit") || error.contains("Too many requests");
        let told = error.chars().take(EXCERPT).collect();
        return Err(if is_rate {
            HistoryError::TooMany(told)
        } else {
            HistoryError::Refused(told)
        });
    }
    let last = answer.result.get("last").map(|raw| raw.get().trim_matches('"'));
    let next = last.and_then(|text| text.parse().ok());
    let next = next.ok_or_else(|| malformed("no cursor", body))?;
    let mut pairs = answer.result.iter().filter(|(name, _)| *name != "last");
    let (Some((_, rows)), None) = (pairs.next(), pairs.next()) else {
        return Err(malformed("not one pair", body));
    };
    let rows: Vec<Row<'_>> =
        serde_json::from_str(rows.get()).map_err(|_| malformed("no rows of trades", rows.get()))?;
    let trades = rows.iter().map(trade).collect::<Result<_, _>>()?;
    Ok(TradePage { trades, next })
}

fn trade((price, qty, seconds, side, _, _, trade_id): &Row<'_>) -> Result<PastTrade, HistoryError> {
    Ok(PastTrade {
        trade_id: *trade_id,
        time: instant(seconds.get()).ok_or_else(|| malformed("no time", seconds.get()))?,
        taker_side: match &**side {
            "b" => Side::Buy,
            "s" => Side::Sell,
            other => return Err(malformed("no side", other)),
        },
        price: Price::parse(price).map_err(|_| malformed("no price", price))?,
        qty: Qty::parse(qty).map_err(|_| malformed("no quantity", qty))?,
    })
}

/// Reads seconds with up to nine decimals, exactly.
fn instant(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_plain = fraction.len() <= 9 && fraction.bytes().all(|digit| digit.is_ascii_digit());
    let whole: i64 = whole.parse().ok().filter(|_| is_plain)?;
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    whole.checked_mul(1_000_000_000)?.checked_add(nanos).map(Timestamp::from_ns)
}

fn malformed(what: &'static str, text: &str) -> HistoryError {
    HistoryError::Malformed { what, excerpt: text.chars().take(EXCERPT).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"{"error":[],"result":{"XXBTZUSD":[["30243.40000","0.34507674",1688669597.8277369,"b","m","",61044952],["30243.30000","0.00376960",1688669598.2804112,"s","l","",61044953]],"last":"1688669598280411200"}}"#;

    #[test]
    fn a_page_is_read_exactly() {
        let page = trade_page(PAGE).unwrap();
        assert_eq!(page.next, 1_688_669_598_280_411_200);
        let [first, second] = page.trades.as_slice() else { panic!("{page:?}") };
        assert_eq!((first.trade_id, second.trade_id), (61_044_952, 61_044_953));
        assert_eq!((first.taker_side, second.taker_side), (Side::Buy, Side::Sell));
        assert_eq!(first.time, Timestamp::from_ns(1_688_669_597_827_736_900));
        assert_eq!(first.price.to_string(), "30243.40000");
        assert_eq!(second.qty.to_string(), "0.00376960");
        assert_eq!(trades_path("BTC/USD", 7), "/0/public/Trades?pair=BTC%2FUSD&since=7");
    }

    #[test]
    fn what_is_no_page_is_refused_with_what_is_wrong() {
        let check = |body: &str, wanted: &str| {
            let error = trade_page(body).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        };
        check("<html>", "no answer");
        check(r#"{"error":["EAPI:Rate limit exceeded"]}"#, "fewer calls");
        check(r#"{"error":["EGeneral:Too many requests"]}"#, "fewer calls");
        check(r#"{"error":["EQuery:Unknown asset pair"]}"#, "refused: EQuery");
        check(r#"{"error":[],"result":{"XXBTZUSD":[]}}"#, "no cursor");
        check(r#"{"error":[],"result":{"last":"1"}}"#, "not one pair");
        check(&PAGE.replace("\"s\"", "\"x\""), "no side: x");
        check(&PAGE.replace("30243.30000", "-1"), "no price: -1");
        check(&PAGE.replace("1688669598.2804112", "1e9"), "no time: 1e9");
        check(&PAGE.replace("\"0.00376960\"", "0.0037"), "no rows");
    }
}
