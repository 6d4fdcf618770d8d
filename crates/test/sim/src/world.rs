//! The world: all cores of one deployment, the venue they trade on, and one clock, under one single-threaded
//! scheduler.
//!
//! Order of events: time first, then kind (bus messages in publication order, then deadlines in the order of
//! `Service::ALL` with the venue last, then input from outside), then sequence. Nothing depends on wall time, thread
//! timing or map order, so a run is a function of its input, configuration and seed.
//! Every message travels as its encoded bytes, as on the real bus. Outcomes of stores never feed decisions.

use crate::seat::Seat;
use remora_decision_core::DecisionCore;
use remora_domain::{Body, ClOrdId, Envelope, Service, Subject, Timestamp, VenueReport};
use remora_ingestor_core::{IngestorCore, IngestorEffect, IngestorInput};
use remora_machine::{ServiceCore as _, ServiceOutput, TermInput, TermOutput};
use remora_order_router_core::{OrderRouterCore, RouterInput, RouterOutput};
use remora_pair_discovery_core::PairDiscoveryCore;
use remora_persister_core::{PersisterCore, PersisterInput, PersisterOutput};
use remora_risk_gate_core::RiskGateCore;
use remora_venue_api::{FeedInput, OrderEntry, VenueInput, VenueOutput};
use remora_wire::WireError;
use std::collections::VecDeque;
use std::sync::Arc;

/// The most bus messages one instant may cause; more means that cores feed each other without end.
const MESSAGES_PER_INSTANT_MAX: usize = 1_000_000;

/// Is everything that runs in one process.
pub struct Cores {
    /// One per venue, or per shard of a venue.
    pub ingestors: Vec<IngestorCore>,
    /// Ranks pairs.
    pub discovery: PairDiscoveryCore,
    /// Wants quotes.
    pub decision: DecisionCore,
    /// Says yes or no.
    pub gate: RiskGateCore,
    /// Sends.
    pub router: OrderRouterCore,
    /// Keeps history.
    pub persister: PersisterCore,
    /// The venue behind the router.
    pub venue: Box<dyn OrderEntry>,
}

/// Says why a world cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A core met an impossible state.
    #[error("{service} reports a fault at {now}: {text}")]
    Fault {
        /// Which service.
        service: &'static str,
        /// When.
        now: Timestamp,
        /// What.
        text: &'static str,
    },
    /// A message did not survive its own encoding.
    #[error("a message of {producer} does not survive the wire")]
    Wire {
        /// Who made it.
        producer: String,
        /// Why.
        #[source]
        cause: WireError,
    },
    /// Cores feed each other without end.
    #[error("more than {MESSAGES_PER_INSTANT_MAX} messages at the instant {now}")]
    Storm {
        /// When.
        now: Timestamp,
    },
    /// A deadline did not move when it was served.
    #[error("{service} did not move its deadline at {now}")]
    StuckDeadline {
        /// Which service.
        service: &'static str,
        /// When.
        now: Timestamp,
    },
}

/// Is something on its way at the present instant.
enum Queued {
    Message(Arc<Envelope>),
    Venue(VenueInput),
    Report(VenueReport),
    Stored(ClOrdId),
    Term(TermInput),
}

/// Runs all cores under one clock.
pub struct World {
    ingestors: Vec<Seat<IngestorCore>>,
    discovery: Seat<PairDiscoveryCore>,
    router: Seat<OrderRouterCore>,
    gate: Seat<RiskGateCore>,
    decision: Seat<DecisionCore>,
    persister: Seat<PersisterCore>,
    venue: Box<dyn OrderEntry>,
    venue_out: Vec<VenueOutput>,
    now: Timestamp,
    queue: VecDeque<Queued>,
    published: Vec<Arc<Envelope>>,
    feed_commands: Vec<(usize, IngestorEffect)>,
    venue_effects: Vec<VenueOutput>,
    /// How often the venue told all balances.
    balances_told: u64,
    writes: Vec<PersisterOutput>,
    fault: Option<(Service, &'static str)>,
}

/// Says whose deadline is next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Ingestor(usize),
    Discovery,
    Router,
    Gate,
    Decision,
    Persister,
    Venue,
}

