//! What the account holds, and what its open orders bind. Exact; a spot account never goes below zero.
//!
//! Spot: a bid binds its value at the limit and the dearer fee, an ask binds its base.
//! Linear contracts: the worst case of position and orders is fully collateralised in the quote asset (no leverage), at
//! the highest price in question; each fill settles the open position at its price, so no average and no rounding is
//! needed. There is no liquidation and no funding: a short can lose more than its collateral.
//! Fees are charged in the quote asset and rounded up once per order, not once per fill.

use crate::queue::Resting;
use remora_domain::{
    Amount, AmountError, Asset, Balance, Bps, ContractKind, Fee, FeeSchedule, Fill, Instrument,
    InstrumentKey, Liquidity, Notional, Position, Price, Qty, Side,
};
use rust_decimal::RoundingStrategy;
use std::collections::BTreeMap;

/// Is the account at the venue.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    totals: BTreeMap<Asset, Amount>,
    contracts: BTreeMap<InstrumentKey, Contract>,
    fees: FeeSchedule,
    fee_decimals: u32,
}

/// Is a position in a linear contract, settled up to the price of its last fill.
#[derive(Clone, Debug)]
struct Contract {
    instrument: Instrument,
    position: Position,
    settled_at: Price,
}

/// Is an order as far as it binds money.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding<'a> {
    pub(crate) instrument: &'a Instrument,
    pub(crate) side: Side,
    pub(crate) price: Price,
    pub(crate) leaves_qty: Qty,
    pub(crate) is_post_only: bool,
}

impl Account {
    pub(crate) fn new(
        totals: BTreeMap<Asset, Amount>,
        fees: FeeSchedule,
        fee_decimals: u32,
    ) -> Self {
        Self { totals, contracts: BTreeMap::new(), fees, fee_decimals }
    }

    pub(crate) const fn fees(&self) -> FeeSchedule {
        self.fees
    }

