//! The roads between our processes and the exchange: the private connection of the router and the feed of the ingestor.
//!
//! A connection keeps its order in each direction. When one breaks, what is under way may or may not arrive, and nothing
//! that is said on an old one is heard on a new one. Our session tells an execution once, asks for those it has missed
//! before it tells a list of open orders, and takes what the log says as told: as the real session does.

use super::actor::{Input, LocalIn};
use super::checks::Rule;
use super::feed::CONN;
use super::kinds::FaultKind;
use super::seat::Seat;
use super::world::{Event, World};
use remora_domain::{
    Body, DurationNs, Envelope, ExecId, SessionId, SystemStatus, Timestamp, VenueReport,
};
use remora_order_router_core::RouterInput;
use remora_venue_api::{FeedInput, LinkCommand, VenueCommand};
use std::collections::BTreeSet;

/// One in so many executions is told twice.
const TOLD_TWICE_PPM: u64 = 15_000;
/// How many requests or answers get lost while that goes wrong.
const LOST_PPM: u64 = 500_000;
/// How many frames get lost while that goes wrong.
const FRAMES_LOST_PPM: u64 = 50_000;

/// Is the private road.
#[derive(Default)]
pub(super) struct PrivateRoad {
    /// Counts connections; what belongs to an earlier one is not heard.
    pub(super) conn: u64,
    /// Whether the connection carries anything.
    pub(super) is_alive: bool,
    /// Whether our session believes it to be up.
    is_up: bool,
    /// Executions that this run of the session has told, or that the log holds.
    told: BTreeSet<ExecId>,
    /// Executions that the log holds: what the next run of the session starts with.
    logged: BTreeSet<ExecId>,
    orders_at: Timestamp,
    cancels_at: Timestamp,
    reports_at: Timestamp,
    pub(super) closed_until: Timestamp,
    pub(super) requests_lost_until: Timestamp,
    pub(super) answers_lost_until: Timestamp,
    pub(super) fills_late_until: Timestamp,
    pub(super) balances_wrong_until: Timestamp,
    pub(super) foreign_until: Timestamp,
}

impl PrivateRoad {
    /// Takes what a stream has stored.
    pub(super) fn heard_of(&mut self, message: &Envelope) {
        if let Body::OrderEvent(event) = &message.body {
            self.logged.extend(event.fill.iter().map(|fill| fill.exec_id.clone()));
        }
    }

    /// Breaks the connection.
    pub(super) const fn cut(&mut self) {
        self.conn = self.conn.saturating_add(1);
        self.is_alive = false;
    }
}

/// Is the road of the feed.
#[derive(Default)]
pub(super) struct FeedRoad {
    conn: u64,
    is_alive: bool,
    frames_at: Timestamp,
    pub(super) closed_until: Timestamp,
    pub(super) gaps_until: Timestamp,
    pub(super) silent_until: Timestamp,
}

impl World {
    /// Starts the session of a new run of the router.
    pub(super) fn open_session(&mut self, run: SessionId) {
        self.road.told.clone_from(&self.road.logged);
        self.road.is_up = false;
        let delay = self.delay(5_000, 200_000);
        self.post(delay, Event::Connect(run));
    }

    pub(super) fn connect(&mut self, run: SessionId) {
        if !self.is_run(Seat::OrderRouter, run) || self.road.is_alive {
            return;
        }
        let is_closed = self.now < self.road.closed_until
            || self.exchange.status() == SystemStatus::Maintenance
            || self.is_router_paused();
        if is_closed {
            let delay = self.delay(200_000, 1_200_000);
            return self.post(delay, Event::Connect(run));
        }
        self.road.is_alive = true;
        self.road.is_up = true;
        self.exchange.hear_life(self.now);
        self.note("! private connection up".to_owned());
        self.tell_router(VenueReport::Session { is_up: true });
    }

    /// Looks whether what was to be taken back is gone; anything that is in the router's way gives it more time.
    pub(super) fn judge_taking(&mut self) {
        let now = self.now;
        let is_served = self
            .process(Seat::OrderRouter)
            .is_some_and(|one| one.is_caught_up && !one.is_paused(now) && !one.is_cut(now));
        let road = &self.road;
        let is_lossy = now < road.requests_lost_until.max(road.answers_lost_until);
        let is_disturbed = !is_served || !road.is_alive || !road.is_up || is_lossy;
        if let Some(detail) = self.taking.judge(now, is_disturbed) {
            self.checks.breach(now, Rule::AccountIsTakenBack, None, detail);
        }
    }

