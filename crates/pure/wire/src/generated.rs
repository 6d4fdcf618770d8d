//! The generated types, by area. Nothing here is written by hand.
#![allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, reason = "generated code")]
#![allow(
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    clippy::too_many_lines,
    reason = "generated code"
)]

include!(concat!(env!("OUT_DIR"), "/remora.rs"));

pub(crate) use remora::accounts::v1 as accounts;
pub(crate) use remora::decisions::v1 as decisions;
pub(crate) use remora::envelope::v1 as envelope;
pub(crate) use remora::flight::v1 as flight;
pub(crate) use remora::md::v1 as md;
pub(crate) use remora::operations::v1 as operations;
pub(crate) use remora::orders::v1 as orders;
pub(crate) use remora::pairs::v1 as pairs;
pub(crate) use remora::types::v1 as types;
