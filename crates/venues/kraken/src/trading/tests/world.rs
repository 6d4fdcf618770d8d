//! The session, the simulated exchange and a router in virtual time, with latency and a generated market.
//!
//! The wire keeps the order of each direction of a socket; calls may overtake each other. Equal seeds give equal runs.

use crate::auth::{ApiSigner, Signed};
use crate::server::auth::Permission;
use crate::server::desk::{ClosedQuery, Desk, OrderFacts};
use crate::server::faults::FaultSettings;
use crate::server::io::{
    CallId as ServerCall, Flow, HttpCall, PeerId, ServerInput, ServerOutput, WsHost,
};
use crate::server::settings::{DeskSettings, KeySetting, Tier};
use crate::server::{Server, ServerSettings, WsSettings, listing, synthetic};
use crate::trading::KrakenTrading;
use crate::trading::tests::router::Router;
use remora_domain::{
    ClOrdId, DurationNs, Instrument, InstrumentId, InstrumentKey, Lots, Price, Qty, SessionId,
    Side, Ticks, Timestamp,
};
use remora_machine::{Machine, SplitMix64};
use remora_matching::TraderIx;
use remora_testkit::{account, instrument, venue};
use remora_venue_api::{
    CallEnd, CallId, CallMethod, ConnId, Credentials, DeadMan, OrderEntrySettings, VenueCall,
    VenueInput, VenueOutput,
};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const START: Timestamp = Timestamp::from_ns(1_771_234_567_100_001_000);
pub(crate) const PREFIX: &str = "r-";
/// The key of another client of the same account.
const OTHER_KEY: &str = "anotherClientsKeyOfTheSameAccount";
const SECRET_MARKS: [&str; 2] = ["api-sign", "nonce="];

/// Is a pair that is traded here: symbol, price in the middle in units of its last decimal, step, quantity.
pub(crate) struct Traded {
    pub(crate) symbol: &'static str,
    pub(crate) mid: i64,
    pub(crate) tick: i64,
    decimals: u32,
    pub(crate) qty: i64,
}

pub(crate) const TRADED: [Traded; 6] = [
    Traded { symbol: "BTC/USD", mid: 600_000, tick: 1, decimals: 1, qty: 100_000 },
    Traded { symbol: "ETH/USD", mid: 300_000, tick: 1, decimals: 2, qty: 5_000_000 },
    Traded { symbol: "SOL/USD", mid: 15_000, tick: 1, decimals: 2, qty: 50_000_000 },
    Traded { symbol: "ADA/USD", mid: 500_000, tick: 1, decimals: 6, qty: 2_000_000_000 },
    Traded { symbol: "DOGE/USD", mid: 1_500_000, tick: 1, decimals: 7, qty: 20_000_000_000 },
    Traded { symbol: "EXA/USD", mid: 500_000, tick: 25, decimals: 4, qty: 50_000_000 },
];

/// The crowd stands so many steps from the middle.
pub(crate) const CROWD: i64 = 20;

impl Traded {
    pub(crate) fn key(&self) -> InstrumentKey {
        let (base, quote) = self.symbol.split_once('/').unwrap();
        InstrumentKey::new(venue(), InstrumentId::of_pair(base, quote).unwrap())
    }

    fn definition(&self) -> Instrument {
        let (base, quote) = self.symbol.split_once('/').unwrap();
        instrument(base, quote)
    }

    pub(crate) fn price(&self, steps: i64) -> Price {
        Price::from_decimal(Decimal::new(self.mid + steps * self.tick, self.decimals)).unwrap()
    }
}

/// Is what the venue really knows, for whoever checks what is told.
pub(crate) struct Venue<'a> {
    desk: &'a Desk,
    trader: TraderIx,
}

impl<'a> Venue<'a> {
    /// Gives an order by the first of our ids that it had; fails when there are two.
    pub(crate) fn knows(&self, id: &ClOrdId) -> Option<OrderFacts<'a>> {
        let query = ClosedQuery { cl_ord_id: Some(id.to_string()), ..ClosedQuery::default() };
        let closed = self.desk.closed_orders(self.trader, &query).rows;
        let open = self.desk.open_orders(self.trader).filter(|no| {
            self.desk.order(*no).is_some_and(|facts| facts.cl_ord_id == Some(id.as_str()))
        });
        let all: BTreeSet<_> = closed.into_iter().chain(open).collect();
        assert!(all.len() <= 1, "{id} is at the venue {} times", all.len());
        all.first().and_then(|no| self.desk.order(*no))
    }

    /// Fails where an order of the venue is open, or has filled another quantity than was told of all our names of it.
    pub(crate) fn assert_ended(&self, first: &ClOrdId, cum: Qty) {
        if let Some(facts) = self.knows(first) {
            assert!(facts.closed.is_some(), "{first} is told ended and is open");
            assert_eq!(facts.cum_qty, cum.to_decimal(), "{first}: fills told and filled");
        } else {
            assert!(cum.is_zero(), "{first}");
        }
    }
}

