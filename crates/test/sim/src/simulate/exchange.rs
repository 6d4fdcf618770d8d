//! The made-up exchange: the crowd, its books, the matching of our orders, and what it lets through.
//!
//! The matching is the paper venue's, without latencies of its own; the road to it and back, with everything that goes
//! wrong there, is the world's. It outlives every process of ours. What it remembers here is the truth that the checks
//! compare with.

use super::kinds::FaultKind;
use super::market::{MarketError, PublicBook, definitions, flow_pair, trade_frame, values};
use remora_domain::{
    Balances, ClOrdId, DurationNs, Fill, Instrument, OrderEventReason, OrderId, OrderRequest, Qty,
    SystemStatus, Timestamp, VenueReport,
};
use remora_flow::{FlowEvent, FlowSettings, Generator, PairFlow};
use remora_machine::{Machine as _, SplitMix64};
use remora_paper::{PaperConfig, PaperVenue};
use remora_venue_api::{VenueCommand, VenueInput, VenueOutput};
use std::collections::{BTreeMap, BTreeSet};

/// How long the venue waits for a sign of life before it takes all our orders back.
pub(super) const DEAD_MAN: DurationNs = DurationNs::from_s(20);

/// Is an execution as the venue has it.
#[derive(Clone, Debug)]
pub(super) struct Executed {
    pub(super) cl_ord_id: ClOrdId,
    pub(super) order_id: OrderId,
    pub(super) fill: Fill,
    pub(super) cum_qty: Qty,
    pub(super) venue_time: Timestamp,
}

/// Is the exchange.
pub(super) struct Exchange {
    paper: PaperVenue,
    crowd: Generator,
    is_crowd_awake: bool,
    books: BTreeMap<String, PublicBook>,
    /// What the whole venue allows now.
    status: SystemStatus,
    pub(super) rejects_until: Timestamp,
    pub(super) throttles_until: Timestamp,
    dead_man_at: Option<Timestamp>,
    /// What every order that ever arrived may fill.
    pub(super) asked: BTreeMap<ClOrdId, OrderRequest>,
    pub(super) open: BTreeSet<ClOrdId>,
    pub(super) executions: Vec<Executed>,
    /// How often it refused what it could have taken.
    pub(super) refusals: BTreeMap<FaultKind, u64>,
    out: Vec<VenueOutput>,
}

impl Exchange {
    pub(super) fn new(
        paper: PaperConfig,
        pairs: usize,
        seeds: &mut SplitMix64,
        now: Timestamp,
    ) -> Result<Self, MarketError> {
        let defined = definitions(&paper.venue, pairs, now)?;
        let flow: Vec<_> = defined.iter().map(flow_pair).collect::<Result<_, _>>()?;
        let usual = FlowSettings::usual(&values(pairs), &flow);
        // Everybody alike, with spreads that pay our fee and takers enough that we trade.
        let defaults =
            PairFlow { maker_interval_ms: 400, takers_per_s: 0.8, ..PairFlow::default() };
        let settings = FlowSettings { pairs: BTreeMap::new(), defaults, ..usual };
        let plan = settings.validate(&flow).map_err(MarketError::Flow)?;
        let crowd = Generator::new(plan, seeds.next_u64(), now);
        let mut paper = PaperVenue::new(paper, seeds.next_u64());
        let mut out = Vec::new();
        for instrument in &defined {
            paper.handle(now, VenueInput::Instrument(instrument.clone()), &mut out);
        }
        let book = |one: Instrument| (one.symbol.clone(), PublicBook::new(one));
        Ok(Self {
            paper,
            crowd,
            is_crowd_awake: true,
            books: defined.into_iter().map(book).collect(),
            status: SystemStatus::Online,
            rejects_until: Timestamp::EPOCH,
            throttles_until: Timestamp::EPOCH,
            dead_man_at: None,
            asked: BTreeMap::new(),
            open: BTreeSet::new(),
            executions: Vec::new(),
            refusals: BTreeMap::new(),
            out,
        })
    }

