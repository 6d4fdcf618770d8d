//! The kinds of what goes wrong: what may, and how often each did.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Is a kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// A core message never arrives.
    MessageLost,
    /// A core message or an entry of a log takes long.
    MessageLate,
    /// Entries of a log are read again.
    ReadAgain,
    /// An execution is told twice.
    FillTwice,
    /// A process is killed and started again.
    Crash,
    /// The gate is replaced while approvals wait for the router.
    Handover,
    /// A second gate starts while the first goes on.
    SecondGate,
    /// The gate that holds the lease dies, stands still or is cut off.
    LeaderLoss,
    /// A process is cut off from the bus.
    Cut,
    /// The bus is away for everybody.
    BusAway,
    /// A process stands still.
    Pause,
    /// The clock of a machine is set.
    ClockStep,
    /// The clock of a machine drifts.
    ClockDrift,
    /// The private connection breaks.
    PrivateDown,
    /// The feed's connection breaks.
    FeedDown,
    /// The feed loses frames.
    FeedGaps,
    /// The feed falls silent.
    FeedSilent,
    /// Orders and cancels get lost on their way.
    RequestsLost,
    /// Answers of the venue get lost.
    AnswersLost,
    /// Executions are told late, after the end of their order.
    FillsLate,
    /// Somebody else has orders on our account.
    ForeignOrders,
    /// The venue tells balances that are not ours.
    WrongBalances,
    /// The history store is away.
    StoreAway,
    /// The venue refuses orders.
    Rejects,
    /// The venue says that we are too fast.
    Throttles,
    /// The venue is in maintenance.
    Maintenance,
    /// The venue takes cancels only.
    CancelOnly,
    /// An operator halts everything.
    Halt,
    /// An operator halts the venue.
    HaltVenue,
    /// An operator halts one pair.
    HaltPair,
    /// An operator lets everything only reduce.
    Reduce,
    /// An operator changes the limits.
    Limits,
    /// An altered approval is published.
    Forgery,
    /// An operator takes back the whole account, in which somebody else has an order.
    CancelAccount,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::MessageLost,
        Self::MessageLate,
        Self::ReadAgain,
        Self::FillTwice,
        Self::Crash,
        Self::Handover,
        Self::SecondGate,
        Self::LeaderLoss,
        Self::Cut,
        Self::BusAway,
        Self::Pause,
        Self::ClockStep,
        Self::ClockDrift,
        Self::PrivateDown,
        Self::FeedDown,
        Self::FeedGaps,
        Self::FeedSilent,
        Self::RequestsLost,
        Self::AnswersLost,
        Self::FillsLate,
        Self::ForeignOrders,
        Self::WrongBalances,
        Self::StoreAway,
        Self::Rejects,
        Self::Throttles,
        Self::Maintenance,
        Self::CancelOnly,
        Self::Halt,
        Self::HaltVenue,
        Self::HaltPair,
        Self::Reduce,
        Self::Limits,
        Self::Forgery,
        Self::CancelAccount,
    ];

    /// Gives the name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MessageLost => "message-lost",
            Self::MessageLate => "message-late",
            Self::ReadAgain => "read-again",
            Self::FillTwice => "fill-twice",
            Self::Crash => "crash",
            Self::Handover => "handover",
            Self::SecondGate => "second-gate",
            Self::LeaderLoss => "leader-loss",
            Self::Cut => "cut",
            Self::BusAway => "bus-away",
            Self::Pause => "pause",
            Self::ClockStep => "clock-step",
            Self::ClockDrift => "clock-drift",
            Self::PrivateDown => "private-down",
            Self::FeedDown => "feed-down",
            Self::FeedGaps => "feed-gaps",
            Self::FeedSilent => "feed-silent",
            Self::RequestsLost => "requests-lost",
            Self::AnswersLost => "answers-lost",
            Self::FillsLate => "fills-late",
            Self::ForeignOrders => "foreign-orders",
            Self::WrongBalances => "wrong-balances",
            Self::StoreAway => "store-away",
            Self::Rejects => "rejects",
            Self::Throttles => "throttles",
            Self::Maintenance => "maintenance",
            Self::CancelOnly => "cancel-only",
            Self::Halt => "halt",
            Self::HaltVenue => "halt-venue",
            Self::HaltPair => "halt-pair",
            Self::Reduce => "reduce",
            Self::Limits => "limits",
            Self::Forgery => "forgery",
            Self::CancelAccount => "cancel-account",
        }
    }

    /// Tells whether the fault is a while in which things may go wrong: then those that did are counted, not the while.
    pub(super) const fn is_while(self) -> bool {
        matches!(
            self,
            Self::FeedGaps
                | Self::FeedSilent
                | Self::RequestsLost
                | Self::AnswersLost
                | Self::FillsLate
                | Self::WrongBalances
                | Self::ForeignOrders
                | Self::StoreAway
                | Self::Rejects
                | Self::Throttles
                | Self::Forgery
                | Self::LeaderLoss
        )
    }

    /// Gives the bit of a set that stands for this kind.
    fn bit(self) -> u64 {
        let place = Self::ALL.iter().position(|kind| *kind == self);
        let place = place.and_then(|place| u32::try_from(place).ok());
        place.and_then(|place| 1_u64.checked_shl(place)).unwrap_or(0)
    }
}