impl World {
    /// Puts the cores in their seats; `start` makes them live.
    #[must_use]
    pub fn new(cores: Cores, now: Timestamp) -> Self {
        let seat = |core| Seat::new(Service::Ingestor, core);
        Self {
            ingestors: cores.ingestors.into_iter().map(seat).collect(),
            discovery: Seat::new(Service::PairDiscovery, cores.discovery),
            router: Seat::new(Service::OrderRouter, cores.router),
            gate: Seat::new(Service::RiskGate, cores.gate),
            decision: Seat::new(Service::Decision, cores.decision),
            persister: Seat::new(Service::Persister, cores.persister),
            venue: cores.venue,
            venue_out: Vec::new(),
            now,
            queue: VecDeque::new(),
            published: Vec::new(),
            feed_commands: Vec::new(),
            venue_effects: Vec::new(),
            balances_told: 0,
            writes: Vec::new(),
            fault: None,
        }
    }

    /// Starts the venue and tells every core that there is no history to catch up with.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn start(&mut self) -> Result<(), WorldError> {
        let now = self.now;
        self.queue.push_back(Queued::Venue(VenueInput::Start));
        self.persister.caught_up(now);
        for ingestor in &mut self.ingestors {
            ingestor.caught_up(now);
        }
        self.discovery.caught_up(now);
        self.router.caught_up(now);
        self.gate.caught_up(now);
        self.decision.caught_up(now);
        self.settle()
    }

    /// Gives the present instant.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Gives the next deadline of any core or of the venue.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.next_due().map(|(at, _)| at)
    }

    /// Serves all deadlines up to `to`, in order, and moves the clock there. Time never runs back.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn advance_to(&mut self, to: Timestamp) -> Result<(), WorldError> {
        while let Some((at, due)) = self.next_due().filter(|(at, _)| *at <= to) {
            self.now = self.now.max(at);
            self.serve(due);
            self.settle()?;
            if self.next_due().is_some_and(|(next, whose)| whose == due && next <= at) {
                return Err(WorldError::StuckDeadline { service: due.name(), now: self.now });
            }
        }
        self.now = self.now.max(to);
        Ok(())
    }

    /// Moves the clock to the start of another session without serving the deadlines in between one by one:
    /// each that is overdue is served once, at the next `advance_to`.
    pub fn jump_to(&mut self, to: Timestamp) {
        self.now = self.now.max(to);
    }

    /// Gives one ingestor something from its feed at `now`.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn feed(
        &mut self,
        now: Timestamp,
        ingestor: usize,
        input: FeedInput,
    ) -> Result<(), WorldError> {
        self.advance_to(now)?;
        if let Some(seat) = self.ingestors.get_mut(ingestor) {
            seat.local(self.now, IngestorInput(input));
        }
        self.settle()
    }

    /// Publishes a message from outside (an operator's command).
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn inject(&mut self, now: Timestamp, message: Envelope) -> Result<(), WorldError> {
        self.advance_to(now)?;
        self.queue.push_back(Queued::Message(Arc::new(message)));
        self.settle()
    }

    /// Tells the persister that a batch was stored, or not.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn store_outcome(&mut self, outcome: PersisterInput) -> Result<(), WorldError> {
        self.persister.local(self.now, outcome);
        self.settle()
    }

    /// Takes all messages published since the last call, in order.
    pub fn take_published(&mut self) -> Vec<Arc<Envelope>> {
        std::mem::take(&mut self.published)
    }

    /// Takes what ingestors want of their sockets, with the ingestor's place.
    pub fn take_feed_commands(&mut self) -> Vec<(usize, IngestorEffect)> {
        std::mem::take(&mut self.feed_commands)
    }

    /// Gives the venue's order-entry session something from its wire.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn venue(&mut self, now: Timestamp, input: VenueInput) -> Result<(), WorldError> {
        self.advance_to(now)?;
        self.queue.push_back(Queued::Venue(input));
        self.settle()
    }

    /// Takes what the venue's order-entry session wants of its wire: everything but reports. A simulated venue wants
    /// nothing.
    pub fn take_venue_effects(&mut self) -> Vec<VenueOutput> {
        std::mem::take(&mut self.venue_effects)
    }

    /// Gives how often the venue told all balances, also those that had not changed.
    #[must_use]
    pub const fn balances_told(&self) -> u64 {
        self.balances_told
    }

    /// Asks every core to end in order: nothing new is sent, everything is taken back.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn stop(&mut self, now: Timestamp) -> Result<(), WorldError> {
        self.advance_to(now)?;
        let now = self.now;
        self.decision.stopping(now);
        self.gate.stopping(now);
        self.router.stopping(now);
        self.settle()
    }

    /// Tells, after `stop`, whether nothing is left to wait for; the cores bound it themselves.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        self.router.core.has_stopped()
            && self.decision.core.has_stopped()
            && self.gate.core.has_stopped()
    }

    /// Takes what the persister wants of its stores.
    pub fn take_writes(&mut self) -> Vec<PersisterOutput> {
        std::mem::take(&mut self.writes)
    }

    /// Gives the ingestors, for their counters.
    pub fn ingestors(&self) -> impl Iterator<Item = &IngestorCore> {
        self.ingestors.iter().map(|seat| &seat.core)
    }

    /// Gives the gate, for its counters.
    #[must_use]
    pub const fn gate(&self) -> &RiskGateCore {
        &self.gate.core
    }

    /// Gives the persister, for its counters.
    #[must_use]
    pub const fn persister(&self) -> &PersisterCore {
        &self.persister.core
    }

    /// Gives the router, for its counters.
    #[must_use]
    pub const fn router(&self) -> &OrderRouterCore {
        &self.router.core
    }

    fn next_due(&self) -> Option<(Timestamp, Due)> {
        let ingestors = self.ingestors.iter().enumerate();
        let ingestors = ingestors.map(|(at, seat)| (seat.deadline(), Due::Ingestor(at)));
        let others = [
            (self.discovery.deadline(), Due::Discovery),
            (self.router.deadline(), Due::Router),
            (self.gate.deadline(), Due::Gate),
            (self.decision.deadline(), Due::Decision),
            (self.persister.deadline(), Due::Persister),
            (self.venue.next_deadline(), Due::Venue),
        ];
        ingestors.chain(others).filter_map(|(at, due)| Some((at?, due))).min()
    }

    fn serve(&mut self, due: Due) {
        let now = self.now;
        match due {
            Due::Ingestor(at) => {
                if let Some(seat) = self.ingestors.get_mut(at) {
                    seat.tick(now);
                }
            }
            Due::Discovery => self.discovery.tick(now),
            Due::Router => self.router.tick(now),
            Due::Gate => self.gate.tick(now),
            Due::Decision => self.decision.tick(now),
            Due::Persister => self.persister.tick(now),
            Due::Venue => self.venue.tick(now, &mut self.venue_out),
        }
    }

    /// Delivers everything that is on its way until nothing is.
    fn settle(&mut self) -> Result<(), WorldError> {
        self.collect();
        for _ in 0..MESSAGES_PER_INSTANT_MAX {
            if let Some((service, text)) = self.fault {
                return Err(WorldError::Fault { service: service.name(), now: self.now, text });
            }
            match self.queue.pop_front() {
                None => return Ok(()),
                Some(Queued::Message(message)) => self.deliver(&message)?,
                Some(Queued::Venue(input)) => {
                    self.venue.handle(self.now, input, &mut self.venue_out);
                }
                Some(Queued::Report(report)) => {
                    self.router.local(self.now, RouterInput::Venue(report));
                }
                Some(Queued::Stored(cl_ord_id)) => {
                    self.router.local(self.now, RouterInput::Stored { cl_ord_id });
                }
                Some(Queued::Term(term)) => self.gate.local(self.now, term),
            }
            self.collect();
        }
        Err(WorldError::Storm { now: self.now })
    }

    /// Sends one message through its encoding to everybody who reads its kind.
    fn deliver(&mut self, message: &Envelope) -> Result<(), WorldError> {
        let bytes = remora_wire::encode(message);
        let message = Arc::new(remora_wire::decode(&bytes).map_err(|cause| WorldError::Wire {
            producer: message.header.producer.to_string(),
            cause,
        })?);
        let (now, subject) = (self.now, Subject::of(&message));
        self.discovery.message(now, &subject, &message);
        self.router.message(now, &subject, &message);
        self.gate.message(now, &subject, &message);
        self.decision.message(now, &subject, &message);
        self.persister.message(now, &subject, &message);
        if let Some(input) = VenueInput::of_market(&message) {
            self.venue.handle(now, input, &mut self.venue_out);
        }
        self.published.push(message);
        Ok(())
    }

    /// Sorts what the cores have put out.
    fn collect(&mut self) {
        let Self { queue, fault, feed_commands, venue_effects, balances_told, writes, .. } = self;
        for (at, seat) in self.ingestors.iter_mut().enumerate() {
            let local = |_: &mut VecDeque<_>, wanted| {
                feed_commands.push((at, wanted));
            };
            drain(seat.service, &mut seat.out, queue, fault, local);
        }
        let none = |_: &mut VecDeque<_>, never| match never {};
        drain(Service::PairDiscovery, &mut self.discovery.out, queue, fault, none);
        drain(Service::OrderRouter, &mut self.router.out, queue, fault, route);
        drain(Service::RiskGate, &mut self.gate.out, queue, fault, lead);
        drain(Service::Decision, &mut self.decision.out, queue, fault, |_, never| match never {});
        let write = |_: &mut VecDeque<_>, wanted| writes.push(wanted);
        drain(Service::Persister, &mut self.persister.out, queue, fault, write);
        for said in self.venue_out.drain(..) {
            if let VenueOutput::Report(report) = said {
                if let VenueReport::Balances(_) = &report {
                    *balances_told = balances_told.saturating_add(1);
                }
                queue.push_back(Queued::Report(report));
            } else {
                venue_effects.push(said);
            }
        }
    }
}

