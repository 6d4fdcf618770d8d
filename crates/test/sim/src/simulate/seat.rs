//! The places for processes: one for each service, and one more for a gate that starts while another still lives.

use remora_domain::{Kind, Service};

/// Is a place for a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Seat {
    Ingestor,
    PairDiscovery,
    OrderRouter,
    RiskGate,
    /// A gate too. Which of the two is the newer one changes.
    OtherGate,
    Decision,
    Persister,
}

impl Seat {
    /// All places, in the order in which they are served.
    pub(super) const ALL: &'static [Self] = &[
        Self::Ingestor,
        Self::PairDiscovery,
        Self::OrderRouter,
        Self::RiskGate,
        Self::OtherGate,
        Self::Decision,
        Self::Persister,
    ];
    pub(super) const GATES: [Self; 2] = [Self::RiskGate, Self::OtherGate];

    pub(super) const fn service(self) -> Service {
        match self {
            Self::Ingestor => Service::Ingestor,
            Self::PairDiscovery => Service::PairDiscovery,
            Self::OrderRouter => Service::OrderRouter,
            Self::RiskGate | Self::OtherGate => Service::RiskGate,
            Self::Decision => Service::Decision,
            Self::Persister => Service::Persister,
        }
    }

    /// Gives the other place for a gate.
    pub(super) const fn other_gate(self) -> Option<Self> {
        match self {
            Self::RiskGate => Some(Self::OtherGate),
            Self::OtherGate => Some(Self::RiskGate),
            Self::Ingestor
            | Self::PairDiscovery
            | Self::OrderRouter
            | Self::Decision
            | Self::Persister => None,
        }
    }

    pub(super) fn reads(self) -> &'static [Kind] {
        self.service().reads()
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::OtherGate => "risk-gate (other)",
            Self::Ingestor
            | Self::PairDiscovery
            | Self::OrderRouter
            | Self::RiskGate
            | Self::Decision
            | Self::Persister => self.service().name(),
        }
    }
}
