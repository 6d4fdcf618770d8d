//! Instants and intervals in integer nanoseconds. Pure code receives time; it never asks for it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Is an instant: nanoseconds since the Unix epoch, UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(i64);

/// Is an interval in nanoseconds; may be negative when two instants are subtracted.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct DurationNs(i64);

impl Timestamp {
    /// The epoch, used as "before everything" in tests and replays.
    pub const EPOCH: Self = Self(0);
    /// The last representable instant.
    pub const MAX: Self = Self(i64::MAX);

    /// Makes an instant from nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn from_ns(ns: i64) -> Self {
        Self(ns)
    }

    /// Gives nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn as_ns(self) -> i64 {
        self.0
    }

    /// Adds an interval, stopping at the ends of the range.
    #[must_use]
    pub const fn saturating_add(self, by: DurationNs) -> Self {
        Self(self.0.saturating_add(by.0))
    }

    /// Subtracts an interval, stopping at the ends of the range.
    #[must_use]
    pub const fn saturating_sub(self, by: DurationNs) -> Self {
        Self(self.0.saturating_sub(by.0))
    }

    /// Gives the interval from `earlier` to `self` (negative when `earlier` is later).
    #[must_use]
    pub const fn since(self, earlier: Self) -> DurationNs {
        DurationNs(self.0.saturating_sub(earlier.0))
    }
}

impl DurationNs {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// Makes an interval from nanoseconds.
    #[must_use]
    pub const fn from_ns(ns: i64) -> Self {
        Self(ns)
    }

    /// Makes an interval from microseconds, stopping at the ends of the range.
    #[must_use]
    pub const fn from_us(us: i64) -> Self {
        Self(us.saturating_mul(1_000))
    }

    /// Makes an interval from milliseconds, stopping at the ends of the range.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }

    /// Makes an interval from seconds, stopping at the ends of the range.
    #[must_use]
    pub const fn from_s(s: i64) -> Self {
        Self(s.saturating_mul(1_000_000_000))
    }

    /// Gives nanoseconds.
    #[must_use]
    pub const fn as_ns(self) -> i64 {
        self.0
    }

    /// Gives whole milliseconds, cut towards zero.
    #[must_use]
    pub const fn as_ms(self) -> i64 {
        self.0 / 1_000_000
    }

    /// Gives seconds as a float, for estimators only.
    #[must_use]
    #[expect(
        clippy::as_conversions,
        reason = "an estimator input; 2^53 ns is 104 days and the error is below 1 us"
    )]
    pub fn as_seconds_est(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Multiplies by a whole number, stopping at the ends of the range.
    #[must_use]
    pub const fn saturating_mul(self, by: i64) -> Self {
        Self(self.0.saturating_mul(by))
    }

    /// Adds another interval, stopping at the ends of the range.
    #[must_use]
    pub const fn saturating_add(self, by: Self) -> Self {
        Self(self.0.saturating_add(by.0))
    }
}

impl fmt::Display for Timestamp {
    /// Prints nanoseconds since the epoch; people-facing output formats dates at the edge.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for DurationNs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ns", self.0)
    }
}
