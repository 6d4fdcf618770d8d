//! Positions, average cost, fees, realised and unrealised P&L, exactly, from executions alone.
//!
//! In: executions with the definition of their instrument. Out: holdings; totals per quote currency; one figure in
//! the reporting currency. Method: average cost (`quant-methods.md`, section 18); first in, first out apart, for whoever asks for it ([`FifoLots`]).
//!
//! Invariants, all exact:
//! - an execution is booked once per (account, venue, ExecID); the same id with other economics is an error;
//! - `realised = cash + cost basis`, so a flat holding has `realised = cash`, to the last digit;
//! - `net = cash + position × mark − fees`, whatever the order of the fills;
//! - a fee charged in the quote asset is a cost; a fee charged in the base asset also reduces the position: it is
//!   booked as sold at the price of its fill and paid in quote; a fee in any other asset is kept in that asset.
//!
//! The one rounding: closing a part of a position removes `basis × closed / position`, rounded half to even at 12
//! decimals, or at the decimals of the basis where it has more. What rounding leaves stays in the basis.
//!
//! Must never happen: a float, a default mark, a missing conversion rate taken as 1, a half-booked fill.
//! Test alone: `cargo test -p remora-ledger`.
#![deny(missing_docs)]

mod error;
mod fifo;
mod holding;
mod ledger;
mod totals;

pub use error::LedgerError;
pub use fifo::{FifoLots, Lot};
pub use holding::{Holding, Touch};
pub use ledger::{Booking, Ledger};
pub use totals::{Totals, net_in_reporting};
