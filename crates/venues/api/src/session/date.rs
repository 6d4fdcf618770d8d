//! Instants as venues write them. Proleptic Gregorian calendar, UTC; any instant has a text.
//!
//! The civil date of a day number: years are counted from March in eras of 400 years, or 146,097 days
//! (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).

use remora_domain::Timestamp;
use std::fmt;

const SECOND_NS: i64 = 1_000_000_000;
const DAY_S: i64 = 86_400;
/// The days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;
const ERA_DAYS: i64 = 146_097;

/// Is an instant in RFC 3339 with so many fractional digits: `2026-02-16T09:36:07.100001Z`.
#[derive(Clone, Copy, Debug)]
pub struct Rfc3339 {
    time: Timestamp,
    digits: usize,
}

impl Rfc3339 {
    /// To the second.
    #[must_use]
    pub const fn seconds(time: Timestamp) -> Self {
        Self { time, digits: 0 }
    }

    /// To the millisecond.
    #[must_use]
    pub const fn millis(time: Timestamp) -> Self {
        Self { time, digits: 3 }
    }

    /// To the microsecond.
    #[must_use]
    pub const fn micros(time: Timestamp) -> Self {
        Self { time, digits: 6 }
    }

    /// To the nanosecond.
    #[must_use]
    pub const fn nanos(time: Timestamp) -> Self {
        Self { time, digits: 9 }
    }
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = Civil::of(self.time);
        let (y, mo, d) = (civil.year, civil.month, civil.day);
        let (h, mi, s) = civil.clock();
        write!(f, "{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}")?;
        match self.digits {
            0 => {}
            3 => write!(f, ".{:03}", civil.nanosecond / 1_000_000)?,
            6 => write!(f, ".{:06}", civil.nanosecond / 1_000)?,
            _ => write!(f, ".{:09}", civil.nanosecond)?,
        }
        f.write_str("Z")
    }
}

/// Is an instant as `Time` writes it: `Mon, 16 Feb 26 09:36:07 +0000`.
#[derive(Clone, Copy, Debug)]
pub struct Rfc1123(pub Timestamp);

impl fmt::Display for Rfc1123 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = Civil::of(self.0);
        // 1970-01-01 was a Thursday.
        let weekday =
            name(&["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"], civil.days.rem_euclid(7));
        let months =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let month = name(&months, civil.month - 1);
        let (h, mi, s) = civil.clock();
        let (day, year) = (civil.day, civil.year.rem_euclid(100));
        write!(f, "{weekday}, {day:02} {month} {year:02} {h:02}:{mi:02}:{s:02} +0000")
    }
}

/// Is an instant in seconds with its fraction, as REST writes order and trade times: `1771234567.1234`.
#[derive(Clone, Copy, Debug)]
pub struct UnixSeconds(pub Timestamp);

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0.as_ns();
        let (whole, micros) = (ns.div_euclid(SECOND_NS), ns.rem_euclid(SECOND_NS) / 1_000);
        // One digit stays: a time with a fraction is a float for every client.
        let mut digits = 6_usize;
        let mut fraction = micros;
        while digits > 1 && fraction % 10 == 0 {
            fraction /= 10;
            digits -= 1;
        }
        write!(f, "{whole}.{fraction:0digits$}")
    }
}

/// Gives the whole seconds of an instant, rounded towards the past.
#[must_use]
pub fn unix_seconds(time: Timestamp) -> i64 {
    time.as_ns().div_euclid(SECOND_NS)
}

/// Is a date with its time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    days: i64,
    /// The year.
    pub year: i64,
    /// The month, from 1.
    pub month: i64,
    /// The day of the month, from 1.
    pub day: i64,
    second: i64,
    nanosecond: i64,
}

impl Civil {
    /// Tells whether it is a Friday.
    #[must_use]
    pub const fn is_friday(&self) -> bool {
        // 1970-01-01 was a Thursday.
        self.days.rem_euclid(7) == 1
    }

    /// Gives the date of an instant.
    #[must_use]
    pub fn of(time: Timestamp) -> Self {
        let seconds = unix_seconds(time);
        let days = seconds.div_euclid(DAY_S);
        let from_march = days + EPOCH_DAYS;
        let era = from_march.div_euclid(ERA_DAYS);
        let day_of_era = from_march.rem_euclid(ERA_DAYS);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        Self {
            days,
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
            second: seconds.rem_euclid(DAY_S),
            nanosecond: time.as_ns().rem_euclid(SECOND_NS),
        }
    }

    fn clock(&self) -> (i64, i64, i64) {
        (self.second / 3_600, self.second / 60 % 60, self.second % 60)
    }
}

fn name<'a>(names: &[&'a str], index: i64) -> &'a str {
    usize::try_from(index).ok().and_then(|index| names.get(index).copied()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOMENT: Timestamp = Timestamp::from_ns(1_771_234_567_123_400_000);

    #[test]
    fn instants_have_the_venues_texts() {
        assert_eq!(Rfc3339::seconds(MOMENT).to_string(), "2026-02-16T09:36:07Z");
        assert_eq!(Rfc3339::millis(MOMENT).to_string(), "2026-02-16T09:36:07.123Z");
        assert_eq!(Rfc3339::micros(MOMENT).to_string(), "2026-02-16T09:36:07.123400Z");
        assert_eq!(Rfc3339::nanos(MOMENT).to_string(), "2026-02-16T09:36:07.123400000Z");
        assert_eq!(Rfc1123(MOMENT).to_string(), "Mon, 16 Feb 26 09:36:07 +0000");
        assert_eq!(UnixSeconds(MOMENT).to_string(), "1771234567.1234");
        assert_eq!(UnixSeconds(Timestamp::EPOCH).to_string(), "0.0");
        assert_eq!(Rfc1123(Timestamp::EPOCH).to_string(), "Thu, 01 Jan 70 00:00:00 +0000");
        let leap = Timestamp::from_ns(1_709_251_199_999_999_999);
        assert_eq!(Rfc3339::nanos(leap).to_string(), "2024-02-29T23:59:59.999999999Z");
    }

    proptest! {
        #[test]
        fn the_adapters_reader_gives_the_instant_back(ns in 0_i64..9_190_000_000_000_000_000) {
            let time = Timestamp::from_ns(ns);
            let text = Rfc3339::nanos(time).to_string();
            prop_assert_eq!(super::super::time::instant("t", &text).unwrap(), time);
        }

        #[test]
        fn any_instant_has_a_text(ns in any::<i64>()) {
            let time = Timestamp::from_ns(ns);
            let _ = (Rfc3339::micros(time).to_string(), Rfc1123(time).to_string(), UnixSeconds(time).to_string());
        }
    }
}
