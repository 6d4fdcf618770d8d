//! The wire contract: protobuf messages and total conversions to and from the domain.
//!
//! In: domain values, or bytes from anybody. Out: bytes, or domain values, or a precise [`WireError`].
//! Invariants: decoding never panics and never allocates more than the bytes justify; enums that are unspecified or
//! unknown are refused; amounts are exact; other crates never see the generated types.
//! Test alone: `cargo test -p remora-wire`.
#![deny(missing_docs)]

mod accounts;
mod amounts;
mod envelope;
mod error;
pub mod flight;
mod generated;
mod insight;
mod market;
mod operations;
mod orders;

pub use envelope::{MESSAGE_BYTES_MAX, decode, encode};
pub use error::WireError;