    /// Tells whether the account covers `orders` and one more. An order that binds nothing more is always covered.
    pub(crate) fn covers(
        &self,
        orders: &[Binding<'_>],
        more: Binding<'_>,
    ) -> Result<bool, AmountError> {
        let before = self.held(orders)?;
        let mut with = orders.to_vec();
        with.push(more);
        let after = self.held(&with)?;
        Ok(after.iter().all(|(asset, held)| {
            *held <= self.total(asset) || before.get(asset).is_some_and(|before| held <= before)
        }))
    }

    /// Gives the complete balances, sorted by asset.
    pub(crate) fn balances(&self, orders: &[Binding<'_>]) -> Vec<Balance> {
        // Every order was admitted with its hold in range, and holds only shrink.
        let held = self.held(orders).unwrap_or_default();
        let entry = |(asset, total): (&Asset, &Amount)| Balance {
            asset: asset.clone(),
            total: *total,
            held: held.get(asset).copied().unwrap_or_default(),
        };
        self.totals.iter().map(entry).collect()
    }

    /// Computes the fee of one fill of an order and notes it there. Rounded up to the asset's decimals over the whole
    /// order, so that many small fills cost no more than one; a sale never costs more than it brings.
    pub(crate) fn charge(
        &self,
        order: &mut Resting,
        notional: Notional,
        liquidity: Liquidity,
    ) -> Result<Notional, AmountError> {
        let rate = match liquidity {
            Liquidity::Maker => self.fees.maker_bps,
            Liquidity::Taker => self.fees.taker_bps,
        };
        let exact = order.fee_exact.checked_add(notional.checked_bps(rate)?)?;
        let due = self.round_up(exact)?.checked_sub(order.fee_charged)?;
        let fee = match order.side {
            Side::Buy => due,
            Side::Sell => due.min(notional),
        };
        order.fee_exact = exact;
        order.fee_charged = order.fee_charged.checked_add(fee)?;
        Ok(fee)
    }

    /// Books a fill.
    pub(crate) fn book(
        &mut self,
        instrument: &Instrument,
        side: Side,
        fill: &Fill,
    ) -> Result<(), AmountError> {
        let mut changed = self.clone_totals(instrument, fill);
        let notional = fill.value(instrument.multiplier)?;
        let (paid, received) = (notional.as_amount(), fill.last_qty.as_amount());
        match (instrument.kind, side) {
            (ContractKind::Spot, Side::Buy) => {
                changed.add(&instrument.base, received)?;
                changed.add(&instrument.quote, paid.negated())?;
            }
            (ContractKind::Spot, Side::Sell) => {
                changed.add(&instrument.base, received.negated())?;
                changed.add(&instrument.quote, paid)?;
            }
            (
                ContractKind::LinearPerpetual
                | ContractKind::LinearFuture
                | ContractKind::InversePerpetual
                | ContractKind::InverseFuture,
                Side::Buy | Side::Sell,
            ) => {
                let known = self.contracts.get(&instrument.key).cloned();
                let mut contract = known.unwrap_or_else(|| Contract::flat(instrument));
                changed.add(&instrument.quote, contract.settle(fill.last_px)?)?;
                let change = Position::of(side, fill.last_qty);
                contract.position = contract.position.checked_add(change)?;
                self.contracts.insert(instrument.key.clone(), contract);
            }
        }
        changed.add(&fill.fee.asset, fill.fee.amount.negated())?;
        self.totals.append(&mut changed.0);
        Ok(())
    }

    /// Makes the fee of a fill.
    pub(crate) fn fee_of(instrument: &Instrument, fee: Notional) -> Fee {
        Fee { asset: instrument.quote.clone(), amount: fee.as_amount() }
    }

    fn total(&self, asset: &Asset) -> Amount {
        self.totals.get(asset).copied().unwrap_or_default()
    }

    /// Copies the few totals a fill touches, so that a failure half way changes nothing.
    fn clone_totals(&self, instrument: &Instrument, fill: &Fill) -> Totals {
        let mut totals = Totals(BTreeMap::new());
        for asset in [&instrument.quote, &fill.fee.asset] {
            totals.0.insert(asset.clone(), self.total(asset));
        }
        if instrument.kind == ContractKind::Spot {
            totals.0.insert(instrument.base.clone(), self.total(&instrument.base));
        }
        totals
    }

    /// Gives what orders and contract positions bind, by asset.
    fn held(&self, orders: &[Binding<'_>]) -> Result<BTreeMap<Asset, Amount>, AmountError> {
        let mut held = Totals(BTreeMap::new());
        let open = self.contracts.iter();
        let mut contracts: BTreeMap<&InstrumentKey, Exposure<'_>> =
            open.map(|(key, contract)| (key, Exposure::of(contract))).collect();
        for order in orders {
            let value =
                order.price.checked_notional(order.leaves_qty, order.instrument.multiplier)?;
            let fee = self.round_up(value.checked_bps(self.dearer_fee(order.is_post_only))?)?;
            match (order.instrument.kind, order.side) {
                (ContractKind::Spot, Side::Buy) => {
                    held.add(&order.instrument.quote, value.checked_add(fee)?.as_amount())?;
                }
                (ContractKind::Spot, Side::Sell) => {
                    held.add(&order.instrument.base, order.leaves_qty.as_amount())?;
                }
                (
                    ContractKind::LinearPerpetual
                    | ContractKind::LinearFuture
                    | ContractKind::InversePerpetual
                    | ContractKind::InverseFuture,
                    Side::Buy | Side::Sell,
                ) => {
                    held.add(&order.instrument.quote, fee.as_amount())?;
                    let entry = contracts.entry(&order.instrument.key);
                    entry.or_insert_with(|| Exposure::flat(order.instrument)).add(order)?;
                }
            }
        }
        for exposure in contracts.into_values() {
            held.add(&exposure.instrument.quote, exposure.margin()?)?;
        }
        Ok(held.0)
    }

    fn dearer_fee(&self, is_post_only: bool) -> Bps {
        let maker = self.fees.maker_bps.max(Bps::ZERO);
        if is_post_only { maker } else { maker.max(self.fees.taker_bps) }
    }

    fn round_up(&self, fee: Notional) -> Result<Notional, AmountError> {
        let strategy = RoundingStrategy::ToPositiveInfinity;
        Notional::from_decimal(fee.to_decimal().round_dp_with_strategy(self.fee_decimals, strategy))
    }
}

/// Is a sum by asset.
struct Totals(BTreeMap<Asset, Amount>);

impl Totals {
    fn add(&mut self, asset: &Asset, amount: Amount) -> Result<(), AmountError> {
        let total = self.0.entry(asset.clone()).or_default();
        *total = total.checked_add(amount)?;
        Ok(())
    }
}

impl Contract {
    fn flat(instrument: &Instrument) -> Self {
        let instrument = instrument.clone();
        Self { instrument, position: Position::ZERO, settled_at: Price::ZERO }
    }

    /// Settles the position at a price and gives what that brings.
    fn settle(&mut self, price: Price) -> Result<Amount, AmountError> {
        let (size, multiplier) = (self.position.abs(), self.instrument.multiplier);
        let now = price.checked_notional(size, multiplier)?;
        let gain = now.checked_sub(self.settled_at.checked_notional(size, multiplier)?)?;
        self.settled_at = price;
        Ok(match self.position.side() {
            Some(Side::Buy) | None => gain.as_amount(),
            Some(Side::Sell) => gain.negated().as_amount(),
        })
    }
}

/// Is the worst case of one contract.
struct Exposure<'a> {
    instrument: &'a Instrument,
    long_most: Position,
    short_most: Position,
    price: Price,
}

impl<'a> Exposure<'a> {
    const fn of(contract: &'a Contract) -> Self {
        let Contract { instrument, position, settled_at } = contract;
        Self { instrument, long_most: *position, short_most: *position, price: *settled_at }
    }

    const fn flat(instrument: &'a Instrument) -> Self {
        let flat = Position::ZERO;
        Self { instrument, long_most: flat, short_most: flat, price: Price::ZERO }
    }

    fn add(&mut self, order: &Binding<'_>) -> Result<(), AmountError> {
        let change = Position::of(order.side, order.leaves_qty);
        match order.side {
            Side::Buy => self.long_most = self.long_most.checked_add(change)?,
            Side::Sell => self.short_most = self.short_most.checked_add(change)?,
        }
        self.price = self.price.max(order.price);
        Ok(())
    }

    fn margin(&self) -> Result<Amount, AmountError> {
        let size = self.long_most.abs().max(self.short_most.abs());
        Ok(self.price.checked_notional(size, self.instrument.multiplier)?.as_amount())
    }
}

/// Tells whether this venue can keep the books of a contract.
pub(crate) const fn is_supported(kind: ContractKind) -> bool {
    match kind {
        ContractKind::Spot | ContractKind::LinearPerpetual | ContractKind::LinearFuture => true,
        ContractKind::InversePerpetual | ContractKind::InverseFuture => false,
    }
}
