//! Halt, resume, state and heartbeats.

use crate::{AccountId, DurationNs, InstrumentKey, VenueId};

/// Says what a control command is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ControlScope {
    /// Everything.
    Global,
    /// One venue.
    Venue(VenueId),
    /// One instrument.
    Instrument(InstrumentKey),
}

/// Says what an operator (or a breaker) wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlAction {
    /// No new orders, cancel all, keep reading reports.
    Halt,
    /// Quote again.
    Resume,
}

/// Is an instruction with who and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlCommand {
    /// What to do.
    pub action: ControlAction,
    /// To what.
    pub scope: ControlScope,
    /// Who says so.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// Says in which condition a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceState {
    /// Rebuilding or waiting for what it needs.
    Starting,
    /// Doing its job.
    Active,
    /// Told to stop new orders.
    Halted,
}

/// Is the condition of a service that can stop orders, with the epoch it works under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlState {
    /// Service name, such as `risk-gate`.
    pub service: String,
    /// For which account.
    pub account: AccountId,
    /// For routers: at which venue.
    pub venue: Option<VenueId>,
    /// Its condition.
    pub state: ServiceState,
    /// Gate: the epoch it signs under. Router: the newest epoch it has seen.
    pub epoch: u64,
    /// Scopes that are halted now.
    pub halted: Vec<ControlScope>,
    /// Who or what halted last, and why, and whose silence keeps orders back; empty when nothing does.
    pub reason: String,
    /// For routers that take orders back (halted, stopping, left alone): how many of them may still be open, by the
    /// venue's last list; 0 says that the venue confirmed none. `None` otherwise, and until the venue has answered.
    pub orders_open: Option<u64>,
}

/// Tells that a service lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Service name.
    pub service: String,
    /// Program version.
    pub version: String,
    /// Its condition.
    pub state: ServiceState,
    /// Age of the newest input, when there was one.
    pub data_age: Option<DurationNs>,
}
