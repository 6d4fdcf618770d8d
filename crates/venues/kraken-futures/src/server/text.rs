//! How the venue writes numbers and instants: every number of a market as a float, with at least one decimal.

use remora_domain::Timestamp;
use remora_venue_api::session::date::Rfc3339;
use rust_decimal::Decimal;

/// Writes units of the last decimal as a float: `50000.0`.
pub(super) fn float(units: i64, decimals: u32) -> String {
    decimal(Decimal::new(units, decimals))
}

/// Writes a decimal as a float.
pub(super) fn decimal(value: Decimal) -> String {
    let short = value.normalize();
    if short.scale() == 0 { format!("{short}.0") } else { short.to_string() }
}

/// Writes an instant to the millisecond.
pub(super) fn instant(time: Timestamp) -> Rfc3339 {
    Rfc3339::millis(time)
}

/// Gives milliseconds since 1970.
pub(super) const fn ms(time: Timestamp) -> i64 {
    time.as_ns().div_euclid(1_000_000)
}

/// Makes an id of the venue's form out of who made it and the how-manieth it is: equal inputs give equal ids.
pub(super) fn uid(market: usize, number: u64) -> String {
    let low = number & 0xFFFF_FFFF_FFFF;
    format!("{:08x}-{:04x}-4000-8000-{low:012x}", market & 0xFFFF_FFFF, number >> 48)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_floats_with_at_least_one_decimal() {
        for (units, decimals, want) in
            [(50_000, 0, "50000.0"), (500_005, 1, "50000.5"), (0, 4, "0.0"), (25, 4, "0.0025")]
        {
            assert_eq!(float(units, decimals), want);
        }
    }

    #[test]
    fn an_id_has_the_form_of_a_uuid() {
        assert_eq!(uid(1, 2), "00000001-0000-4000-8000-000000000002");
    }
}
