//! The venue's public side of the wire: a simulated Kraken Futures as one deterministic machine. Never opens a socket.
//!
//! [`Server`] is the machine: calls, frames and the crowd's orders in, answers and frames out. It lists linear and inverse
//! perpetuals and dated futures ([`listing`]), keeps their books in the matching engine that all simulated venues share, and
//! tells instruments, tickers, books, trades, candles and past funding over REST and the socket. There are no accounts: private
//! calls and feeds are refused as the venue refuses strangers, and trading comes later.
//!
//! Ours, because the venue does not say how it computes them: the mark price is the middle of the book, moved to at most 1 % of the
//! index; the funding rate of a period is the mean premium of the period before it, divided by 24 and capped at 0.25 %; open
//! interest grows by what buyers take and shrinks by what sellers take, and never below a start that is invented.

pub mod listing;
mod machine;
mod market;
mod rest;
#[cfg(test)]
mod tests;
mod text;
mod ws;

pub use listing::Product;
pub use machine::{CROWD_BASE_DECIMALS, Server, ServerSettings};
