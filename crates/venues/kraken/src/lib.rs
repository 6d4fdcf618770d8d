//! Kraken Spot market data over WebSocket v2: the codec and the session. Never opens a socket.
//!
//! In: frames as text, connection events, time (`FeedInput`). Out: frames to send, connections to open, market
//! events, problems (`FeedOutput`). `KrakenFeed` is the session, `decode` the codec. Order entry is `KrakenTrading`; its
//! own header says what holds there.
//!
//! Invariants:
//! - A book is published only while every message since its snapshot fitted the venue's checksum and the best
//!   bid stayed below the best ask. One bad message invalidates that symbol alone, at once, until its next
//!   snapshot; a lost connection invalidates all.
//! - Prices and quantities go from the frame's text to integers exactly; a digit too many is an error. Only a
//!   snapshot may be finer than its definition: where the checksum proves it, the market data goes on at the
//!   book's decimals, and the definition is closed until one that fits arrives (`ProblemKind::StaleDefinition`).
//! - An instrument belongs to exactly one shard: FNV-1a (64 bit) of the symbol, modulo the number of shards.
//! - Any text gives a frame or a `FrameError`; excerpts in errors are bounded.
//!
//! Perpetuals: the unified endpoint speaks this dialect. How it spells their symbols is not documented (checked
//! June 2026), so two spellings are taken as linear perpetuals: the venue's own futures prefix `PF_`, and
//! `BASE/QUOTE:SETTLE` with settlement in the quote. Base and quote come from the definition's own fields. Any
//! other symbol than `BASE/QUOTE` is refused as a problem, never taken for spot.
//!
//! What must never happen here: a default price, an unverified level published, a resync loop without a pause.
//! Source of all venue rules: Kraken WebSocket v2 reference and "Book checksum" guide (checked June 2026).
//! Test alone: `cargo nextest run -p remora-kraken` (recorded frames are read from `REMORA_SHARED`).
#![deny(missing_docs)]

mod auth;
mod feed;
mod frame;
pub mod history;
mod instrument;
mod request;
pub mod server;
mod trading;
mod usual;

pub use feed::KrakenFeed;
pub use frame::{
    BookItem, Decoded, Frame, MessageKind, RawLevel, Reply, Request, TickerItem, TradeItem, decode,
};
pub use remora_venue_api::session::error::FrameError;
pub use remora_venue_api::session::selection::shard_of;
pub use trading::{KrakenTrading, RATE_TIERS};

use remora_domain::DurationNs;
use remora_venue_api::session::{connection, error, number, selection, time};

/// A heartbeat comes each second when nothing else does: no frame for this long is a dead connection.
const SILENCE_MAX: DurationNs = DurationNs::from_s(10);

/// The depths a book can be subscribed at, in levels a side.
pub const DEPTHS: [u32; 5] = [10, 25, 100, 500, 1000];

/// Levels a side that the venue's checksum covers, whatever the depth.
pub const CHECKSUM_LEVELS: u32 = 10;

/// Where public market data is served.
pub const PUBLIC_URL: &str = "wss://ws.kraken.com/v2";

/// Where calls are served.
pub const REST_URL: &str = "https://api.kraken.com";

/// Where the private socket is.
pub const PRIVATE_URL: &str = "wss://ws-auth.kraken.com/v2";
