//! A "no" in the making: reason, limit, value.

use remora_domain::{AmountError, Notional, RefusalReason};

/// Says which control said no, against which limit, with which value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: RefusalReason,
    pub(crate) limit: String,
    pub(crate) value: String,
}

impl Refused {
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
}

impl From<AmountError> for Refused {
    fn from(cause: AmountError) -> Self {
        Self::new(RefusalReason::AmountRange, "28 exact digits", cause.to_string())
    }
}

/// Writes an amount of money with its unit, without the zeros that arithmetic leaves.
pub(crate) fn money(amount: Notional, unit: &impl std::fmt::Display) -> String {
    format!("{} {unit}", amount.to_decimal().normalize())
}
