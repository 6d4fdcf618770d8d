//! Epoch seconds as people read them: UTC, no leap seconds, proleptic Gregorian calendar.
//!
//! Days to a date by the civil-from-days method: years start on 1 March, so that the leap day ends them, in eras of 400 years.
//! Worked number: 1,723,161,240 s is 2024-08-08 23:54. Source: Hinnant (2013), "chrono-Compatible Low-Level Date Algorithms".

use remora_domain::Timestamp;
use std::fmt;

const DAY_S: i64 = 86_400;
const ERA_DAYS: i64 = 146_097;
/// From 0000-03-01 to the epoch.
const EPOCH_DAYS: i64 = 719_468;

/// Is an instant, cut to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UtcMinute {
    year: i64,
    month: i64,
    day: i64,
    minute_of_day: i64,
}

/// Gives the date and time of epoch seconds.
#[must_use]
pub const fn utc(seconds: i64) -> UtcMinute {
    let days = seconds.div_euclid(DAY_S).saturating_add(EPOCH_DAYS);
    let (era, day) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let is_next_year = month >= 10;
    UtcMinute {
        year: year + era * 400 + if is_next_year { 1 } else { 0 },
        month: if is_next_year { month - 9 } else { month + 3 },
        day: day - (153 * month + 2) / 5 + 1,
        minute_of_day: seconds.rem_euclid(DAY_S) / 60,
    }
}

/// Gives the date of days since the epoch, such as `2024-08-08`.
pub(crate) fn utc_date(days: i64) -> String {
    let UtcMinute { year, month, day, .. } = utc(days.saturating_mul(DAY_S));
    format!("{year:04}-{month:02}-{day:02}")
}

/// Gives an instant as people read it, to the millisecond: `2024-08-08 23:54:14.123`.
#[must_use]
pub fn utc_instant(at: Timestamp) -> String {
    let ms = at.as_ns().div_euclid(1_000_000);
    let (second, ms) = (ms.div_euclid(1_000), ms.rem_euclid(1_000));
    format!("{}:{:02}.{ms:03}", utc(second), second.rem_euclid(60))
}

impl fmt::Display for UtcMinute {
    /// Prints `2024-08-08 23:54`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute) = (self.minute_of_day / 60, self.minute_of_day % 60);
        write!(f, "{:04}-{:02}-{:02} {hour:02}:{minute:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_around_leap_days_and_the_epoch_are_right() {
        for (seconds, text) in [
            (1_723_161_240, "2024-08-08 23:54"),
            (0, "1970-01-01 00:00"),
            (-60, "1969-12-31 23:59"),
            (951_782_399, "2000-02-28 23:59"),
            (951_782_400, "2000-02-29 00:00"),
            (4_107_542_400, "2100-03-01 00:00"),
        ] {
            assert_eq!(utc(seconds).to_string(), text);
        }
        assert_eq!(utc_date(19_943), "2024-08-08");
    }

    #[test]
    fn instants_are_cut_to_the_millisecond_on_both_sides_of_the_epoch() {
        for (ns, text) in [
            (1_723_161_254_123_999_999, "2024-08-08 23:54:14.123"),
            (0, "1970-01-01 00:00:00.000"),
            (-1, "1969-12-31 23:59:59.999"),
        ] {
            assert_eq!(utc_instant(Timestamp::from_ns(ns)), text);
        }
    }
}
