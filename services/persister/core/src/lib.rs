//! Persister core: events to idempotent batches of history.
#![deny(missing_docs)]