    fn is_router_paused(&self) -> bool {
        self.process(Seat::OrderRouter).is_some_and(|process| process.is_paused(self.now))
    }

    /// Breaks the private connection; the session notices a little later.
    pub(super) fn break_private(&mut self) {
        self.road.cut();
        if let Some(run) = self.process(Seat::OrderRouter).map(|process| process.run) {
            let delay = self.delay(1_000, 1_500_000);
            self.post(delay, Event::Lost(run));
        }
    }

    pub(super) fn session_lost(&mut self, run: SessionId) {
        if !self.is_run(Seat::OrderRouter, run) || self.road.is_alive {
            return;
        }
        if std::mem::replace(&mut self.road.is_up, false) {
            self.tell_router(VenueReport::Session { is_up: false });
        }
        self.post(DurationNs::from_ms(50), Event::Connect(run));
    }

    fn tell_router(&mut self, report: VenueReport) {
        self.give(Seat::OrderRouter, Input::Local(LocalIn::Router(RouterInput::Venue(report))));
    }

    /// Sends a command of the router, whose clock shows `own`.
    pub(super) fn send_command(&mut self, own: Timestamp, command: VenueCommand) {
        let mut is_cancel = false;
        match &command {
            VenueCommand::Submit(order) => {
                let (request, expires_at) = (order.request().clone(), order.expires_at());
                self.checks.sent(self.now, own, &request, expires_at);
                let id = request.cl_ord_id;
                self.note(format!("order-router sends {id} {} at {}", request.qty, request.price));
            }
            VenueCommand::Cancel { cl_ord_id, order_id: _ } => {
                is_cancel = true;
                self.checks.cancels(self.now, cl_ord_id);
                self.note(format!("order-router sends the cancel of {cl_ord_id}"));
            }
            VenueCommand::CancelAccount => {
                is_cancel = true;
                if let Some(detail) = self.taking.asked(self.now) {
                    self.checks.breach(self.now, Rule::ForeignOrdersAreLeft, None, detail);
                }
                self.note("order-router takes back every order of the account".to_owned());
            }
            // This session keeps nothing back: what was asked for has left, or is lost.
            VenueCommand::ForgetCancelAccount => return,
            VenueCommand::QueryOpenOrders { .. } | VenueCommand::QueryAccount => {}
        }
        let is_query =
            matches!(command, VenueCommand::QueryOpenOrders { .. } | VenueCommand::QueryAccount);
        let loses = self.now < self.road.requests_lost_until && !is_query;
        let is_lost = self.road.is_alive && loses && self.is_drawn(LOST_PPM);
        if is_lost {
            self.count(FaultKind::RequestsLost);
        }
        if !self.road.is_alive || is_lost {
            return self.note("  which is lost on its way".to_owned());
        }
        let delay = self.delay(2_000, 40_000);
        let road = &mut self.road;
        let last = if is_cancel { &mut road.cancels_at } else { &mut road.orders_at };
        let at = self.now.saturating_add(delay).max(*last);
        *last = at;
        let conn = road.conn;
        self.post_at(at, Event::Command { conn, command });
    }

    pub(super) fn command_arrives(&mut self, conn: u64, command: VenueCommand) {
        // Bytes of a broken connection may have arrived before it broke.
        if conn != self.road.conn && self.is_drawn(LOST_PPM) {
            return self.note("a command is lost with its connection".to_owned());
        }
        if matches!(command, VenueCommand::CancelAccount) {
            self.taking.taken();
        }
        self.exchange.command(self.now, command);
    }

