//! Fair value, spread and skew formulas. Pure functions of floats, each named `..._est`.
//!
//! In: the touch with its sizes; volatility, fill intensity, fee, risk aversion and inventory, all in one
//! consistent set of units (price in quote currency per base, quantity in base, time in seconds).
//! Out: a fair value; distances of bid and ask from it.
//! Invariants: what is returned is finite; bid offset + ask offset is above zero where both exist, so quotes
//! never cross each other; the fair value lies within one spread of the touch.
//! Must never happen: an order price (that is the instrument's `quantise`), NaN, a default.
//! Formulas: `quant-methods.md`, sections 1 and 6; each module repeats its own with a worked number that a test
//! repeats. Test alone: `cargo test -p remora-quoting` (oracle tests read `REMORA_SHARED`, by default `../shared`
//! beside the workspace, and say so when it is absent).
#![deny(missing_docs)]

mod fair_value;
mod glft;

pub use fair_value::{FairValueError, Touch, fair_value, weighted_mid};
pub use glft::{
    ErgodicQuotes, GlftError, GlftInputs, Offsets, SideOffsets, closed_form, gamma_for_limit,
};
