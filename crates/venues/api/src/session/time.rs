//! RFC 3339 instants as the venue writes them: UTC, up to nine fractional digits, the `Z` sometimes missing.

use super::error::FrameError;
use remora_domain::Timestamp;

const ALLOWED: &str =
    "an RFC 3339 instant in UTC from 1970 to 2261, such as 2026-07-19T17:54:39.768901Z";

/// Reads an instant.
///
/// # Errors
/// Refuses other text.
pub fn instant(field: &'static str, text: &str) -> Result<Timestamp, FrameError> {
    of_bytes(text.as_bytes()).ok_or_else(|| FrameError::field(field, text, ALLOWED))
}

/// Reads an instant; gives nothing for any other text.
#[must_use]
pub fn of_bytes(text: &[u8]) -> Option<Timestamp> {
    let (whole, rest) = text.split_first_chunk::<19>()?;
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', time @ ..] = whole else { return None };
    let [h0, h1, b':', i0, i1, b':', s0, s1] = time else { return None };
    let year = two(*y0, *y1)? * 100 + two(*y2, *y3)?;
    let (month, day) = (two(*m0, *m1)?, two(*d0, *d1)?);
    let (hour, minute, second) = (two(*h0, *h1)?, two(*i0, *i1)?, two(*s0, *s1)?);
    let in_range = (1970..=2261).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60; // a leap second
    if !in_range {
        return None;
    }
    let rest = rest.strip_suffix(b"Z").or_else(|| rest.strip_suffix(b"+00:00")).unwrap_or(rest);
    let fraction = match rest {
        [] => 0,
        [b'.', digits @ ..] => nanoseconds(digits)?,
        _ => return None,
    };
    let seconds = ((days_before(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    let ns = seconds.checked_mul(1_000_000_000)?.checked_add(fraction)?;
    Some(Timestamp::from_ns(ns))
}

fn digit(byte: u8) -> Option<i64> {
    byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    Some(digit(tens)? * 10 + digit(ones)?)
}

/// Reads one to nine digits behind the point.
fn nanoseconds(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    let mut ns = 0;
    for place in 0..9 {
        ns = ns * 10 + digits.get(place).map_or(Some(0), |byte| digit(*byte))?;
    }
    Some(ns)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of a common year before each month.
const DAYS_BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// Counts the days from the epoch to a date from 1970 on.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let past = year - 1;
    let leap_days = past / 4 - past / 100 + past / 400 - 477; // 477 leap days before 1970
    let whole_months = usize::try_from(month - 1).ok().and_then(|at| DAYS_BEFORE.get(at));
    let months = whole_months.copied().unwrap_or(0) + i64::from(month > 2 && is_leap(year));
    (year - 1970) * 365 + leap_days + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn instants_are_read_to_the_nanosecond() {
        for (text, ns) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-07-19T17:54:39.768901Z", 1_784_483_679_768_901_000),
            ("2024-02-29T23:59:59.123456789Z", 1_709_251_199_123_456_789),
            ("2000-03-01T00:00:00", 951_868_800_000_000_000),
            ("2026-08-16T23:37:05.7+00:00", 1_786_923_425_700_000_000),
        ] {
            assert_eq!(instant("timestamp", text).unwrap().as_ns(), ns, "{text}");
        }
    }

    #[test]
    fn text_that_is_no_instant_is_refused() {
        for text in [
            "",
            "T",
            "2026-13-01T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2026-01-01 00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.1234567890Z",
            "1969-12-31T23:59:59Z",
            "2026-01-01T00:00:00+02:00",
            "2026-01-01-01T00:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.5Z5",
            "2026-01-01T00:00:00Z+00:00",
            "٢026-01-01T00:00:00Z",
        ] {
            assert!(instant("timestamp", text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn each_day_is_one_day_after_the_day_before() {
        let mut before = -1;
        for year in 1970..=2261 {
            for (month, day) in (1..=12).flat_map(|m| (1..=days_in(year, m)).map(move |d| (m, d))) {
                let text = format!("{year}-{month:02}-{day:02}T00:00:00Z");
                let days = instant("timestamp", &text).unwrap().as_ns() / 86_400_000_000_000;
                assert_eq!(days, before + 1, "{text}");
                before = days;
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_an_instant_or_an_error(text in "[0-9TZ:.+-]{0,32}") {
            let _ = instant("timestamp", &text);
        }
    }
}
