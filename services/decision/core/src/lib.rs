//! Decision core: market and inventory to target quotes to order requests.
//!
//! In: instruments, books, trades, venue status, the universe; balances and fee tier; the whole life of our orders
//! (its own earlier messages included); the state of gate and router, halts; signs of life of ingestors.
//! Out: order requests, cancels, and a record whenever targets or their reason change.
//!
//! Invariants
//! - Quoting is desired state: per pair at most one order a side; a replacement is asked for only after the order
//!   it replaces is terminal, so nothing is ever exposed twice. Nothing becomes terminal by time.
//! - A bid is on the tick, below the best ask and below our own asks; asks mirror that; quantities are on the lot.
//! - No request takes inventory beyond `inventory_usd_max` of a pair, or spends what the account has not.
//! - Missing, stale or odd facts mean no quote, with a reason, and cancels at once. Nothing is substituted.
//! - Before `CaughtUp` nothing is published; orders of earlier sessions are known from the log and managed alike.
//! - Messages may come twice or late: the newest counts, a fill once per ExecID, a terminal order stays so.
//!
//! Units of the model: price in quote currency, quantity in base, seconds; `A` per second and side, `k` per quote
//! unit, volatility quote per √s, `γ` per quote unit, solved so that at the inventory limit the reducing quote sits
//! at fair value. Inventory counts from our fills: what the account held at the start is the target.
//! Settings: [`DecisionSettings`]; examples for short recordings: `README.md`.
//! Test alone: `cargo test -p remora-decision-core`.
#![deny(missing_docs)]

mod core;
mod facts;
#[cfg(test)]
mod fixture;
mod insight;
mod intake;
mod market;
mod model;
mod orders;
mod publish;
mod reduce;
mod settings;
mod sides;
mod size;
mod target;
#[cfg(test)]
mod tests;

pub use core::DecisionCore;
pub use insight::InsightUse;
pub use settings::{DecisionConfig, DecisionSettings};
