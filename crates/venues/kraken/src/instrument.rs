//! Definitions of the instrument channel to `Instrument`s.

use crate::error::FrameError;
use crate::number;
use remora_domain::{
    Asset, ContractKind, Instrument, InstrumentId, InstrumentKey, InstrumentStatus, Notional,
    Price, Qty, Timestamp, VenueId,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The most decimals an amount carries.
const DECIMALS_MAX: u32 = 18;

#[derive(Deserialize)]
struct Pair<'a> {
    #[serde(borrow)]
    symbol: Cow<'a, str>,
    #[serde(borrow)]
    base: Cow<'a, str>,
    #[serde(borrow)]
    quote: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    price_precision: u32,
    qty_precision: u32,
    #[serde(borrow, default)]
    price_increment: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tick_size: Option<&'a RawValue>,
    #[serde(borrow)]
    qty_increment: &'a RawValue,
    #[serde(borrow)]
    qty_min: &'a RawValue,
    #[serde(borrow, default)]
    cost_min: Option<&'a RawValue>,
}

/// Is what every definition of one session shares.
pub(crate) struct Origin<'a> {
    pub(crate) venue: &'a VenueId,
    pub(crate) receive_time: Timestamp,
    pub(crate) is_synthetic: bool,
}

/// Reads one definition, as its first version.
pub(crate) fn instrument(raw: &RawValue, origin: &Origin<'_>) -> Result<Instrument, FrameError> {
    let pair: Pair<'_> = serde_json::from_str(raw.get())
        .map_err(|cause| FrameError::shape("pair", raw.get(), cause))?;
    for (field, decimals) in
        [("price_precision", pair.price_precision), ("qty_precision", pair.qty_precision)]
    {
        if decimals > DECIMALS_MAX {
            return Err(FrameError::field(field, &decimals.to_string(), "0 to 18"));
        }
    }
    let (kind, instrument) = contract(&pair)?;
    let step = pair.price_increment.or(pair.tick_size);
    let step = step.ok_or(FrameError::Missing { what: "pair", field: "price_increment" })?;
    let tick = amount("price_increment", step, Price::parse)?;
    let lot = amount("qty_increment", pair.qty_increment, Qty::parse)?;
    if tick.is_zero() || lot.is_zero() {
        let field = if tick.is_zero() { "price_increment" } else { "qty_increment" };
        return Err(FrameError::field(field, "0", "a step above zero"));
    }
    let cost_min = pair.cost_min.map(|raw| amount("cost_min", raw, Notional::parse)).transpose()?;
    Ok(Instrument {
        key: InstrumentKey::new(origin.venue.clone(), instrument),
        base: asset("base", &pair.base)?,
        quote: asset("quote", &pair.quote)?,
        kind,
        status: status(&pair.status),
        tick,
        price_decimals: pair.price_precision,
        lot,
        qty_decimals: pair.qty_precision,
        qty_min: amount("qty_min", pair.qty_min, Qty::parse)?,
        cost_min,
        multiplier: amount_text("multiplier", "1", Qty::parse)?,
        version: 1,
        receive_time: origin.receive_time,
        is_synthetic: origin.is_synthetic,
        symbol: pair.symbol.into_owned(),
    })
}

/// Is how many decimals prices and quantities are written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimals {
    pub(crate) price: u32,
    pub(crate) qty: u32,
}

impl Decimals {
    pub(crate) const fn of(instrument: &Instrument) -> Self {
        Self { price: instrument.price_decimals, qty: instrument.qty_decimals }
    }

    /// Gives enough decimals for both, and never more than an amount carries: a finer text is then refused.
    pub(crate) fn or_finer(self, other: Self) -> Self {
        let finer = |one: u32, two: u32| one.max(two).min(DECIMALS_MAX);
        Self { price: finer(self.price, other.price), qty: finer(self.qty, other.qty) }
    }
}

impl std::fmt::Display for Decimals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} decimals of price and {} of qty", self.price, self.qty)
    }
}

/// Corrects the decimals of a definition that a verified book contradicts. Nothing may be ordered by it: where
/// the decimals are outdated, so are perhaps tick, lot and minimums, and those no book can prove.
pub(crate) fn outdated(definition: Instrument, book: Decimals) -> Instrument {
    Instrument {
        price_decimals: book.price,
        qty_decimals: book.qty,
        status: InstrumentStatus::Closed,
        ..definition
    }
}

/// Tells whether two definitions say the same, whenever they were received.
pub(crate) fn is_same(a: &Instrument, b: &Instrument) -> bool {
    let aligned = Instrument { version: a.version, receive_time: a.receive_time, ..b.clone() };
    *a == aligned
}

