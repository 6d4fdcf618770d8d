//! Amounts and instants from short literals.

use remora_domain::{
    Amount, Asset, Bps, Notional, Position, Price, Qty, Rate, Reporting, Timestamp,
};

/// Makes a price from text.
#[must_use]
pub fn px(text: &str) -> Price {
    Price::parse(text).unwrap()
}

/// Makes a quantity from text.
#[must_use]
pub fn qty(text: &str) -> Qty {
    Qty::parse(text).unwrap()
}

/// Makes a notional from text.
#[must_use]
pub fn notional(text: &str) -> Notional {
    Notional::parse(text).unwrap()
}

/// Makes an amount from text.
#[must_use]
pub fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

/// Makes a position from text.
#[must_use]
pub fn position(text: &str) -> Position {
    Position::parse(text).unwrap()
}

/// Makes basis points from text.
#[must_use]
pub fn bps(text: &str) -> Bps {
    Bps::parse(text).unwrap()
}

/// Makes a conversion rate from text.
#[must_use]
pub fn rate(text: &str) -> Rate {
    Rate::parse(text).unwrap()
}

/// Makes an instant from milliseconds since the epoch.
#[must_use]
pub const fn at_ms(ms: i64) -> Timestamp {
    Timestamp::from_ns(ms.saturating_mul(1_000_000))
}

/// Makes USD the reporting currency, with the given rates beside `USD = 1`.
#[must_use]
pub fn usd(rates: &[(&str, &str)]) -> Reporting {
    let currency = Asset::new("USD").unwrap();
    let given = rates.iter().map(|(name, value)| (Asset::new(name).unwrap(), rate(value)));
    let rates = given.chain([(currency.clone(), rate("1"))]).collect();
    Reporting { currency, rates }
}
