//! Ingestor core: venue frames to validated books and trades.
#![deny(missing_docs)]
