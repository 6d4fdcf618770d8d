//! Sums over instruments, per quote currency and in the reporting currency.

use crate::{Holding, Ledger, LedgerError};
use remora_domain::{
    AccountId, Amount, AmountError, Asset, InstrumentKey, Notional, Price, Reporting,
};
use std::collections::BTreeMap;

/// Is the sum over all instruments with one quote currency, in that currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Realised P&L before fees.
    pub realised: Notional,
    /// Unrealised P&L at the marks given; `None` when an open position has no mark.
    pub unrealised: Option<Notional>,
    /// Fees in quote and base; positive is a cost.
    pub fees: Notional,
    /// Fees in other assets, as charged.
    pub fees_other: BTreeMap<Asset, Amount>,
    /// Value of all executions.
    pub turnover: Notional,
    /// How many executions.
    pub fills: u64,
}

impl Totals {
    /// Computes realised and unrealised P&L minus fees in quote and base; `None` when a mark is missing.
    ///
    /// # Errors
    /// Refuses a result outside the exact range.
    pub fn net(&self) -> Result<Option<Notional>, AmountError> {
        let Some(unrealised) = self.unrealised else { return Ok(None) };
        self.realised.checked_add(unrealised)?.checked_sub(self.fees).map(Some)
    }

    fn add(&mut self, holding: &Holding, mark: Option<Price>) -> Result<(), AmountError> {
        self.realised = self.realised.checked_add(holding.realised()?)?;
        let open = match mark {
            Some(mark) => Some(holding.unrealised(mark)?),
            None => holding.position().is_zero().then_some(Notional::ZERO),
        };
        self.unrealised = match (self.unrealised, open) {
            (Some(sum), Some(open)) => Some(sum.checked_add(open)?),
            (None, _) | (_, None) => None,
        };
        self.fees = self.fees.checked_add(holding.fees_quote())?;
        for (asset, amount) in holding.fees_other() {
            let so_far = self.fees_other.get(asset).copied().unwrap_or(Amount::ZERO);
            self.fees_other.insert(asset.clone(), so_far.checked_add(amount)?);
        }
        self.turnover = self.turnover.checked_add(holding.turnover())?;
        self.fills = self.fills.saturating_add(holding.fills());
        Ok(())
    }
}

impl Ledger {
    /// Sums the holdings of an account by quote currency, at the marks given.
    ///
    /// # Errors
    /// Refuses results outside the exact range.
    pub fn totals(
        &self,
        account: &AccountId,
        marks: &BTreeMap<InstrumentKey, Price>,
    ) -> Result<BTreeMap<Asset, Totals>, LedgerError> {
        let mut all = BTreeMap::new();
        for (key, holding) in self.holdings(account) {
            let start = || Totals { unrealised: Some(Notional::ZERO), ..Totals::default() };
            let sum: &mut Totals = all.entry(holding.quote().clone()).or_insert_with(start);
            sum.add(holding, marks.get(key).copied())
                .map_err(|cause| LedgerError::TotalRange { cause })?;
        }
        Ok(all)
    }
}

/// Converts net P&L of all quote currencies, and fees in other assets, to the reporting currency; `None` when a
/// mark or a rate is missing.
///
/// # Errors
/// Refuses results outside the exact range.
pub fn net_in_reporting(
    totals: &BTreeMap<Asset, Totals>,
    reporting: &Reporting,
) -> Result<Option<Notional>, AmountError> {
    let mut sum = Notional::ZERO;
    for (quote, of_quote) in totals {
        let Some(net) = of_quote.net()? else { return Ok(None) };
        let Some(net) = reporting.convert(quote, net)? else { return Ok(None) };
        sum = sum.checked_add(net)?;
        for (asset, fee) in &of_quote.fees_other {
            let Some(fee) = reporting.convert(asset, fee.as_notional())? else { return Ok(None) };
            sum = sum.checked_sub(fee)?;
        }
    }
    Ok(Some(sum))
}
