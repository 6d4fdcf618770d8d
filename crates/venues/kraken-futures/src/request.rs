//! The frames we send.

use serde::Serialize;

#[derive(Serialize)]
struct Request<'a> {
    event: &'a str,
    feed: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    product_ids: &'a [String],
}

/// Is what we ask of the venue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask<'a> {
    Heartbeat,
    Book(&'a [String]),
    EndBook(&'a [String]),
    Trades(&'a [String]),
    Tickers(&'a [String]),
}

impl Ask<'_> {
    /// Writes the frame.
    pub(crate) fn text(self) -> String {
        let none: &[String] = &[];
        let (event, feed, product_ids) = match self {
            Self::Heartbeat => ("subscribe", "heartbeat", none),
            Self::Book(products) => ("subscribe", "book", products),
            Self::EndBook(products) => ("unsubscribe", "book", products),
            Self::Trades(products) => ("subscribe", "trade", products),
            Self::Tickers(products) => ("subscribe", "ticker", products),
        };
        // Strings always serialise.
        serde_json::to_string(&Request { event, feed, product_ids }).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_documented_form() {
        let products = ["PF_XBTUSD".to_owned(), "PI_XBTUSD".to_owned()];
        for (ask, want) in [
            (Ask::Heartbeat, r#"{"event":"subscribe","feed":"heartbeat"}"#),
            (
                Ask::Book(&products),
                r#"{"event":"subscribe","feed":"book","product_ids":["PF_XBTUSD","PI_XBTUSD"]}"#,
            ),
            (
                Ask::EndBook(&products[..1]),
                r#"{"event":"unsubscribe","feed":"book","product_ids":["PF_XBTUSD"]}"#,
            ),
        ] {
            assert_eq!(ask.text(), want);
        }
    }
}
