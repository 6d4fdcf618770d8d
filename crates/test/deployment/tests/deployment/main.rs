//! Whole deployments: real servers, every service as its own process. `cargo build --workspace --bins` comes first.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: what does not hold fails the test"
)]

mod common;
mod control;
mod fault_run;
mod health;
mod insights;
mod kill_run;
mod kill_switch;
mod kills;
mod letters;
mod problems;
mod road;
mod shards;
mod standby;
mod trace;
mod trips;