    /// Takes what the exchange has said, shows it to the checks, and sends it to our session.
    pub(super) fn fetch_reports(&mut self) {
        for mut report in self.exchange.reports() {
            self.checks.happened(self.now, &report, &self.exchange.asked);
            if let Some(text) = told(&report) {
                self.note(text);
            }
            if !self.road.is_alive {
                continue;
            }
            let is_answer = matches!(
                report,
                VenueReport::Accepted { .. }
                    | VenueReport::Rejected { .. }
                    | VenueReport::Cancelled { .. }
                    | VenueReport::CancelRejected { .. }
            );
            let loses = self.now < self.road.answers_lost_until && is_answer;
            if loses && self.is_drawn(LOST_PPM) {
                self.count(FaultKind::AnswersLost);
                self.note("  and its answer is lost".to_owned());
                continue;
            }
            self.falsify(&mut report);
            let conn = self.road.conn;
            let is_fill = matches!(report, VenueReport::Filled { .. });
            if is_fill && self.now < self.road.fills_late_until {
                self.count(FaultKind::FillsLate);
                let delay = self.delay(100_000, 4_000_000);
                self.post(delay, Event::Report { conn, report });
                continue;
            }
            let delay = self.delay(2_000, 40_000);
            let at = self.now.saturating_add(delay).max(self.road.reports_at);
            self.road.reports_at = at;
            self.post_at(at, Event::Report { conn, report });
        }
    }

    pub(super) fn report_arrives(&mut self, conn: u64, report: VenueReport) {
        if conn != self.road.conn {
            return;
        }
        match &report {
            VenueReport::Filled { fill, .. } => {
                if !self.road.told.insert(fill.exec_id.clone()) {
                    return;
                }
                if self.is_drawn(TOLD_TWICE_PPM) && self.kinds.has(FaultKind::FillTwice) {
                    self.count(FaultKind::FillTwice);
                    self.tell_router(report.clone());
                }
            }
            VenueReport::OpenOrders { .. } => self.tell_missed(),
            VenueReport::Accepted { .. }
            | VenueReport::Replaced { .. }
            | VenueReport::Rejected { .. }
            | VenueReport::Cancelled { .. }
            | VenueReport::CancelRejected { .. }
            | VenueReport::SubmitUnknown { .. }
            | VenueReport::Balances(_)
            | VenueReport::Fees(_)
            | VenueReport::Session { .. }
            | VenueReport::Guard { .. } => {}
        }
        self.tell_router(report);
    }

    /// Tells every execution that was not told: asked for by the session before it tells what is open.
    fn tell_missed(&mut self) {
        let told = &self.road.told;
        let missed = self.exchange.executions.iter();
        let missed: Vec<_> = missed.filter(|one| !told.contains(&one.fill.exec_id)).collect();
        let missed: Vec<_> = missed.into_iter().cloned().collect();
        for one in missed {
            self.road.told.insert(one.fill.exec_id.clone());
            self.tell_router(VenueReport::Filled {
                cl_ord_id: one.cl_ord_id,
                order_id: one.order_id,
                fill: one.fill,
                cum_qty: one.cum_qty,
                venue_time: one.venue_time,
            });
        }
    }

    /// Does what is done each second: the venue tells that it lives, and hears it of us.
    pub(super) fn second(&mut self) {
        self.post(DurationNs::from_s(1), Event::Second);
        let frames = self.exchange.each_second(self.now);
        self.tell_feed(frames);
        if self.road.is_alive && !self.is_router_paused() {
            self.exchange.hear_life(self.now);
        }
    }

    /// Sends frames to the ingestor.
    pub(super) fn tell_feed(&mut self, frames: Vec<String>) {
        for text in frames {
            if !self.feed.is_alive {
                continue;
            }
            if self.now < self.feed.silent_until {
                self.count(FaultKind::FeedSilent);
                continue;
            }
            let gaps = self.now < self.feed.gaps_until && text.starts_with('B');
            if gaps && self.is_drawn(FRAMES_LOST_PPM) {
                self.count(FaultKind::FeedGaps);
                continue;
            }
            let delay = self.delay(500, 8_000);
            let at = self.now.saturating_add(delay).max(self.feed.frames_at);
            self.feed.frames_at = at;
            let conn = self.feed.conn;
            self.post_at(at, Event::Frame { conn, text });
        }
    }

    pub(super) fn frame_arrives(&mut self, conn: u64, text: String) {
        if conn != self.feed.conn {
            return;
        }
        let Some(process) = self.processes.get_mut(&Seat::Ingestor) else { return };
        let receive_time = process.clock.read(self.now);
        self.tell_ingestor(FeedInput::Frame { conn: CONN, receive_time, text });
    }

