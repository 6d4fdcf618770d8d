//! Makes cells, refusing what a database could not hold unchanged.

use super::{Cell, RowProblem};
use remora_domain::{DurationNs, Timestamp};
use rust_decimal::Decimal;

type Made = Result<Cell, RowProblem>;

pub(super) fn text_opt<T: ToString>(column: &'static str, value: Option<T>) -> Made {
    let value = value.map(|value| value.to_string());
    match value {
        Some(text) if text.contains('\0') => Err(RowProblem::ZeroByte { column }),
        value => Ok(Cell::Text(value)),
    }
}

pub(super) fn text<T: ToString>(column: &'static str, value: T) -> Made {
    text_opt(column, Some(value))
}

/// Is a number that always fits.
pub(super) trait Int {
    fn to_i64(self) -> i64;
}

impl Int for i64 {
    fn to_i64(self) -> i64 {
        self
    }
}

impl Int for u32 {
    fn to_i64(self) -> i64 {
        i64::from(self)
    }
}

impl Int for DurationNs {
    fn to_i64(self) -> i64 {
        self.as_ns()
    }
}

impl Int for Timestamp {
    fn to_i64(self) -> i64 {
        self.as_ns()
    }
}

pub(super) fn int_opt<T: Int>(_: &'static str, value: Option<T>) -> Made {
    Ok(Cell::Int(value.map(Int::to_i64)))
}

pub(super) fn int<T: Int>(column: &'static str, value: T) -> Made {
    int_opt(column, Some(value))
}

pub(super) fn count_opt(column: &'static str, value: Option<u64>) -> Made {
    let small = |value| i64::try_from(value).map_err(|_| RowProblem::Range { column, value });
    Ok(Cell::Int(value.map(small).transpose()?))
}

pub(super) fn count(column: &'static str, value: u64) -> Made {
    count_opt(column, Some(value))
}

pub(super) fn truth(_: &'static str, value: bool) -> Made {
    Ok(Cell::Bool(Some(value)))
}

pub(super) fn exact_opt(column: &'static str, value: Option<Decimal>) -> Made {
    text_opt(column, value)
}

pub(super) fn exact(column: &'static str, value: Decimal) -> Made {
    exact_opt(column, Some(value))
}

pub(super) fn est_opt(column: &'static str, value: Option<f64>) -> Made {
    if value.is_some_and(|value| !value.is_finite()) {
        return Err(RowProblem::NotFinite { column });
    }
    Ok(Cell::Est(value))
}

pub(super) fn est(column: &'static str, value: f64) -> Made {
    est_opt(column, Some(value))
}
