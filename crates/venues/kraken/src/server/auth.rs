//! Who may do what: API keys, signatures, nonces, the REST call counter, WebSocket tokens.
//! Source: `Spot REST authentication` and `API rate limits` guides (checked June 2026).

use super::io::HttpCall;
use serde::Deserialize;

/// Is a right of an API key.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// See balances.
    QueryFunds,
    /// See open orders.
    QueryOpenTrades,
    /// See closed orders and trades.
    QueryClosedTrades,
    /// Create and change orders.
    ModifyTrades,
    /// Cancel orders.
    CloseTrades,
    /// See ledger entries.
    QueryLedger,
    /// Export data.
    ExportData,
    /// Get a WebSocket token.
    CreateWsToken,
    /// Deposit.
    AddFunds,
    /// Withdraw.
    WithdrawFunds,
    /// Earn.
    EarnFunds,
    /// Add a withdrawal address.
    AddWithdrawAddress,
    /// Change a withdrawal address.
    UpdateWithdrawAddress,
}

/// Is what a private REST call costs on the call counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestCost {
    /// `AddOrder` and `CancelOrder`.
    Free,
    /// Ordinary calls: 1.
    Call,
    /// Ledger and trade history: 4.
    History,
}

/// Is a private call as the codec has read it.
#[derive(Clone, Copy, Debug)]
pub struct PrivateCall<'a> {
    /// The request; its body is signed as received.
    pub call: &'a HttpCall,
    /// The nonce's text inside the body; empty when there is none.
    pub nonce: &'a str,
    /// `otp` inside the body.
    pub otp: Option<&'a str>,
    /// The right it needs; `GetApiKeyInfo` needs none.
    pub needs: Option<Permission>,
    /// What it costs.
    pub cost: RestCost,
}
