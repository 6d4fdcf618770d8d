//! Redis: latest values with expiry. Never the source of truth.
#![deny(missing_docs)]
