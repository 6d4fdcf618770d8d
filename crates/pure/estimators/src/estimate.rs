//! What every estimator answers.

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
    /// The result left the range of numbers.
    #[error("the result is not a finite number")]
    NotFinite,
}
