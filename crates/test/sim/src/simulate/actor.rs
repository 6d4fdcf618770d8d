//! One shape for all cores, so that one scheduler serves them.

use remora_decision_core::DecisionCore;
use remora_domain::{Envelope, Timestamp};
use remora_ingestor_core::{IngestorCore, IngestorEffect, IngestorInput};
use remora_machine::{NoLocal, ServiceCore, ServiceInput, ServiceOutput, TermInput, TermOutput};
use remora_order_router_core::{OrderRouterCore, RouterInput, RouterOutput};
use remora_pair_discovery_core::PairDiscoveryCore;
use remora_persister_core::{PersisterCore, PersisterInput, PersisterOutput};
use remora_risk_gate_core::RiskGateCore;
use remora_venue_api::{FeedInput, LinkCommand, VenueCommand};
use std::sync::Arc;

/// Is an input that only one service has.
#[derive(Clone, Debug)]
pub(super) enum LocalIn {
    Feed(FeedInput),
    Router(RouterInput),
    Persister(PersisterInput),
    Term(TermInput),
}

/// Is an input of any core.
#[derive(Clone, Debug)]
pub(super) enum Input {
    Message(Arc<Envelope>),
    CaughtUp,
    Local(LocalIn),
    Tick,
}

/// Is anything a core asks for.
pub(super) enum Said {
    Publish(Arc<Envelope>),
    Intent(Arc<Envelope>),
    Venue(VenueCommand),
    Link(LinkCommand),
    Store(PersisterOutput),
    Term(TermOutput),
    Fault(&'static str),
}

/// Is a core in its process.
pub(super) trait Actor {
    fn take(&mut self, now: Timestamp, input: Input, said: &mut Vec<Said>);
    fn next_deadline(&self) -> Option<Timestamp>;
    fn snapshot(&self) -> Option<Vec<u8>>;
    /// Tells whether the core took a snapshot over.
    fn restore(&mut self, snapshot: &[u8]) -> bool;
    fn gate(&self) -> Option<&RiskGateCore> {
        None
    }
}

/// Joins a core's own inputs and effects to those of all.
trait Bridge: ServiceCore {
    fn input(local: LocalIn) -> Option<Self::LocalInput>;
    fn said(effect: Self::LocalOutput) -> Said;
    fn as_gate(&self) -> Option<&RiskGateCore> {
        None
    }
}

/// Puts a core into its process.
pub(super) fn seat_ingestor(core: IngestorCore) -> Box<dyn Actor> {
    seat(core)
}
pub(super) fn seat_discovery(core: PairDiscoveryCore) -> Box<dyn Actor> {
    seat(core)
}
pub(super) fn seat_decision(core: DecisionCore) -> Box<dyn Actor> {
    seat(core)
}
pub(super) fn seat_gate(core: RiskGateCore) -> Box<dyn Actor> {
    seat(core)
}
pub(super) fn seat_router(core: OrderRouterCore) -> Box<dyn Actor> {
    seat(core)
}
pub(super) fn seat_persister(core: PersisterCore) -> Box<dyn Actor> {
    seat(core)
}

fn seat<C: Bridge + 'static>(core: C) -> Box<dyn Actor> {
    Box::new(Seated { core, out: Vec::new() })
}

struct Seated<C: ServiceCore> {
    core: C,
    out: Vec<ServiceOutput<C::LocalOutput>>,
}

impl<C: Bridge> Actor for Seated<C> {
    fn take(&mut self, now: Timestamp, input: Input, said: &mut Vec<Said>) {
        let input = match input {
            Input::Message(message) => Some(ServiceInput::Message(message)),
            Input::CaughtUp => Some(ServiceInput::CaughtUp),
            Input::Local(local) => C::input(local).map(ServiceInput::Local),
            Input::Tick => {
                self.core.tick(now, &mut self.out);
                None
            }
        };
        if let Some(input) = input {
            self.core.handle(now, input, &mut self.out);
        }
        said.extend(self.out.drain(..).map(|output| match output {
            ServiceOutput::Publish(message) => Said::Publish(message),
            ServiceOutput::Local(effect) => C::said(effect),
            ServiceOutput::Fault(text) => Said::Fault(text),
        }));
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.core.next_deadline()
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        self.core.snapshot()
    }

    fn restore(&mut self, snapshot: &[u8]) -> bool {
        self.core.restore(snapshot).is_ok()
    }

    fn gate(&self) -> Option<&RiskGateCore> {
        self.core.as_gate()
    }
}

impl Bridge for IngestorCore {
    fn input(local: LocalIn) -> Option<IngestorInput> {
        match local {
            LocalIn::Feed(input) => Some(IngestorInput(input)),
            LocalIn::Router(_) | LocalIn::Persister(_) | LocalIn::Term(_) => None,
        }
    }

    fn said(IngestorEffect(command): IngestorEffect) -> Said {
        Said::Link(command)
    }
}

impl Bridge for OrderRouterCore {
    fn input(local: LocalIn) -> Option<RouterInput> {
        match local {
            LocalIn::Router(input) => Some(input),
            LocalIn::Feed(_) | LocalIn::Persister(_) | LocalIn::Term(_) => None,
        }
    }

    fn said(effect: RouterOutput) -> Said {
        match effect {
            RouterOutput::StoreIntent(intent) => Said::Intent(intent),
            RouterOutput::Venue(command) => Said::Venue(command),
        }
    }
}

impl Bridge for PersisterCore {
    fn input(local: LocalIn) -> Option<PersisterInput> {
        match local {
            LocalIn::Persister(input) => Some(input),
            LocalIn::Feed(_) | LocalIn::Router(_) | LocalIn::Term(_) => None,
        }
    }

    fn said(effect: PersisterOutput) -> Said {
        Said::Store(effect)
    }
}

impl Bridge for PairDiscoveryCore {
    fn input(_: LocalIn) -> Option<NoLocal> {
        None
    }

    fn said(never: NoLocal) -> Said {
        match never {}
    }
}

impl Bridge for DecisionCore {
    fn input(_: LocalIn) -> Option<NoLocal> {
        None
    }

    fn said(never: NoLocal) -> Said {
        match never {}
    }
}

impl Bridge for RiskGateCore {
    fn input(local: LocalIn) -> Option<TermInput> {
        match local {
            LocalIn::Term(input) => Some(input),
            LocalIn::Feed(_) | LocalIn::Router(_) | LocalIn::Persister(_) => None,
        }
    }

    fn said(effect: TermOutput) -> Said {
        Said::Term(effect)
    }

    fn as_gate(&self) -> Option<&RiskGateCore> {
        Some(self)
    }
}