/// Is a set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultKinds(u64);

impl FaultKinds {
    /// Everything goes wrong that can.
    pub const ALL: Self = Self(u64::MAX);
    /// Nothing goes wrong.
    pub const NONE: Self = Self(0);

    /// Tells whether a kind is among them.
    #[must_use]
    pub fn has(self, kind: FaultKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// Gives the set without one kind.
    #[must_use]
    pub fn without(self, kind: FaultKind) -> Self {
        let left = Self(self.0 & !kind.bit());
        if FaultKind::ALL.iter().any(|kind| left.has(*kind)) { left } else { Self::NONE }
    }
}

impl fmt::Display for FaultKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> =
            FaultKind::ALL.iter().filter(|kind| self.has(**kind)).map(|kind| kind.name()).collect();
        match names.len() {
            0 => f.write_str("none"),
            all if all == FaultKind::ALL.len() => f.write_str("all"),
            _ => f.write_str(&names.join(",")),
        }
    }
}

impl FromStr for FaultKinds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => return Ok(Self::ALL),
            "none" => return Ok(Self::NONE),
            _ => {}
        }
        text.split(',').try_fold(Self::NONE, |set, name| {
            let kind = FaultKind::ALL.iter().find(|kind| kind.name() == name);
            let kind = kind.ok_or_else(|| {
                let names: Vec<&str> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
                format!("{name} is none of all, none, {}", names.join(", "))
            })?;
            Ok(Self(set.0 | kind.bit()))
        })
    }
}

/// Counts what a run consisted of: a run in which nothing happens proves nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How often each kind of fault happened.
    pub faults: BTreeMap<FaultKind, u64>,
    /// Messages of all services.
    pub messages: u64,
    /// Stored requests.
    pub requests: usize,
    /// Stored approvals.
    pub approvals: usize,
    /// Orders that left the router.
    pub sent: usize,
    /// Executions at the exchange.
    pub executions: usize,
    /// Starts that took over a snapshot of the log of orders.
    pub snapshots: u64,
}

impl Counts {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        for (kind, count) in &other.faults {
            let sum = self.faults.entry(*kind).or_default();
            *sum = sum.saturating_add(*count);
        }
        self.messages = self.messages.saturating_add(other.messages);
        self.requests = self.requests.saturating_add(other.requests);
        self.approvals = self.approvals.saturating_add(other.approvals);
        self.sent = self.sent.saturating_add(other.sent);
        self.executions = self.executions.saturating_add(other.executions);
        self.snapshots = self.snapshots.saturating_add(other.snapshots);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { faults, messages, requests, approvals, sent, executions, snapshots } = self;
        write!(
            f,
            "{messages} messages, {requests} requests, {approvals} approvals, {sent} orders sent, \
             {executions} executions, {snapshots} starts from a snapshot; faults:"
        )?;
        let of = |kind: &FaultKind| faults.get(kind).copied().unwrap_or(0);
        FaultKind::ALL.iter().try_for_each(|kind| write!(f, " {} {}", kind.name(), of(kind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_kinds_is_read_as_it_is_written() {
        let some = FaultKinds::from_str("halt,crash").unwrap();
        assert_eq!(some.to_string(), "crash,halt");
        assert!(some.has(FaultKind::Halt) && !some.has(FaultKind::Cut));
        for set in [some, FaultKinds::ALL, FaultKinds::NONE] {
            assert_eq!(FaultKinds::from_str(&set.to_string()), Ok(set));
        }
        let none = some.without(FaultKind::Halt).without(FaultKind::Crash);
        assert_eq!(none, FaultKinds::NONE);
        assert!(FaultKinds::from_str("halts").is_err());
    }

    #[test]
    fn every_kind_has_a_bit_and_a_name_of_its_own() {
        let ones = FaultKind::ALL.iter().map(|kind| kind.bit().count_ones()).sum::<u32>();
        let all = FaultKind::ALL.iter().fold(0, |all, kind| all | kind.bit());
        assert_eq!((ones, all.count_ones()), (ones, ones));
        let names: std::collections::BTreeSet<_> =
            FaultKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), FaultKind::ALL.len());
    }
}
