//! Halt, resume, state and heartbeats.

use crate::{
    AccountId, Amount, Asset, DurationNs, Instrument, InstrumentKey, MessageId, Notional,
    StrategyId, Timestamp, VenueId,
};
use std::collections::BTreeMap;

/// Says what a control command is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ControlScope {
    /// Everything.
    Global,
    /// One venue.
    Venue(VenueId),
    /// One instrument.
    Instrument(InstrumentKey),
    /// One strategy.
    Strategy(StrategyId),
}

/// Says what an operator (or a breaker) wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlAction {
    /// No new orders, cancel all, keep reading reports.
    Halt,
    /// A halt that also takes back every order of the named account at the venues of the scope, whoever placed it.
    CancelAccount,
    /// Only orders that reduce a position; ends a halt of the same scope.
    Reduce,
    /// Quote again.
    Resume,
    /// Change limits of the gate; where a limit is raised, a second person may have to confirm.
    ChangeLimits,
    /// Confirm a change of limits that another person asked for.
    ConfirmLimits,
}

impl ControlAction {
    /// Tells whether it stops new orders in its scope.
    #[must_use]
    pub const fn is_halt(self) -> bool {
        match self {
            Self::Halt | Self::CancelAccount => true,
            Self::Reduce | Self::Resume | Self::ChangeLimits | Self::ConfirmLimits => false,
        }
    }
}

/// Is an instruction with who and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlCommand {
    /// What to do.
    pub action: ControlAction,
    /// To what.
    pub scope: ControlScope,
    /// Who says so.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Which limits, for commands about limits.
    pub limits: Option<LimitsChange>,
    /// Which account loses every order, for `CancelAccount`.
    pub account: Option<NamedAccount>,
}

impl ControlCommand {
    /// Tells whether it is about what is done for an account: all are, but one that takes back the orders of another, or of
    /// none that was named.
    #[must_use]
    pub fn concerns(&self, account: &AccountId) -> bool {
        self.action != ControlAction::CancelAccount
            || self.account.as_ref().is_some_and(|named| named.id == *account)
    }
}

/// Is the account that loses every order, as a person named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedAccount {
    /// Its name: one of another name is not touched.
    pub id: AccountId,
    /// Only here are orders taken back, however wide the halt is: the venue of the router that the command was given to.
    /// `None` is every venue of the scope.
    pub venue: Option<VenueId>,
}

/// Is a change of the gate's limits: the document it makes differs from the one in force in these keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsChange {
    /// The version it makes: one more than the one in force.
    pub version: u64,
    /// Keys as in the profile, with their new values as TOML; amounts need no quotes.
    pub limits: BTreeMap<String, String>,
}

/// Says in which condition a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceState {
    /// Rebuilding or waiting for what it needs.
    Starting,
    /// Doing its job.
    Active,
    /// Told to stop new orders.
    Halted,
}

/// Is the condition of a service that can stop orders, with the epoch it works under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlState {
    /// Service name, such as `risk-gate`.
    pub service: String,
    /// For which account.
    pub account: AccountId,
    /// For routers: at which venue.
    pub venue: Option<VenueId>,
    /// Its condition.
    pub state: ServiceState,
    /// Gate: the epoch it signs under. Router: the newest epoch it has seen.
    pub epoch: u64,
    /// Scopes that are halted now.
    pub halted: Vec<ControlScope>,
    /// Who or what halted last, and why, and whose silence keeps orders back; empty when nothing does.
    pub reason: String,
    /// For routers that take orders back (halted, stopping, left alone): how many of them may still be open, by the
    /// venue's last list; 0 says that the venue confirmed none. `None` otherwise, and until the venue has answered.
    pub orders_open: Option<u64>,
    /// Gate: scopes in which only orders that reduce a position are allowed.
    pub restricted: Vec<ControlScope>,
    /// Routers: whether our orders end at the venue without us when we fall silent: its timer is armed, or they cannot
    /// outlive the session. `None` when the session does not tell, or is down.
    pub is_guarded: Option<bool>,
    /// Routers: differences between the venue's account and ours that are not resolved yet.
    pub breaks: Vec<ReconciliationBreak>,
    /// Routers: what the venue held of each asset beyond all fills of the log when both were first compared, so that the
    /// next run compares with the same; empty until then.
    pub beyond_fills: BTreeMap<Asset, Amount>,
    /// Gate: what losses of the day and falls from the peak are measured from.
    pub equity: Option<EquityMarks>,
    /// Routers: the newest command to take back a whole account that is over here, so that the next run does not carry it
    /// out once more.
    pub account_cancelled: Option<MessageId>,
}

/// Is a difference between what the venue says and what we booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconciliationBreak {
    /// In which instrument; `None` for an asset, and for everything at the venue.
    pub instrument: Option<InstrumentKey>,
    /// In which asset: it concerns every instrument that it is base or quote of.
    pub asset: Option<Asset>,
    /// Since when.
    pub since: Timestamp,
    /// What differs, in words.
    pub what: String,
}

impl ReconciliationBreak {
    /// Tells whether it forbids quoting an instrument. Where the definition is not known, any asset may be its own.
    #[must_use]
    pub fn concerns(&self, key: &InstrumentKey, definition: Option<&Instrument>) -> bool {
        match (&self.instrument, &self.asset) {
            (Some(instrument), _) => instrument == key,
            (None, Some(asset)) => {
                definition.is_none_or(|known| known.base == *asset || known.quote == *asset)
            }
            (None, None) => true,
        }
    }
}

/// Is what equity is compared with: its value at the start of a day, and its highest. In the reporting currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EquityMarks {
    /// The UTC day, counted from 1970-01-01.
    pub day: i64,
    /// Equity when that day began, or when it was first known on it.
    pub day_open: Notional,
    /// The highest equity.
    pub peak: Notional,
}

/// Tells that a service lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Service name.
    pub service: String,
    /// Program version.
    pub version: String,
    /// Its condition.
    pub state: ServiceState,
    /// Age of the newest input, when there was one.
    pub data_age: Option<DurationNs>,
}
