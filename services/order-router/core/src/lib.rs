//! Order router core: approved orders to one venue for one account. Owns order state.
//!
//! In: approvals, cancels, halts, gate state (bus); stored intentions and venue reports (local).
//! Out: order events, balances, fee tier, its own state (bus); intentions to store, venue commands (local).
//! Invariants: an order leaves only with a verified, unexpired, never-used approval of the newest epoch, after its
//! intention is stored, and at most once; cum + leaves = order quantity while live; a fill is booked once per
//! execution id; after a terminal event only late fills follow, and an
//! order of ours that the venue lists though it was never sent from here; silence is `SubmitUnknown`, never `Rejected`.
//! An order stays at the venue only while the gate and the service that asked for it are heard; what is taken back
//! (halt, silence, end of the service) is asked for until the venue lists none of it, and the count is published.
//! A person who names the account may have every order of it taken back, whoever placed it; asked for until the venue
//! lists none at all.
//! What differs between the venue's account and ours, and is not under way, is an open break until both agree again.
//! Must never happen: a send without approval, a delayed cancel, a publication before `CaughtUp`, a terminal event
//! about a live order because of a repeated or altered approval that names it (those are only counted).
//! Test alone: `cargo test -p remora-order-router-core`.
#![deny(missing_docs)]

mod approvals;
mod books;
mod breaks;
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
mod snapshot;
mod state;
mod sweep;
mod transition;
mod watch;

#[cfg(test)]
mod tests;

pub use crate::core::OrderRouterCore;
pub use counters::RouterCounters;
pub use local::{RouterInput, RouterOutput};
pub use settings::{OrderRouterConfig, OrderRouterSettings, TradingMode};
pub use sweep::AccountCancel;
