//! What can go wrong when booking or valuing.

use remora_domain::{AmountError, ContractKind, ExecId, InstrumentKey};

/// Says why an execution could not be booked or a holding not be valued. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The ledger has no rule for the contract.
    #[error("book fill on {instrument}: no accounting for {kind:?}")]
    UnsupportedKind {
        /// On which instrument.
        instrument: InstrumentKey,
        /// Its kind.
        kind: ContractKind,
    },
    /// The execution number was booked with another instrument, side, price or quantity.
    #[error("book fill {exec_id} on {instrument}: the id was booked with other economics")]
    Conflict {
        /// On which instrument.
        instrument: InstrumentKey,
        /// Which execution.
        exec_id: ExecId,
    },
    /// Base, quote or multiplier changed under a holding.
    #[error("book fill on {instrument}: base, quote or multiplier changed since the first fill")]
    TermsChanged {
        /// On which instrument.
        instrument: InstrumentKey,
    },
    /// The exact result does not fit.
    #[error("compute the ledger of {instrument}")]
    Range {
        /// On which instrument.
        instrument: InstrumentKey,
        /// Which amount.
        #[source]
        cause: AmountError,
    },
    /// The exact sum over instruments does not fit.
    #[error("compute the totals of the ledger")]
    TotalRange {
        /// Which amount.
        #[source]
        cause: AmountError,
    },
}
