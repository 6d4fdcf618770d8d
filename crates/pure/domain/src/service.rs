//! The services, what each reads and what each may write: the one table behind subscriptions, the in-process
//! routing and the bus permissions.

use crate::Kind;

/// What becomes history, and the books that become hot views.
const PERSISTED: &[Kind] = &[
    Kind::MdBook,
    Kind::MdInstrument,
    Kind::MdBar,
    Kind::PairsUniverse,
    Kind::OrderRequest,
    Kind::OrderApproval,
    Kind::OrderRefusal,
    Kind::OrderCancel,
    Kind::OrderEvent,
    Kind::AccountBalance,
    Kind::AccountFee,
    Kind::AccountBreak,
    Kind::DecisionRecord,
    Kind::ControlCommand,
    Kind::ControlState,
];

/// Is a service of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Venue frames to validated books and trades.
    Ingestor,
    /// Instruments to a ranked universe.
    PairDiscovery,
    /// Market and inventory to order requests.
    Decision,
    /// Requests to approvals or refusals.
    RiskGate,
    /// Approved orders to the venue.
    OrderRouter,
    /// Events to history.
    Persister,
}

impl Service {
    /// All services, in the order in which one process serves them.
    pub const ALL: &'static [Self] = &[
        Self::Ingestor,
        Self::PairDiscovery,
        Self::OrderRouter,
        Self::RiskGate,
        Self::Decision,
        Self::Persister,
    ];

    /// Gives the name used for processes, producers, configuration and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingestor => "ingestor",
            Self::PairDiscovery => "pair-discovery",
            Self::Decision => "decision",
            Self::RiskGate => "risk-gate",
            Self::OrderRouter => "order-router",
            Self::Persister => "persister",
        }
    }

    /// Gives the kinds the service reads.
    #[must_use]
    pub const fn reads(self) -> &'static [Kind] {
        match self {
            // Its own definitions of earlier runs, so that versions go on where they stood.
            Self::Ingestor => &[Kind::MdInstrument],
            Self::PairDiscovery => &[
                Kind::MdBook,
                Kind::MdTrade,
                Kind::MdTicker,
                Kind::MdStatus,
                Kind::MdInstrument,
                Kind::MdBar,
                Kind::AccountFee,
                Kind::PairsUniverse,
            ],
            Self::Decision => &[
                Kind::MdBook,
                Kind::MdTrade,
                Kind::MdStatus,
                Kind::MdInstrument,
                Kind::PairsUniverse,
                Kind::OrderRequest,
                Kind::OrderApproval,
                Kind::OrderRefusal,
                Kind::OrderCancel,
                Kind::OrderEvent,
                Kind::AccountBalance,
                Kind::AccountFee,
                Kind::ControlCommand,
                Kind::ControlState,
                Kind::SvcHeartbeat,
            ],
            Self::RiskGate => &[
                Kind::MdBook,
                Kind::MdTrade,
                Kind::MdTicker,
                Kind::MdStatus,
                Kind::MdInstrument,
                Kind::OrderRequest,
                Kind::OrderApproval,
                Kind::OrderRefusal,
                Kind::OrderCancel,
                Kind::OrderEvent,
                Kind::AccountBalance,
                Kind::AccountFee,
                Kind::ControlCommand,
                Kind::ControlState,
                Kind::SvcHeartbeat,
            ],
            // The router reads market data for the paper venue beside it; a live venue ignores it.
            Self::OrderRouter => &[
                Kind::MdBook,
                Kind::MdTrade,
                Kind::MdInstrument,
                Kind::OrderApproval,
                Kind::OrderCancel,
                Kind::OrderEvent,
                // Its own differences of earlier runs that are still open.
                Kind::AccountBreak,
                Kind::ControlCommand,
                Kind::ControlState,
                Kind::SvcHeartbeat,
            ],
            Self::Persister => PERSISTED,
        }
    }

    /// Gives the kinds the service may write. Nobody else may write them, except `svc.heartbeat` (everybody)
    /// and `control.command` (the console, and gate and router on behalf of an operator).
    #[must_use]
    pub const fn writes(self) -> &'static [Kind] {
        match self {
            Self::Ingestor => &[
                Kind::MdBook,
                Kind::MdTrade,
                Kind::MdTicker,
                Kind::MdStatus,
                Kind::MdInstrument,
                Kind::MdBar,
                Kind::SvcHeartbeat,
            ],
            Self::PairDiscovery => &[Kind::PairsUniverse, Kind::SvcHeartbeat],
            Self::Decision => {
                &[Kind::OrderRequest, Kind::OrderCancel, Kind::DecisionRecord, Kind::SvcHeartbeat]
            }
            Self::RiskGate => &[
                Kind::OrderApproval,
                Kind::OrderRefusal,
                Kind::ControlCommand,
                Kind::ControlState,
                Kind::SvcHeartbeat,
            ],
            Self::OrderRouter => &[
                Kind::OrderEvent,
                Kind::AccountBalance,
                Kind::AccountFee,
                Kind::AccountBreak,
                Kind::ControlCommand,
                Kind::ControlState,
                Kind::SvcHeartbeat,
            ],
            Self::Persister => &[Kind::SvcHeartbeat],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_gate_approves_and_only_the_router_reports() {
        let writers = |kind| {
            Service::ALL.iter().filter(move |s| s.writes().contains(&kind)).collect::<Vec<_>>()
        };
        assert_eq!(writers(Kind::OrderApproval), [&Service::RiskGate]);
        assert_eq!(writers(Kind::OrderRefusal), [&Service::RiskGate]);
        assert_eq!(writers(Kind::OrderEvent), [&Service::OrderRouter]);
        assert_eq!(writers(Kind::OrderRequest), [&Service::Decision]);
    }
}