    fn tell_ingestor(&mut self, input: FeedInput) {
        self.give(Seat::Ingestor, Input::Local(LocalIn::Feed(input)));
    }

    /// Carries out what the ingestor asks of its socket.
    pub(super) fn link(&mut self, command: LinkCommand) {
        let Some(run) = self.process(Seat::Ingestor).map(|process| process.run) else { return };
        match command {
            LinkCommand::Connect { conn: _, url: _ } => {
                let delay = self.delay(5_000, 60_000);
                self.post(delay, Event::FeedUp(run));
            }
            LinkCommand::Send { conn: _, text } => {
                let (conn, delay) = (self.feed.conn, self.delay(500, 8_000));
                self.post(delay, Event::FeedSaid { conn, text });
            }
            LinkCommand::Close { conn: _ } => {
                self.cut_feed();
                self.post(DurationNs::from_ms(1), Event::FeedLost(run));
            }
        }
    }

    pub(super) fn feed_up(&mut self, run: SessionId) {
        if !self.is_run(Seat::Ingestor, run) {
            return;
        }
        if self.now < self.feed.closed_until || self.exchange.status() == SystemStatus::Maintenance
        {
            return self.post(DurationNs::from_ms(20), Event::FeedLost(run));
        }
        self.cut_feed();
        self.feed.is_alive = true;
        self.tell_ingestor(FeedInput::Connected { conn: CONN });
    }

    pub(super) const fn cut_feed(&mut self) {
        self.feed.conn = self.feed.conn.saturating_add(1);
        self.feed.is_alive = false;
    }

    /// Breaks the feed's connection; the ingestor notices a little later.
    pub(super) fn break_feed(&mut self) {
        let was_alive = self.feed.is_alive;
        self.cut_feed();
        if let Some(run) = self.process(Seat::Ingestor).map(|process| process.run)
            && was_alive
        {
            let delay = self.delay(1_000, 500_000);
            self.post(delay, Event::FeedLost(run));
        }
    }

    pub(super) fn feed_lost(&mut self, run: SessionId) {
        if self.is_run(Seat::Ingestor, run) && !self.feed.is_alive {
            let detail = "the connection is gone".to_owned();
            self.tell_ingestor(FeedInput::Disconnected { conn: CONN, detail });
        }
    }

    pub(super) fn feed_said(&mut self, conn: u64, text: &str) {
        if conn != self.feed.conn || !self.feed.is_alive {
            return;
        }
        let frames = match text.strip_prefix("snapshot ") {
            Some(symbol) => self.exchange.snapshot(self.now, symbol).into_iter().collect(),
            None => self.exchange.greeting(self.now),
        };
        self.tell_feed(frames);
    }
}

/// Tells a report in a line, where it is about one order.
fn told(report: &VenueReport) -> Option<String> {
    match report {
        VenueReport::Accepted { cl_ord_id, .. } => Some(format!("exchange accepts {cl_ord_id}")),
        VenueReport::Replaced { orig_cl_ord_id: orig, cl_ord_id, order_qty, .. } => {
            Some(format!("exchange puts {cl_ord_id} in the place of {orig}: {order_qty} open"))
        }
        VenueReport::Rejected { cl_ord_id, reason, .. } => {
            Some(format!("exchange refuses {cl_ord_id}: {reason:?}"))
        }
        VenueReport::Filled { cl_ord_id, fill, cum_qty, .. } => {
            let (qty, id) = (fill.last_qty, &fill.exec_id);
            Some(format!("exchange fills {cl_ord_id}: {qty} as {id}, cum {cum_qty}"))
        }
        VenueReport::Cancelled { cl_ord_id, .. } => Some(format!("exchange cancels {cl_ord_id}")),
        VenueReport::CancelRejected { cl_ord_id, reason, .. } => {
            Some(format!("exchange refuses the cancel of {cl_ord_id}: {reason:?}"))
        }
        VenueReport::SubmitUnknown { .. }
        | VenueReport::OpenOrders { .. }
        | VenueReport::Balances(_)
        | VenueReport::Fees(_)
        | VenueReport::Session { .. }
        | VenueReport::Guard { .. } => None,
    }
}
