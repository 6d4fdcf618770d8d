//! The venue's own error texts. `Display` gives exactly what goes into REST `error` arrays and WebSocket `error`
//! fields. Source: `Spot REST errors` and `Spot WebSocket v2` guides (checked June 2026).

/// The most characters of a client's text that an error echoes.
const ECHO_CHARS: usize = 64;

/// Says why the venue refuses something, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KrakenError {
    /// No such API key.
    #[error("EAPI:Invalid key")]
    InvalidKey,
    /// `API-Sign` does not fit the request.
    #[error("EAPI:Invalid signature")]
    InvalidSignature,
    /// The nonce was used before, is too small or is no number.
    #[error("EAPI:Invalid nonce")]
    InvalidNonce,
    /// The REST call counter is full.
    #[error("EAPI:Rate limit exceeded")]
    ApiRateLimit,
    /// Too many at once; come back then (Unix seconds).
    #[error("EService:Throttled:{0}")]
    Throttled(i64),
    /// Too many from one address.
    #[error("EGeneral:Too many requests")]
    TooManyRequests,
    /// The key lacks a right.
    #[error("EGeneral:Permission denied")]
    PermissionDenied,
    /// Too many wrong keys or signatures.
    #[error("EGeneral:Temporary lockout")]
    TemporaryLockout,
    /// Something in the request is malformed.
    #[error("EGeneral:Invalid arguments")]
    InvalidArguments,
    /// This part of the request is malformed: `EGeneral:Invalid arguments:volume`.
    #[error("EGeneral:Invalid arguments:{0}")]
    InvalidArgument(&'static str),
    /// A trigger on an index that the pair does not have.
    #[error("EGeneral:Invalid arguments:Index unavailable")]
    IndexUnavailable,
    /// The exchange failed; nobody knows what became of the request.
    #[error("EGeneral:Internal error")]
    InternalError,
    /// No such endpoint.
    #[error("EGeneral:Unknown method")]
    UnknownMethod,
    /// No such pair.
    #[error("EQuery:Unknown asset pair")]
    UnknownPair,
    /// No such asset.
    #[error("EQuery:Unknown asset")]
    UnknownAsset,
    /// The engine is away.
    #[error("EService:Unavailable")]
    Unavailable,
    /// The engine is busy.
    #[error("EService:Busy")]
    Busy,
    /// The market takes only some orders now: `cancel_only`, `post_only`, `limit_only`, `reduce_only`.
    #[error("EService:Market in {0} mode")]
    MarketMode(&'static str),
    /// The engine saw the request after its deadline.
    #[error("EService:Deadline elapsed")]
    DeadlineElapsed,
    /// The balance less holds does not cover it.
    #[error("EOrder:Insufficient funds")]
    InsufficientFunds,
    /// Below `ordermin`.
    #[error("EOrder:Order minimum not met")]
    OrderMinimum,
    /// Below `costmin`.
    #[error("EOrder:Cost minimum not met")]
    CostMinimum,
    /// Off `tick_size`.
    #[error("EOrder:Tick size check failed")]
    TickSize,
    /// No price, or none that can be worked out.
    #[error("EOrder:Invalid price")]
    InvalidPrice,
    /// Too many decimals in a price.
    #[error("EOrder:Invalid price:{pair} price can only be specified up to {decimals} decimals.")]
    PriceDecimals {
        /// The pair id.
        pair: String,
        /// How many are allowed.
        decimals: u32,
    },
    /// A post-only order would take.
    #[error("EOrder:Post only order")]
    PostOnly,
    /// Too many open orders on the pair.
    #[error("EOrder:Orders limit exceeded")]
    OrdersLimit,
    /// The matching engine's counter is full.
    #[error("EOrder:Rate limit exceeded")]
    OrderRateLimit,
    /// No such open order.
    #[error("EOrder:Unknown order")]
    UnknownOrder,
    /// The order cannot be what was asked.
    #[error("EOrder:Invalid order")]
    InvalidOrder,
    /// Reduce-only without a position: always, as there is no margin here.
    #[error("EOrder:Reduce only:No position exists")]
    NoPosition,
    /// The account may not trade on margin.
    #[error("EOrder:Cannot open position")]
    CannotOpenPosition,
    /// Settling a position that is not there.
    #[error("EOrder:Unknown position")]
    UnknownPosition,
    /// The WebSocket token is unknown or expired.
    #[error("ESession:Invalid session")]
    InvalidSession,
    /// A WebSocket subscription to a pair that v2 does not know by this name.
    #[error("Currency pair not supported {0}")]
    PairNotSupported(Echo),
    /// A WebSocket request with a field that it does not have.
    #[error("Unsupported field: '{field}' for the given msg type: {message}")]
    UnsupportedField {
        /// The field.
        field: Echo,
        /// The message, such as `add order`.
        message: &'static str,
    },
}

impl KrakenError {
    /// Says that a request has a field that it must not have.
    #[must_use]
    pub fn unsupported_field(field: &str, message: &'static str) -> Self {
        Self::UnsupportedField { field: Echo::new(field), message }
    }

    /// Says that v2 does not know a pair by this name.
    #[must_use]
    pub fn pair_not_supported(symbol: &str) -> Self {
        Self::PairNotSupported(Echo::new(symbol))
    }
}

/// Is the start of a client's own text, as far as errors repeat it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo(String);

impl Echo {
    /// Cuts the text to what an error may carry.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.chars().take(ECHO_CHARS).collect())
    }
}

