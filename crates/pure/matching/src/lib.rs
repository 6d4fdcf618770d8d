//! A price-time matching engine in exact integers: orders, triggers, icebergs, self-trade prevention, fees, holds.
#![deny(missing_docs)]

mod account;
mod admit;
mod amend;
mod api;
mod book;
mod crowd;
mod exchange;
mod fill;
mod money;
mod order;
mod place;
mod store;
mod trigger;
mod wake;

pub use api::{
    Amend, AssetIx, AssetSpec, Balance, Condition, EndCause, Event, FeeRates, Funding, Lifetime,
    MarketIx, MarketMode, MarketSpec, Money, NewOrder, OrderNo, OrderState, OrderView, Pricing,
    QueueChange, Reference, Refusal, SelfTrade, Size, TradeNo, TradeSide, TraderIx, Trigger, age,
};
pub use exchange::Exchange;

#[cfg(test)]
mod tests;
