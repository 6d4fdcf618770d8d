//! Level-2 order book in ticks and lots, with checksum and sequence verification.
#![deny(missing_docs)]
