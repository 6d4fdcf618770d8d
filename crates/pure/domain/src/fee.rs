//! Fees: what a fill cost, and what the next one will cost.

use crate::{Amount, Asset, Bps};

/// Is the fee of one fill: positive is a cost, negative a rebate.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fee {
    /// The asset it was charged in.
    pub asset: Asset,
    /// How much.
    pub amount: Amount,
}

/// Is the fee tier in force: ratios of notional, positive is a cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeSchedule {
    /// For adding liquidity.
    pub maker_bps: Bps,
    /// For removing liquidity.
    pub taker_bps: Bps,
}
