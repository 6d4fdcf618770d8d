//! The frames we send.

use serde::Serialize;

#[derive(Serialize)]
struct Request<'a> {
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<Params<'a>>,
    req_id: u32,
}

#[derive(Serialize)]
struct Params<'a> {
    channel: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    symbol: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<bool>,
}

/// Is what we ask of the venue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask<'a> {
    Instruments,
    Book { symbols: &'a [String], depth: u32 },
    EndBook { symbols: &'a [String], depth: u32 },
    Trades { symbols: &'a [String] },
    Tickers { symbols: &'a [String] },
    Ping,
}

impl Ask<'_> {
    /// Writes the frame. `req_id` stays inside 31 bits, which some of the venue's parts want.
    pub(crate) fn text(self, req_id: u32) -> String {
        let params =
            |channel, symbol, depth, snapshot| Some(Params { channel, symbol, depth, snapshot });
        let (method, params) = match self {
            Self::Instruments => ("subscribe", params("instrument", &[], None, Some(true))),
            Self::Book { symbols, depth } => {
                ("subscribe", params("book", symbols, Some(depth), Some(true)))
            }
            // Unsubscribing must repeat the depth.
            Self::EndBook { symbols, depth } => {
                ("unsubscribe", params("book", symbols, Some(depth), None))
            }
            // The venue's default for trades is no snapshot; it shows what a reconnect missed.
            Self::Trades { symbols } => ("subscribe", params("trade", symbols, None, Some(true))),
            Self::Tickers { symbols } => ("subscribe", params("ticker", symbols, None, Some(true))),
            Self::Ping => ("ping", None),
        };
        // Strings and numbers always serialise.
        serde_json::to_string(&Request { method, params, req_id }).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_documented_form() {
        let symbols = ["BTC/USD".to_owned()];
        for (ask, want) in [
            (Ask::Ping, r#"{"method":"ping","req_id":7}"#),
            (
                Ask::Instruments,
                r#"{"method":"subscribe","params":{"channel":"instrument","snapshot":true},"req_id":7}"#,
            ),
            (
                Ask::Book { symbols: &symbols, depth: 25 },
                r#"{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":25,"snapshot":true},"req_id":7}"#,
            ),
            (
                Ask::EndBook { symbols: &symbols, depth: 25 },
                r#"{"method":"unsubscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":25},"req_id":7}"#,
            ),
            (
                Ask::Trades { symbols: &symbols },
                r#"{"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD"],"snapshot":true},"req_id":7}"#,
            ),
        ] {
            assert_eq!(ask.text(7), want);
        }
    }
}
