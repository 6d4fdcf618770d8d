//! The venue's side of the wire: a simulated Kraken Spot as one deterministic machine. Never opens a socket.
//!
//! [`Server`] is the machine: calls and frames in, answers and frames out ([`io`]). Inside, [`desk`] is the venue
//! itself, typed: accounts, keys, orders, limits; `rest` and `ws` are what it reads and writes, `tape` what it
//! remembers of the public market, [`faults`] what goes wrong on the way to clients. It is made from
//! [`ServerSettings`]; [`Recorded`] turns recordings into its background flow.

mod accounts;
pub mod auth;
pub mod catalogue;
pub mod desk;
pub mod error;
pub mod faults;
mod json;
pub mod listing;
mod machine;
pub(crate) mod rate;
mod recorded;
mod rest;
#[cfg(test)]
mod routes;
pub mod settings;
pub mod synthetic;
mod tape;
mod ws;

pub use remora_venue_api::server as io;
pub(crate) use remora_venue_api::session::date;

pub use machine::{Server, ServerSettings};
pub use recorded::{PairFinder, Recorded, RecordedPair};
pub use ws::{MessageRate, WsSettings};
