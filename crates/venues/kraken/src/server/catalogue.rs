//! What is traded: assets and pairs with all their spellings. Definitions change only through the desk.
//!
//! Every number of a pair is written with the pair's own decimals: [`PairDef::price`], [`PairDef::qty`] and
//! [`PairDef::cost`] give decimals whose text carries the trailing zeros the venue prints.

mod build;

pub(crate) use build::build;

use remora_domain::{Lots, Ticks};
use remora_matching::{AssetIx, MarketIx, Money};
use rust_decimal::Decimal;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Is what may be done with an asset.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum AssetStatus {
    /// Everything.
    Enabled,
    /// Deposits only.
    DepositOnly,
    /// Withdrawals only.
    WithdrawalOnly,
    /// No deposits or withdrawals for now.
    FundingTemporarilyDisabled,
}

/// Is what a pair allows, as `AssetPairs` and `instrument` write it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum PairStatus {
    /// Everything.
    Online,
    /// Nothing but cancels.
    CancelOnly,
    /// Orders that rest.
    PostOnly,
    /// No market orders.
    LimitOnly,
    /// Orders that make a position smaller: none on a cash account.
    ReduceOnly,
    /// Gone for good (v2 only).
    Delisted,
    /// Away for a while (v2 only).
    Maintenance,
    /// Not there yet (v2 only).
    WorkInProgress,
}

/// Is what the whole exchange allows.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SystemMode {
    /// Everything.
    Online,
    /// Nothing; dead man's switches wait for the end of it.
    Maintenance,
    /// Nothing but cancels.
    CancelOnly,
    /// Orders that rest.
    PostOnly,
}

/// Is an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetDef {
    /// Its number in the exchange.
    pub ix: AssetIx,
    /// Its REST id, such as `XXBT` or `ZUSD`.
    pub id: Arc<str>,
    /// Its other REST name, such as `XBT` or `USD`.
    pub altname: Arc<str>,
    /// Its v2 name, such as `BTC` or `USD`.
    pub v2: Arc<str>,
    /// Decimals of balances and ledger entries.
    pub decimals: u32,
    /// Decimals the venue's pages show.
    pub display_decimals: u32,
    /// What may be done with it.
    pub status: AssetStatus,
    /// US dollars for one of it, for the 30-day volume and `fee_usd_equiv`; unknown ones count nothing.
    pub usd_rate: Option<Decimal>,
}

/// Is a pair. All steps and minimums are exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairDef {
    /// Its number in the exchange.
    pub market: MarketIx,
    /// The key in `AssetPairs`, such as `XXBTZUSD`.
    pub id: Arc<str>,
    /// Such as `XBTUSD`.
    pub altname: Arc<str>,
    /// Such as `XBT/USD`.
    pub wsname: Arc<str>,
    /// The v2 symbol, such as `BTC/USD`.
    pub symbol: Arc<str>,
    /// What is traded.
    pub base: AssetIx,
    /// What it is paid in.
    pub quote: AssetIx,
    /// Decimals of prices.
    pub price_decimals: u32,
    /// Decimals of quantities.
    pub qty_decimals: u32,
    /// Decimals of costs and fees, as printed.
    pub cost_decimals: u32,
    /// Decimals of costs and fees in the exchange: never more than the quote asset has.
    pub cost_unit_decimals: u32,
    /// Price step.
    pub tick_size: Decimal,
    /// Quantity step.
    pub qty_increment: Decimal,
    /// `ordermin`
    pub qty_min: Decimal,
    /// `costmin`
    pub cost_min: Decimal,
    /// What it allows.
    pub status: PairStatus,
    /// Whether index triggers are possible.
    pub has_index: bool,
    /// Which fee schedule, by number.
    pub schedule: usize,
    /// Price step in units of the last price decimal.
    pub tick: Ticks,
    /// Quantity step in units of the last quantity decimal.
    pub lot: Lots,
    /// `ordermin` in units of the last quantity decimal.
    pub lots_min: Lots,
    /// `costmin` in units of price times quantity; none where it has more decimals than those.
    pub(crate) product_min: Option<i128>,
}

impl PairDef {
    /// Writes a price with the pair's decimals.
    #[must_use]
    pub fn price(&self, price: Ticks) -> Decimal {
        decimal(i128::from(price.get()), self.price_decimals)
    }

    /// Writes a quantity with the pair's decimals.
    #[must_use]
    pub fn qty(&self, qty: Lots) -> Decimal {
        decimal(i128::from(qty.get()), self.qty_decimals)
    }