/// Tells the contract from the symbol; see the crate's header for the spellings of perpetuals.
fn contract(pair: &Pair<'_>) -> Result<(ContractKind, InstrumentId), FrameError> {
    let Pair { symbol, base, quote, .. } = pair;
    let wrong = || FrameError::field("symbol", symbol, "BASE/QUOTE, BASE/QUOTE:QUOTE or PF_...");
    let spot = symbol.split_once('/') == Some((base, quote));
    let settled = symbol.strip_suffix(quote.as_ref()).and_then(|rest| rest.strip_suffix(':'));
    let is_linear_perpetual = symbol.starts_with("PF_")
        || settled
            .is_some_and(|pair| pair.split_once('/') == Some((base.as_ref(), quote.as_ref())));
    let (kind, made) = if spot {
        (ContractKind::Spot, InstrumentId::of_pair(base, quote))
    } else if is_linear_perpetual {
        (ContractKind::LinearPerpetual, InstrumentId::of_linear_perpetual(base, quote))
    } else {
        return Err(wrong());
    };
    Ok((kind, made.map_err(|_| wrong())?))
}

/// A word we do not know allows nothing.
fn status(word: &str) -> InstrumentStatus {
    match word {
        "online" => InstrumentStatus::Online,
        "cancel_only" => InstrumentStatus::CancelOnly,
        "post_only" => InstrumentStatus::PostOnly,
        "limit_only" => InstrumentStatus::LimitOnly,
        "reduce_only" => InstrumentStatus::ReduceOnly,
        // delisted, maintenance, work_in_progress and what may come
        _ => InstrumentStatus::Closed,
    }
}

fn asset(field: &'static str, name: &str) -> Result<Asset, FrameError> {
    Asset::from_venue(name).map_err(|_| FrameError::field(field, name, "an asset name"))
}

fn amount<T, E>(
    field: &'static str,
    raw: &RawValue,
    parse: fn(&str) -> Result<T, E>,
) -> Result<T, FrameError> {
    amount_text(field, &number::plain(field, raw.get())?, parse)
}

fn amount_text<T, E>(
    field: &'static str,
    text: &str,
    parse: fn(&str) -> Result<T, E>,
) -> Result<T, FrameError> {
    parse(text).map_err(|_| FrameError::field(field, text, "a decimal with at most 18 decimals"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> Result<Instrument, FrameError> {
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        let venue = VenueId::new("kraken-spot").unwrap();
        let origin =
            Origin { venue: &venue, receive_time: Timestamp::from_ns(1), is_synthetic: false };
        instrument(&raw, &origin)
    }

    fn pair(symbol: &str, rest: &str) -> String {
        format!(
            r#"{{"symbol":"{symbol}","base":"EXA","quote":"USD","qty_precision":8,"price_precision":1,"price_increment":0.1,"qty_increment":1E-8,"qty_min":0.50000000,{rest}}}"#
        )
    }

    #[test]
    fn a_definition_keeps_every_number_exactly() {
        let got = check(&pair("EXA/USD", r#""status":"online","cost_min":"0.50""#)).unwrap();
        assert_eq!(got.key.to_string(), "kraken-spot/EXA-USD");
        assert_eq!((got.kind, got.status), (ContractKind::Spot, InstrumentStatus::Online));
        assert_eq!(got.lot.to_string(), "0.00000001");
        assert_eq!(got.tick.to_string(), "0.1");
        assert_eq!(got.qty_min.to_string(), "0.50000000");
        assert_eq!(got.cost_min.map(|cost| cost.to_string()), Some("0.50".to_owned()));
    }

    #[test]
    fn a_missing_minimum_cost_is_unknown_and_an_unknown_status_is_closed() {
        let got = check(&pair("EXA/USD", r#""status":"on_holiday""#)).unwrap();
        assert_eq!((got.cost_min, got.status), (None, InstrumentStatus::Closed));
    }

    #[test]
    fn both_spellings_of_a_linear_perpetual_are_one_contract() {
        for symbol in ["PF_EXAUSD", "EXA/USD:USD"] {
            let got = check(&pair(symbol, r#""status":"online""#)).unwrap();
            assert_eq!(got.kind, ContractKind::LinearPerpetual);
            assert_eq!(got.key.instrument.as_str(), "EXA-USD-PERP");
        }
    }

    #[test]
    fn a_contract_we_do_not_know_is_refused_not_taken_for_spot() {
        for symbol in ["PI_EXAUSD", "FI_EXAUSD_261225", "EXA/USD:EXA", "EXAUSD", "EXB/USD", ""] {
            let error = check(&pair(symbol, r#""status":"online""#)).unwrap_err();
            assert!(matches!(error, FrameError::Field { field: "symbol", .. }), "{symbol}");
        }
    }

    #[test]
    fn impossible_steps_and_precisions_are_refused() {
        let good = pair("EXA/USD", r#""status":"online""#);
        for (from, to) in [
            ("1E-8", "0"),
            ("1E-8", "1E-40"),
            (":0.1", ":0.0"),
            (":0.1", ":-0.1"),
            (r#""price_precision":1"#, r#""price_precision":19"#),
            ("0.50000000", "null"),
        ] {
            assert!(check(&good.replace(from, to)).is_err(), "{to}");
        }
    }
}
