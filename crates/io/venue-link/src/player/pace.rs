//! How fast a recording is played. Pacing only says when an input is due; whoever plays it waits.

use remora_domain::{DurationNs, Timestamp};
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// Says how fast a recording is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Without waiting.
    AsFastAsPossible,
    /// This many thousandths of the speed at which it was recorded; 1000 is 1x.
    Thousandths(NonZeroU32),
}

/// Says why text is not a pace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "parse pace {text:?}: want \"max\", or a factor from 0.001x to 100000x such as \"1x\" or \"2.5x\""
)]
pub struct ParsePaceError {
    text: String,
}

impl Pace {
    /// The speed of the recording.
    pub const REAL_TIME: Self = Self::Thousandths(match NonZeroU32::new(1_000) {
        Some(thousandths) => thousandths,
        None => NonZeroU32::MIN,
    });

    /// Gives the instant at which an input is due that is `elapsed` behind the start; `None` means now.
    #[must_use]
    pub fn due_time(self, start: Timestamp, elapsed: DurationNs) -> Option<Timestamp> {
        match self {
            Self::AsFastAsPossible => None,
            Self::Thousandths(thousandths) => {
                let scaled = i128::from(elapsed.as_ns()).saturating_mul(1_000);
                let wait = scaled.checked_div(i128::from(thousandths.get())).unwrap_or(0);
                let wait = i64::try_from(wait).unwrap_or(i64::MAX);
                Some(start.saturating_add(DurationNs::from_ns(wait)))
            }
        }
    }
}

impl FromStr for Pace {
    type Err = ParsePaceError;

    fn from_str(text: &str) -> Result<Self, ParsePaceError> {
        let refuse = || ParsePaceError { text: text.chars().take(40).collect() };
        if text == "max" {
            return Ok(Self::AsFastAsPossible);
        }
        let factor = text.strip_suffix('x').unwrap_or(text);
        let (whole, fraction) = factor.split_once('.').unwrap_or((factor, "0"));
        let is_plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_plain(whole) || !is_plain(fraction) || fraction.len() > 3 {
            return Err(refuse());
        }
        let thousandths = format!("{whole}{fraction:0<3}").parse::<u32>().map_err(|_| refuse())?;
        let thousandths = NonZeroU32::new(thousandths).filter(|n| n.get() <= 100_000_000);
        thousandths.map(Self::Thousandths).ok_or_else(refuse)
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AsFastAsPossible => f.write_str("max"),
            Self::Thousandths(n) => match (n.get() / 1_000, n.get() % 1_000) {
                (whole, 0) => write!(f, "{whole}x"),
                (whole, rest) => {
                    let fraction = format!("{rest:03}");
                    write!(f, "{whole}.{}x", fraction.trim_end_matches('0'))
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_read_and_printed() {
        for text in ["max", "1x", "2.5x", "0.001x", "100000x", "10x"] {
            assert_eq!(text.parse::<Pace>().unwrap().to_string(), text);
        }
        assert_eq!("1".parse::<Pace>().unwrap(), Pace::REAL_TIME);
    }

    #[test]
    fn a_pace_that_would_stop_or_go_back_is_refused() {
        for text in ["", "0", "0x", "-1x", "x", "1.2345x", "NaN", "1e3", "100001x", ".5", "1."] {
            assert!(text.parse::<Pace>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn at_ten_times_the_speed_a_second_takes_a_tenth() {
        let start = Timestamp::from_ns(7);
        let pace: Pace = "10x".parse().unwrap();
        let due = pace.due_time(start, DurationNs::from_s(1)).unwrap();
        assert_eq!(due.since(start), DurationNs::from_ms(100));
        assert_eq!(Pace::AsFastAsPossible.due_time(start, DurationNs::from_s(1)), None);
    }
}
