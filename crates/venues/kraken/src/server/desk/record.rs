//! What the desk knows of an order besides what the exchange knows.

use super::api::{Contingent, Execution, OrderKind, PriceSpec, Stp, Tif, TriggerReference};
use super::clordid::ClOrdKey;
use super::facts::AmendRow;
use remora_domain::{Lots, Timestamp};
use remora_matching::{MarketIx, OrderNo, OrderView, TraderIx};
use std::sync::Arc;

/// Numbers from here on are orders that wait for their start, or never reached the exchange: the exchange counts
/// its own from 1 and gets nowhere near.
pub(crate) const OWN_NUMBERS: u64 = 1 << 62;

/// Is an order of an account.
#[derive(Debug)]
pub(crate) struct Record {
    /// The number its id is made of: the first number it had.
    pub(crate) id: u64,
    pub(crate) trader: TraderIx,
    pub(crate) market: MarketIx,
    pub(crate) kind: OrderKind,
    pub(crate) tif: Tif,
    pub(crate) stp: Stp,
    pub(crate) cl_ord_id: Option<(ClOrdKey, Box<str>)>,
    pub(crate) userref: Option<i32>,
    /// The number of the id of the order whose conditional close this is.
    pub(crate) parent: Option<u64>,
    pub(crate) limit_written: Option<PriceSpec>,
    pub(crate) trigger: Option<(TriggerReference, PriceSpec)>,
    pub(crate) starts: Option<Timestamp>,
    pub(crate) contingent: Option<Box<Close>>,
    pub(crate) is_told_pending: bool,
    pub(crate) is_told_new: bool,
    pub(crate) is_triggered: bool,
    pub(crate) is_amended: bool,
    pub(crate) amends: Vec<AmendRow>,
    pub(crate) executions: Vec<Arc<Execution>>,
    /// Set when it ended: when, and why if it was not filled.
    pub(crate) ended: Option<Ended>,
    /// Where the exchange knows nothing of it.
    pub(crate) own_view: Option<Box<OrderView>>,
}

/// Is the conditional close of an order.
#[derive(Debug)]
pub(crate) struct Close {
    pub(crate) asked: Contingent,
    /// How much of the order's fills has been passed on.
    pub(crate) placed: Lots,
}

/// Is how an order ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) at: Timestamp,
    pub(crate) how: Ending,
}

/// Is how an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Filled,
    Canceled(&'static str),
    Expired(&'static str),
}

impl Record {
    pub(crate) const fn is_open(&self) -> bool {
        self.ended.is_none()
    }
}

/// Tells whether a number is one of the desk's own.
pub(crate) const fn is_own(order: OrderNo) -> bool {
    order.get() >= OWN_NUMBERS
}