#[derive(Debug)]
enum Event {
    ToServer(ServerInput),
    /// Of which run of the session.
    ToSession(u64, VenueInput),
    OpenSocket(u64, ConnId),
    /// A call that nobody answered.
    GiveUp(ServerCall),
}

/// Is how a world is made.
pub(crate) struct Options {
    pub(crate) seed: u64,
    pub(crate) tier: Tier,
    pub(crate) is_rest_only: bool,
    pub(crate) dead_man: DeadMan,
    pub(crate) latency_us: (u64, u64),
    pub(crate) faults: FaultSettings,
    pub(crate) nonce_window: u64,
    /// What the session's key may do; what trading needs when `None`.
    pub(crate) permissions: Option<Vec<Permission>>,
    /// Pairs that the venue lists beside its usual ones.
    pub(crate) invented: u32,
    /// The account's volume, which decides its fees.
    pub(crate) volume_usd: Decimal,
}

impl Options {
    pub(crate) fn of_seed(seed: u64) -> Self {
        Self {
            seed,
            tier: Tier::Pro,
            is_rest_only: false,
            dead_man: DeadMan::Guard(DurationNs::from_s(60)),
            latency_us: (5_000, 60_000),
            faults: FaultSettings::default(),
            nonce_window: 0,
            permissions: None,
            invented: 0,
            volume_usd: Decimal::ZERO,
        }
    }
}

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) session: Option<KrakenTrading>,
    pub(crate) router: Router,
    pub(crate) now: Timestamp,
    pub(crate) options: Options,
    pub(crate) random: SplitMix64,
    queue: BTreeMap<(Timestamp, u64), Event>,
    serial: u64,
    run: u64,
    stored_nonces: u64,
    sockets: BTreeMap<ConnId, PeerId>,
    lanes: BTreeMap<(PeerId, bool), Timestamp>,
    next_peer: u64,
    calls: BTreeMap<ServerCall, (u64, CallId)>,
    next_call: u64,
    pub(crate) problems: Vec<String>,
    /// What the venue answered that says we were too fast.
    pub(crate) throttled: Vec<String>,
    pub(crate) frames: u64,
    pub(crate) calls_made: u64,
    pub(crate) has_stopped: bool,
    desk: DeskSettings,
    /// How far the session's clock is ahead of the world's.
    pub(crate) clock_step: DurationNs,
}

impl World {
    pub(crate) fn new(options: Options) -> Self {
        let mut desk = listing::invented(synthetic::settings(options.seed), options.invented);
        desk.accounts[0].tier = options.tier;
        desk.accounts[0].volume_usd = options.volume_usd;
        let other = desk.accounts[0].keys[0].clone();
        desk.accounts[0].keys.push(KeySetting { key: OTHER_KEY.to_owned(), ..other });
        desk.accounts[0].keys[0].nonce_window = options.nonce_window;
        if let Some(permissions) = &options.permissions {
            desk.accounts[0].keys[0].permissions.clone_from(permissions);
        }
        let settings = ServerSettings {
            desk: desk.clone(),
            ws: WsSettings { message_rate: None },
            faults: options.faults.clone(),
        };
        let mut world = Self {
            server: Server::new(&settings, START).unwrap(),
            session: None,
            router: Router::new(PREFIX),
            now: START,
            random: SplitMix64::new(options.seed),
            options,
            queue: BTreeMap::new(),
            serial: 0,
            run: 0,
            stored_nonces: 0,
            sockets: BTreeMap::new(),
            lanes: BTreeMap::new(),
            next_peer: 0,
            calls: BTreeMap::new(),
            next_call: 0,
            problems: Vec::new(),
            throttled: Vec::new(),
            frames: 0,
            calls_made: 0,
            has_stopped: false,
            desk,
            clock_step: DurationNs::ZERO,
        };
        for traded in &TRADED {
            for (side, sign) in [(Side::Buy, -1), (Side::Sell, 1)] {
                let price = Ticks::new(traded.mid + sign * CROWD * traded.tick);
                let (symbol, qty) = (traded.symbol.into(), Lots::new(1_000_000_000_000));
                world.server_input(ServerInput::Flow(Flow::Level { symbol, side, price, qty }));
            }
        }
        world
    }

