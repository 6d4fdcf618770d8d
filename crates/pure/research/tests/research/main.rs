//! Research on markets of our own making, whose truth is known, and on the shared data: one module for each question.
//! A test whose data are absent says "skipped" and passes; the others do not need them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;
mod edge;
mod filters;
mod pairs;
mod temporal;
