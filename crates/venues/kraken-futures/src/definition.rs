//! Definitions of `instruments` to [`Instrument`]s.
//!
//! Kind, settlement and maturity: `type` says whether a contract is linear or inverse, the first letter of the symbol whether it
//! is perpetual (`P`) or dated (`F`), `lastTradingTime` when it ends. The quantity step is `10^-contractValueTradePrecision`,
//! whose exponent may be positive. Source: Derivatives REST reference, instruments (checked June 2026); recording of 2021.

use crate::number;
use remora_domain::{
    Asset, ContractKind, IdError, Instrument, InstrumentId, InstrumentKey, InstrumentStatus, Price,
    Qty, Timestamp, VenueId,
};
use remora_venue_api::session::error::FrameError;
use remora_venue_api::session::{number as text_number, time};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The most decimals an amount carries.
const DECIMALS_MAX: u32 = 18;
/// What old definitions, which name no assets, are quoted in: their symbols end in it.
const OLD_QUOTE: &str = "USD";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Definition<'a> {
    #[serde(borrow)]
    symbol: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    tick_size: Option<&'a RawValue>,
    #[serde(borrow, default)]
    contract_size: Option<&'a RawValue>,
    #[serde(default)]
    contract_value_trade_precision: Option<i32>,
    #[serde(default)]
    tradeable: bool,
    #[serde(default)]
    is_expired: bool,
    #[serde(default)]
    post_only: bool,
    #[serde(default)]
    last_trading_time: Option<String>,
    #[serde(default)]
    base: Option<String>,
    #[serde(default)]
    quote: Option<String>,
}

/// Is what every definition of one session shares.
pub(crate) struct Origin<'a> {
    pub(crate) venue: &'a VenueId,
    pub(crate) receive_time: Timestamp,
    pub(crate) is_synthetic: bool,
}

/// Reads one definition, as its first version; `None` of what is no perpetual or dated future (options, indices, what may come).
pub(crate) fn instrument(
    raw: &RawValue,
    origin: &Origin<'_>,
) -> Result<Option<Instrument>, FrameError> {
    let definition: Definition<'_> = crate::frame::read("instrument", raw.get())?;
    let Some((kind, day)) = contract(&definition)? else { return Ok(None) };
    let (base, quote) = assets(&definition)?;
    let missing = |field| FrameError::Missing { what: "instrument", field };
    let tick_raw = definition.tick_size.ok_or_else(|| missing("tickSize"))?;
    let size_raw = definition.contract_size.ok_or_else(|| missing("contractSize"))?;
    let tick = number::amount("tickSize", tick_raw, Price::parse)?;
    let multiplier = number::amount("contractSize", size_raw, Qty::parse)?;
    if tick.is_zero() || multiplier.is_zero() {
        return Err(FrameError::field("tickSize or contractSize", "0", "above zero"));
    }
    let precision = definition.contract_value_trade_precision;
    let lot = lot(precision.or_else(|| whole_contracts(kind)))?;
    let named = name(kind, (&base, &quote), day);
    let named = named.map_err(|_| FrameError::field("symbol", &definition.symbol, "a name"))?;
    Ok(Some(Instrument {
        key: InstrumentKey::new(origin.venue.clone(), named),
        base,
        quote,
        kind,
        status: status(&definition),
        price_decimals: tick.to_decimal().normalize().scale(),
        tick,
        qty_decimals: lot.to_decimal().normalize().scale(),
        qty_min: lot,
        lot,
        cost_min: None,
        multiplier,
        version: 1,
        receive_time: origin.receive_time,
        is_synthetic: origin.is_synthetic,
        symbol: definition.symbol.into_owned(),
    }))
}

/// Gives the kind, and the day of maturity of a dated future as YYYYMMDD.
fn contract(of: &Definition<'_>) -> Result<Option<(ContractKind, u32)>, FrameError> {
    let is_inverse = match of.kind.as_ref() {
        "futures_inverse" => true,
        "flexible_futures" | "futures_vanilla" => false,
        _ => return Ok(None),
    };
    match (of.symbol.bytes().next(), is_inverse) {
        (Some(b'P' | b'p'), true) => Ok(Some((ContractKind::InversePerpetual, 0))),
        (Some(b'P' | b'p'), false) => Ok(Some((ContractKind::LinearPerpetual, 0))),
        (Some(b'F' | b'f'), true) => Ok(Some((ContractKind::InverseFuture, maturity(of)?))),
        (Some(b'F' | b'f'), false) => Ok(Some((ContractKind::LinearFuture, maturity(of)?))),
        (_, _) => Err(FrameError::field("symbol", &of.symbol, "P..._ or F..._")),
    }
}

