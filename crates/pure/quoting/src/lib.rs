//! Fair value, spread, skew, size and exit formulas. Pure functions of floats, each named `..._est`.
//!
//! In: the touch with its sizes; volatility, fill intensity, fee, risk aversion and inventory, all in one
//! consistent set of units (price in quote currency per base, quantity in base, time in seconds).
//! Out: a fair value; distances of bid and ask from it; the size that earns most; how to leave a position.
//! Invariants: what is returned is finite; bid offset + ask offset is above zero where both exist, so quotes
//! never cross each other, unless a rebate is larger than what a distance earns (`φ + j/2 + c₁` below zero); the fair value lies within one spread of the touch.
//! Must never happen: an order price (that is the instrument's `quantise`), NaN, a default.
//! Formulas: `quant-methods.md`, sections 1, 5 to 7 and 13; each module repeats its own with a worked number that a test
//! repeats. Test alone: `cargo test -p remora-quoting` (oracle tests read `REMORA_SHARED`, by default `../shared`
//! beside the workspace, and say so when it is absent).
#![deny(missing_docs)]

mod avellaneda_stoikov;
mod ergodic;
mod exit;
mod fair_value;
mod glft;
mod multi_asset;
mod order_size;
mod positive_flow;

pub use avellaneda_stoikov::{BaselineInputs, BaselineQuotes, baseline_quotes};
pub use ergodic::{ErgodicQuotes, SteadyState};
pub use exit::{
    ExitInputs, ExitPlan, break_even, exit_far_from_end, exit_with_taker, maker_exit,
    takes_one_step_ahead,
};
pub use fair_value::{FairValueError, Touch, fair_value, weighted_mid};
pub use glft::{
    GlftError, GlftInputs, Offsets, SideOffsets, closed_form, closed_form_with_drift,
    gamma_for_limit,
};
pub use multi_asset::JointQuotes;
pub use order_size::{SizeRate, best_size, rates_of_sizes};
