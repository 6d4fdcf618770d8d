//! Binance's public frames as recordings hold them: best quotes of the combined streams of spot and of both kinds of perpetuals.
//!
//! In: the text of one frame. Out: a quote, or nothing where the frame says something else (trades, depth). For research only: there is no
//! session, so nothing can be connected to or traded on this venue.
//! Frame: `{"stream":"btcusdt@bookTicker","data":{"s":symbol,"b":bid,"B":size,"a":ask,"A":size,...}}`, prices as text; perpetuals add `T`
//! (transaction time) and `E` (event time), milliseconds; coin-margined ones `ps`, the symbol of the pair. Seen in recordings of 2024-08-08.
//! Must never happen: a quote from a frame that is broken: that is an error. Test alone: `cargo test -p remora-binance`.
#![deny(missing_docs)]

use remora_domain::Timestamp;
use serde::Deserialize;
use std::borrow::Cow;

/// What recordings call the venue's markets.
pub const RECORDING_NAMES: [&str; 3] = ["binance_spot", "binance_usdm", "binance_coinm"];

/// Assets in which its symbols are quoted, longest first: a symbol does not say where its base asset ends.
const QUOTE_ASSETS: [&str; 10] =
    ["FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD", "BTC", "ETH", "BNB", "EUR"];

/// Is a best bid and ask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quote<'a> {
    /// The venue's own symbol, such as `BTCUSDT` or `BTCUSD_PERP`.
    pub symbol: &'a str,
    /// Best bid, quote currency.
    pub bid_est: f64,
    /// Best ask, quote currency.
    pub ask_est: f64,
    /// When the venue made it; `None` on spot, which does not say.
    pub exchange_time: Option<Timestamp>,
}

/// Says what is wrong with a frame of quotes.
#[derive(Debug, thiserror::Error)]
pub enum QuoteError {
    /// It is not what such a frame looks like.
    #[error("no frame of quotes: {0}")]
    Shape(#[from] serde_json::Error),
    /// A price is no number.
    #[error("price {0:?} is no number")]
    Price(String),
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    data: Ticker<'a>,
}

#[derive(Deserialize)]
struct Ticker<'a> {
    s: &'a str,
    #[serde(borrow)]
    b: Cow<'a, str>,
    #[serde(borrow)]
    a: Cow<'a, str>,
    #[serde(rename = "E")]
    event_ms: Option<i64>,
}

/// Reads one frame; `None` where it holds no quote.
///
/// # Errors
/// Refuses a frame that claims to hold a quote and does not.
pub fn quote(frame: &str) -> Result<Option<Quote<'_>>, QuoteError> {
    // The stream stands first: the long frames of depth are not read at all.
    let head = frame.get(..64).unwrap_or(frame);
    if !head.contains("@bookTicker") {
        return Ok(None);
    }
    let Frame { data } = serde_json::from_str(frame)?;
    let price = |text: &str| text.parse::<f64>().map_err(|_| QuoteError::Price(text.to_owned()));
    Ok(Some(Quote {
        symbol: data.s,
        bid_est: price(&data.b)?,
        ask_est: price(&data.a)?,
        exchange_time: data.event_ms.map(|ms| Timestamp::from_ns(ms.saturating_mul(1_000_000))),
    }))
}

/// Gives the asset that a symbol prices, such as `BTC` of `BTCUSD_PERP`; `None` where no known quote asset ends it.
#[must_use]
pub fn base_asset(symbol: &str) -> Option<&str> {
    let pair = symbol.split('_').next()?;
    let base = QUOTE_ASSETS.iter().find_map(|quote| pair.strip_suffix(quote))?;
    (!base.is_empty()).then_some(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_of_every_kind_of_market_are_read_and_other_frames_are_not() {
        let spot = r#"{"stream":"aaabbb@bookTicker","data":{"u":1,"s":"AAABBB","b":"1.50","B":"2","a":"1.51","A":"3"}}"#;
        let got = quote(spot).unwrap().unwrap();
        assert_eq!((got.symbol, got.bid_est, got.ask_est), ("AAABBB", 1.5, 1.51));
        assert_eq!(got.exchange_time, None);
        let perpetual = r#"{"stream":"a_perp@bookTicker","data":{"u":1,"e":"bookTicker","s":"AUSD_PERP","ps":"AUSD","b":"1","B":"2","a":"2","A":"3","T":5,"E":7}}"#;
        let made = quote(perpetual).unwrap().unwrap().exchange_time;
        assert_eq!(made, Some(Timestamp::from_ns(7_000_000)));
        let depth =
            r#"{"stream":"a@depth@0ms","data":{"e":"depthUpdate","b":[["x@bookTicker",""]]}}"#;
        assert_eq!(quote(depth).unwrap(), None);
    }

    #[test]
    fn broken_frames_of_quotes_are_refused() {
        for frame in [
            r#"{"stream":"a@bookTicker","data":{"s":"A","b":"1"}}"#,
            r#"{"stream":"a@bookTicker"}"#,
            r#"{"stream":"a@bookTicker","data":{"s":"A","b":"one","a":"2"}}"#,
        ] {
            assert!(quote(frame).is_err(), "{frame}");
        }
    }

    #[test]
    fn symbols_of_one_asset_name_the_same_base() {
        for symbol in ["BTCUSDT", "BTCUSD_PERP", "BTCFDUSD", "BTCUSD_240927"] {
            assert_eq!(base_asset(symbol), Some("BTC"));
        }
        assert_eq!(base_asset("USDT"), None);
        assert_eq!(base_asset("WHAT"), None);
    }
}
