//! The gate from outside: every control on both sides of its limit, reservations, recovery, generated histories.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod harness;
mod limits;
mod positions;
mod property;
mod recovery;
mod reservations;
mod watch;
