//! The settings of a simulated exchange: what is traded, by whom, at what fees. Nothing about money has a default.

use super::auth::Permission;
use super::catalogue::{AssetStatus, PairStatus};
use rust_decimal::Decimal;
use rust_decimal::serde::{str as text, str_option as text_option};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

/// Is everything the desk has to know before its first order.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeskSettings {
    /// Ids of orders, trades and tokens derive from it.
    pub seed: u64,
    /// What can be owned.
    pub assets: Vec<AssetSetting>,
    /// What can be traded.
    pub pairs: Vec<PairSetting>,
    /// What it costs.
    pub fee_schedules: Vec<FeeScheduleSetting>,
    /// Who trades.
    pub accounts: Vec<AccountSetting>,
    /// How a post-only order that would take is refused.
    pub post_only: PostOnlyMode,
    /// How much is remembered.
    pub history: HistoryBounds,
}

/// Is an asset.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetSetting {
    /// REST id, such as `XXBT`.
    pub id: String,
    /// Other REST name, such as `XBT`.
    pub altname: String,
    /// v2 name, such as `BTC`.
    pub v2: String,
    /// Decimals of balances, 0 to 18.
    pub decimals: u32,
    /// Decimals shown to people.
    pub display_decimals: u32,
    /// What may be done with it.
    pub status: AssetStatus,
    /// US dollars for one of it, for 30-day volumes. Trades in a quote without rate count nothing.
    #[serde(with = "text_option")]
    pub usd_rate: Option<Decimal>,
}

/// Is a pair.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairSetting {
    /// The key in `AssetPairs`, such as `XXBTZUSD`.
    pub id: String,
    /// Such as `XBTUSD`.
    pub altname: String,
    /// Such as `XBT/USD`.
    pub wsname: String,
    /// v2 symbol, such as `BTC/USD`.
    pub symbol: String,
    /// REST id of what is traded.
    pub base: String,
    /// REST id of what it is paid in.
    pub quote: String,
    /// Decimals of prices.
    pub price_decimals: u32,
    /// Decimals of quantities.
    pub qty_decimals: u32,
    /// Decimals of costs and fees.
    pub cost_decimals: u32,
    /// Price step.
    #[serde(with = "text")]
    pub tick_size: Decimal,
    /// Quantity step.
    #[serde(with = "text")]
    pub qty_increment: Decimal,
    /// Smallest quantity.
    #[serde(with = "text")]
    pub qty_min: Decimal,
    /// Smallest price times quantity.
    #[serde(with = "text")]
    pub cost_min: Decimal,
    /// What it allows at first.
    pub status: PairStatus,
    /// Whether there is an index.
    pub has_index: bool,
    /// The name of its fee schedule.
    pub fee_schedule: String,
}

/// Is a fee schedule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeeScheduleSetting {
    /// Its name.
    pub name: String,
    /// Steps by rising volume, the first at 0.
    pub tiers: Vec<FeeTierSetting>,
    /// Whether trades of its pairs count for the volume.
    pub counts_as_volume: bool,
}

/// Is one step of a fee schedule.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeeTierSetting {
    /// From this 30-day volume in US dollars on.
    #[serde(with = "text")]
    pub volume_usd: Decimal,
    /// Percent, at most 4 decimals; may be negative.
    #[serde(with = "text")]
    pub maker_percent: Decimal,
    /// Percent, at most 4 decimals.
    #[serde(with = "text")]
    pub taker_percent: Decimal,
}

/// Is an account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSetting {
    /// Its name, for people.
    pub name: String,
    /// Which limits it has.
    pub tier: Tier,
    /// What it traded elsewhere in the last 30 days, in US dollars; counts for the fee tier all the time.
    #[serde(with = "text")]
    pub volume_usd: Decimal,
    /// What it owns at first, by asset (any spelling).
    pub balances: BTreeMap<String, Amount>,
    /// Its keys.
    pub keys: Vec<KeySetting>,
}

/// Is an exact amount, written as text.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Amount(#[serde(with = "text")] pub Decimal);

/// Is an API key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySetting {
    /// Its name, for people.
    pub name: String,
    /// The public part.
    pub key: String,
    /// The private part.
    pub secret: ApiSecret,
    /// What it may do.
    pub permissions: Vec<Permission>,
    /// How far below the largest nonce another one may be, in units of the nonce.
    pub nonce_window: u64,
    /// The static second factor that every call must carry, where one is set.
    #[serde(default)]
    pub otp: Option<ApiSecret>,
}

/// Is the private part of a key: never shown by `Debug`, zeroed when dropped.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(from = "String")]
pub struct ApiSecret(Zeroizing<String>);

impl From<String> for ApiSecret {
    fn from(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }
}

impl ApiSecret {
    /// Gives the secret itself, for checking signatures and for telling the owner of a throw-away key.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Is an account's verification level, which sets its limits.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// The lowest; only older texts know its REST limits.
    Starter,
    /// The middle.
    Intermediate,
    /// The highest.
    Pro,
    /// Not a tier of the venue: no limits, for throughput runs.
    Unlimited,
}

/// Is how a post-only order that would take is refused.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum PostOnlyMode {
    /// The request fails.
    ImmediateError,
    /// The request succeeds; the order is cancelled a moment later.
    LateCancel,
}

/// Is how much is remembered for each account. What is dropped is counted.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct HistoryBounds {
    /// Ended orders.
    pub orders_max: usize,
    /// Executions.
    pub executions_max: usize,
    /// Ledger entries.
    pub ledger_max: usize,
    /// Changes of one order.
    pub amends_per_order_max: usize,
}
