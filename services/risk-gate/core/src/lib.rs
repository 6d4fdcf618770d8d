//! Risk-gate core: whether each order may exist.
//!
//! In: order requests; everything said about orders (its own earlier answers included); books, venue status,
//! instruments; balances, fee tier; operator commands; the states of routers. Out: for each request one signed
//! approval or one refusal (control, limit, value); its own state and epoch; the epoch that its term needs. It hears of
//! its terms: it speaks only while one lasts, and follows the log, and the leader, before and between.
//!
//! Invariants
//! - An approval never raises the worst case (position plus everything that may still fill) above a limit.
//! - What was approved stays reserved until an order event ends it: never by time, and what may have filled
//!   unheard stays reserved too. A fill is booked once per ExecID.
//! - Anything not known is a refusal that says what is missing. Cancels are counted, never refused.
//! - A halt outlives a restart: it is rebuilt from the log of commands. A resume lifts exactly its own scope.
//! - One request, one answer, across restarts; a message seen twice changes nothing; silence outside its terms.
//! - The epoch of its term is above any that another gate acted under; a gate that sees a newer one falls silent for good.
//!
//! Cost of a decision: proportional to the pairs ever traded and their open orders, not to history. Memory grows with
//! client order ids and executions, which are never forgotten.
//!
//! Must never happen: a limit with a default; a float; a clock; an order event that shrinks what may be owed.
//! A driver that injects commands of its own (gRPC) numbers them under a producer of their own.
//! Test alone: `cargo test -p remora-risk-gate-core`.
#![deny(missing_docs)]

mod answers;
mod ask;
mod breakers;
mod catalogue;
mod config;
mod consistency;
mod control;
mod controls;
mod core;
mod day;
mod denial;
mod explain;
mod exposure;
mod facts;
mod flow;
mod funds;
mod intake;
mod limits;
mod loss;
mod orders;
mod portfolio;
mod rate;
mod recovery;
mod seen;
mod settings;
mod signature;
mod snapshot;
mod status;
mod term;
mod validate;

pub use catalogue::{Control, Group, Level};
pub use config::{AssetGroup, Permitted, RiskGateConfig};
pub use core::RiskGateCore;
pub use denial::Denial;
pub use explain::{Considered, ControlLine};
pub use limits::{LimitsError, LimitsOutcome};
pub use settings::{GroupSettings, RiskGateSettings};
pub use signature::{LimitsKey, SIGNATURE};
pub use status::{Exposure, GateStatus, PairExposure, Trigger};
