//! What the router counts; its shell turns each into a metric.

use remora_domain::OrderEventReason;
use std::collections::BTreeMap;

/// Is everything counted since the start of this run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterCounters {
    /// Approvals that gave no order, by reason; each was published once as `RouterRefused`.
    pub refused: BTreeMap<OrderEventReason, u64>,
    /// Approvals that name an id already answered, by what was wrong with them: repeats, and altered ones. They
    /// send nothing and publish nothing, because the order they name may be live.
    pub named_again: BTreeMap<OrderEventReason, u64>,
    /// Approvals, cancels and reports of another account or venue: not this router's to answer.
    pub not_ours: u64,
    /// Orders handed to the venue.
    pub submitted: u64,
    /// Cancels handed to the venue, repeats included.
    pub cancels_sent: u64,
    /// Executions booked.
    pub fills: u64,
    /// Executions booked after their order was terminal.
    pub fills_late: u64,
    /// Executions reported again.
    pub fills_repeated: u64,
    /// Sends without an answer in time.
    pub submit_unknown: u64,
    /// Orders closed because the venue does not list them.
    pub closed_as_absent: u64,
    /// Cancels of open orders that carry our prefix and have no owner, or that we hold for terminal.
    pub orphans_cancelled: u64,
    /// Open orders at the venue that are not ours, at the last answer.
    pub foreign_open: u64,
    /// Reports that contradict the transition table, disagree on the filled quantity or name no order of ours.
    pub anomalies: u64,
}

impl RouterCounters {
    pub(crate) fn count(map: &mut BTreeMap<OrderEventReason, u64>, reason: OrderEventReason) {
        let count = map.entry(reason).or_default();
        *count = count.saturating_add(1);
    }
}

/// Counts one more.
pub(crate) const fn add(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
