//! The venue of paper trading: one account at one venue, filled honestly against the public book and trades.
//!
//! In: orders, cancels and queries of the router; the venue's books, trades and definitions; fills of earlier runs.
//! Out: what a live venue would report, after the latencies of both ways.
//! Invariants: nothing is filled while the book is invalid; maker fills at a price never exceed what traded there plus
//! what was displayed across it plus trades through it; displayed liquidity is taken once; the sum of a spot account is
//! its start plus its fills and fees, exactly, and never negative; reports leave in the order of events, so an answer to
//! a query of open orders comes after every fill of the orders it no longer lists. The replayed book is not altered by
//! our fills; keep orders small against it (quant-methods, section 21, B6).
//! Must never happen: a fill better than the tape supports; a float.
//! Rules: quant-methods, section 8 (queue) and section 21, B2 to B8.
//! Test alone: `cargo test -p remora-paper`.
#![deny(missing_docs)]

mod account;
mod admission;
mod book;
mod market;
mod queue;
mod settings;
mod venue;

#[cfg(test)]
mod tests;

pub use queue::QueueModel;
pub use settings::{PaperConfig, PaperSettings};
pub use venue::PaperVenue;
