//! What can go wrong with history, what to do about it, and what a write achieved.

use crate::rows::RowError;
use std::time::Duration;

/// Says what became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteOutcome {
    /// Rows that are new.
    pub inserted: u64,
    /// Rows that were there already.
    pub duplicates: u64,
}

impl WriteOutcome {
    /// Adds a statement that offered `offered` rows, of which `inserted` were new.
    #[must_use]
    pub fn plus(self, offered: usize, inserted: u64) -> Self {
        let offered = u64::try_from(offered).unwrap_or(u64::MAX);
        let known = offered.saturating_sub(inserted);
        Self {
            inserted: self.inserted.saturating_add(inserted),
            duplicates: self.duplicates.saturating_add(known),
        }
    }
}

/// Says whether the same call can ever succeed. When to try again is the persister core's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The store could not be reached or could not answer now.
    Retry,
    /// The content can never be stored as it is.
    GiveUp,
}

/// Says why a call to history failed. Nothing of a failed write is stored, unless its answer was lost; then
/// writing it again finds the rows there.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The address is not understood. It is not shown: it may hold a password.
    #[error("read the address of the history database")]
    Address {
        /// Why.
        #[source]
        cause: sqlx::Error,
    },
    /// No connection.
    #[error("connect to the history database")]
    Connect {
        /// Why.
        #[source]
        cause: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("migrate the history schema")]
    Migrate {
        /// Why.
        #[source]
        cause: sqlx::migrate::MigrateError,
    },
    /// A message does not fit any row.
    #[error("map a message to rows")]
    Row {
        /// Which, and why.
        #[source]
        cause: RowError,
    },
    /// A write failed.
    #[error("write {table}")]
    Write {
        /// To which table, or `transaction`.
        table: &'static str,
        /// Why.
        #[source]
        cause: sqlx::Error,
    },
    /// A query failed.
    #[error("query {what}")]
    Query {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        cause: sqlx::Error,
    },
    /// A stored row is none that we write.
    #[error("read {what}: {place} is no row of ours")]
    Unreadable {
        /// Of which question.
        what: &'static str,
        /// Where.
        place: String,
    },
    /// More rows than one question gives.
    #[error("more than {most} {what}: ask for fewer days")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        most: i64,
    },
    /// No answer came in time.
    #[error("{what} of history: no answer within {after:?}")]
    Timeout {
        /// What was asked.
        what: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
}

impl HistoryError {
    /// Tells whether to try again. A missing table or a refused login is a fault of the installation, not of the
    /// message: it is tried again until somebody mends it, and nothing is lost meanwhile.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Row { .. } | Self::Unreadable { .. } | Self::TooMany { .. } => {
                Disposition::GiveUp
            }
            Self::Write { cause, .. } => disposition_of(cause),
            Self::Address { .. }
            | Self::Connect { .. }
            | Self::Migrate { .. }
            | Self::Query { .. }
            | Self::Timeout { .. } => Disposition::Retry,
        }
    }
}

/// Only the SQLSTATE classes 22 (data exception) and 23 (integrity constraint) and SQLite's codes 18 (too big),
/// 19 (constraint) and 20 (mismatch) blame the content. Sources: PostgreSQL 15 manual, appendix A; SQLite,
/// "Result and Error Codes"; checked 2026-11-22.
fn disposition_of(cause: &sqlx::Error) -> Disposition {
    let code = cause.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    let is_content = if code.len() == 5 {
        code.starts_with("22") || code.starts_with("23")
    } else {
        // An extended SQLite code holds the primary one in its lowest byte.
        code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 18..=20))
    };
    if is_content { Disposition::GiveUp } else { Disposition::Retry }
}
