//! Oracle values of `quant-methods.md`, read from `REMORA_SHARED`/spec/quant-oracles: one module for each section.
//! A test whose folder is absent says "skipped" and passes; the small cases beside the code do not need it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod basis;
mod covariance;
mod edge;
mod fair_price;
mod fee_tier;
mod impact;
mod intensity;
mod lead_lag;
mod order_flow;
mod performance;
mod queue;
mod random;
mod ranking;
mod season;
mod shared;
mod toxicity;
mod volatility;
