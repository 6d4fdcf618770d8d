//! From a profile to cores: reads every section, checks all of them, and seats one core each.

use crate::Cores;
use remora_approval::{Signer, Verifier};
use remora_decision_core::{DecisionConfig, DecisionCore, DecisionSettings};
use remora_domain::{IdError, ProducerId, Sequencer, Service, SessionId};
use remora_ingestor_core::{IngestorConfig, IngestorCore, IngestorSettings};
use remora_machine::SplitMix64;
use remora_order_router_core::{
    OrderRouterConfig, OrderRouterCore, OrderRouterSettings, TradingMode,
};
use remora_pair_discovery_core::{PairDiscoveryConfig, PairDiscoveryCore, PairDiscoverySettings};
use remora_paper::{PaperConfig, PaperSettings, PaperVenue};
use remora_persister_core::{PersisterConfig, PersisterCore, PersisterSettings};
use remora_risk_gate_core::{RiskGateConfig, RiskGateCore, RiskGateSettings};
use remora_service_kit::config::{Config, ProfileFacts};
use remora_venue_api::{FeedSession, OrderEntry};
use remora_venue_link::LiveSettings;

/// Is a checked profile: what every core of a deployment is constructed with.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Name, account, reporting currency and rates.
    pub facts: ProfileFacts,
    /// Market data.
    pub ingestor: IngestorConfig,
    /// Which pairs.
    pub discovery: PairDiscoveryConfig,
    /// Which quotes.
    pub decision: DecisionConfig,
    /// Which limits.
    pub gate: RiskGateConfig,
    /// Which venue account.
    pub router: OrderRouterConfig,
    /// Which venue stands behind the router.
    pub venue: VenuePlan,
    /// Which batches.
    pub persister: PersisterConfig,
}

/// Is the venue that a profile is about.
#[derive(Clone, Debug)]
pub enum VenuePlan {
    /// A simulated one.
    Paper(PaperConfig),
    /// The real one; its own rules are checked by whoever knows the list of venues.
    Live(LiveSettings),
}

/// Says why a plan gives no cores.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The venue's name is too long for a producer's.
    #[error("name the services")]
    Name(#[from] IdError),
    /// The profile is about the real venue.
    #[error(
        "the profile trades live (order_router.mode = \"live\"), and this command only ever trades on paper: run \
         `remora live`, or take another profile"
    )]
    Live,
}

/// Is the venue behind the router, and what the run is known by.
pub struct VenueSeat {
    /// The order-entry session, not started.
    pub venue: Box<dyn OrderEntry>,
    /// Which run this is.
    pub run: SessionId,
    /// The gate's signing key, fresh for this run. It never leaves the process.
    pub gate_key: [u8; 32],
}

impl Plan {
    /// Reads and checks every section. `None` when something is wrong; what, is kept for `Config::finish`.
    pub fn read(config: &mut Config) -> Option<Self> {
        let facts = config.profile();
        let ingestor = config.section::<IngestorSettings>("ingestor");
        let discovery = config.section::<PairDiscoverySettings>("pair_discovery");
        let decision = config.section::<DecisionSettings>("decision");
        let gate = config.section::<RiskGateSettings>("risk_gate");
        let router = config.section::<OrderRouterSettings>("order_router");
        let mode = router.as_ref().map(|router| router.mode);
        let is_live = mode == Some(TradingMode::Live);
        let paper = if is_live { None } else { config.section::<PaperSettings>("paper") };
        let live = if is_live { config.section::<LiveSettings>("live") } else { None };
        let persister = config.section::<PersisterSettings>("persister");
        let facts = facts?;
        let (account, reporting) = (&facts.account, &facts.reporting);
        let ingestor = ingestor.and_then(|s| config.check("ingestor", s.validate()));
        let discovery =
            discovery.and_then(|s| config.check("pair_discovery", s.validate(account, reporting)));
        let decision =
            decision.and_then(|s| config.check("decision", s.validate(account, reporting)));
        let gate = gate.and_then(|s| config.check("risk_gate", s.validate(account, reporting)));
        let router = router.and_then(|s| config.check("order_router", s.validate(account)));
        let venue = router.as_ref().map(|router| router.venue.clone());
        // The run is known when the cores are assembled.
        let paper = paper.zip(venue).and_then(|(s, venue)| {
            config.check("paper", s.validate(account, &venue, SessionId::default()))
        });
        let venue = paper.map(VenuePlan::Paper).or(live.map(VenuePlan::Live));
        let persister = persister.and_then(|s| config.check("persister", s.validate()));
        Some(Self {
            ingestor: ingestor?,
            discovery: discovery?,
            decision: decision?,
            gate: gate?,
            router: router?,
            venue: venue?,
            persister: persister?,
            facts,
        })
    }

    /// Makes one core each, and the paper venue. `seed` fixes every random choice, the session and, in one process,
    /// the gate's key: that key never leaves the process and signs for a simulated venue only.
    ///
    /// # Errors
    /// Refuses a profile that trades live, and a venue whose name is too long for a producer's.
    pub fn assemble(self, session: Box<dyn FeedSession>, seed: u64) -> Result<Cores, PlanError> {
        let VenuePlan::Paper(paper) = &self.venue else { return Err(PlanError::Live) };
        let mut random = SplitMix64::new(seed);
        let run = SessionId::new(random.next_u64());
        let gate_key = secret(&mut random);
        let paper = PaperConfig { run, ..paper.clone() };
        let venue = Box::new(PaperVenue::new(paper, random.next_u64()));
        Ok(self.seat(session, VenueSeat { venue, run, gate_key })?)
    }

    /// Makes one core each, in front of the venue of a live run.
    ///
    /// # Errors
    /// Refuses a venue whose name is too long for a producer's.
    pub fn assemble_live(
        self,
        session: Box<dyn FeedSession>,
        seat: VenueSeat,
    ) -> Result<Cores, PlanError> {
        Ok(self.seat(session, seat)?)
    }

    fn seat(self, session: Box<dyn FeedSession>, seat: VenueSeat) -> Result<Cores, IdError> {
        let VenueSeat { venue, run, gate_key } = seat;
        let sequencer =
            |service: Service| Ok(Sequencer::new(ProducerId::new(service.name())?, run));
        let signer = Signer::from_bytes(&gate_key);
        let verifier = Verifier::new(signer.verifying_key());
        let ingestor = IngestorCore::new(self.ingestor, session, sequencer(Service::Ingestor)?);
        Ok(Cores {
            ingestors: vec![ingestor],
            discovery: PairDiscoveryCore::new(self.discovery, sequencer(Service::PairDiscovery)?),
            decision: DecisionCore::new(self.decision, sequencer(Service::Decision)?),
            gate: RiskGateCore::new(self.gate, signer, sequencer(Service::RiskGate)?),
            router: OrderRouterCore::new(self.router, verifier, sequencer(Service::OrderRouter)?),
            persister: PersisterCore::new(self.persister, sequencer(Service::Persister)?),
            venue,
        })
    }
}

fn secret(random: &mut SplitMix64) -> [u8; 32] {
    let mut bytes = [0_u8; 32];
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&random.next_u64().to_be_bytes());
    }
    bytes
}
