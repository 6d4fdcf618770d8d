//! Executions, from the private frame to the report: the order-entry session that the router runs.

use crate::engine::{TAKER, Venue, check};
use crate::report::per_second;
use crate::{Plan, Report};
use anyhow::{Context as _, Result, anyhow, bail};
use remora_approval::{Signer, Verifier};
use remora_domain::{
    AccountId, ApprovalFields, ClOrdId, DurationNs, Instrument, InstrumentKey, OrderRequest, Price,
    Qty, SessionId, Side, StrategyId, TimeInForce, VenueId, VenueReport,
};
use remora_venue_api::{
    CallEnd, CallId, CallMethod, ConnId, Credentials, DeadMan, FeedInput, FeedOutput, MarketEvent,
    OrderEntry, OrderEntrySettings, VenueCall, VenueCommand, VenueInput, VenueOutput,
};
use remora_venue_registry::kraken_spot::io::{
    CallId as ServerCall, HttpCall, PeerId, ServerInput, ServerOutput, WsHost,
};
use remora_venue_registry::kraken_spot::settings::AccountSetting;
use remora_venue_registry::{VENUES, VenueEntry};
use std::time::{Duration, Instant};

/// The first peer of the session; each of its connections is the next.
const FIRST_PEER: u64 = 1_000;
const URL: &str = "http://exchange";
/// Executions of one order before the next is placed.
const PIECES: u32 = 1_000;
/// Virtual milliseconds within which anything asked for must have happened.
const PATIENCE_MS: u32 = 60_000;

/// Is the session, beside the exchange it trades on, in virtual time.
struct Trading<'a> {
    venue: &'a mut Venue,
    session: Box<dyn OrderEntry>,
    verifier: Verifier,
    signer: Signer,
    instrument: InstrumentKey,
    conn: Option<(ConnId, PeerId)>,
    next_peer: u64,
    next_call: u64,
    orders: u32,
    accepted: u32,
    is_up: bool,
    executions: u64,
    busy: Duration,
    kept: Vec<String>,
}

/// Measures how fast executions are processed; `taker` is the token of the account on the other side.
pub(crate) fn measure(
    report: &Report<'_>,
    plan: &Plan,
    venue: &mut Venue,
    maker: &AccountSetting,
    taker: &str,
) -> Result<()> {
    report.part(
        "executions, one core",
        "a resting order filled piece by piece, its `executions` frames through the order-entry session that the router \
         runs: read, told from earlier ones by their ids, reported as fills; only the time inside it counts. Floor: the same \
         texts checked as JSON, nothing kept",
    );
    let entry = VENUES.first().context("no venue is listed")?;
    let definition = definition(entry, venue)?;
    let mut trading = Trading {
        session: open(entry, maker)?,
        venue,
        verifier: Verifier::new(Signer::from_bytes(&[7; 32]).verifying_key()),
        signer: Signer::from_bytes(&[7; 32]),
        instrument: definition.key.clone(),
        conn: None,
        next_peer: FIRST_PEER,
        next_call: FIRST_PEER,
        orders: 0,
        accepted: 0,
        is_up: false,
        executions: 0,
        busy: Duration::ZERO,
        kept: Vec::new(),
    };
    trading.give(VenueInput::Instrument(definition))?;
    trading.give(VenueInput::Start)?;
    trading.until("the session to come up", |trading| trading.is_up)?;
    let started = Instant::now();
    while started.elapsed() < plan.duration {
        for (side, other) in [(Side::Sell, "buy"), (Side::Buy, "sell")] {
            trading.fill(side, other, taker)?;
        }
    }
    let texts: Vec<&str> = trading.kept.iter().map(String::as_str).collect();
    let floor = per_second(u64::try_from(texts.len())?, check(&texts, plan.duration)?);
    let rate = per_second(trading.executions, trading.busy.as_secs_f64());
    report.row("executions processed", rate, Some(floor));
    Ok(())
}

