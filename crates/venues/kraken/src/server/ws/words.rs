//! The words of v2 for what the desk knows: times in force, price types, statuses.

use crate::server::catalogue::{AssetStatus, PairStatus, SystemMode};
use crate::server::desk::{OrderStatus, PriceSpec, Stp, Tif, TriggerReference};
use remora_domain::Side;
use rust_decimal::Decimal;

/// Gives the side's word.
pub(crate) const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

/// Reads a side.
pub(crate) fn read_side(word: &str) -> Option<Side> {
    match word {
        "buy" => Some(Side::Buy),
        "sell" => Some(Side::Sell),
        _ => None,
    }
}

/// Gives the time in force as events write it.
pub(crate) const fn tif(tif: Tif) -> &'static str {
    match tif {
        Tif::Gtc => "GTC",
        Tif::Ioc => "IOC",
        Tif::Fok => "FOK",
        Tif::Gtd => "GTD",
    }
}

/// Reads a time in force. Documented in lower case; clients that send upper case are served too.
pub(crate) fn read_tif(word: &str) -> Option<Tif> {
    [Tif::Gtc, Tif::Ioc, Tif::Fok, Tif::Gtd]
        .into_iter()
        .find(|known| tif(*known).eq_ignore_ascii_case(word))
}

/// Reads a self-trade prevention.
pub(crate) fn read_stp(word: &str) -> Option<Stp> {
    match word {
        "cancel_newest" => Some(Stp::CancelNewest),
        "cancel_oldest" => Some(Stp::CancelOldest),
        "cancel_both" => Some(Stp::CancelBoth),
        _ => None,
    }
}

/// Gives the reference's word.
pub(crate) const fn reference(reference: TriggerReference) -> &'static str {
    match reference {
        TriggerReference::Last => "last",
        TriggerReference::Index => "index",
    }
}

/// Reads a reference.
pub(crate) fn read_reference(word: &str) -> Option<TriggerReference> {
    match word {
        "last" => Some(TriggerReference::Last),
        "index" => Some(TriggerReference::Index),
        _ => None,
    }
}

/// Gives a price as written: its type's word and its number.
pub(crate) const fn price(spec: PriceSpec) -> (&'static str, Decimal) {
    match spec {
        PriceSpec::Static(price) => ("static", price),
        PriceSpec::Quote { offset, .. } => ("quote", offset),
        PriceSpec::Percent { offset, .. } => ("pct", offset),
    }
}

/// Reads a price of a type; the type may be missing.
pub(crate) fn read_price(word: Option<&str>, number: Decimal) -> Option<PriceSpec> {
    match word {
        None | Some("static") => Some(PriceSpec::Static(number)),
        Some("quote") => Some(PriceSpec::Quote { offset: number, is_auto: false }),
        Some("pct") => Some(PriceSpec::Percent { offset: number, is_auto: false }),
        Some(_) => None,
    }
}

/// Gives the order status' word.
pub(crate) const fn status(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Pending => "pending_new",
        OrderStatus::Open => "new",
        OrderStatus::PartiallyFilled => "partially_filled",
        OrderStatus::Filled => "filled",
        OrderStatus::Canceled => "canceled",
        OrderStatus::Expired => "expired",
    }
}

/// Gives the asset status' word.
pub(crate) const fn asset_status(status: AssetStatus) -> &'static str {
    match status {
        AssetStatus::Enabled => "enabled",
        AssetStatus::DepositOnly => "depositonly",
        AssetStatus::WithdrawalOnly => "withdrawalonly",
        AssetStatus::FundingTemporarilyDisabled => "fundingtemporarilydisabled",
    }
}

/// Gives the pair status' word.
pub(crate) const fn pair_status(status: PairStatus) -> &'static str {
    match status {
        PairStatus::Online => "online",
        PairStatus::CancelOnly => "cancel_only",
        PairStatus::PostOnly => "post_only",
        PairStatus::LimitOnly => "limit_only",
        PairStatus::ReduceOnly => "reduce_only",
        PairStatus::Delisted => "delisted",
        PairStatus::Maintenance => "maintenance",
        PairStatus::WorkInProgress => "work_in_progress",
    }
}

/// Gives the exchange status' word.
pub(crate) const fn system(mode: SystemMode) -> &'static str {
    match mode {
        SystemMode::Online => "online",
        SystemMode::Maintenance => "maintenance",
        SystemMode::CancelOnly => "cancel_only",
        SystemMode::PostOnly => "post_only",
    }
}
