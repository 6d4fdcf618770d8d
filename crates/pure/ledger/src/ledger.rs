//! All holdings, and which executions they were made from.

use crate::{Holding, LedgerError};
use remora_domain::{
    AccountId, ContractKind, ExecId, Fill, Instrument, InstrumentKey, Position, Price, Qty, Side,
    VenueId,
};
use std::collections::BTreeMap;

/// Says whether an execution was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booking {
    /// It changed the holding.
    Booked,
    /// It was booked before; nothing changed.
    Duplicate,
}

/// Is what must be equal when an execution number is seen again.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Economics {
    instrument: InstrumentKey,
    side: Side,
    price: Price,
    qty: Qty,
}

/// Books executions, each once. Memory grows with the executions booked (about 150 bytes each).
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Ledger {
    holdings: BTreeMap<AccountId, BTreeMap<InstrumentKey, Holding>>,
    booked: BTreeMap<(AccountId, VenueId), BTreeMap<ExecId, Economics>>,
}

impl Ledger {
    /// Starts with nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { holdings: BTreeMap::new(), booked: BTreeMap::new() }
    }

    /// Books an execution of `account` on `instrument`, unless it was booked before.
    ///
    /// # Errors
    /// Refuses inverse contracts, an execution number with other economics than before, changed terms and
    /// amounts outside the exact range; then nothing is changed.
    pub fn book(
        &mut self,
        account: &AccountId,
        instrument: &Instrument,
        side: Side,
        fill: &Fill,
    ) -> Result<Booking, LedgerError> {
        let key = &instrument.key;
        let economics =
            Economics { instrument: key.clone(), side, price: fill.last_px, qty: fill.last_qty };
        let booked = self.booked.entry((account.clone(), key.venue.clone())).or_default();
        match booked.get(&fill.exec_id) {
            Some(known) if *known == economics => return Ok(Booking::Duplicate),
            Some(_) => {
                let exec_id = fill.exec_id.clone();
                return Err(LedgerError::Conflict { instrument: key.clone(), exec_id });
            }
            None => {}
        }
        match instrument.kind {
            ContractKind::Spot | ContractKind::LinearPerpetual | ContractKind::LinearFuture => {}
            kind @ (ContractKind::InversePerpetual | ContractKind::InverseFuture) => {
                return Err(LedgerError::UnsupportedKind { instrument: key.clone(), kind });
            }
        }
        let holdings = self.holdings.entry(account.clone()).or_default();
        let before = holdings.get(key).cloned().unwrap_or_else(|| Holding::flat(instrument));
        if !before.has_terms_of(instrument) {
            return Err(LedgerError::TermsChanged { instrument: key.clone() });
        }
        let after = before
            .after(side, fill)
            .map_err(|cause| LedgerError::Range { instrument: key.clone(), cause })?;
        holdings.insert(key.clone(), after);
        booked.insert(fill.exec_id.clone(), economics);
        Ok(Booking::Booked)
    }

    /// Gives a holding; `None` when nothing was ever booked.
    #[must_use]
    pub fn holding(&self, account: &AccountId, instrument: &InstrumentKey) -> Option<&Holding> {
        self.holdings.get(account)?.get(instrument)
    }

    /// Gives a position; flat when nothing was ever booked.
    #[must_use]
    pub fn position(&self, account: &AccountId, instrument: &InstrumentKey) -> Position {
        self.holding(account, instrument).map_or(Position::ZERO, Holding::position)
    }

    /// Gives all holdings of an account, by instrument.
    pub fn holdings(
        &self,
        account: &AccountId,
    ) -> impl Iterator<Item = (&InstrumentKey, &Holding)> {
        self.holdings.get(account).into_iter().flatten()
    }
}