impl std::fmt::Display for Echo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_the_text_of_the_venue() {
        let pair = "XXBTZUSD".to_owned();
        for (error, text) in [
            (KrakenError::InvalidKey, "EAPI:Invalid key"),
            (KrakenError::InvalidSignature, "EAPI:Invalid signature"),
            (KrakenError::InvalidNonce, "EAPI:Invalid nonce"),
            (KrakenError::ApiRateLimit, "EAPI:Rate limit exceeded"),
            (KrakenError::Throttled(1_771_234_567), "EService:Throttled:1771234567"),
            (KrakenError::TooManyRequests, "EGeneral:Too many requests"),
            (KrakenError::PermissionDenied, "EGeneral:Permission denied"),
            (KrakenError::TemporaryLockout, "EGeneral:Temporary lockout"),
            (KrakenError::InvalidArguments, "EGeneral:Invalid arguments"),
            (KrakenError::InvalidArgument("volume"), "EGeneral:Invalid arguments:volume"),
            (KrakenError::IndexUnavailable, "EGeneral:Invalid arguments:Index unavailable"),
            (KrakenError::InternalError, "EGeneral:Internal error"),
            (KrakenError::UnknownMethod, "EGeneral:Unknown method"),
            (KrakenError::UnknownPair, "EQuery:Unknown asset pair"),
            (KrakenError::UnknownAsset, "EQuery:Unknown asset"),
            (KrakenError::Unavailable, "EService:Unavailable"),
            (KrakenError::Busy, "EService:Busy"),
            (KrakenError::MarketMode("cancel_only"), "EService:Market in cancel_only mode"),
            (KrakenError::DeadlineElapsed, "EService:Deadline elapsed"),
            (KrakenError::InsufficientFunds, "EOrder:Insufficient funds"),
            (KrakenError::OrderMinimum, "EOrder:Order minimum not met"),
            (KrakenError::CostMinimum, "EOrder:Cost minimum not met"),
            (KrakenError::TickSize, "EOrder:Tick size check failed"),
            (KrakenError::InvalidPrice, "EOrder:Invalid price"),
            (
                KrakenError::PriceDecimals { pair, decimals: 1 },
                "EOrder:Invalid price:XXBTZUSD price can only be specified up to 1 decimals.",
            ),
            (KrakenError::PostOnly, "EOrder:Post only order"),
            (KrakenError::OrdersLimit, "EOrder:Orders limit exceeded"),
            (KrakenError::OrderRateLimit, "EOrder:Rate limit exceeded"),
            (KrakenError::UnknownOrder, "EOrder:Unknown order"),
            (KrakenError::InvalidOrder, "EOrder:Invalid order"),
            (KrakenError::NoPosition, "EOrder:Reduce only:No position exists"),
            (KrakenError::CannotOpenPosition, "EOrder:Cannot open position"),
            (KrakenError::UnknownPosition, "EOrder:Unknown position"),
            (KrakenError::InvalidSession, "ESession:Invalid session"),
            (KrakenError::pair_not_supported("XBT/USD"), "Currency pair not supported XBT/USD"),
            (
                KrakenError::unsupported_field("price", "add order"),
                "Unsupported field: 'price' for the given msg type: add order",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn what_a_client_wrote_is_echoed_only_so_far() {
        let text = KrakenError::pair_not_supported(&"\u{1f40d}".repeat(10_000)).to_string();
        assert_eq!(text.chars().count(), "Currency pair not supported ".len() + ECHO_CHARS);
    }
}