    pub(crate) fn settings(&self) -> OrderEntrySettings {
        let key = &self.desk.accounts[0].keys[0];
        OrderEntrySettings {
            venue: venue(),
            account: account(),
            run: SessionId::new(self.run),
            credentials: Credentials {
                key: key.key.as_str().into(),
                secret: key.secret.reveal().into(),
            },
            rest_url: "http://venue".to_owned(),
            private_url: "ws://venue/v2".to_owned(),
            nonces_from: self.stored_nonces,
            dead_man: self.options.dead_man,
            is_rest_only: self.options.is_rest_only,
            rate_tier: match self.options.tier {
                Tier::Starter => "starter",
                Tier::Intermediate => "intermediate",
                Tier::Pro | Tier::Unlimited => "pro",
            }
            .to_owned(),
            cl_ord_id_prefix: PREFIX.to_owned(),
            seed: self.run,
        }
    }

    pub(crate) fn trader(&self) -> TraderIx {
        self.server.desk().traders().find(|(_, name)| *name == "maker").unwrap().0
    }

    pub(crate) fn venue(&self) -> Venue<'_> {
        Venue { desk: self.server.desk(), trader: self.trader() }
    }

    /// Starts a run of the session from what is stored.
    pub(crate) fn start(&mut self) {
        self.run += 1;
        self.has_stopped = false;
        self.session = Some(KrakenTrading::new(self.settings()).unwrap());
        self.router.restart();
        for traded in &TRADED {
            self.session_input(VenueInput::Instrument(traded.definition()));
        }
        for event in self.router.log.clone() {
            self.session_input(VenueInput::Restored(event));
        }
        self.session_input(VenueInput::Start);
    }

    /// Kills the session; its sockets break.
    pub(crate) fn kill(&mut self) {
        self.session = None;
        self.run += 1;
        self.router.is_up = false;
        for peer in std::mem::take(&mut self.sockets).into_values() {
            self.post(DurationNs::from_ms(1), Event::ToServer(ServerInput::WsClosed { peer }));
        }
    }

    fn post(&mut self, after: DurationNs, event: Event) {
        self.serial += 1;
        self.queue.insert((self.now.saturating_add(after), self.serial), event);
    }

    fn latency(&mut self) -> DurationNs {
        let (least, most) = self.options.latency_us;
        let us = least + self.random.next_below(most - least + 1);
        DurationNs::from_us(i64::try_from(us).unwrap())
    }

    /// Posts on one direction of a socket, behind what is there.
    fn post_in_lane(&mut self, lane: (PeerId, bool), event: Event) {
        let at = self.now.saturating_add(self.latency());
        let at = at.max(self.lanes.get(&lane).copied().unwrap_or(at));
        self.lanes.insert(lane, at);
        self.post(at.since(self.now), event);
    }

    fn session_now(&self) -> Timestamp {
        self.now.saturating_add(self.clock_step)
    }

    pub(crate) fn session_input(&mut self, input: VenueInput) {
        let (now, mut out) = (self.session_now(), Vec::new());
        let Some(session) = &mut self.session else { return };
        session.handle(now, input, &mut out);
        self.session_said(out);
    }

    fn session_said(&mut self, out: Vec<VenueOutput>) {
        let now = self.now;
        for said in out {
            match said {
                VenueOutput::Report(report) => {
                    let venue = Venue { desk: self.server.desk(), trader: self.trader() };
                    self.router.report(now, report, &venue);
                }
                VenueOutput::Connect { conn, .. } => {
                    let (run, after) = (self.run, self.latency());
                    self.post(after, Event::OpenSocket(run, conn));
                }
                VenueOutput::Send { conn, text } => {
                    self.frames += 1;
                    if let Some(&peer) = self.sockets.get(&conn) {
                        let text = text.expose().to_owned();
                        let frame = Event::ToServer(ServerInput::WsFrame { peer, text });
                        self.post_in_lane((peer, true), frame);
                    }
                }
                VenueOutput::Close { conn } => {
                    if let Some(peer) = self.sockets.remove(&conn) {
                        self.post_in_lane(
                            (peer, true),
                            Event::ToServer(ServerInput::WsClosed { peer }),
                        );
                    }
                    let detail = "closed by us".to_owned();
                    let closed = VenueInput::Disconnected { conn, detail };
                    self.post(DurationNs::from_ms(1), Event::ToSession(self.run, closed));
                }
                VenueOutput::Call(call) => self.call(&call),
                VenueOutput::ReserveNonces { until } => {
                    assert!(until > self.stored_nonces);
                    self.stored_nonces = until;
                    let reserved = VenueInput::NoncesReserved { until };
                    self.post(DurationNs::from_ms(2), Event::ToSession(self.run, reserved));
                }
                VenueOutput::Problem(problem) => {
                    let shown = format!("{problem:?}");
                    self.assert_public(&shown);
                    self.problems.push(shown);
                }
                VenueOutput::Stopped => self.has_stopped = true,
            }
        }
        self.pump_router();
    }

    /// Fails when a text holds something that is nobody's business.
    pub(crate) fn assert_public(&self, text: &str) {
        let key = &self.desk.accounts[0].keys[0];
        assert!(!text.contains(&key.key) && !text.contains(key.secret.reveal()), "{text}");
        assert!(SECRET_MARKS.iter().all(|mark| !text.contains(mark)), "{text}");
    }

    pub(crate) fn pump_router(&mut self) {
        while let Some(command) = self.router.commands.pop_front() {
            self.session_input(VenueInput::Command(command));
        }
    }

    fn call(&mut self, call: &VenueCall) {
        self.calls_made += 1;
        let header = |name: &str| {
            let found = call.headers.iter().find(|(known, _)| *known == name);
            found.map(|(_, text)| text.expose().to_owned())
        };
        assert!(!call.url.contains(SECRET_MARKS[1]));
        let request = HttpCall {
            method: match call.method {
                CallMethod::Get => "GET",
                CallMethod::Post => "POST",
            }
            .to_owned(),
            path: call.url.strip_prefix("http://venue").unwrap().to_owned(),
            query: String::new(),
            content_type: header("content-type"),
            api_key: header("api-key"),
            api_sign: header("api-sign"),
            body: call.body.expose().as_bytes().to_vec(),
            address: "127.0.0.1".to_owned(),
        };
        self.next_call += 1;
        let name = ServerCall(self.next_call);
        self.calls.insert(name, (self.run, call.call));
        let after = self.latency();
        self.post(after, Event::ToServer(ServerInput::Http { call: name, request }));
        self.post(DurationNs::from_s(5), Event::GiveUp(name));
    }

    pub(crate) fn server_input(&mut self, input: ServerInput) {
        let mut out = Vec::new();
        self.server.handle(self.now, input, &mut out);
        self.server_said(out);
    }

    fn answered(&mut self, call: ServerCall, end: CallEnd) {
        if let Some((run, call)) = self.calls.remove(&call) {
            let after = self.latency();
            self.post(after, Event::ToSession(run, VenueInput::CallEnded { call, end }));
        }
    }

    fn server_said(&mut self, out: Vec<ServerOutput>) {
        for said in out {
            match said {
                ServerOutput::HttpReply { call, status, body, .. } => {
                    self.note_throttled(&body);
                    let body = body.to_string().into();
                    self.answered(call, CallEnd::Answered { status, body });
                }
                ServerOutput::HttpDrop { call } => {
                    let detail = "connection closed".to_owned();
                    self.answered(call, CallEnd::Failed { is_maybe_sent: true, detail });
                }
                ServerOutput::WsSend { peer, text } => {
                    self.note_throttled(&text);
                    let Some(conn) = self.conn_of(peer) else { continue };
                    let (receive_time, text) = (self.now, text.to_string().into());
                    let frame = VenueInput::Frame { conn, receive_time, text };
                    self.post_in_lane((peer, false), Event::ToSession(self.run, frame));
                }
                ServerOutput::WsClose { peer, .. } => {
                    let Some(conn) = self.conn_of(peer) else { continue };
                    self.sockets.remove(&conn);
                    let detail = "closed by the venue".to_owned();
                    let closed = VenueInput::Disconnected { conn, detail };
                    self.post_in_lane((peer, false), Event::ToSession(self.run, closed));
                    self.post(
                        DurationNs::from_ms(1),
                        Event::ToServer(ServerInput::WsClosed { peer }),
                    );
                }
                ServerOutput::WsStall { peer, duration } => {
                    let until = self.now.saturating_add(duration);
                    self.lanes.insert((peer, true), until);
                }
            }
        }
    }

    fn note_throttled(&mut self, text: &str) {
        let is_throttled =
            text.contains("Rate limit exceeded") || text.contains("Exceeded msg rate");
        if is_throttled {
            self.throttled.push(text.chars().take(200).collect());
        }
    }

    fn conn_of(&self, peer: PeerId) -> Option<ConnId> {
        self.sockets.iter().find(|(_, known)| **known == peer).map(|(conn, _)| *conn)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::ToServer(input) => self.server_input(input),
            Event::ToSession(run, input) if run == self.run => self.session_input(input),
            Event::ToSession(..) => {}
            Event::OpenSocket(run, conn) if run == self.run => {
                self.next_peer += 1;
                let peer = PeerId(self.next_peer);
                self.sockets.insert(conn, peer);
                let (host, address) = (WsHost::Private, "127.0.0.1".to_owned());
                self.session_input(VenueInput::Connected { conn });
                self.server_input(ServerInput::WsOpened { peer, host, address });
            }
            Event::OpenSocket(..) => {}
            Event::GiveUp(call) => {
                let detail = "no answer in time".to_owned();
                self.answered(call, CallEnd::Failed { is_maybe_sent: true, detail });
            }
        }
    }

    /// Lets time pass; `each` is called at every step of 10 ms.
    pub(crate) fn pass(&mut self, by: DurationNs, mut each: impl FnMut(&mut Self)) {
        let until = self.now.saturating_add(by);
        let mut step = self.now;
        while self.now < until {
            step = step.saturating_add(DurationNs::from_ms(10)).min(until);
            while let Some(at) = self.next_at().filter(|at| *at <= step) {
                self.now = self.now.max(at);
                self.work();
            }
            self.now = step;
            self.router.tick(self.now);
            self.pump_router();
            each(self);
        }
    }

    pub(crate) fn quiet(&mut self, by: DurationNs) {
        self.pass(by, |_| ());
    }

    fn next_at(&self) -> Option<Timestamp> {
        let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
        let session = self.session.as_ref().and_then(Machine::next_deadline);
        let session =
            session.map(|at| at.saturating_add(DurationNs::from_ns(-self.clock_step.as_ns())));
        [queued, self.server.next_deadline(), session].into_iter().flatten().min()
    }

    fn work(&mut self) {
        let mut out = Vec::new();
        if self.server.next_deadline().is_some_and(|at| at <= self.now) {
            self.server.tick(self.now, &mut out);
            return self.server_said(out);
        }
        if let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let event = entry.remove();
            return self.happen(event);
        }
        let now = self.session_now();
        if let Some(session) = &mut self.session
            && session.next_deadline().is_some_and(|at| at <= now)
        {
            let mut out = Vec::new();
            session.tick(now, &mut out);
            if let Some(next) = session.next_deadline() {
                assert!(next > now, "a tick left its deadline due");
            }
            self.session_said(out);
        }
    }

    /// Makes a call as another client of the same account, and gives what the venue answers.
    pub(crate) fn other_client(&mut self, method: &str, fields: &str) -> String {
        let nonce = self.now.as_ns().to_string();
        let body = format!("nonce={nonce}&{fields}");
        let path = format!("/0/private/{method}");
        let signer = ApiSigner::new(self.desk.accounts[0].keys[0].secret.reveal()).unwrap();
        let signed = Signed { path: &path, query: "", nonce: &nonce, body: body.as_bytes() };
        let request = HttpCall {
            method: "POST".to_owned(),
            path: path.clone(),
            query: String::new(),
            content_type: Some("application/x-www-form-urlencoded".to_owned()),
            api_key: Some(OTHER_KEY.to_owned()),
            api_sign: Some(signer.sign(signed)),
            body: body.into_bytes(),
            address: "127.0.0.1".to_owned(),
        };
        self.next_call += 1;
        let (call, mut out) = (ServerCall(self.next_call), Vec::new());
        self.server.handle(self.now, ServerInput::Http { call, request }, &mut out);
        let answer = out.iter().find_map(|said| {
            let ServerOutput::HttpReply { call: of, body, .. } = said else { return None };
            (*of == call).then(|| body.to_string())
        });
        self.server_said(out);
        let answer = answer.expect("the venue answers at once");
        assert!(answer.starts_with(r#"{"error":[],"#), "{answer}");
        answer
    }

    /// Asks the simulation's operator for something.
    pub(crate) fn admin(&mut self, path: &str, body: &str) {
        self.next_call += 1;
        let input = ServerInput::Admin {
            call: ServerCall(self.next_call),
            method: "POST".to_owned(),
            path: path.to_owned(),
            body: body.as_bytes().to_vec(),
        };
        let mut out = Vec::new();
        self.server.handle(self.now, input, &mut out);
        let is_good =
            out.iter().any(|said| matches!(said, ServerOutput::HttpReply { status: 200, .. }));
        assert!(is_good, "{out:?}");
    }
}
