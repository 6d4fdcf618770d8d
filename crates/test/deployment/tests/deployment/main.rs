//! Whole deployments: real servers, every service as its own process. `cargo build --workspace --bins` comes first.

mod common;
mod control;
mod health;
mod kills;
mod road;
mod shards;
mod trace;
