//! The SQLite twin of the history store, for one process.
#![deny(missing_docs)]
