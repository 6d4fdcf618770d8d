//! Streaming statistics on floats: volatility, flow, markouts.
#![deny(missing_docs)]
