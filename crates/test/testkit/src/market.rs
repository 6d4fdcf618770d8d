//! Instruments, books and venue status. One venue, one account, one strategy unless a test says otherwise.

use crate::{px, qty};
use remora_domain::{
    AccountId, Asset, BookState, BookTop, ContractKind, Instrument, InstrumentId, InstrumentKey,
    InstrumentStatus, InvalidBook, Level, MarketStatus, Notional, StrategyId, SystemStatus,
    Timestamp, VenueId,
};

/// Gives the venue of the tests, `sim-spot`.
#[must_use]
pub fn venue() -> VenueId {
    VenueId::new("sim-spot").unwrap()
}

/// Gives the account of the tests, `paper`.
#[must_use]
pub fn account() -> AccountId {
    AccountId::new("paper").unwrap()
}

/// Gives the strategy of the tests, `glft`.
#[must_use]
pub fn strategy() -> StrategyId {
    StrategyId::new("glft").unwrap()
}

/// Makes an asset.
#[must_use]
pub fn asset(name: &str) -> Asset {
    Asset::new(name).unwrap()
}

/// Makes the key of an instrument of the tests' venue.
#[must_use]
pub fn key(instrument: &str) -> InstrumentKey {
    InstrumentKey::new(venue(), InstrumentId::new(instrument).unwrap())
}

/// Makes a spot instrument: tick 0.01, lot 0.0001, smallest order 0.001 base and 0.5 quote, online.
#[must_use]
pub fn instrument(base: &str, quote: &str) -> Instrument {
    Instrument {
        key: InstrumentKey::new(venue(), InstrumentId::of_pair(base, quote).unwrap()),
        symbol: format!("{base}/{quote}"),
        base: asset(base),
        quote: asset(quote),
        kind: ContractKind::Spot,
        status: InstrumentStatus::Online,
        tick: px("0.01"),
        price_decimals: 2,
        lot: qty("0.0001"),
        qty_decimals: 4,
        qty_min: qty("0.001"),
        cost_min: Some(Notional::parse("0.5").unwrap()),
        multiplier: qty("1"),
        version: 1,
        receive_time: Timestamp::EPOCH,
        is_synthetic: true,
    }
}

/// Makes a live book with one level a side, quantity 10 each.
#[must_use]
pub fn book(instrument: &str, bid: &str, ask: &str) -> BookTop {
    book_of(instrument, &[(bid, "10")], &[(ask, "10")])
}

/// Makes a live book from (price, quantity) levels, best first.
#[must_use]
pub fn book_of(instrument: &str, bids: &[(&str, &str)], asks: &[(&str, &str)]) -> BookTop {
    let side = |levels: &[(&str, &str)]| {
        levels.iter().map(|(price, size)| Level { price: px(price), qty: qty(size) }).collect()
    };
    BookTop {
        instrument: key(instrument),
        book_sequence: 1,
        state: BookState::Live,
        bids: side(bids),
        asks: side(asks),
    }
}

/// Makes a book that may not be used.
#[must_use]
pub fn invalid_book(instrument: &str, why: InvalidBook) -> BookTop {
    BookTop { state: BookState::Invalid(why), ..book_of(instrument, &[], &[]) }
}

/// Makes the status of the tests' venue.
#[must_use]
pub fn venue_status(status: SystemStatus) -> MarketStatus {
    MarketStatus { venue: venue(), status }
}
