//! The venue of paper trading: queue position, latency, fees, rejects.
#![deny(missing_docs)]
