//! The gate from outside: every control on both sides of its limit, reservations, recovery, generated histories.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod changes;
mod explain;
mod fail_open;
mod harness;
mod limits;
mod positions;
mod property;
mod recovery;
mod reservations;
mod scenes;
mod terms;
mod watch;
