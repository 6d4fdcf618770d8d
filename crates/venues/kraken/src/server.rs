//! The venue's side of the wire: a simulated Kraken Spot as one deterministic machine. Never opens a socket.
//!
//! [`desk`] is the venue itself, typed: accounts, keys, orders, limits. What goes in and out of the whole machine is in
//! [`io`]; what it is made from in [`settings`].

pub mod auth;
pub mod catalogue;
#[allow(dead_code, reason = "the machine that uses all of it comes next")]
mod date;
pub mod desk;
pub mod error;
pub mod io;
#[allow(dead_code, reason = "the machine that uses all of it comes next")]
mod json;
pub mod listing;
mod rate;
mod recorded;
#[allow(dead_code, reason = "the machine that uses all of it comes next")]
mod rest;
pub mod settings;
pub mod synthetic;
#[allow(dead_code, reason = "the machine that uses all of it comes next")]
mod tape;

pub use recorded::{PairFinder, Recorded, RecordedPair};
