//! Kraken Futures market data over Derivatives WebSocket v1 and REST v3: the codec and the session, and the venue's public side
//! as a simulated exchange. Never opens a socket.
//!
//! In: frames and answers as text, connection events, time (`FeedInput`). Out: frames to send, addresses to open and to ask,
//! market events, problems (`FeedOutput`). [`KrakenFuturesFeed`] is the session, [`decode`] the codec of frames, [`rest`] that of
//! answers, [`server`] the simulated exchange.
//!
//! **This dialect ends on 1 March 2027** (Kraken's reference pages, checked June 2026). All of it is inside this crate; others
//! know `Instrument`, `BookTop`, `MarketTrade` and `Ticker` only, so its successor is another session behind the same entry of
//! the registry.
//!
//! Invariants:
//! - A book is published only while its changes are numbered without a hole since its snapshot and the best bid stays below the
//!   best ask. The venue sends no checksum. A gap, a repeat, a crossed state or an unreadable change invalidates that
//!   contract alone, at once, until its next snapshot; a lost connection invalidates all.
//! - The whole book is kept, whatever depth is configured: changes come for every level, and one that was cut would be missing
//!   once those ahead of it are gone.
//! - Prices and quantities go from the frame's text to integers exactly; more decimals than the definition's are an error.
//! - Contracts are found by their symbol in either case, and asked for in the spelling of the definitions.
//! - A contract belongs to exactly one shard: FNV-1a (64 bit) of its symbol in upper case, modulo the number of shards.
//! - Any text gives a frame or a `FrameError`; excerpts in errors are bounded.
//!
//! What must never happen here: a default price, a level of a book with a hole published, a resync loop without a pause.
//! Test alone: `cargo nextest run -p remora-kraken-futures` (recorded frames are read from `REMORA_SHARED`).
#![deny(missing_docs)]

mod definition;
mod feed;
mod frame;
mod number;
mod request;
pub mod rest;
pub mod server;
mod ticker;

pub use feed::KrakenFuturesFeed;
pub use frame::{Change, Frame, RawLevel, Snapshot, TickerItem, TradeItem, decode};

/// Where public market data is served.
pub const PUBLIC_URL: &str = "wss://futures.kraken.com/ws/v1";

/// Where calls are served.
pub const REST_URL: &str = "https://futures.kraken.com";

/// Where private feeds are served: on the public socket, after a challenge.
pub const PRIVATE_URL: &str = PUBLIC_URL;

/// The depths that can be configured, in levels a side. The venue sends the whole book to everybody.
pub const DEPTHS: [u32; 5] = [10, 25, 100, 500, 1000];

/// Levels a side that may be published: the sequence covers all of them.
pub const VERIFIED_LEVELS: u32 = 1000;

/// The path of the definitions, on the host of the feed.
const INSTRUMENTS_PATH: &str = "/derivatives/api/v3/instruments";
