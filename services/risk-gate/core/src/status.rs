//! What the gate tells a person: exposure, halts, answers.

use crate::denial::Denial;
use crate::limits::{LimitsError, LimitsOutcome};
use remora_domain::{
    ControlScope, InstrumentKey, Notional, Position, Qty, RefusalReason, ServiceState, Timestamp,
    VenueId,
};
use std::collections::BTreeMap;

/// Is the worst case of one pair, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairExposure {
    /// Which pair.
    pub instrument: InstrumentKey,
    /// Signed holding from fills, in base units.
    pub position: Position,
    /// Base units that open buys may still add; `None` when the sum leaves the exact range.
    pub open_buys: Option<Qty>,
    /// Base units that open sells may still take; `None` when the sum leaves the exact range.
    pub open_sells: Option<Qty>,
    /// Orders that may still fill.
    pub orders: usize,
    /// Value of the worst case in the reporting currency; `None` when something needed is not known.
    pub worst: Option<Notional>,
    /// The limit of the pair.
    pub limit: Notional,
}

/// Is the worst case of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Every pair with a position or open orders, sorted.
    pub pairs: Vec<PairExposure>,
    /// The sum of the worst cases in the reporting currency; `None` when one is not known.
    pub total: Option<Notional>,
    /// The limit of the sum.
    pub limit: Notional,
}

/// Is the last time a control refused an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// When.
    pub at: Timestamp,
    /// What it said.
    pub denial: Denial,
}

/// Is the condition of the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateStatus {
    /// Its state as it publishes it.
    pub state: ServiceState,
    /// The epoch it signs under; 0 before it has led.
    pub epoch: u64,
    /// Until when it may act in its term, by its own clock; `None` for a standby.
    pub leads_until: Option<Timestamp>,
    /// Whether a newer gate has taken over; then this one answers nothing any more.
    pub is_superseded: bool,
    /// Scopes that are halted.
    pub halted: Vec<ControlScope>,
    /// The newest epoch each router has seen.
    pub router_epochs: BTreeMap<VenueId, u64>,
    /// Approvals of this run.
    pub approvals: u64,
    /// Refusals of this run, by reason.
    pub refusals: BTreeMap<RefusalReason, u64>,
    /// Version of the limits in force.
    pub limits_version: u64,
    /// Version of a change that waits for a second person.
    pub limits_waiting: Option<u64>,
    /// The last command about limits: which version it was to make, and what became of it.
    pub limits_last: Option<(u64, Result<LimitsOutcome, LimitsError>)>,
}