fn maturity(of: &Definition<'_>) -> Result<u32, FrameError> {
    let missing = FrameError::Missing { what: "dated future", field: "lastTradingTime" };
    let text = of.last_trading_time.as_deref().ok_or(missing)?;
    time::instant("lastTradingTime", text)?;
    let digits: String = text.chars().take(10).filter(char::is_ascii_digit).collect();
    digits.parse().map_err(|_| FrameError::field("lastTradingTime", text, "a day"))
}

/// Gives base and quote by the names everybody uses. Definitions of 2021 name none: their symbols do, in lower case.
fn assets(of: &Definition<'_>) -> Result<(Asset, Asset), FrameError> {
    let wrong = || {
        FrameError::field("symbol", &of.symbol, "XX_BASEUSD, where base and quote are not named")
    };
    let (base, quote) = if let (Some(base), Some(quote)) = (&of.base, &of.quote) {
        (base.clone(), quote.clone())
    } else {
        let pair = of.symbol.split('_').nth(1).ok_or_else(wrong)?.to_ascii_uppercase();
        let base = pair.strip_suffix(OLD_QUOTE).ok_or_else(wrong)?;
        (base.to_owned(), OLD_QUOTE.to_owned())
    };
    let asset = |name: &str| Asset::canonical(name).map_err(|_| wrong());
    Ok((asset(&base)?, asset(&quote)?))
}

fn name(
    kind: ContractKind,
    (base, quote): (&Asset, &Asset),
    day: u32,
) -> Result<InstrumentId, IdError> {
    let (base, quote) = (base.as_str(), quote.as_str());
    match kind {
        ContractKind::Spot => InstrumentId::of_pair(base, quote),
        ContractKind::LinearPerpetual => InstrumentId::of_linear_perpetual(base, quote),
        ContractKind::InversePerpetual => InstrumentId::of_inverse_perpetual(base, quote),
        ContractKind::LinearFuture => InstrumentId::of_linear_future(base, quote, day),
        ContractKind::InverseFuture => InstrumentId::of_inverse_future(base, quote, day),
    }
}

/// Inverse contracts are whole, whether the definition says so (2025) or not (2021).
const fn whole_contracts(kind: ContractKind) -> Option<i32> {
    match kind {
        ContractKind::InversePerpetual | ContractKind::InverseFuture => Some(0),
        ContractKind::Spot | ContractKind::LinearPerpetual | ContractKind::LinearFuture => None,
    }
}

/// Gives `10^-precision`.
fn lot(precision: Option<i32>) -> Result<Qty, FrameError> {
    let field = "contractValueTradePrecision";
    let precision = precision.ok_or(FrameError::Missing { what: "instrument", field })?;
    let wrong = || FrameError::field(field, &precision.to_string(), "-18 to 18");
    if precision.unsigned_abs() > DECIMALS_MAX {
        return Err(wrong());
    }
    let step = text_number::plain(field, &format!("1e{}", -precision))?.into_owned();
    Qty::parse(&step).map_err(|_| wrong())
}

