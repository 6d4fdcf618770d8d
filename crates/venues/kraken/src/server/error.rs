//! The venue's own error texts that a request can earn; those of a failing venue are made by the faults.
//!
//! `Display` gives exactly what goes into REST `error` arrays and WebSocket `error` fields.
//! Source: `Spot REST errors` and `Spot WebSocket v2` guides (checked June 2026).

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
    /// The key lacks a right.
    #[error("EGeneral:Permission denied")]
    PermissionDenied,
    /// Something in the request is malformed.
    #[error("EGeneral:Invalid arguments")]
    InvalidArguments,
    /// This part of the request is malformed: `EGeneral:Invalid arguments:volume`.
    #[error("EGeneral:Invalid arguments:{0}")]
    InvalidArgument(&'static str),
    /// A trigger on an index that the pair does not have.
    #[error("EGeneral:Invalid arguments:Index unavailable")]
    IndexUnavailable,
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
            (KrakenError::PermissionDenied, "EGeneral:Permission denied"),
            (KrakenError::InvalidArguments, "EGeneral:Invalid arguments"),
            (KrakenError::InvalidArgument("volume"), "EGeneral:Invalid arguments:volume"),
            (KrakenError::IndexUnavailable, "EGeneral:Invalid arguments:Index unavailable"),
            (KrakenError::UnknownMethod, "EGeneral:Unknown method"),
            (KrakenError::UnknownPair, "EQuery:Unknown asset pair"),
            (KrakenError::UnknownAsset, "EQuery:Unknown asset"),
            (KrakenError::Unavailable, "EService:Unavailable"),
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
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
