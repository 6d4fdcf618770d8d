//! Order router core: approved orders to one venue for one account. Owns order state.
//!
//! In: approvals, cancels, halts, gate state (bus); stored intentions and venue reports (local).
//! Out: order events, balances, fee tier, its own state (bus); intentions to store, venue commands (local).
//! Invariants: an order leaves only with a verified, unexpired, never-used approval of the newest epoch, after its
//! intention is stored, and at most once; cum + leaves = order quantity while live; a fill is booked once per
//! execution id; after a terminal event only late fills follow; silence is `SubmitUnknown`, never `Rejected`.
//! Must never happen: a send without approval, a delayed cancel, a publication before `CaughtUp`, a terminal event
//! about a live order because of a repeated or altered approval that names it (those are only counted).
//! Test alone: `cargo test -p remora-order-router-core`.
#![deny(missing_docs)]

mod approvals;
mod bytes;
mod cancels;
mod codec;
mod core;
mod counters;
mod history;
mod local;
mod orders;
mod reconcile;
mod reports;
mod settings;
mod state;
mod transition;

#[cfg(test)]
mod tests;

pub use crate::core::OrderRouterCore;
pub use counters::RouterCounters;
pub use local::{RouterInput, RouterOutput};
pub use settings::{OrderRouterConfig, OrderRouterSettings};
