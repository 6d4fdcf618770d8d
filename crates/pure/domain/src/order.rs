//! The life of an order on our side: request, approval, cancel.

use crate::{AccountId, ClOrdId, InstrumentKey, Price, Qty, SessionId, StrategyId, Timestamp};

/// Is the side of an order or of a taker.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Side {
    /// Pays quote, receives base.
    Buy,
    /// Pays base, receives quote.
    Sell,
}

impl Side {
    /// Gives the other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        })
    }
}

/// Says how long an order lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeInForce {
    /// Until cancelled.
    Gtc,
    /// What fills at once; the rest is cancelled.
    Ioc,
}

/// Says whether a fill added or removed liquidity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Liquidity {
    /// Added.
    Maker,
    /// Removed.
    Taker,
}

/// Says where an order stands (FIX 39, with our own states before the venue knows it).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum OrdStatus {
    /// Approved and durably intended; bytes may have left.
    InFlight,
    /// Sent without an answer; left only by a venue report or a query.
    SubmitUnknown,
    /// Live at the venue, perhaps partly filled.
    Working,
    /// Live, with a cancel under way.
    CancelPending,
    /// Terminal: completely filled.
    Filled,
    /// Terminal: cancelled.
    Cancelled,
    /// Terminal: refused by the venue or never sent.
    Rejected,
    /// Terminal: expired.
    Expired,
}

impl OrdStatus {
    /// Tells whether nothing can happen to the order any more.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::InFlight | Self::SubmitUnknown | Self::Working | Self::CancelPending => false,
            Self::Filled | Self::Cancelled | Self::Rejected | Self::Expired => true,
        }
    }
}

/// Asks the risk gate for a new limit order, or for one in the place of another (an amend).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRequest {
    /// Our id; never used before.
    pub cl_ord_id: ClOrdId,
    /// For which account of ours.
    pub account: AccountId,
    /// Which strategy wants it.
    pub strategy: StrategyId,
    /// What to trade.
    pub instrument: InstrumentKey,
    /// Which way.
    pub side: Side,
    /// Limit price, on the tick.
    pub price: Price,
    /// Quantity, on the lot.
    pub qty: Qty,
    /// How long it lives.
    pub tif: TimeInForce,
    /// Whether the venue must refuse it if it would take.
    pub is_post_only: bool,
    /// Whoever reads the request after this instant refuses it.
    pub deadline: Timestamp,
    /// The working order of ours whose place it takes at the venue in one step (FIX 41), on the same side of the same
    /// pair; `None` for an order beside the others.
    pub orig_cl_ord_id: Option<ClOrdId>,
    /// What that order was known to have filled when this was asked for; zero without one. Both together fill no more than
    /// this and `qty` from its beginning on: what it filled unheard of comes off.
    pub orig_cum_qty: Qty,
}

/// Is everything an approval is signed over, in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalFields {
    /// Every field of the order.
    pub request: OrderRequest,
    /// The gate's leadership count; routers refuse an older one than the newest seen.
    pub epoch: u64,
    /// The gate's run, so that sequences of different runs never collide.
    pub gate_session: SessionId,
    /// The how-manieth approval of that run, from 1.
    pub approval_sequence: u64,
    /// No router may send after this instant.
    pub expires_at: Timestamp,
}

/// Is a signed, single-use permission. Only the approval crate makes and verifies the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderApproval {
    /// What was approved.
    pub fields: ApprovalFields,
    /// Ed25519 over the canonical bytes of `fields`.
    pub signature: [u8; 64],
}

/// Says why we take an order back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CancelReason {
    /// The target quote moved.
    Requote,
    /// The pair left the universe.
    PairDeselected,
    /// The book is stale, invalid or gone.
    MarketDataLost,
    /// Quoting is halted.
    Halted,
    /// Inventory limits allow no order on this side.
    InventoryLimit,
    /// The run ends.
    Shutdown,
    /// Found without an owner at start.
    Orphaned,
    /// A reason that this version does not know.
    Unknown,
}

/// Takes a working order back. Needs no approval and is never delayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderCancel {
    /// Which order.
    pub cl_ord_id: ClOrdId,
    /// Of which account.
    pub account: AccountId,
    /// On which instrument.
    pub instrument: InstrumentKey,
    /// Why.
    pub reason: CancelReason,
}
