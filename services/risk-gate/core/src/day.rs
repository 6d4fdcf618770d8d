//! UTC days, as numbers since 1970-01-01: what limits of a day are counted by.

use remora_domain::{DurationNs, Timestamp};

const DAY_NS: i64 = 86_400_000_000_000;

/// Gives the UTC day of an instant.
pub(crate) const fn day_of(at: Timestamp) -> i64 {
    at.as_ns().div_euclid(DAY_NS)
}

/// Gives the last nanosecond of a UTC day written as `2027-12-31`; `None` for what is no day, or too far away.
pub(crate) fn last_instant_of(text: &str) -> Option<Timestamp> {
    let mut parts = text.split('-');
    let year = number(parts.next()?, 4)?;
    let month = number(parts.next()?, 2)?;
    let day = number(parts.next()?, 2)?;
    if parts.next().is_some() || year < 1970 || day < 1 || day > days_in(year, month)? {
        return None;
    }
    let next = days_since_epoch(year, month, day).checked_add(1)?.checked_mul(DAY_NS)?;
    Some(Timestamp::from_ns(next).saturating_sub(DurationNs::from_ns(1)))
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let is_plain = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

const fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

const fn days_in(year: i64, month: i64) -> Option<i64> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if is_leap(year) { 29 } else { 28 }),
        _ => None,
    }
}

/// Counts days by years, months and days of a date that is known to exist.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let years: i64 = (1970..year).map(|y| if is_leap(y) { 366 } else { 365 }).sum();
    let months: i64 = (1..month).filter_map(|m| days_in(year, m)).sum();
    years + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_with_its_last_nanosecond() {
        let end = |text| last_instant_of(text).map(Timestamp::as_ns);
        assert_eq!(end("1970-01-01"), Some(86_399_999_999_999));
        // 2024-02-29 is the day before 1709251200, 2024-03-01 00:00 UTC.
        assert_eq!(end("2024-02-29"), Some(1_709_251_199_999_999_999));
        for none in
            ["2023-02-29", "2027-13-01", "2027-00-10", "2027-1-1", "2027-01-00", "x", "9999-01-01"]
        {
            assert_eq!(end(none), None, "{none}");
        }
        let last = last_instant_of("2027-12-31").unwrap();
        assert_eq!(day_of(last) + 1, day_of(last.saturating_add(DurationNs::from_ns(1))));
    }
}