impl Trading<'_> {
    /// Places an order and has it filled by the other account.
    fn fill(&mut self, side: Side, other: &str, taker: &str) -> Result<()> {
        self.orders += 1;
        let now = self.venue.now;
        let deadline = now.saturating_add(DurationNs::from_s(3_600));
        let request = OrderRequest {
            cl_ord_id: ClOrdId::new(&format!("bench-{}", self.orders))?,
            account: AccountId::new("bench")?,
            strategy: StrategyId::new("bench")?,
            instrument: self.instrument.clone(),
            side,
            price: Price::parse("60000.0")?,
            qty: Qty::parse("1.00000000")?,
            tif: TimeInForce::Gtc,
            is_post_only: true,
            deadline,
            orig_cl_ord_id: None,
            orig_cum_qty: Qty::ZERO,
        };
        let approval = self.signer.sign(ApprovalFields {
            request,
            epoch: 1,
            gate_session: SessionId::new(1),
            approval_sequence: u64::from(self.orders),
            expires_at: deadline,
        });
        let approved = self.verifier.verify(now, &approval)?;
        let before = self.executions;
        self.give(VenueInput::Command(VenueCommand::Submit(approved)))?;
        let placed = format!("order {} to rest", self.orders);
        self.until(&placed, |trading| trading.accepted == trading.orders)?;
        for _ in 0..PIECES {
            let text = crate::engine::frame(other, taker);
            self.venue.input(ServerInput::WsFrame { peer: TAKER, text });
            self.heard()?;
        }
        if self.executions != before + u64::from(PIECES) {
            bail!("{} executions were reported of {PIECES}", self.executions - before);
        }
        // The session's own counters decay with time.
        self.until("a second to pass", |trading| {
            trading.venue.now > now.saturating_add(DurationNs::from_s(2))
        })
    }

    /// Lets virtual time pass until something is so.
    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<()> {
        for _ in 0..PATIENCE_MS {
            if is_so(self) {
                return Ok(());
            }
            self.venue.pass();
            self.heard()?;
            if self.session.next_deadline().is_some_and(|due| due <= self.venue.now) {
                let mut out = Vec::new();
                self.session.tick(self.venue.now, &mut out);
                self.said(out)?;
            }
        }
        bail!("waited {PATIENCE_MS} ms of virtual time for {what}")
    }

    fn give(&mut self, input: VenueInput) -> Result<()> {
        let mut out = Vec::new();
        self.session.handle(self.venue.now, input, &mut out);
        self.said(out)
    }

    /// Carries out what the session asks for.
    fn said(&mut self, out: Vec<VenueOutput>) -> Result<()> {
        for output in out {
            match output {
                VenueOutput::ReserveNonces { until } => {
                    self.give(VenueInput::NoncesReserved { until })?;
                }
                VenueOutput::Connect { conn, .. } => {
                    self.next_peer += 1;
                    let (peer, host) = (PeerId(self.next_peer), WsHost::Private);
                    self.conn = Some((conn, peer));
                    let address = "127.0.0.1".to_owned();
                    self.venue.input(ServerInput::WsOpened { peer, host, address });
                    self.give(VenueInput::Connected { conn })?;
                }
                VenueOutput::Send { text, .. } => {
                    let (_, peer) = self.conn.context("a frame without a connection")?;
                    let text = text.expose().to_owned();
                    self.venue.input(ServerInput::WsFrame { peer, text });
                }
                VenueOutput::Call(call) => self.call(&call)?,
                VenueOutput::Report(VenueReport::Session { is_up }) => self.is_up = is_up,
                VenueOutput::Report(VenueReport::Accepted { .. }) => self.accepted += 1,
                VenueOutput::Report(VenueReport::Rejected { reason, .. }) => {
                    bail!("an order was refused: {reason:?}")
                }
                VenueOutput::Problem(problem) => bail!("the session says {problem:?}"),
                VenueOutput::Close { .. } | VenueOutput::Stopped => bail!("the session ended"),
                VenueOutput::Report(_) => {}
            }
        }
        self.heard()
    }

    /// Makes a call of the session and gives it its answer.
    fn call(&mut self, call: &VenueCall) -> Result<()> {
        self.next_call += 1;
        let header = |name: &str| {
            let found = call.headers.iter().find(|(known, _)| *known == name);
            found.map(|(_, text)| text.expose().to_owned())
        };
        let request = HttpCall {
            method: match call.method {
                CallMethod::Get => "GET",
                CallMethod::Post => "POST",
            }
            .to_owned(),
            path: call.url.strip_prefix(URL).context("a call elsewhere")?.to_owned(),
            query: String::new(),
            content_type: header("content-type"),
            api_key: header("api-key"),
            api_sign: header("api-sign"),
            body: call.body.expose().as_bytes().to_vec(),
            address: "127.0.0.1".to_owned(),
        };
        self.venue.input(ServerInput::Http { call: ServerCall(self.next_call), request });
        self.answered(call.call)
    }

    fn answered(&mut self, call: CallId) -> Result<()> {
        let number = self.next_call;
        let mut end = None;
        self.venue.out.retain(|output| match output {
            ServerOutput::HttpReply { call, status, body, .. } if call.0 == number => {
                let body = body.to_string().into();
                end = Some(CallEnd::Answered { status: *status, body });
                false
            }
            ServerOutput::HttpReply { .. }
            | ServerOutput::HttpDrop { .. }
            | ServerOutput::WsSend { .. }
            | ServerOutput::WsClose { .. }
            | ServerOutput::WsStall { .. } => true,
        });
        let end = end.context("a call without an answer")?;
        self.give(VenueInput::CallEnded { call, end })
    }

    /// Gives the session what the exchange sent it; the clock runs for executions only.
    fn heard(&mut self) -> Result<()> {
        for output in std::mem::take(&mut self.venue.out) {
            let ServerOutput::WsSend { peer, text } = output else { continue };
            let Some((conn, _)) = self.conn.filter(|(_, own)| *own == peer) else { continue };
            let receive_time = self.venue.now;
            let is_counted = text.contains("\"exec_type\":\"trade\"");
            if is_counted && self.kept.len() < crate::engine::KEPT_MAX {
                self.kept.push(text.to_string());
            }
            let frame = VenueInput::Frame { conn, receive_time, text: text.to_string().into() };
            let (before, mut out) = (Instant::now(), Vec::new());
            self.session.handle(receive_time, frame, &mut out);
            if is_counted {
                self.busy += before.elapsed();
                let is_fill = |output: &&VenueOutput| {
                    matches!(output, VenueOutput::Report(VenueReport::Filled { .. }))
                };
                self.executions += u64::try_from(out.iter().filter(is_fill).count())?;
            }
            self.said(out)?;
        }
        Ok(())
    }
}

