//! What an account holds at each venue by the venue's word, beside what our executions say it should.
//!
//! In: definitions, balances, order events. Out: per venue and asset: held at the start, moved by our executions since,
//! held at the end, and the difference. Executions told before the first balances are in those already.
//! Exact: a difference of one unit in the last place shows.

use remora_domain::{
    Amount, AmountError, Asset, Balances, Body, Envelope, Fill, Instrument, InstrumentKey, Side,
    VenueId,
};
use std::collections::{BTreeMap, BTreeSet};

/// Is one asset at one venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Which.
    pub asset: Asset,
    /// Held by the venue's first word.
    pub start: Amount,
    /// Moved by our executions since: bought, sold, paid and earned, less fees.
    pub moved: Amount,
    /// Held by the venue's last word.
    pub end: Amount,
    /// What the venue's last word has that start and executions do not; zero when the books agree.
    pub difference: Amount,
}

/// Is one venue.
#[derive(Clone, Debug, Default)]
pub struct VenueHoldings {
    start: BTreeMap<Asset, Amount>,
    end: BTreeMap<Asset, Amount>,
    moved: BTreeMap<Asset, Amount>,
    fills_untold: u64,
    is_inexact: bool,
}

/// Keeps the holdings of all venues.
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    instruments: BTreeMap<InstrumentKey, Instrument>,
    venues: BTreeMap<VenueId, VenueHoldings>,
}

impl Holdings {
    /// Takes note of a message.
    pub(crate) fn observe(&mut self, message: &Envelope) {
        if let Body::Instrument(instrument) = &message.body {
            self.instruments.insert(instrument.key.clone(), instrument.clone());
        } else if let Body::Balances(balances) = &message.body {
            self.told(balances);
        } else if let Body::OrderEvent(event) = &message.body
            && let Some(fill) = &event.fill
            && let Some(venue) = self.venues.get_mut(&event.instrument.venue)
        {
            let instrument = self.instruments.get(&event.instrument);
            venue.book(instrument, event.side, fill);
        }
    }

    /// Gives every venue that has told its balances.
    pub fn venues(&self) -> impl Iterator<Item = (&VenueId, &VenueHoldings)> {
        self.venues.iter()
    }

    fn told(&mut self, balances: &Balances) {
        let told = balances.entries.iter().map(|entry| (entry.asset.clone(), entry.total));
        let told: BTreeMap<Asset, Amount> = told.collect();
        let known = self.venues.get_mut(&balances.venue);
        if let Some(venue) = known {
            venue.end = told;
            venue.fills_untold = 0;
        } else {
            let start = told.clone();
            let venue = VenueHoldings { start, end: told, ..VenueHoldings::default() };
            self.venues.insert(balances.venue.clone(), venue);
        }
    }
}

impl VenueHoldings {
    /// Gives every asset that was held or moved; `None` when an amount left the exact range or a pair was not defined.
    #[must_use]
    pub fn assets(&self) -> Option<Vec<Holding>> {
        if self.is_inexact {
            return None;
        }
        let all = self.start.keys().chain(self.end.keys()).chain(self.moved.keys());
        let all: BTreeSet<&Asset> = all.collect();
        all.into_iter().map(|asset| self.holding(asset).ok()).collect()
    }

    /// Gives how many executions the venue told after its last balances: they make a difference that is none.
    #[must_use]
    pub const fn fills_untold(&self) -> u64 {
        self.fills_untold
    }

    fn holding(&self, asset: &Asset) -> Result<Holding, AmountError> {
        let of = |side: &BTreeMap<Asset, Amount>| side.get(asset).copied().unwrap_or_default();
        let (start, moved, end) = (of(&self.start), of(&self.moved), of(&self.end));
        let expected = start.checked_add(moved)?;
        let difference = end.checked_add(expected.negated())?;
        Ok(Holding { asset: asset.clone(), start, moved, end, difference })
    }

    fn book(&mut self, instrument: Option<&Instrument>, side: Side, fill: &Fill) {
        self.fills_untold = self.fills_untold.saturating_add(1);
        let Some(instrument) = instrument else {
            self.is_inexact = true;
            return;
        };
        let moved = movements(instrument, side, fill).and_then(|movements| {
            for (asset, by) in movements {
                let moved = self.moved.entry(asset).or_default();
                *moved = moved.checked_add(by)?;
            }
            Ok(())
        });
        self.is_inexact |= moved.is_err();
    }
}

/// Gives what a spot execution moves: base, quote, fee.
///
/// # Errors
/// Refuses amounts outside the exact range.
pub(crate) fn movements(
    instrument: &Instrument,
    side: Side,
    fill: &Fill,
) -> Result<[(Asset, Amount); 3], AmountError> {
    let base = fill.last_qty.as_amount();
    let quote = fill.value(instrument.multiplier)?;
    let quote = quote.as_amount();
    let (base, quote) = match side {
        Side::Buy => (base, quote.negated()),
        Side::Sell => (base.negated(), quote),
    };
    Ok([
        (instrument.base.clone(), base),
        (instrument.quote.clone(), quote),
        (fill.fee.asset.clone(), fill.fee.amount.negated()),
    ])
}
