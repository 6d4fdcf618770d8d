//! gRPC control of one service: status, halt and resume, working whether or not the bus is up.
//!
//! In: calls with metadata `authorization: Bearer <token>`. Out: `ControlHandler::status` and
//! `ControlHandler::command`, which the service implements; gRPC health and reflection beside them.
//! Invariants: a token decides the role (viewer sees, operator and admin act); tokens are kept and compared as
//! digests in constant time; every command names who and why; each request is bounded in size and time.
//! Must never happen: a command without a token, plain text outside loopback unless it was asked for by name,
//! a domain decision. Health and reflection need no token: they tell nothing but "serving" and the schema.
//! Test alone: `cargo test -p remora-rpc` (sockets on loopback only).
#![deny(missing_docs)]

mod client;
mod error;
mod proto;
mod server;
mod status;
mod tokens;

pub use client::ControlClient;
pub use error::{CallProblem, CommandError, FieldError, RpcError};
pub use server::{
    CONTROL_SERVICE, ControlHandler, ControlServer, ListenSettings, Question, Readiness, Route,
    TlsIdentity,
};
pub use status::{DependencyStatus, Recorded, ServiceStatus};
pub use tokens::{CallerToken, Role, TokenError, Tokens};