impl Due {
    const fn name(self) -> &'static str {
        match self {
            Self::Ingestor(_) => Service::Ingestor.name(),
            Self::Discovery => Service::PairDiscovery.name(),
            Self::Router => Service::OrderRouter.name(),
            Self::Gate => Service::RiskGate.name(),
            Self::Decision => Service::Decision.name(),
            Self::Persister => Service::Persister.name(),
            Self::Venue => "venue",
        }
    }
}

/// Moves one core's output to where it belongs.
fn drain<L>(
    service: Service,
    out: &mut Vec<ServiceOutput<L>>,
    queue: &mut VecDeque<Queued>,
    fault: &mut Option<(Service, &'static str)>,
    mut local: impl FnMut(&mut VecDeque<Queued>, L),
) {
    for output in out.drain(..) {
        match output {
            ServiceOutput::Publish(message) => queue.push_back(Queued::Message(message)),
            ServiceOutput::Local(wanted) => local(queue, wanted),
            ServiceOutput::Fault(text) => *fault = fault.or(Some((service, text))),
        }
    }
}

/// Gives the only gate of this process a term without end.
fn lead(queue: &mut VecDeque<Queued>, TermOutput::Claim { epoch }: TermOutput) {
    queue.push_back(Queued::Term(TermInput::Leads { epoch, until: Timestamp::MAX }));
}

/// Stores the router's intention at once (a store in one process never loses what it has), and passes its
/// commands to the venue.
fn route(queue: &mut VecDeque<Queued>, wanted: RouterOutput) {
    match wanted {
        RouterOutput::StoreIntent(message) => {
            let stored = if let Body::OrderEvent(event) = &message.body {
                Some(Queued::Stored(event.cl_ord_id.clone()))
            } else {
                None
            };
            queue.push_back(Queued::Message(message));
            queue.extend(stored);
        }
        RouterOutput::Venue(command) => {
            queue.push_back(Queued::Venue(VenueInput::Command(command)))
        }
    }
}
