//! A whole deployment on one machine: nats-server with the shipped permissions, Redis, PostgreSQL, and every service as
//! its own process, in a private folder. Behind `cargo xtask up` and the tests of whole deployments.
//!
//! In: a profile, recordings and a pace or the addresses of a simulated exchange. Out: running processes, and the means to look at, kill, restart and stop each.
//! Invariants: secrets are made by the shipped `remora ctl init`, streams by `remora ctl bus`; nothing listens beyond
//! loopback; what was started is gone when the value is dropped or this process ends in any way.
//! Must never happen here: a second way of starting a service, knowledge of what a service decides.
//! Test alone: `cargo build --workspace --bins && cargo nextest run -p remora-deployment`.
#![deny(missing_docs)]

mod deployment;
mod http;
mod options;
mod programs;
mod reaper;
mod service;
mod wait;

pub use deployment::{Deployment, Role};
pub use options::{Live, Options};
pub use wait::wait_for;
