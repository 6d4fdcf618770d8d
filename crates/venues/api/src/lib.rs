//! The vocabulary a venue crate implements. A venue crate parses, builds and signs messages and keeps session
//! rules as machines; it never opens a socket. In: frames, commands. Out: market events, reports, frames to send.
//! `session` is what sessions share, `server` the vocabulary of simulated exchanges.
//! Test alone: `cargo test -p remora-venue-api`.
#![deny(missing_docs)]

mod confidential;
mod feed;
mod orders;
pub mod server;
pub mod session;

pub use confidential::Confidential;
pub use feed::{
    ConnId, FeedInput, FeedOutput, FeedSession, FeedSettings, LinkCommand, MarketEvent, Problem,
    ProblemKind,
};
pub use orders::{
    CallEnd, CallId, CallMethod, Credentials, DeadMan, OrderEntry, OrderEntrySettings, VenueCall,
    VenueCommand, VenueInput, VenueOutput,
};
