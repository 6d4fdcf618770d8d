//! Settings and a small world for this crate's tests: one pair, BTC-USD, near 100.

use crate::{DecisionConfig, DecisionCore, DecisionSettings};
use remora_domain::{
    Body, BookTop, ClOrdId, DecisionReason, Envelope, OrderCancel, OrderEvent, OrderRequest,
    PairReason, PairScore, ProducerId, Qty, Sequencer, Service, ServiceState, SessionId,
    SystemStatus, Timestamp, Universe,
};
use remora_testkit::{
    Driver, Producer, accepted, account, at_ms, balances, book, cancelled, control_state, fees,
    instrument, key, published, router_ready, sending, usd, venue_status,
};
use std::sync::Arc;

/// Gives settings: orders of 10, at most 20; inventory up to 50.
pub(crate) fn settings() -> DecisionSettings {
    DecisionSettings {
        strategy: "glft".to_owned(),
        order_notional_usd: "10".to_owned(),
        order_notional_usd_max: "20".to_owned(),
        inventory_usd_max: "50".to_owned(),
        volatility_fast_half_life_ms: 5_000,
        volatility_slow_half_life_ms: 60_000,
        volatility_sample_ms: 100,
        volatility_n_eff_min: 3.0,
        volatility_bps_min: 5.0,
        spread_half_life_ms: 60_000,
        fill_intensity_half_life_ms: 60_000,
        fill_intensity_n_eff_min: 5.0,
        fill_intensity_prior_a_per_s: 0.1,
        fill_intensity_prior_decay_half_spreads: 1.0,
        fill_intensity_prior_weight: 10.0,
        fill_intensity_decay_bps_min: 1.0,
        adverse_selection_bps: "0.5".to_owned(),
        improve_ticks_max: 1,
        book_age_ms_max: 2_000,
        control_silence_ms_max: 60_000,
        request_ttl_ms: 500,
        requote_interval_ms_min: 200,
        cancel_retry_ms: 1_000,
        refusal_pause_ms: 500,
        refusal_pause_ms_max: 4_000,
        record_interval_ms: 1_000,
        insights: None,
    }
}

pub(crate) fn config() -> DecisionConfig {
    settings().validate(&account(), &usd(&[])).unwrap()
}

pub(crate) fn core(session: u64) -> DecisionCore {
    let producer = ProducerId::new("decision-0").unwrap();
    DecisionCore::new(config(), Sequencer::new(producer, SessionId::new(session)))
}

