//! What history knows of our own trading: fills with the mid after them, and since when each instrument is known. The same questions for
//! both stores.

use crate::HistoryError;
use remora_domain::{
    Amount, Asset, Fee, InstrumentId, InstrumentKey, Price, Qty, Side, Timestamp, VenueId,
};
use std::collections::BTreeMap;

/// Most fills that one question gives: more are refused, not cut.
pub const FILLS_MAX: i64 = 200_000;

/// Is one of our executions as stored, with what the market did after it.
#[derive(Clone, Debug, PartialEq)]
pub struct PastFill {
    /// Of which instrument.
    pub instrument: InstrumentKey,
    /// What was traded and what it was paid with; `None` where the history has no definition.
    pub assets: Option<(Asset, Asset)>,
    /// When: the venue's time, or ours where it told none.
    pub at: Timestamp,
    /// Which side.
    pub side: Side,
    /// Its price.
    pub price: Price,
    /// How much.
    pub qty: Qty,
    /// What it cost.
    pub fee: Fee,
    /// Last mid of the first whole minute after it, at most two minutes later; `None` where there is no such bar.
    pub mid_after: Option<Price>,
}

/// Is a row of [`FILLS_SQL`].
pub type FillRow = (
    String,
    String,
    i64,
    String,
    String,
    String,
    String,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// Gives the fills of an account (`$1`) since an instant (`$2`), at most `$3`. Understood by PostgreSQL and SQLite.
pub const FILLS_SQL: &str = "SELECT fill.venue, fill.instrument, fill.at_ns, fill.side, \
    CAST(fill.last_px AS TEXT), CAST(fill.last_qty AS TEXT), fill.fee_asset, \
    CAST(fill.fee_amount AS TEXT), \
    (SELECT definition.base FROM instruments AS definition WHERE definition.venue = fill.venue \
     AND definition.instrument = fill.instrument ORDER BY definition.version DESC LIMIT 1), \
    (SELECT definition.quote FROM instruments AS definition WHERE definition.venue = fill.venue \
     AND definition.instrument = fill.instrument ORDER BY definition.version DESC LIMIT 1), \
    (SELECT CAST(bar.close AS TEXT) FROM bars AS bar WHERE bar.venue = fill.venue \
     AND bar.instrument = fill.instrument AND bar.open_time_ns >= fill.at_ns \
     AND bar.open_time_ns < fill.at_ns + 60000000000 ORDER BY bar.open_time_ns LIMIT 1) \
    FROM (SELECT fills.*, COALESCE(exec_time_ns, venue_time_ns, publish_time_ns) AS at_ns \
    FROM fills WHERE account = $1) AS fill \
    WHERE fill.at_ns >= $2 ORDER BY fill.at_ns, fill.venue, fill.exec_id LIMIT $3";

/// Gives the accounts that have fills.
pub const ACCOUNTS_SQL: &str = "SELECT DISTINCT account FROM fills ORDER BY account";

/// Gives when each instrument was first defined.
pub const KNOWN_SQL: &str = "SELECT venue, instrument, MIN(publish_time_ns) FROM instruments \
    GROUP BY venue, instrument ORDER BY venue, instrument";

/// Reads fills as stored.
///
/// # Errors
/// Refuses a row that is none of ours, and more rows than [`FILLS_MAX`].
pub fn fills_of(rows: Vec<FillRow>) -> Result<Vec<PastFill>, HistoryError> {
    if i64::try_from(rows.len()).map_or(true, |rows| rows > FILLS_MAX) {
        return Err(HistoryError::TooMany { what: "fills", most: FILLS_MAX });
    }
    rows.into_iter().map(fill_of).collect()
}

fn fill_of(row: FillRow) -> Result<PastFill, HistoryError> {
    let (venue, instrument, at_ns, side, price, qty, fee_asset, fee, base, quote, mid) = row;
    let unreadable = || HistoryError::Unreadable {
        what: "fills",
        place: format!("{venue} {instrument} at {at_ns}"),
    };
    let read = || {
        let key = key_of(&venue, &instrument)?;
        let asset = |text: &String| Asset::new(text).ok();
        Some(PastFill {
            instrument: key,
            assets: match (&base, &quote) {
                (Some(base), Some(quote)) => Some((asset(base)?, asset(quote)?)),
                (None, _) | (_, None) => None,
            },
            at: Timestamp::from_ns(at_ns),
            side: [Side::Buy, Side::Sell].into_iter().find(|known| known.to_string() == side)?,
            price: Price::parse(&price).ok()?,
            qty: Qty::parse(&qty).ok()?,
            fee: Fee { asset: asset(&fee_asset)?, amount: Amount::parse(&fee).ok()? },
            mid_after: match &mid {
                Some(mid) => Some(Price::parse(mid).ok()?),
                None => None,
            },
        })
    };
    read().ok_or_else(unreadable)
}

/// Reads when instruments were first defined.
///
/// # Errors
/// Refuses a row that is none of ours.
pub fn known_of(
    rows: Vec<(String, String, i64)>,
) -> Result<BTreeMap<InstrumentKey, Timestamp>, HistoryError> {
    let read = |(venue, instrument, at_ns): (String, String, i64)| {
        let key = key_of(&venue, &instrument);
        let key = key.ok_or_else(|| HistoryError::Unreadable {
            what: "instruments",
            place: format!("{venue} {instrument}"),
        })?;
        Ok((key, Timestamp::from_ns(at_ns)))
    };
    rows.into_iter().map(read).collect()
}

fn key_of(venue: &str, instrument: &str) -> Option<InstrumentKey> {
    Some(InstrumentKey::new(VenueId::new(venue).ok()?, InstrumentId::new(instrument).ok()?))
}
