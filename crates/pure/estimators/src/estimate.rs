//! What every estimator answers.

use crate::numeric::count_est;
use remora_domain::{DurationNs, Timestamp};

/// Is a finite estimate with its uncertainty and its memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number; always finite. Its unit is that of the estimator.
    pub value: f64,
    /// Standard error in the same unit, where the estimator knows one.
    pub se: Option<f64>,
    /// Effective number of observations, `W²/W2` of the decayed weights.
    pub n_eff: f64,
    /// When the newest observation in it was made.
    pub as_of: Timestamp,
    /// Age at which an observation counts half.
    pub half_life: DurationNs,
}

impl Estimate {
    /// Gives the estimate if every number in it is finite.
    pub(crate) fn checked(self) -> Result<Self, NotReady> {
        let is_finite =
            self.value.is_finite() && self.n_eff.is_finite() && self.se.is_none_or(f64::is_finite);
        if is_finite { Ok(self) } else { Err(NotReady::NotFinite) }
    }
}

/// Says why there is no estimate.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum NotReady {
    /// Nothing was observed, or nothing since the last restart.
    #[error("nothing observed yet")]
    NoObservation,
    /// Less was observed than the consumer accepts.
    #[error("observed {have}, want at least {want}")]
    TooLittle {
        /// What there is: effective observations, or seconds of exposure.
        have: f64,
        /// What the consumer asked for, in the same unit.
        want: f64,
    },
    /// What was given lies outside its range, so nothing can be said about it.
    #[error("{what} is outside its range")]
    Input {
        /// Which.
        what: &'static str,
    },
    /// Bid at or above ask.
    #[error("the book is crossed or locked")]
    Crossed,
    /// The equations have no single solution: the observations do not tell the unknowns apart.
    #[error("{what} has no single solution")]
    Unsolvable {
        /// Which.
        what: &'static str,
    },
    /// The result left the range of numbers.
    #[error("the result is not a finite number")]
    NotFinite,
}

/// Gives `value` when it is finite and `is_ok`; otherwise says which input it is.
pub(crate) fn check(what: &'static str, value: f64, is_ok: bool) -> Result<f64, NotReady> {
    if value.is_finite() && is_ok { Ok(value) } else { Err(NotReady::Input { what }) }
}

/// Gives a result if it is a finite number.
pub(crate) fn finite(value: f64) -> Result<f64, NotReady> {
    if value.is_finite() { Ok(value) } else { Err(NotReady::NotFinite) }
}

/// Refuses fewer than `want` observations.
pub(crate) fn at_least(have: usize, want: usize) -> Result<(), NotReady> {
    if have >= want {
        return Ok(());
    }
    Err(NotReady::TooLittle { have: count_est(have), want: count_est(want) })
}
