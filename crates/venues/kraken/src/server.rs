//! The venue's side of the wire: a simulated Kraken Spot as one deterministic machine. Never opens a socket.
//!
//! [`desk`] is the venue itself, typed: accounts, keys, orders, limits. What goes in and out of the whole machine is in
//! [`io`]; what it is made from in [`settings`].

pub mod auth;
pub mod catalogue;
pub mod desk;
pub mod error;
pub mod io;
mod rate;
mod recorded;
pub mod settings;
pub mod synthetic;

pub use recorded::{PairFinder, Recorded, RecordedPair};
