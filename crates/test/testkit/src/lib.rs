//! What tests of cores share: builders with explicit values, generators, a driver and the contract suite.
//!
//! In: short literals (`px("100.5")`, `request("r-1")`). Out: domain values, bus messages, verdicts (a panic).
//! Invariants: every builder gives a valid value; a test changes what it is about with struct update syntax,
//! `OrderRequest { price: px("99"), ..request("r-1") }`; no clock, no randomness but proptest's; of the environment only where the shared reference lies.
//! Must never happen: a normal dependency on this crate. It panics on purpose.
//! Test alone: `cargo test -p remora-testkit`.
#![deny(missing_docs)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "only a dev-dependency: a test fails by panicking"
)]

mod account;
mod amounts;
pub mod contract;
mod driver;
pub mod generate;
mod market;
mod messages;
mod orders;
mod shared;

pub use account::{
    balances, cancel_account, control_state, fees, halt, heartbeat, reduce, resume, router_ready,
    router_state,
};
pub use amounts::{amount, at_ms, bps, notional, position, px, qty, rate, usd};
pub use driver::{Driver, drain, published};
pub use market::{
    account, asset, book, book_of, instrument, invalid_book, key, strategy, venue, venue_status,
};
pub use messages::Producer;
pub use orders::{
    accepted, approval, cancel, cancelled, cl_ord_id, event, fill, filled, rejected, request,
    router_refused, sending, signer, submit_unknown,
};
pub use shared::shared;