    /// Writes a cost or quote fee, given in the exchange's units, with the pair's decimals.
    #[must_use]
    pub fn cost(&self, cost: Money) -> Decimal {
        let mut cost = decimal(cost, self.cost_unit_decimals);
        cost.rescale(self.cost_decimals);
        cost
    }
}

impl PairDef {
    /// Gives the price step, the quantity step and the smallest quantity in units of the last decimals.
    #[must_use]
    pub fn steps(&self) -> Option<(Ticks, Lots, Lots)> {
        let price = |value| units(value, self.price_decimals).and_then(|it| i64::try_from(it).ok());
        let qty = |value| units(value, self.qty_decimals).and_then(|it| i64::try_from(it).ok());
        let (tick, lot) = (price(self.tick_size)?, qty(self.qty_increment)?);
        Some((Ticks::new(tick), Lots::new(lot), Lots::new(qty(self.qty_min)?)))
    }
}

impl AssetDef {
    /// Writes an amount with the asset's decimals.
    #[must_use]
    pub fn amount(&self, amount: Money) -> Decimal {
        decimal(amount, self.decimals)
    }
}

/// Gives `units` steps of `10^-decimals`; stops at the ends of the decimal range (7.9e28 steps).
#[must_use]
pub(crate) fn decimal(units: i128, decimals: u32) -> Decimal {
    Decimal::try_from_i128_with_scale(units, decimals).unwrap_or(if units < 0 {
        Decimal::MIN
    } else {
        Decimal::MAX
    })
}

/// Gives a number as whole steps of `10^-decimals`; nothing when it has more decimals or does not fit.
#[must_use]
pub(crate) fn units(value: Decimal, decimals: u32) -> Option<i128> {
    let value = value.normalize();
    let missing = decimals.checked_sub(value.scale())?;
    value.mantissa().checked_mul(10_i128.checked_pow(missing)?)
}

/// Is a percentage by 30-day volume, for makers and takers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeSchedule {
    /// Its name in the settings.
    pub name: String,
    /// Steps by rising volume; the first one starts at 0.
    pub tiers: Vec<FeeTier>,
    /// Whether trades of its pairs count for the volume.
    pub counts_as_volume: bool,
}

/// Is one step of a fee schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeTier {
    /// From this 30-day volume in US dollars on.
    pub volume_usd: Decimal,
    /// Percent of the traded value; negative is a rebate.
    pub maker_percent: Decimal,
    /// Percent of the traded value.
    pub taker_percent: Decimal,
}

/// Is everything that is traded.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    assets: Vec<AssetDef>,
    pairs: Vec<PairDef>,
    schedules: Vec<FeeSchedule>,
    asset_names: BTreeMap<Arc<str>, AssetIx>,
    pair_names: BTreeMap<Arc<str>, MarketIx>,
}

impl Catalogue {
    /// Finds a pair by any of the spellings that REST takes: id, altname, `XBT/USD`, `BTC/USD`, `BTCUSD`.
    #[must_use]
    pub fn find_pair(&self, name: &str) -> Option<&PairDef> {
        self.pair_names.get(name).and_then(|&market| self.pair(market))
    }

    /// Finds a pair by its v2 symbol only, as the WebSocket does.
    #[must_use]
    pub fn find_symbol(&self, symbol: &str) -> Option<&PairDef> {
        self.find_pair(symbol).filter(|pair| &*pair.symbol == symbol)
    }

    /// Finds an asset by its id, altname or v2 name.
    #[must_use]
    pub fn find_asset(&self, name: &str) -> Option<&AssetDef> {
        self.asset_names.get(name).and_then(|&ix| self.asset(ix))
    }

    /// Gives the pair of a market.
    #[must_use]
    pub fn pair(&self, market: MarketIx) -> Option<&PairDef> {
        self.pairs.get(usize::try_from(market.get()).ok()?)
    }

    /// Gives an asset.
    #[must_use]
    pub fn asset(&self, asset: AssetIx) -> Option<&AssetDef> {
        self.assets.get(usize::try_from(asset.get()).ok()?)
    }

    /// Gives all pairs, by number.
    #[must_use]
    pub fn pairs(&self) -> &[PairDef] {
        &self.pairs
    }

    /// Gives all assets, by number.
    #[must_use]
    pub fn assets(&self) -> &[AssetDef] {
        &self.assets
    }

    /// Gives all fee schedules, by number.
    #[must_use]
    pub fn schedules(&self) -> &[FeeSchedule] {
        &self.schedules
    }

    /// Gives the fee schedule of a pair.
    #[must_use]
    pub fn schedule(&self, pair: &PairDef) -> Option<&FeeSchedule> {
        self.schedules.get(pair.schedule)
    }
}

#[cfg(test)]
mod tests;
