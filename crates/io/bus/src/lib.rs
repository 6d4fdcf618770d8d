//! One bus trait, NATS and in-memory, one conformance suite.
#![deny(missing_docs)]
