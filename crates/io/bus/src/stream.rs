//! Every stream, with its subjects and what it keeps. The only place where streams are declared.

use remora_domain::AccountId;
use std::fmt;
use std::time::Duration;

/// Bounds how long a stream remembers message ids.
pub const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// Letters kept of each service: with what a letter holds, less than 1 GiB for all of them.
const LETTERS_PER_SERVICE_MAX: u64 = 2_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Is a durable log on the bus (closed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// `order.*`: requests, approvals, refusals, cancels and events, in one total order.
    Orders,
    /// `account.*`: balances, positions, fees.
    Accounts,
    /// `md.instrument`.
    Instruments,
    /// `md.bar`.
    Bars,
    /// `pairs.*`.
    Pairs,
    /// `decision.*`.
    Decisions,
    /// `control.command`.
    Control,
    /// `control.state`.
    States,
    /// `dead.*`: messages that a service could not read or keep, for a person to look at.
    Dead,
    /// `lease.*`: who leads, of services that may have standbys; only the last message of a subject counts.
    Leases,
}

/// Gives the register of the lease of a service that acts for one account.
#[must_use]
pub fn lease_subject(service: &str, account: &AccountId) -> String {
    format!("remora.v1.lease.{service}.{account}")
}

/// Says what a stream stores and keeps. A limit of `None` means: never forgotten by the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamDefinition {
    /// Which.
    pub stream: Stream,
    /// Patterns of the subjects it stores; those of two streams never overlap.
    pub subjects: Vec<String>,
    /// How long a message is kept.
    pub age_max: Option<Duration>,
    /// How many messages are kept.
    pub messages_max: Option<u64>,
    /// How many messages of one subject are kept.
    pub messages_per_subject_max: Option<u64>,
}

impl Stream {
    /// All streams.
    pub const ALL: [Self; 10] = [
        Self::Orders,
        Self::Accounts,
        Self::Instruments,
        Self::Bars,
        Self::Pairs,
        Self::Decisions,
        // Before the states: it gives their subjects up where an older version stored them in it.
        Self::Control,
        Self::States,
        Self::Dead,
        Self::Leases,
    ];

    /// The streams that become history: all but the dead letters and the leases.
    pub const HISTORY: [Self; 8] = [
        Self::Orders,
        Self::Accounts,
        Self::Instruments,
        Self::Bars,
        Self::Pairs,
        Self::Decisions,
        Self::Control,
        Self::States,
    ];

    /// Gives its name on the server.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Orders => "ORDERS",
            Self::Accounts => "ACCOUNTS",
            Self::Instruments => "INSTRUMENTS",
            Self::Bars => "BARS",
            Self::Pairs => "PAIRS",
            Self::Decisions => "DECISIONS",
            Self::Control => "CONTROL",
            Self::States => "STATES",
            Self::Dead => "DEAD",
            Self::Leases => "LEASES",
        }
    }

    /// Gives the pattern of its subjects.
    #[must_use]
    pub const fn pattern(self) -> &'static str {
        match self {
            Self::Orders => "remora.v1.order.*.>",
            Self::Accounts => "remora.v1.account.*.>",
            Self::Instruments => "remora.v1.md.instrument.>",
            Self::Bars => "remora.v1.md.bar.>",
            Self::Pairs => "remora.v1.pairs.>",
            Self::Decisions => "remora.v1.decision.>",
            Self::Control => "remora.v1.control.command.>",
            Self::States => "remora.v1.control.state.>",
            Self::Dead => "remora.v1.dead.>",
            Self::Leases => "remora.v1.lease.*.>",
        }
    }

    /// Finds the stream that stores a subject, if one does.
    #[must_use]
    pub fn of_subject(subject: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| crate::pattern::matches(stream.pattern(), subject))
    }

    /// Gives what it stores and keeps.
    ///
    /// Orders and commands are never forgotten: a core is rebuilt from them, and forgetting an order is how money
    /// is lost. A full disk makes the server refuse new ones instead. The others keep what their readers need: of states
    /// that is the newest of each service, and enough for a history that catches up late.
    #[must_use]
    pub fn definition(self) -> StreamDefinition {
        let (age_max, messages_max, messages_per_subject_max) = match self {
            Self::Orders | Self::Control => (None, None, None),
            Self::Accounts | Self::States => (None, None, Some(1_000)),
            Self::Instruments => (None, None, Some(16)),
            Self::Bars => (Some(30 * DAY), None, Some(50_000)),
            Self::Pairs => (None, None, Some(64)),
            // One would do; a person may want to see how the last takeover came about.
            Self::Leases => (None, None, Some(64)),
            Self::Decisions => (Some(DAY), Some(1_000_000), None),
            // A hostile peer can make letters: what is bounded is the disk they take, by the oldest of each service.
            Self::Dead => (Some(90 * DAY), None, Some(LETTERS_PER_SERVICE_MAX)),
        };
        let subjects = vec![self.pattern().to_owned()];
        StreamDefinition { stream: self, subjects, age_max, messages_max, messages_per_subject_max }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::overlap;
    use remora_domain::Kind;

    #[test]
    fn no_two_streams_store_the_same_subject() {
        for a in Stream::ALL {
            for b in Stream::ALL {
                assert!(a == b || !overlap(a.pattern(), b.pattern()), "{a} {b}");
            }
        }
    }

    #[test]
    fn exactly_the_durable_kinds_are_stored() {
        for kind in Kind::ALL {
            let subject = kind.pattern().replace('>', "some.thing");
            let is_stored = Stream::of_subject(&subject).is_some();
            assert_eq!(is_stored, kind.is_durable(), "{}", kind.as_str());
        }
    }

    #[test]
    fn dead_letters_take_a_bounded_part_of_a_disk() {
        let letters = Stream::Dead.definition().messages_per_subject_max.unwrap();
        let services = u64::try_from(remora_domain::Service::ALL.len()).unwrap();
        let bytes = u64::try_from(crate::dead::LETTER_BYTES_MAX).unwrap();
        assert!(letters * services * bytes <= 1 << 30);
    }

    #[test]
    fn orders_and_commands_are_never_forgotten_and_states_are_bounded() {
        for stream in [Stream::Orders, Stream::Control] {
            let kept = stream.definition();
            assert_eq!((kept.age_max, kept.messages_max), (None, None));
            assert_eq!(kept.messages_per_subject_max, None);
        }
        for kind in Kind::ALL.iter().filter(|kind| kind.is_durable()) {
            let stream = Stream::of_subject(&kind.pattern().replace('>', "some.thing")).unwrap();
            let is_kept_for_ever = matches!(stream, Stream::Orders | Stream::Control);
            let word = kind.as_str();
            assert_eq!(
                is_kept_for_ever,
                word.starts_with("order.") || word == "control.command",
                "{word}"
            );
        }
        assert_eq!(Stream::States.definition().messages_per_subject_max, Some(1_000));
    }
}
