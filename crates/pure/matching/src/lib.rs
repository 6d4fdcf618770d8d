//! A price-time matching engine in exact integers, the same for every venue's simulated side.
//!
//! In: assets, markets, traders and their money; orders, amends, cancels; instants, index prices; the crowd of a
//! recorded feed. Out: [`Event`]s in the order they happened, and the state as it stands. Venues' names, ids, tiers, rate
//! limits and error texts are the caller's.
//!
//! Invariants, each a property test over random histories against a slow model:
//! - the best price trades first, at one price the oldest; a book is never crossed; cum + leaves = order quantity;
//! - 0 <= held <= total for every trader and asset, held is the sum over open orders, and money only moves between
//!   traders and the exchange's own account ([`Exchange::earned`]);
//! - told levels and queues add up to the book; a refused call changes nothing; equal calls give equal events;
//! - orders in a recorded market get no more than the recording justifies.
//!
//! Money: costs and fees are rounded half away from zero to the market's cost decimals, and once more to the asset's
//! when booked (our choice; no venue documents one). Holds are rounded up: a sell holds what it sells, a limit buy its
//! cost at the limit and the worst fee, a market buy what walking the book would cost.
//!
//! Must never happen here: a clock, a random number, a float, a fill that its order's hold and the trader's available
//! balance do not cover, recursion through triggers.
//!
//! Test alone: `cargo nextest run -p remora-matching`. Measure: `cargo bench -p remora-matching`.
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
