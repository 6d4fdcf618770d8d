//! One gate with everything it needs to say yes: mid 100, plenty of funds, a ready router.

use remora_domain::{
    AccountFees, Balances, Body, BookTop, ControlCommand, ControlState, DurationNs, Envelope,
    Instrument, InstrumentKey, OrderApproval, OrderEvent, OrderRefusal, OrderRequest, Price, Qty,
    RefusalReason, Sequencer, Service, SessionId, Subject, SystemStatus, Ticker, Timestamp,
};
use remora_machine::{
    Machine as _, ServiceCore as _, ServiceInput, ServiceOutput, TermInput, TermOutput,
};
use remora_risk_gate_core::{PairExposure, Permitted, RiskGateConfig, RiskGateCore};
use remora_testkit::{
    Driver, Producer, account, at_ms, balances, book, bps, fees, heartbeat, instrument, key,
    notional, published, qty, router_ready, signer, strategy, usd, venue, venue_status,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Sound limits as a profile holds them.
pub(crate) const DOCUMENT: &str = include_str!("sound.toml");

pub(crate) type Answer = Result<OrderApproval, OrderRefusal>;

/// Gives limits that single tests tighten: 1,000 an order, 1,000 a pair, 1,500 in total, collar 100 bps; the others are
/// far away.
pub(crate) fn config() -> RiskGateConfig {
    let far = notional("1000000000");
    RiskGateConfig {
        account: account(),
        reporting: usd(&[]),
        document: Arc::new(toml::from_str(DOCUMENT).unwrap()),
        version: 1,
        valid_until: Timestamp::MAX,
        limits_key: None,
        raising_needs_two: false,
        permitted: Permitted { venues: BTreeSet::from([venue()]), ..Permitted::default() },
        order_qty_mins_max: 1_000_000_000.into(),
        order_depth_share_max: bps("1000000"),
        order_volume_share_max: bps("1000000"),
        last_trade_band: bps("5000"),
        edge_min: bps("-5000"),
        asset_position_max: far,
        asset_position_max_overrides: BTreeMap::new(),
        net_position_max: far,
        venue_position_max: far,
        venue_position_max_overrides: BTreeMap::new(),
        groups: Vec::new(),
        cancels_per_window_max: 100_000,
        open_orders_max: 100_000,
        open_orders_pair_max: 100_000,
        unfilled_orders_max: 1_000_000,
        orders_per_fill_max: 0,
        duplicates_max: 100_000,
        duplicate_window: DurationNs::from_ms(1_000),
        executions_per_window_max: 100_000,
        execution_window: DurationNs::from_ms(1_000),
        venue_budget_messages: 100_000,
        venue_budget_window: DurationNs::from_ms(1_000),
        loss_day_max: far,
        loss_day_reduce: far,
        drawdown_max: far,
        stale_mark_haircut: bps("0"),
        loss_streak_max: 10_000,
        loss_streak_pause: DurationNs::from_s(60),
        fees_day_max: far,
        clock_skew_max: DurationNs::from_ms(500),
        reference_venues_min: 1,
        reference_disagreement_max: bps("5000"),
        signal_age_max: DurationNs::from_s(600),
        dead_man_venues: BTreeSet::new(),
        ramp: DurationNs::from_ns(0),
        ramp_start: bps("10000"),
        strategies: BTreeSet::from([strategy()]),
        order_notional_max: notional("1000"),
        pair_position_max: notional("1000"),
        pair_position_max_overrides: BTreeMap::new(),
        total_position_max: notional("1500"),
        price_collar: bps("100"),
        book_age_max: DurationNs::from_ms(3_000),
        orders_per_window_max: 5,
        order_window: DurationNs::from_ms(1_000),
        approval_ttl: DurationNs::from_ms(500),
        mark_age_max: DurationNs::from_ms(60_000),
        router_silence_max: DurationNs::from_ms(5_000),
    }
}

pub(crate) fn core(config: RiskGateConfig, session: u64) -> RiskGateCore {
    let producer = "risk-gate-0".parse().unwrap();
    RiskGateCore::new(config, signer(), Sequencer::new(producer, SessionId::new(session)))
}

fn is_open(top: &BookTop) -> bool {
    top.best_bid().zip(top.best_ask()).is_some_and(|(bid, ask)| bid.price < ask.price)
}

/// Holds a gate and everybody who speaks to it.
pub(crate) struct Gate {
    pub(crate) driver: Driver<RiskGateCore>,
    pub(crate) ingestor: Producer,
    pub(crate) decision: Producer,
    pub(crate) router: Producer,
    pub(crate) console: Producer,
    pub(crate) now: Timestamp,
    /// Everything said to and by the gate so far, in the order of a log.
    pub(crate) log: Vec<Arc<Envelope>>,
}

impl Gate {
    /// Starts a gate that knows nothing.
    pub(crate) fn bare(config: RiskGateConfig) -> Self {
        Self {
            driver: Driver::new(core(config, 1)),
            ingestor: Producer::new("ingestor-sim-0", 1),
            decision: Producer::new("decision-0", 1),
            router: Producer::new("order-router-sim-0", 1),
            console: Producer::new("console-0", 1),
            now: at_ms(1_000),
            log: Vec::new(),
        }
    }

    /// Starts a gate that says yes to an order for BTC-USD or ETH-USD near 100.
    pub(crate) fn ready(config: RiskGateConfig) -> Self {
        let mut gate = Self::bare(config);
        gate.market();
        gate.funds();
        gate.caught_up();
        gate.control_state(router_ready(1));
        gate
    }

    /// Tells two pairs with mid 100 and the status of the venue.
    pub(crate) fn market(&mut self) {
        self.status(SystemStatus::Online);
        for base in ["BTC", "ETH"] {
            self.define(instrument(base, "USD"));
            self.book(book(&format!("{base}-USD"), "99", "101"));
        }
    }

    /// Tells fee tier and balances.
    pub(crate) fn funds(&mut self) {
        self.fees(fees("10", "20"));
        self.balances(balances(&[("BTC", "1000"), ("ETH", "1000"), ("USD", "100000")]));
    }

    /// Starts another run of the gate on the log of this one, recovery not yet ended.
    pub(crate) fn restarted(&self, config: RiskGateConfig, session: u64) -> Self {
        let mut next = Self {
            driver: Driver::new(core(config.clone(), session)),
            ingestor: self.ingestor.clone(),
            decision: self.decision.clone(),
            router: self.router.clone(),
            console: self.console.clone(),
            now: self.now,
            log: Vec::new(),
        };
        for envelope in &self.log {
            assert!(next.say(Arc::clone(envelope)).is_empty(), "spoke before recovery ended");
        }
        next.check_snapshots(&config);
        next
    }

    /// Holds a gate that takes over a snapshot against this one, which has read all of its log. The snapshot may end
    /// anywhere; other logs are read to their end before.
    fn check_snapshots(&self, config: &RiskGateConfig) {
        let gate = &self.driver.machine;
        let Some(whole) = gate.snapshot() else { return };
        for end in [self.log.len() / 3, self.log.len() / 2, self.log.len()] {
            let fresh = || core(config.clone(), u64::MAX);
            let (mut reads, mut takes_over) = (fresh(), fresh());
            let tell = |gate: &mut RiskGateCore, envelope: &Arc<Envelope>| {
                let input = ServiceInput::Message(Arc::clone(envelope));
                gate.handle(self.now, input, &mut Vec::new());
            };
            let is_of_orders =
                |it: &&Arc<Envelope>| Subject::of(it).kind.as_str().starts_with("order.");
            self.log[..end].iter().for_each(|it| tell(&mut reads, it));
            self.log.iter().filter(|it| !is_of_orders(it)).for_each(|it| tell(&mut takes_over, it));
            let Some(snapshot) = reads.snapshot() else { continue }; // the limits were changed in between
            if let Err(error) = takes_over.restore(&snapshot) {
                assert!(error.problem.contains("other limits"), "{error}");
                continue;
            }
            let rest = self.log[end..].iter();
            rest.filter(is_of_orders).for_each(|it| tell(&mut takes_over, it));
            assert!(takes_over.snapshot().unwrap() == whole, "a snapshot of {end} entries differs");
            assert_eq!(takes_over.exposure(), gate.exposure());
        }
    }

    pub(crate) fn say(&mut self, envelope: Arc<Envelope>) -> Vec<Arc<Envelope>> {
        self.log.push(Arc::clone(&envelope));
        let said = published(self.driver.message(self.now, envelope));
        self.log.extend(said.iter().cloned());
        said
    }

    /// Gives everything the gate asked for, faults included.
    pub(crate) fn say_raw(&mut self, envelope: Arc<Envelope>) -> Vec<ServiceOutput<TermOutput>> {
        self.driver.feed(self.now, ServiceInput::Message(envelope))
    }

    /// Ends recovery and begins a term without end, in the epoch that the gate asks for.
    pub(crate) fn caught_up(&mut self) -> Vec<Arc<Envelope>> {
        let epoch = self.follows();
        self.leads(epoch, Timestamp::MAX)
    }

    /// Ends recovery; gives the epoch that the gate asks for.
    pub(crate) fn follows(&mut self) -> u64 {
        let said = self.driver.caught_up(self.now);
        let [ServiceOutput::Local(TermOutput::Claim { epoch })] = said.as_slice() else {
            panic!("{said:?}")
        };
        *epoch
    }

    /// Begins a term or moves its end; gives what the gate publishes.
    pub(crate) fn leads(&mut self, epoch: u64, until: Timestamp) -> Vec<Arc<Envelope>> {
        published(self.term(TermInput::Leads { epoch, until }))
    }

    /// Gives everything the gate asks for when it hears of its term.
    pub(crate) fn term(&mut self, term: TermInput) -> Vec<ServiceOutput<TermOutput>> {
        let said = self.driver.feed(self.now, ServiceInput::Local(term));
        self.log.extend(said.iter().filter_map(|output| match output {
            ServiceOutput::Publish(envelope) => Some(Arc::clone(envelope)),
            ServiceOutput::Local(_) | ServiceOutput::Fault(_) => None,
        }));
        said
    }

    pub(crate) fn wait_ms(&mut self, ms: i64) -> Vec<Arc<Envelope>> {
        self.now = self.now.saturating_add(DurationNs::from_ms(ms));
        let said = published(self.driver.advance(self.now));
        self.log.extend(said.iter().cloned());
        said
    }

    pub(crate) fn wait_ns(&mut self, ns: i64) {
        self.now = self.now.saturating_add(DurationNs::from_ns(ns));
    }

    pub(crate) fn define(&mut self, instrument: Instrument) {
        let said = self.ingestor.market(self.now, Body::Instrument(instrument));
        self.say(said);
    }

    /// Tells a book, and where it has a mid a summary with a last trade there and a volume of a million.
    pub(crate) fn book(&mut self, top: BookTop) {
        if let Some(mid) = top.mid().filter(|_| is_open(&top)) {
            self.ticker(&top.instrument, mid);
        }
        self.book_alone(top);
    }

    pub(crate) fn ticker(&mut self, instrument: &InstrumentKey, last: Price) {
        let body = Body::Ticker(Ticker {
            instrument: instrument.clone(),
            bid: last,
            ask: last,
            last,
            volume_24h: qty("1000000"),
            vwap_24h: Some(last),
            low_24h: last,
            high_24h: last,
            contract: None,
        });
        let said = self.ingestor.market(self.now, body);
        self.say(said);
    }

    pub(crate) fn book_alone(&mut self, top: BookTop) {
        let said = self.ingestor.market(self.now, Body::Book(top));
        self.say(said);
    }

    pub(crate) fn status(&mut self, status: SystemStatus) {
        let said = self.ingestor.wrap(self.now, Body::MarketStatus(venue_status(status)));
        self.say(said);
    }

    pub(crate) fn fees(&mut self, fees: AccountFees) {
        let said = self.router.wrap(self.now, Body::AccountFees(fees));
        self.say(said);
    }

    pub(crate) fn balances(&mut self, balances: Balances) {
        let said = self.router.wrap(self.now, Body::Balances(balances));
        self.say(said);
    }

    pub(crate) fn control_state(&mut self, state: ControlState) -> Vec<Arc<Envelope>> {
        let said = self.router.wrap(self.now, Body::ControlState(state));
        self.say(said)
    }

    /// Lets the router give a sign of life.
    pub(crate) fn router_lives(&mut self) {
        let said = self.router.wrap(self.now, Body::Heartbeat(heartbeat(Service::OrderRouter)));
        assert!(self.say(said).is_empty());
    }

    pub(crate) fn command(&mut self, command: ControlCommand) -> Vec<Arc<Envelope>> {
        let said = self.console.wrap(self.now, Body::ControlCommand(command));
        self.say(said)
    }

    pub(crate) fn event(&mut self, event: OrderEvent) {
        let said = self.router.wrap(self.now, Body::OrderEvent(event));
        assert!(self.say(said).is_empty());
    }

    /// Asks for an order and gives the one answer.
    pub(crate) fn ask(&mut self, request: OrderRequest) -> Answer {
        let asked = self.decision.wrap(self.now, Body::OrderRequest(request.clone()));
        let said = self.say(Arc::clone(&asked));
        let answers: Vec<_> = said.iter().filter_map(answer_of).collect();
        assert_eq!(answers.len(), 1, "{said:?}");
        assert_eq!(said[0].header.cause, Some(asked.header.message_id()));
        answers[0].clone()
    }

    pub(crate) fn approved(&mut self, request: &OrderRequest) {
        let answer = self.ask(request.clone());
        assert!(answer.is_ok(), "{answer:?}");
    }

    pub(crate) fn refused(
        &mut self,
        request: &OrderRequest,
        reason: RefusalReason,
    ) -> OrderRefusal {
        let refusal = self.ask(request.clone()).unwrap_err();
        assert_eq!(refusal.reason, reason, "{refusal:?}");
        refusal
    }

    /// Makes the account hold `qty` of a pair by an order that is filled at once.
    pub(crate) fn hold(&mut self, request: &OrderRequest, exec_id: &str) {
        self.approved(request);
        self.event(remora_testkit::filled(request, exec_id, Qty::ZERO, request.qty));
        // So that the orders a test sets up with do not fill the rate window.
        self.wait_ms(1_000);
        self.refresh();
    }

    /// Repeats the books, so that time passed makes none stale.
    pub(crate) fn refresh(&mut self) {
        for pair in ["BTC-USD", "ETH-USD"] {
            self.book(book(pair, "99", "101"));
        }
    }

    pub(crate) fn pair(&self, instrument: &str) -> Option<PairExposure> {
        let all = self.driver.machine.exposure().pairs;
        all.into_iter().find(|pair| pair.instrument == key(instrument))
    }

    pub(crate) fn open_buys(&self) -> String {
        let open = self.pair("BTC-USD").map_or(Qty::ZERO, |pair| pair.open_buys.unwrap());
        open.to_decimal().normalize().to_string()
    }
}

pub(crate) fn answer_of(envelope: &Arc<Envelope>) -> Option<Answer> {
    if let Body::OrderApproval(approval) = &envelope.body {
        Some(Ok(approval.clone()))
    } else if let Body::OrderRefusal(refusal) = &envelope.body {
        Some(Err(refusal.clone()))
    } else {
        None
    }
}

pub(crate) fn states(said: &[Arc<Envelope>]) -> Vec<ControlState> {
    let mut states = Vec::new();
    for envelope in said {
        if let Body::ControlState(state) = &envelope.body {
            states.push(state.clone());
        }
    }
    states
}
