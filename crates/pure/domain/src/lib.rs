//! The vocabulary of Remora. In: nothing. Out: nothing. Depends on nothing internal.
//!
//! Instruments, exact amounts, orders, execution reports, market data, time, identifiers and the bus
//! messages made of them. Amounts are exact decimals behind private fields; floats appear only in fields
//! whose name ends in `_est` (scores and signals). Nothing here does I/O, reads a clock or knows a venue.
//! Test alone: `cargo test -p remora-domain`.
#![deny(missing_docs)]

mod account;
mod amount;
mod control;
mod decision;
mod fee;
mod ids;
mod insight;
mod instrument;
mod market;
mod message;
mod order;
mod refusal;
mod report;
mod service;
mod setting;
mod subject;
mod time;
mod universe;

pub use account::{AccountBreak, AccountFees, Balance, Balances, BreakKind, PositionSnapshot};
pub use amount::{Amount, AmountError, Bps, Lots, Notional, Position, Price, Qty, Rate, Ticks};
pub use control::{
    ControlAction, ControlCommand, ControlScope, ControlState, EquityMarks, Heartbeat,
    LimitsChange, NamedAccount, ReconciliationBreak, ServiceState,
};
pub use decision::{DecisionReason, DecisionRecord, QuoteTarget};
pub use fee::{Fee, FeeSchedule};
pub use ids::{
    AccountId, Asset, BreakId, ClOrdId, ExecId, IdError, InstrumentId, InstrumentKey, MessageId,
    OrderId, ProducerId, SessionId, StrategyId, VenueId,
};
pub use insight::{HOURS, HourPattern, Lead, PairInsight, PatternTarget};
pub use instrument::{ContractKind, Instrument, InstrumentStatus, QuantiseError, Rounding};
pub use market::{
    Bar, BookState, BookTop, ContractTicker, FeedCounters, FeedStatus, Funding, InvalidBook, Level,
    MarketStatus, MarketTrade, SystemStatus, Ticker,
};
pub use message::{Body, Envelope, Header, Sequencer};
pub use order::{
    ApprovalFields, CancelReason, Liquidity, OrdStatus, OrderApproval, OrderCancel, OrderRequest,
    Side, TimeInForce,
};
pub use refusal::{ControlId, OrderRefusal, RefusalReason};
pub use report::{ExecType, Fill, OpenOrder, OrderEvent, OrderEventReason, VenueReport};
pub use service::Service;
pub use setting::{Reporting, SettingCheck, SettingProblem};
pub use subject::{Kind, Subject, SubjectError};
pub use time::{DurationNs, Timestamp};
pub use universe::{PairReason, PairScore, Universe};
