//! What an account holds, as the venue says and as we see it.

use crate::{AccountId, Amount, Asset, FeeSchedule, InstrumentKey, Notional, Position, VenueId};

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
