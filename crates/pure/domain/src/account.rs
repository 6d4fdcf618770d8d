//! What an account holds, as the venue says and as we see it.

use crate::{
    AccountId, Amount, Asset, BreakId, ClOrdId, FeeSchedule, InstrumentKey, Notional, Position,
    Timestamp, VenueId,
};

/// Is the holding of one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Which asset.
    pub asset: Asset,
    /// Everything held.
    pub total: Amount,
    /// The part bound in open orders, by the venue's account.
    pub held: Amount,
}

/// Is the complete list of holdings of an account at a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balances {
    /// Which account.
    pub account: AccountId,
    /// At which venue.
    pub venue: VenueId,
    /// One entry an asset, sorted by asset.
    pub entries: Vec<Balance>,
}

/// Is our own view of one holding, from fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionSnapshot {
    /// Which account.
    pub account: AccountId,
    /// Of which instrument.
    pub instrument: InstrumentKey,
    /// Signed holding relative to the start.
    pub position: Position,
    /// Realised P&L before fees, in quote currency.
    pub realised_pnl: Notional,
    /// Fees paid, in quote currency; positive is a cost.
    pub fees: Notional,
}

/// Is the fee tier of an account at a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFees {
    /// Which account.
    pub account: AccountId,
    /// At which venue.
    pub venue: VenueId,
    /// What fills cost.
    pub schedule: FeeSchedule,
}

/// Says what differs between the venue's account and ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BreakKind {
    /// An order is open on one side only.
    Order,
    /// An order has filled more at the venue than was told to us.
    Execution,
    /// An asset is not what its last agreement and all fills since make it.
    Balance,
}

/// Is one difference between the venue's account and ours, told when it opens and again when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountBreak {
    /// Which; the same when it opens and when it ends.
    pub break_id: BreakId,
    /// In which account.
    pub account: AccountId,
    /// At which venue.
    pub venue: VenueId,
    /// What differs.
    pub kind: BreakKind,
    /// In which instrument; `None` for a balance.
    pub instrument: Option<InstrumentKey>,
    /// In which asset; `None` for orders and executions.
    pub asset: Option<Asset>,
    /// In which order; `None` for a balance.
    pub cl_ord_id: Option<ClOrdId>,
    /// What was found, in words.
    pub cause: String,
    /// What our books say, in units of the asset; of an execution the filled quantity. `None` for orders.
    pub expected: Option<Amount>,
    /// What the venue says, in the same units.
    pub actual: Option<Amount>,
    /// When it was first seen.
    pub opened_at: Timestamp,
    /// When it ended; `None` while it is open.
    pub ended_at: Option<Timestamp>,
    /// How it ended, in words; empty while it is open.
    pub resolution: String,
}