    /// Gives the next instant at which something happens by itself.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let crowd = self.crowd.next_deadline().filter(|_| self.is_crowd_awake);
        [crowd, self.paper.next_deadline(), self.dead_man_at].into_iter().flatten().min()
    }

    /// Does what is due; gives frames for who listens. Reports are fetched by `reports`.
    pub(super) fn tick(&mut self, now: Timestamp) -> Vec<String> {
        self.paper.tick(now, &mut self.out);
        if self.dead_man_at.take_if(|at| *at <= now).is_some() {
            for cl_ord_id in self.open.clone() {
                let command = VenueCommand::Cancel { cl_ord_id, order_id: None };
                self.paper.handle(now, VenueInput::Command(command), &mut self.out);
            }
        }
        let mut frames = Vec::new();
        if self.is_crowd_awake && self.crowd.next_deadline().is_some_and(|due| due <= now) {
            let mut events = Vec::new();
            self.crowd.tick(now, &mut events);
            self.move_books(now, events, &mut frames);
        }
        frames
    }

    fn move_books(&mut self, now: Timestamp, events: Vec<FlowEvent>, frames: &mut Vec<String>) {
        let mut touched = BTreeSet::new();
        let venue_time = Some(now);
        for FlowEvent { symbol, action } in events {
            let Some(book) = self.books.get_mut(&*symbol) else { continue };
            for trade in book.apply(action) {
                frames.push(trade_frame(now, &symbol, &trade));
                let input = VenueInput::Trade { trade, venue_time };
                self.paper.handle(now, input, &mut self.out);
            }
            touched.insert(symbol);
        }
        for symbol in touched {
            let news = self.books.get_mut(&*symbol).and_then(|book| book.news(now));
            if let Some((top, frame)) = news {
                frames.push(frame);
                self.paper.handle(now, VenueInput::Book { top, venue_time }, &mut self.out);
            }
        }
    }

    /// Stops the crowd for good, so that what is booked can be compared.
    pub(super) const fn still(&mut self) {
        self.is_crowd_awake = false;
    }

    pub(super) const fn set_status(&mut self, status: SystemStatus) {
        self.status = status;
    }

    pub(super) const fn status(&self) -> SystemStatus {
        self.status
    }

    /// Hears that our session lives; from now on silence takes our orders back.
    pub(super) const fn hear_life(&mut self, now: Timestamp) {
        self.dead_man_at = Some(now.saturating_add(DEAD_MAN));
    }

    /// Takes a command that has arrived.
    pub(super) fn command(&mut self, now: Timestamp, command: VenueCommand) {
        let refused = match &command {
            VenueCommand::Submit(order) => {
                let cl_ord_id = order.request().cl_ord_id.clone();
                self.asked.insert(cl_ord_id.clone(), order.request().clone());
                self.refusal(now).map(|reason| VenueReport::Rejected {
                    cl_ord_id,
                    reason,
                    venue_time: now,
                })
            }
            VenueCommand::Cancel { cl_ord_id, order_id: _ } if now < self.throttles_until => {
                let (cl_ord_id, reason) = (cl_ord_id.clone(), OrderEventReason::RateLimited);
                Some(VenueReport::CancelRejected { cl_ord_id, reason, venue_time: now })
            }
            VenueCommand::Cancel { .. }
            | VenueCommand::CancelAccount
            | VenueCommand::ForgetCancelAccount
            | VenueCommand::QueryOpenOrders { .. }
            | VenueCommand::QueryAccount => None,
        };
        match refused {
            Some(report) => {
                if let Some(kind) = self.refusing(now) {
                    let count = self.refusals.entry(kind).or_default();
                    *count = count.saturating_add(1);
                }
                self.out.push(VenueOutput::Report(report));
            }
            None => self.paper.handle(now, VenueInput::Command(command), &mut self.out),
        }
    }

    /// Gives the fault that makes it refuse; none while it is closed.
    fn refusing(&self, now: Timestamp) -> Option<FaultKind> {
        if now < self.throttles_until {
            Some(FaultKind::Throttles)
        } else {
            (now < self.rejects_until).then_some(FaultKind::Rejects)
        }
    }

    fn refusal(&self, now: Timestamp) -> Option<OrderEventReason> {
        if now < self.throttles_until {
            Some(OrderEventReason::RateLimited)
        } else if now < self.rejects_until || self.status != SystemStatus::Online {
            Some(OrderEventReason::VenueOther)
        } else {
            None
        }
    }

    /// Gives what the exchange holds for us. To be asked at the end of a run.
    pub(super) fn holdings(&mut self, now: Timestamp) -> Option<Balances> {
        let ask = VenueInput::Command(VenueCommand::QueryAccount);
        self.paper.handle(now, ask, &mut self.out);
        // The paper venue answers after its own delay.
        let later = now.saturating_add(DurationNs::from_s(1));
        self.paper.tick(later, &mut self.out);
        self.reports().into_iter().rev().find_map(|report| {
            if let VenueReport::Balances(balances) = report { Some(balances) } else { None }
        })
    }

    /// Takes what the venue has said, in order, and keeps the truth about open orders and executions.
    pub(super) fn reports(&mut self) -> Vec<VenueReport> {
        let mut reports = Vec::new();
        for said in std::mem::take(&mut self.out) {
            if let VenueOutput::Report(report) = said {
                self.remember(&report);
                reports.push(report);
            }
        }
        reports
    }

    fn remember(&mut self, report: &VenueReport) {
        match report {
            VenueReport::Accepted { cl_ord_id, .. } => {
                self.open.insert(cl_ord_id.clone());
            }
            VenueReport::Replaced { orig_cl_ord_id, cl_ord_id, order_qty, .. } => {
                self.open.remove(orig_cl_ord_id);
                self.open.insert(cl_ord_id.clone());
                // What the other filled on the way came off.
                if let Some(asked) = self.asked.get_mut(cl_ord_id) {
                    asked.qty = *order_qty;
                }
            }
            VenueReport::Filled { cl_ord_id, order_id, fill, cum_qty, venue_time } => {
                if self.asked.get(cl_ord_id).is_some_and(|asked| asked.qty == *cum_qty) {
                    self.open.remove(cl_ord_id);
                }
                self.executions.push(Executed {
                    cl_ord_id: cl_ord_id.clone(),
                    order_id: order_id.clone(),
                    fill: fill.clone(),
                    cum_qty: *cum_qty,
                    venue_time: *venue_time,
                });
            }
            VenueReport::Cancelled { cl_ord_id, .. } => {
                self.open.remove(cl_ord_id);
            }
            VenueReport::Rejected { .. }
            | VenueReport::CancelRejected { .. }
            | VenueReport::SubmitUnknown { .. }
            | VenueReport::OpenOrders { .. }
            | VenueReport::Balances(_)
            | VenueReport::Fees(_)
            | VenueReport::Session { .. }
            | VenueReport::Guard { .. } => {}
        }
    }

    /// Gives what a new connection to the feed is told first.
    pub(super) fn greeting(&self, now: Timestamp) -> Vec<String> {
        let mut frames = vec![self.status_frame(now)];
        for (symbol, book) in &self.books {
            frames.push(format!("D {} {symbol}", now.as_ns()));
            frames.extend(book.ticker(now));
            frames.push(book.frame(now, true));
        }
        frames
    }

    pub(super) fn snapshot(&self, now: Timestamp, symbol: &str) -> Option<String> {
        self.books.get(symbol).map(|book| book.frame(now, true))
    }

    pub(super) fn status_frame(&self, now: Timestamp) -> String {
        let word = match self.status {
            SystemStatus::Online => "online",
            SystemStatus::CancelOnly | SystemStatus::PostOnly => "cancel_only",
            SystemStatus::Maintenance | SystemStatus::Disconnected => "maintenance",
        };
        format!("Y {} {word}", now.as_ns())
    }

    /// Gives what is told each second: that the venue lives, and now and then its summaries.
    pub(super) fn each_second(&self, now: Timestamp) -> Vec<String> {
        let mut frames = vec![format!("H {}", now.as_ns())];
        if (now.as_ns() / 1_000_000_000) % 10 == 0 {
            frames.extend(self.books.values().filter_map(|book| book.ticker(now)));
        }
        frames
    }
}
