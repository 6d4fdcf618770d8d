//! Real servers for tests and development: nats-server, redis-server and PostgreSQL on free ports.
#![deny(missing_docs)]
