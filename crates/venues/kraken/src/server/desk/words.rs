//! Orders in the venue's words: `buy 0.05000000 XBTUSD @ limit 61000.0`.

use super::api::{Contingent, OrderKind, PriceSpec};
use crate::server::catalogue::PairDef;
use remora_domain::Side;
use remora_matching::Refusal;
use rust_decimal::Decimal;
use std::fmt::Write;

/// The decimals of percentages.
const PERCENT_DECIMALS: u32 = 4;

/// Is the prices of an order as its client wrote them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Prices {
    pub(crate) limit: Option<PriceSpec>,
    pub(crate) trigger: Option<PriceSpec>,
}

/// Writes `descr.order`.
pub(crate) fn order(
    pair: &PairDef,
    side: Side,
    qty: Decimal,
    kind: OrderKind,
    prices: Prices,
) -> String {
    let side = match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    };
    let qty = fixed(qty, pair.qty_decimals);
    let mut text = format!("{side} {qty} {} @ ", pair.altname);
    push_terms(&mut text, pair, kind, prices);
    text
}

/// Writes `descr.close`.
pub(crate) fn close(pair: &PairDef, close: &Contingent) -> String {
    let mut text = "close position @ ".to_owned();
    push_terms(&mut text, pair, close.kind, prices_of_close(close));
    text
}

/// Writes a price as descriptions do: `37500.0`, `+100.0`, `-2.0000%`.
pub(crate) fn price(pair: &PairDef, price: PriceSpec) -> String {
    let mut text = String::new();
    push_price(&mut text, pair, price);
    text
}

/// Gives the prices of a conditional close: the first one is the trigger where there is one.
pub(crate) const fn prices_of_close(close: &Contingent) -> Prices {
    match close.kind {
        OrderKind::Limit | OrderKind::Iceberg | OrderKind::Market | OrderKind::SettlePosition => {
            Prices { limit: close.price, trigger: None }
        }
        OrderKind::StopLoss
        | OrderKind::StopLossLimit
        | OrderKind::TakeProfit
        | OrderKind::TakeProfitLimit
        | OrderKind::TrailingStop
        | OrderKind::TrailingStopLimit => Prices { limit: close.price2, trigger: close.price },
    }
}

/// Says why the engine cancelled an order that nobody waits for: the text of its error without the category.
pub(crate) const fn refusal(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Funds => "Insufficient funds",
        Refusal::Mode(_) => "Market closed",
        Refusal::Tick => "Tick size check failed",
        Refusal::QtyMin => "Order minimum not met",
        Refusal::CostMin => "Cost minimum not met",
        Refusal::PostOnly => "Post only order",
        Refusal::Unknown | Refusal::Lot | Refusal::Fields(_) | Refusal::Range => "Invalid order",
    }
}

fn push_terms(text: &mut String, pair: &PairDef, kind: OrderKind, prices: Prices) {
    text.push_str(match kind {
        OrderKind::Market => "market",
        OrderKind::Limit => "limit",
        OrderKind::Iceberg => "iceberg",
        OrderKind::StopLoss | OrderKind::StopLossLimit => "stop loss",
        OrderKind::TakeProfit | OrderKind::TakeProfitLimit => "take profit",
        OrderKind::TrailingStop | OrderKind::TrailingStopLimit => "trailing stop",
        OrderKind::SettlePosition => "settle position",
    });
    if let Some(trigger) = prices.trigger {
        text.push(' ');
        push_price(text, pair, trigger);
    }
    if let Some(limit) = prices.limit {
        text.push_str(if prices.trigger.is_some() { " -> limit " } else { " " });
        push_price(text, pair, limit);
    }
}

fn push_price(text: &mut String, pair: &PairDef, price: PriceSpec) {
    let mut push = |is_auto: bool, offset: Decimal, decimals: u32, suffix: &str| {
        let sign = match (is_auto, offset.is_sign_negative()) {
            (true, _) => "#",
            (false, true) => "-",
            (false, false) => "+",
        };
        // Writing to a string cannot fail.
        let _ = write!(text, "{sign}{}{suffix}", fixed(offset.abs(), decimals));
    };
    match price {
        PriceSpec::Static(price) => {
            let _ = write!(text, "{}", fixed(price, pair.price_decimals));
        }
        PriceSpec::Quote { offset, is_auto } => push(is_auto, offset, pair.price_decimals, ""),
        PriceSpec::Percent { offset, is_auto } => push(is_auto, offset, PERCENT_DECIMALS, "%"),
    }
}

/// Gives a number with at least so many decimals.
pub(crate) fn fixed(value: Decimal, decimals: u32) -> Decimal {
    let mut value = value.normalize();
    if value.scale() < decimals {
        value.rescale(decimals);
    }
    value
}
