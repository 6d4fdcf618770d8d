//! A "no" in the making (reason, limit, value), and what a control read when it said nothing against.

use crate::catalogue::Control;
use remora_domain::{AmountError, Asset, DurationNs, Notional, RefusalReason};
use rust_decimal::Decimal;
use std::borrow::Cow;
use std::fmt;

/// Says which control said no, against which limit, with which value. Both carry their unit.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Denial {
    /// Why; it belongs to exactly one control.
    pub reason: RefusalReason,
    /// The limit in force, such as `500 USD`; empty where the control has none.
    pub limit: String,
    /// The value that met it, such as `512.40 USD`, or what is not known.
    pub value: String,
}

impl Denial {
    pub(crate) fn new(
        reason: RefusalReason,
        limit: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        Self { reason, limit: limit.into(), value: value.into() }
    }

    /// Something needed is not known.
    pub(crate) fn unknown(reason: RefusalReason, what: impl Into<String>) -> Self {
        Self::new(reason, "", what)
    }

    /// Gives the control that said no.
    #[must_use]
    pub fn control(&self) -> Option<Control> {
        Control::of(self.reason)
    }
}

impl From<AmountError> for Denial {
    fn from(cause: AmountError) -> Self {
        Self::new(RefusalReason::AmountRange, "28 exact digits", cause.to_string())
    }
}

/// Writes an amount of money with its unit, without the zeros that arithmetic leaves.
pub(crate) fn money(amount: Notional, unit: &impl fmt::Display) -> String {
    format!("{} {unit}", amount.to_decimal().normalize())
}

/// Is the unit of a number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit<'a> {
    Word(&'static str),
    Asset(&'a Asset),
}

impl fmt::Display for Unit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Asset(asset) => asset.fmt(f),
        }
    }
}

/// Is what a control read. Made for every decision, so it holds numbers, not their text.
#[derive(Clone, Debug)]
pub(crate) enum Reading<'a> {
    /// A value that may grow up to its limit.
    AtMost { value: Decimal, limit: Decimal, unit: Unit<'a> },
    /// A value that may fall down to its limit.
    AtLeast { value: Decimal, limit: Decimal, unit: Unit<'a> },
    /// A condition that holds.
    Is { value: Cow<'a, str>, want: Cow<'a, str> },
}

impl<'a> Reading<'a> {
    pub(crate) fn is(value: impl Into<Cow<'a, str>>, want: impl Into<Cow<'a, str>>) -> Self {
        Self::Is { value: value.into(), want: want.into() }
    }

    pub(crate) const fn unit(&self) -> Option<Unit<'a>> {
        match self {
            Self::AtMost { unit, .. } | Self::AtLeast { unit, .. } => Some(*unit),
            Self::Is { .. } => None,
        }
    }

    /// Gives how much is left; `None` for conditions.
    pub(crate) fn headroom(&self) -> Option<Decimal> {
        match self {
            Self::AtMost { value, limit, .. } => limit.checked_sub(*value),
            Self::AtLeast { value, limit, .. } => value.checked_sub(*limit),
            Self::Is { .. } => None,
        }
    }

    /// Refuses a value beyond its limit.
    pub(crate) fn judge(self, reason: RefusalReason) -> Result<Self, Denial> {
        let is_within = match &self {
            Self::AtMost { value, limit, .. } => value <= limit,
            Self::AtLeast { value, limit, .. } => value >= limit,
            Self::Is { .. } => true,
        };
        if is_within {
            return Ok(self);
        }
        let (limit, value) = self.texts();
        Err(Denial::new(reason, limit, value))
    }

    /// Writes limit and value with their unit.
    pub(crate) fn texts(&self) -> (String, String) {
        match self {
            Self::AtMost { value, limit, unit } | Self::AtLeast { value, limit, unit } => {
                let text = |number: &Decimal| format!("{} {unit}", number.normalize());
                (text(limit), text(value))
            }
            Self::Is { value, want } => (want.to_string(), value.to_string()),
        }
    }
}

/// Gives a duration in milliseconds, exactly.
pub(crate) fn ms(duration: DurationNs) -> Decimal {
    Decimal::new(duration.as_ns(), 6)
}
