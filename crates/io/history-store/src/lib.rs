//! PostgreSQL through sqlx; idempotent batched writes.
#![deny(missing_docs)]