/// Drives a core as its neighbours would.
pub(crate) struct Scene {
    pub(crate) driver: Driver<DecisionCore>,
    pub(crate) ingestor: Producer,
    pub(crate) others: Producer,
    pub(crate) now_ms: i64,
    /// What the last step made it say.
    pub(crate) said: Vec<Arc<Envelope>>,
    /// Every request so far.
    pub(crate) asked: Vec<OrderRequest>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self {
            driver: Driver::new(core(1)),
            ingestor: Producer::new("ingestor-sim-spot-0", 1),
            others: Producer::new("others", 1),
            now_ms: 1_000,
            said: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// Starts and tells everything a quote needs but the book.
    pub(crate) fn ready() -> Self {
        let mut scene = Self::new();
        let now = scene.now();
        scene.said = published(scene.driver.caught_up(now));
        for body in needs() {
            scene.tell(body);
        }
        scene
    }

    /// Is ready, and shows a calm book long enough for the estimators.
    pub(crate) fn quoting() -> Self {
        let mut scene = Self::ready();
        scene.warm_up();
        scene
    }

    /// Shows a calm book for a second.
    pub(crate) fn warm_up(&mut self) {
        for _ in 0..10 {
            self.pass(100);
            self.book("99.95", "100.05");
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        at_ms(self.now_ms)
    }

    pub(crate) fn pass(&mut self, ms: i64) {
        self.now_ms += ms;
        let now = self.now();
        self.said = without_beats(published(self.driver.advance(now)));
        self.keep_requests();
    }

    pub(crate) fn tell(&mut self, body: Body) {
        let message = self.others.wrap(self.now(), body);
        self.deliver(message);
    }

    pub(crate) fn deliver(&mut self, message: Arc<Envelope>) {
        let now = self.now();
        self.said = without_beats(published(self.driver.message(now, message)));
        self.keep_requests();
    }

    pub(crate) fn market(&mut self, body: Body) {
        let message = self.ingestor.market(self.now(), body);
        self.deliver(message);
    }

    pub(crate) fn book(&mut self, bid: &str, ask: &str) {
        self.top(book("BTC-USD", bid, ask));
    }

    pub(crate) fn top(&mut self, book: BookTop) {
        self.market(Body::Book(book));
    }

    pub(crate) fn event(&mut self, event: OrderEvent) {
        self.tell(Body::OrderEvent(event));
    }

    /// Lets the venue accept orders.
    pub(crate) fn accept(&mut self, requests: &[OrderRequest]) {
        let mut said = Vec::new();
        for request in requests {
            let ended = request.orig_cl_ord_id.clone().map(|cl_ord_id| {
                let orig = OrderRequest { cl_ord_id, ..request.clone() };
                let exec_type = remora_domain::ExecType::Replaced;
                remora_domain::OrderEvent { exec_type, ..cancelled(&orig, Qty::ZERO) }
            });
            for event in [sending(request)].into_iter().chain(ended).chain([accepted(request)]) {
                self.event(event);
                said.append(&mut self.said);
            }
        }
        self.said = said;
    }

    fn keep_requests(&mut self) {
        let mut requests = self.requests();
        self.asked.append(&mut requests);
    }

    pub(crate) fn requests(&self) -> Vec<OrderRequest> {
        self.pick(|body| {
            let Body::OrderRequest(request) = body else { return None };
            Some(request.clone())
        })
    }

    pub(crate) fn cancels(&self) -> Vec<OrderCancel> {
        self.pick(|body| {
            let Body::OrderCancel(cancel) = body else { return None };
            Some(cancel.clone())
        })
    }

    pub(crate) fn cancelled_ids(&self) -> Vec<ClOrdId> {
        self.cancels().into_iter().map(|cancel| cancel.cl_ord_id).collect()
    }

    pub(crate) fn reasons(&self) -> Vec<DecisionReason> {
        self.pick(|body| {
            let Body::DecisionRecord(record) = body else { return None };
            Some(record.reason)
        })
    }

    fn pick<T>(&self, pick: impl Fn(&Body) -> Option<T>) -> Vec<T> {
        self.said.iter().filter_map(|envelope| pick(&envelope.body)).collect()
    }
}

/// Leaves out the signs of life that come with the passing of time.
fn without_beats(mut said: Vec<Arc<Envelope>>) -> Vec<Arc<Envelope>> {
    said.retain(|envelope| !matches!(envelope.body, Body::Heartbeat(_)));
    said
}

/// Gives everything a quote of BTC-USD needs but the book, each as a message.
pub(crate) fn needs() -> Vec<Body> {
    vec![
        Body::Instrument(instrument("BTC", "USD")),
        Body::MarketStatus(venue_status(SystemStatus::Online)),
        Body::AccountFees(fees("1", "5")),
        Body::Balances(balances(&[("BTC", "10"), ("USD", "1000")])),
        Body::ControlState(control_state(Service::RiskGate, ServiceState::Active, 1)),
        Body::ControlState(router_ready(1)),
        Body::Universe(universe(at_ms(3_600_000), true)),
    ]
}

pub(crate) fn universe(valid_until: Timestamp, is_selected: bool) -> Universe {
    let score = PairScore {
        instrument: key("BTC-USD"),
        is_selected,
        rank: None,
        reason: if is_selected { PairReason::Selected } else { PairReason::Denied },
        spread_bps_est: None,
        volume_day_est: None,
        volatility_bps_est: None,
        edge_bps_est: None,
        score_est: None,
        known_since: None,
    };
    Universe { version: 1, valid_until, pairs: vec![score], insights: Vec::new() }
}
