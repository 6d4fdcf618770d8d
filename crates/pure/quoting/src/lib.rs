//! Fair value, spread and skew formulas. Pure functions.
#![deny(missing_docs)]