/// `tradeable` stays true after expiry, so both are read.
const fn status(of: &Definition<'_>) -> InstrumentStatus {
    match (of.tradeable && !of.is_expired, of.post_only) {
        (false, _) => InstrumentStatus::Closed,
        (true, true) => InstrumentStatus::PostOnly,
        (true, false) => InstrumentStatus::Online,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> Result<Option<Instrument>, FrameError> {
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        let venue = VenueId::new("kraken-futures").unwrap();
        let origin =
            Origin { venue: &venue, receive_time: Timestamp::from_ns(1), is_synthetic: false };
        instrument(&raw, &origin)
    }

    fn of(symbol: &str, kind: &str, rest: &str) -> String {
        format!(
            r#"{{"symbol":"{symbol}","type":"{kind}","tickSize":0.5,"contractSize":1,"tradeable":true{rest}}}"#
        )
    }

    fn named(symbol: &str, kind: &str, rest: &str) -> Instrument {
        check(&of(symbol, kind, rest)).unwrap().unwrap()
    }

    #[test]
    fn kind_settlement_maturity_and_asset_make_the_name() {
        let day = r#","lastTradingTime":"2026-09-25T15:00:00.000Z""#;
        let btc = r#","base":"BTC","quote":"USD","contractValueTradePrecision":4"#;
        for (symbol, kind, rest, want) in [
            ("PF_XBTUSD", "flexible_futures", btc.to_owned(), "BTC-USD-PERP"),
            ("PI_XBTUSD", "futures_inverse", btc.to_owned(), "BTC-USD-PERP-INVERSE"),
            ("FF_XBTUSD_260925", "flexible_futures", format!("{btc}{day}"), "BTC-USD-20260925"),
            (
                "FI_XBTUSD_260925",
                "futures_inverse",
                format!("{btc}{day}"),
                "BTC-USD-20260925-INVERSE",
            ),
            // Without names of assets, as in 2021.
            ("pi_xbtusd", "futures_inverse", String::new(), "BTC-USD-PERP-INVERSE"),
            ("fi_bchusd_260925", "futures_inverse", day.to_owned(), "BCH-USD-20260925-INVERSE"),
        ] {
            let got = named(symbol, kind, &rest);
            assert_eq!(got.key.to_string(), format!("kraken-futures/{want}"), "{symbol}");
            assert_eq!(got.symbol, symbol);
        }
    }

    #[test]
    fn the_quantity_step_may_be_finer_or_coarser_than_one() {
        let lot = |precision: i32| {
            let rest =
                format!(r#","base":"A","quote":"USD","contractValueTradePrecision":{precision}"#);
            let got = named("PF_AUSD", "flexible_futures", &rest);
            (got.lot.to_string(), got.qty_decimals)
        };
        assert_eq!(lot(4), ("0.0001".to_owned(), 4));
        assert_eq!(lot(0), ("1".to_owned(), 0));
        assert_eq!(lot(-3), ("1000".to_owned(), 0));
    }

    #[test]
    fn mixed_case_is_kept_and_odd_tick_sizes_are_exact() {
        let rest = r#","base":"AAPLx","quote":"USD","contractValueTradePrecision":2"#;
        let json = of("PF_AAPLxUSD", "flexible_futures", rest).replace("0.5", "1e-10");
        let got = check(&json).unwrap().unwrap();
        assert_eq!((got.base.as_str(), got.symbol.as_str()), ("AAPLx", "PF_AAPLxUSD"));
        assert_eq!((got.tick.to_string().as_str(), got.price_decimals), ("0.0000000001", 10));
    }

    #[test]
    fn expired_and_post_only_contracts_say_so() {
        let status = |rest: &str| named("PI_XBTUSD", "futures_inverse", rest).status;
        assert_eq!(status(""), InstrumentStatus::Online);
        assert_eq!(status(r#","postOnly":true"#), InstrumentStatus::PostOnly);
        assert_eq!(status(r#","isExpired":true"#), InstrumentStatus::Closed);
        let off = of("PI_XBTUSD", "futures_inverse", "").replace("true", "false");
        assert_eq!(check(&off).unwrap().unwrap().status, InstrumentStatus::Closed);
    }

    #[test]
    fn what_is_no_contract_of_ours_is_left_out_and_what_is_impossible_is_refused() {
        for (symbol, kind) in [("in_xbtusd", "spot index"), ("OF_XBTUSD", "options")] {
            assert!(check(&of(symbol, kind, "")).unwrap().is_none());
        }
        for json in [
            // A linear contract without its step, a dated one without its day, no base, no tick, no size.
            of("PF_XBTUSD", "flexible_futures", r#","base":"BTC","quote":"USD""#),
            of("FI_XBTUSD_260925", "futures_inverse", ""),
            of("PI_XBTEUR", "futures_inverse", ""),
            of("PI_XBTUSD", "futures_inverse", "").replace("0.5", "0"),
            of("PI_XBTUSD", "futures_inverse", "").replace(r#""contractSize":1,"#, ""),
            of("PI_XBTUSD", "futures_inverse", r#","contractValueTradePrecision":40"#),
            "[]".to_owned(),
        ] {
            assert!(check(&json).is_err(), "{json}");
        }
    }
}