/// Makes the session as the router does.
fn open(entry: &VenueEntry, maker: &AccountSetting) -> Result<Box<dyn OrderEntry>> {
    let key = maker.keys.first().context("an account has no key")?;
    let session = (entry.orders)(OrderEntrySettings {
        venue: VenueId::new(entry.id)?,
        account: AccountId::new("bench")?,
        run: SessionId::new(1),
        credentials: Credentials {
            key: key.key.as_str().into(),
            secret: key.secret.reveal().into(),
        },
        rest_url: URL.to_owned(),
        private_url: "ws://exchange/v2".to_owned(),
        // Behind the nonces with which this benchmark has asked for tokens itself.
        nonces_from: 1_000,
        dead_man: DeadMan::Guard(DurationNs::from_s(60)),
        is_rest_only: false,
        rate_tier: entry.rate_tiers.last().context("no rate tier")?.to_string(),
        cl_ord_id_prefix: "bench-".to_owned(),
        seed: 1,
    });
    session.map_err(|problems| anyhow!("the session refuses its settings: {problems:?}"))
}

/// Reads the definition of the pair that is traded from the exchange itself.
fn definition(entry: &VenueEntry, venue: &mut Venue) -> Result<Instrument> {
    let mut feed = crate::feed::session(entry)?;
    let peer = PeerId(FIRST_PEER);
    let (host, address) = (WsHost::Public, "127.0.0.1".to_owned());
    venue.input(ServerInput::WsOpened { peer, host, address });
    let text = r#"{"method":"subscribe","params":{"channel":"instrument"}}"#.to_owned();
    venue.input(ServerInput::WsFrame { peer, text });
    let conn = ConnId::new(0);
    let mut out = Vec::new();
    for output in venue.out.drain(..) {
        if let ServerOutput::WsSend { text, .. } = output {
            let (receive_time, text) = (venue.now, text.to_string());
            let frame = FeedInput::Frame { conn, receive_time, text };
            feed.handle(receive_time, frame, &mut out);
        }
    }
    let found = out.into_iter().find_map(|output| match output {
        FeedOutput::Event(MarketEvent::Instrument(found)) if found.symbol == "BTC/USD" => {
            Some(found)
        }
        FeedOutput::Event(_)
        | FeedOutput::Problem(_)
        | FeedOutput::Connect { .. }
        | FeedOutput::Send { .. }
        | FeedOutput::Close { .. } => None,
    });
    found.context("the exchange does not list BTC/USD")
}
