//! Who may do what: API keys, signatures, nonces, the REST call counter, WebSocket tokens.
//! Source: `Spot REST authentication` and `API rate limits` guides (checked June 2026).
//!
//! What must never happen here: a secret in an error or in `Debug`, a nonce accepted twice, a comparison of
//! signatures whose time tells how much of it was right.

mod nonce;
mod token;

pub(crate) use token::Tokens;

use super::desk::{DeskResult, KeyFacts};
use super::error::KrakenError;
use super::io::HttpCall;
use super::rate::{Counter, POINT};
use super::settings::{ApiSecret, KeySetting, Tier};
use crate::auth::{ApiSigner, Signed};
use nonce::Nonces;
use remora_domain::Timestamp;
use remora_matching::TraderIx;
use serde::Deserialize;
use std::collections::BTreeMap;
use subtle::ConstantTimeEq;

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

impl Permission {
    /// Gives the venue's name of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueryFunds => "query-funds",
            Self::QueryOpenTrades => "query-open-trades",
            Self::QueryClosedTrades => "query-closed-trades",
            Self::ModifyTrades => "modify-trades",
            Self::CloseTrades => "close-trades",
            Self::QueryLedger => "query-ledger",
            Self::ExportData => "export-data",
            Self::CreateWsToken => "create-ws-token",
            Self::AddFunds => "add-funds",
            Self::WithdrawFunds => "withdraw-funds",
            Self::EarnFunds => "earn-funds",
            Self::AddWithdrawAddress => "add-withdraw-address",
            Self::UpdateWithdrawAddress => "update-withdraw-address",
        }
    }
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

impl RestCost {
    const fn points(self) -> i64 {
        match self {
            Self::Free => 0,
            Self::Call => 1,
            Self::History => 4,
        }
    }
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

/// Is an API key with everything that is remembered about it.
struct Key {
    name: String,
    trader: TraderIx,
    tier: Tier,
    signer: ApiSigner,
    permissions: Vec<Permission>,
    otp: Option<ApiSecret>,
    nonces: Nonces,
    counter: Counter,
    created: Timestamp,
    last_used: Option<Timestamp>,
}

/// Holds all API keys.
#[derive(Default)]
pub(crate) struct KeyRing {
    keys: BTreeMap<String, Key>,
}

/// Says what is wrong with a key's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyProblem {
    /// Another key has the same public part.
    Taken,
    /// The secret is not base64 of something.
    Secret,
}

impl KeyRing {
    /// Adds a key of an account.
    pub(crate) fn add(
        &mut self,
        setting: &KeySetting,
        trader: TraderIx,
        tier: Tier,
        now: Timestamp,
    ) -> Result<(), KeyProblem> {
        if setting.key.is_empty() || self.keys.contains_key(&setting.key) {
            return Err(KeyProblem::Taken);
        }
        let key = Key {
            name: setting.name.clone(),
            trader,
            tier,
            signer: ApiSigner::new(setting.secret.reveal()).map_err(|_| KeyProblem::Secret)?,
            permissions: setting.permissions.clone(),
            otp: setting.otp.clone(),
            nonces: Nonces::new(setting.nonce_window),
            counter: Counter::default(),
            created: now,
            last_used: None,
        };
        self.keys.insert(setting.key.clone(), key);
        Ok(())
    }

    /// Checks key, signature, second factor, nonce, call counter and permission, in this order.
    pub(crate) fn authorise(
        &mut self,
        now: Timestamp,
        request: &PrivateCall<'_>,
    ) -> DeskResult<TraderIx> {
        let call = request.call;
        let public = call.api_key.as_deref().ok_or(KrakenError::InvalidKey)?;
        let key = self.keys.get_mut(public).ok_or(KrakenError::InvalidKey)?;
        if !key.has_signed(call, request.nonce) {
            return Err(KrakenError::InvalidSignature);
        }
        let is_otp_good = key.otp.as_ref().is_none_or(|otp| {
            request.otp.is_some_and(|given| given.as_bytes().ct_eq(otp.reveal().as_bytes()).into())
        });
        if !is_otp_good {
            return Err(KrakenError::PermissionDenied);
        }
        let nonce = nonce::read(request.nonce).ok_or(KrakenError::InvalidNonce)?;
        if !key.nonces.accept(nonce) {
            return Err(KrakenError::InvalidNonce);
        }
        key.last_used = Some(now);
        if let Some(limit) = key.tier.rest() {
            let units = request.cost.points().saturating_mul(POINT);
            if units > 0 && !key.counter.has_room(now, limit, units) {
                return Err(KrakenError::ApiRateLimit);
            }
            key.counter.charge(now, limit, units);
        }
        if request.needs.is_some_and(|needs| !key.permissions.contains(&needs)) {
            return Err(KrakenError::PermissionDenied);
        }
        Ok(key.trader)
    }

    /// Gives whose a key is and what it may do.
    pub(crate) fn rights(&self, public: &str) -> Option<(TraderIx, &[Permission])> {
        self.keys.get(public).map(|key| (key.trader, &*key.permissions))
    }

    /// Gives what is told about a key.
    pub(crate) fn facts<'a>(&'a self, public: &str) -> Option<KeyFacts<'a>> {
        let (public, key) = self.keys.get_key_value(public)?;
        Some(KeyFacts {
            name: &key.name,
            key: public,
            nonce: key.nonces.last().unwrap_or(0),
            nonce_window: key.nonces.window(),
            permissions: &key.permissions,
            created: key.created,
            last_used: key.last_used,
        })
    }
}

impl Key {
    /// Tells whether the request carries the right `API-Sign` over its bytes as received.
    fn has_signed(&self, call: &HttpCall, nonce: &str) -> bool {
        let HttpCall { path, query, body, .. } = call;
        let signed = Signed { path, query, nonce, body };
        call.api_sign.as_deref().is_some_and(|sign| self.signer.is_right(signed, sign))
    }
}

#[cfg(test)]
mod tests;
