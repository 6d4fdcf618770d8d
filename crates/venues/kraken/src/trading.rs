//! Order entry at Kraken Spot: one account's session as a machine. Never opens a socket.
//!
//! In: approved orders, cancels and queries of the router; frames, ends of calls, reserved nonces; definitions; what
//! earlier runs said of their orders. Out: reports, frames, calls, problems.
//!
//! Invariants:
//! - An order is sent at most once. A send without an answer is unknown until the venue's own lists settle it, never by
//!   time alone ([`settle`]).
//! - Every execution is reported once; an order's end only after all its fills ([`orders`]).
//! - Cancels leave before new orders and wait for no budget ([`acts`]); our counters are never below the venue's
//!   ([`budget`]).
//! - One allocator gives a key's nonces, from blocks that are stored before they are used ([`nonce`]).
//! - The session is up only while our key may trade and may not take money out ([`key`]), names are known, open orders
//!   were compared, the venue's timer is armed (unless it is off) and the venue is heard.
//! - Any text of the venue is survived; what could not be read is told without what it said ([`codec`]).
//!
//! What must never happen here: a key, secret, token or account's figure in a problem or in `Debug`.
//! Source of all venue rules: Kraken Spot REST reference and WebSocket v2 reference (checked June 2026).
//! Test alone: `cargo nextest run -p remora-kraken trading`.

mod account;
mod account_cancel;
mod acts;
mod amends;
mod answers;
mod budget;
mod calls;
mod codec;
mod errors;
mod frames;
mod guard;
mod key;
mod link;
mod names;
mod nonce;
mod orders;
mod requests;
mod settings;
mod settle;
mod sought;
mod stream;
#[cfg(test)]
mod tests;

pub use settings::RATE_TIERS;

use account::Reads;
use budget::Budget;
use calls::Calls;
use guard::Guard;
use link::Link;
use names::Names;
use nonce::Nonces;
use orders::{Orders, Out};
use remora_domain::{
    AccountId, ClOrdId, DurationNs, InstrumentKey, OrderEventReason, OrderId, SettingProblem,
    Timestamp, VenueId, VenueReport,
};
use remora_machine::Machine;
use remora_venue_api::{
    Confidential, DeadMan, OrderEntry, OrderEntrySettings, Problem, ProblemKind, VenueCommand,
    VenueInput, VenueOutput,
};
use requests::Requests;
use settle::Settle;
use std::collections::VecDeque;

/// The most characters of a problem's detail.
const DETAIL_CHARS: usize = 300;
/// The session waits so long for the socket before it comes up without.
const SOCKET_PATIENCE: DurationNs = DurationNs::from_s(10);
/// A venue that was not heard for so long is not there.
const UNHEARD_MAX: DurationNs = DurationNs::from_s(15);
/// How long the end may take.
const STOP_MAX: DurationNs = DurationNs::from_s(2);
/// Two looks at what is due are at least so far apart.
const TICK_MIN: DurationNs = DurationNs::from_ms(1);

/// Says how far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Running { since: Timestamp },
    Stopping { until: Timestamp },
    Ended,
}

impl Phase {
    const fn is_running(self) -> bool {
        matches!(self, Self::Running { .. })
    }
}

/// Is the order-entry session of one account.
#[derive(Debug)]
pub struct KrakenTrading {
    venue: VenueId,
    account: AccountId,
    private_url: String,
    is_rest_only: bool,
    dead_man: DeadMan,
    guard_seconds: u32,
    cl_ord_id_prefix: String,
    key: Confidential,
    phase: Phase,
    is_up: bool,
    seen_at: Timestamp,
    /// How far the venue's clock is ahead of ours.
    offset: DurationNs,
    nonces: Nonces,
    calls: Calls,
    names: Names,
    budget: Budget,
    orders: Orders,
    cancels: VecDeque<(ClOrdId, Option<OrderId>)>,
    /// Every order of the account is wanted back, as the router said last.
    is_account_cancel_wanted: bool,
    /// The request for that is to leave.
    is_account_cancel_due: bool,
    orders_paused_until: Timestamp,
    /// Calls that changed the venue since the last read.
    acts_in_row: u32,
    requests: Requests,
    link: Link,
    resubscribed_at: Option<Timestamp>,
    settle: Settle,
    guard: Guard,
    reads: Reads,
    locked_until: Timestamp,
    /// Whether the message of the stream at hand follows the one before, and none before it is missing.
    is_stream_sure: bool,
}

impl KrakenTrading {
    /// Makes a session that has done nothing yet; earlier events and `Start` come first.
    ///
    /// # Errors
    /// Lists every setting that is impossible, with keys below `live`.
    pub fn new(settings: OrderEntrySettings) -> Result<Self, Vec<SettingProblem>> {
        let checked = settings::check(&settings)?;
        let key = settings.credentials.key;
        Ok(Self {
            names: Names::new(settings.venue.clone()),
            venue: settings.venue,
            account: settings.account,
            private_url: settings.private_url,
            is_rest_only: settings.is_rest_only,
            dead_man: settings.dead_man,
            guard_seconds: checked.guard_seconds,
            cl_ord_id_prefix: settings.cl_ord_id_prefix,
            phase: Phase::Idle,
            is_up: false,
            seen_at: Timestamp::EPOCH,
            offset: DurationNs::ZERO,
            nonces: Nonces::new(settings.nonces_from),
            calls: Calls::new(settings.rest_url, key.clone(), checked.signer),
            key,
            budget: Budget::new(checked.tier),
            orders: Orders::default(),
            cancels: VecDeque::new(),
            is_account_cancel_wanted: false,
            is_account_cancel_due: false,
            orders_paused_until: Timestamp::EPOCH,
            acts_in_row: 0,
            requests: Requests::default(),
            link: Link::new(settings.seed),
            resubscribed_at: None,
            settle: Settle::default(),
            guard: Guard::default(),
            reads: Reads::default(),
            locked_until: Timestamp::EPOCH,
            is_stream_sure: false,
        })
    }

    fn start(&mut self, now: Timestamp, out: &mut Out) {
        if self.phase != Phase::Idle {
            return;
        }
        self.phase = Phase::Running { since: now };
        if let Some(until) = self.nonces.used_until(now) {
            self.budget.used_until(until);
        }
        // What an earlier run sent last may still arrive.
        self.orders.begin(now.saturating_add(acts::DEADLINE));
        self.settle.doubt(now);
        self.settle.want(now);
        self.query_account(now, out);
        if !self.is_rest_only {
            self.link.start();
        }
        out.push(VenueOutput::Report(VenueReport::Session { is_up: false }));
    }

    fn command(&mut self, now: Timestamp, command: VenueCommand, out: &mut Out) {
        match command {
            VenueCommand::Submit(approved) => self.submit(now, &approved, out),
            VenueCommand::Cancel { cl_ord_id, order_id } => {
                self.cancel(now, cl_ord_id, order_id, out);
            }
            VenueCommand::CancelAccount => self.want_account_cancel(true),
            VenueCommand::ForgetCancelAccount => self.want_account_cancel(false),
            // One that was asked before the session went down is asked again when it is up.
            VenueCommand::QueryOpenOrders { .. } if !self.is_up => {}
            VenueCommand::QueryOpenOrders { asked_at } => self.settle.owe(asked_at),
            VenueCommand::QueryAccount => self.query_account(now, out),
        }
    }

    /// Ends: nothing new is sent; where nothing of ours is open, the timer is taken off.
    fn stop(&mut self, now: Timestamp, out: &mut Out) {
        let is_armed = self.guard.armed_at.is_some();
        let was_running = self.phase.is_running();
        self.phase = Phase::Stopping { until: now.saturating_add(STOP_MAX) };
        let waiting: Vec<ClOrdId> = self.orders.waiting().map(|(id, _)| id.clone()).collect();
        for id in waiting {
            self.orders.refused(now, &id, OrderEventReason::Halted, out);
        }
        if was_running && is_armed && self.orders.live_count() == 0 {
            self.set_guard(now, 0, out);
        } else {
            self.stopped(out);
        }
    }

    fn stopped(&mut self, out: &mut Out) {
        if !matches!(self.phase, Phase::Stopping { .. }) {
            return;
        }
        self.phase = Phase::Ended;
        if self.link.closing(Timestamp::MAX) {
            out.push(VenueOutput::Close { conn: self.link.conn() });
        }
        self.link.end();
        out.push(VenueOutput::Stopped);
    }

    /// Tells whether orders that are not ours forbid sending ours.
    fn is_blocked(&self) -> bool {
        matches!(self.dead_man, DeadMan::Guard(_)) && self.settle.foreign > 0
    }

    /// Tells whether the timer is armed, and was renewed not too long ago.
    fn is_guarded(&self, now: Timestamp) -> bool {
        let most = DurationNs::from_ms(i64::from(self.guard_seconds) * 1_000 * 2 / 3);
        let is_fresh = |at: Timestamp| now < at.saturating_add(most);
        self.guard_seconds == 0 || self.guard.armed_at.is_some_and(is_fresh)
    }

    fn is_venue_heard(&self, now: Timestamp, since: Timestamp) -> bool {
        let is_called = |at: Timestamp| now < at.saturating_add(UNHEARD_MAX);
        let has_waited = self.is_rest_only || since.saturating_add(SOCKET_PATIENCE) <= now;
        let was_up = self.is_up || has_waited;
        self.link.is_live() || (was_up && self.reads.heard_at.is_some_and(is_called))
    }

    /// Comes up or goes down, and tells whether its timer is armed. Down comes first: armed is never told of a timer that was
    /// not renewed within two thirds of its time.
    fn check_up(&mut self, now: Timestamp, out: &mut Out) {
        let is_up = match self.phase {
            Phase::Running { since } => {
                self.names.is_complete()
                    && self.reads.is_key_good()
                    && self.settle.has_completed
                    && self.is_guarded(now)
                    && !self.is_blocked()
                    && self.locked_until <= now
                    && self.is_venue_heard(now, since)
            }
            Phase::Idle | Phase::Stopping { .. } | Phase::Ended => false,
        };
        if is_up != std::mem::replace(&mut self.is_up, is_up) {
            self.settle.forget_owed();
            out.push(VenueOutput::Report(VenueReport::Session { is_up }));
        }
        // A session whose timer is not kept where it is demanded is down, and of one that is down nothing is told.
        let is_guarded = is_up.then(|| self.guard_seconds > 0 && self.is_guarded(now));
        if is_guarded != std::mem::replace(&mut self.guard.told, is_guarded)
            && let Some(is_guarded) = is_guarded
        {
            out.push(VenueOutput::Report(VenueReport::Guard { is_guarded }));
        }
    }

    /// Does everything that can be done now.
    fn proceed(&mut self, now: Timestamp, out: &mut Out) {
        match self.phase {
            Phase::Idle | Phase::Ended => return,
            Phase::Stopping { until } if until <= now => return self.stopped(out),
            Phase::Running { .. } | Phase::Stopping { .. } => {}
        }
        if let Some(until) = self.nonces.wanted(now) {
            out.push(VenueOutput::ReserveNonces { until });
        }
        self.lose_requests(now, out);
        self.tick_link(now, out);
        self.settle_finish(now, out);
        self.check_up(now, out);
        self.send_acts(now, out);
        self.send_reads(now, out);
    }

    /// Tells whether an order carries our name.
    fn is_our_name(&self, id: &ClOrdId) -> bool {
        id.as_str().starts_with(&self.cl_ord_id_prefix)
    }

    /// Gives text of the venue without anything that is nobody's business.
    fn scrubbed(&self, text: &str) -> String {
        let token = self.link.token.as_ref().map_or("", Confidential::expose);
        let secrets = [self.key.expose(), token];
        let text: String = text.chars().take(DETAIL_CHARS).collect();
        secrets
            .into_iter()
            .filter(|secret| !secret.is_empty())
            .fold(text, |text, secret| text.replace(secret, "***"))
    }

    fn problem(
        &self,
        kind: ProblemKind,
        instrument: Option<InstrumentKey>,
        detail: String,
        out: &mut Out,
    ) {
        let detail = detail.chars().take(DETAIL_CHARS).collect();
        out.push(VenueOutput::Problem(Problem {
            kind,
            instrument,
            conn: self.link.conn(),
            detail,
        }));
    }
}

impl Machine for KrakenTrading {
    type Input = VenueInput;
    type Output = VenueOutput;

    fn handle(&mut self, now: Timestamp, input: VenueInput, out: &mut Out) {
        self.seen_at = now;
        match input {
            VenueInput::Start => self.start(now, out),
            VenueInput::Stop => self.stop(now, out),
            VenueInput::Command(command) => self.command(now, command, out),
            VenueInput::Instrument(instrument) => self.names.define(instrument),
            VenueInput::Restored(event) => self.orders.restore(&event),
            VenueInput::Connected { conn } => self.on_connected(now, conn, out),
            VenueInput::Frame { conn, receive_time: _, text } => {
                self.on_frame(now, conn, text.expose(), out);
            }
            VenueInput::Disconnected { conn, detail: _ } => self.on_disconnected(now, conn, out),
            VenueInput::CallEnded { call, end } => self.on_call(now, call, &end, out),
            VenueInput::NoncesReserved { until } => self.nonces.reserved(until),
            // Only simulated venues look at the market.
            VenueInput::Book { .. } | VenueInput::Trade { .. } => return,
        }
        self.proceed(now, out);
    }

    fn tick(&mut self, now: Timestamp, out: &mut Out) {
        self.seen_at = now;
        self.proceed(now, out);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let now = self.seen_at;
        let at = match self.phase {
            Phase::Idle | Phase::Ended => return None,
            Phase::Stopping { until } => Some(until),
            Phase::Running { since } => {
                let most = DurationNs::from_ms(i64::from(self.guard_seconds) * 1_000 * 2 / 3);
                let lapse = self.guard.armed_at.filter(|_| self.is_up);
                let lapse = lapse.map(|at| at.saturating_add(most));
                let waits = [Some(since.saturating_add(SOCKET_PATIENCE)), Some(self.locked_until)];
                let waits = waits.into_iter().flatten().filter(|at| *at > now);
                let next = [
                    Some(self.nonces.next_wanted(now)),
                    self.link.next_deadline(),
                    self.next_act(now),
                    self.next_read_at(now),
                    lapse,
                ];
                next.into_iter().flatten().chain(waits).min()
            }
        };
        at.map(|at| at.max(now.saturating_add(TICK_MIN)))
    }
}

impl OrderEntry for KrakenTrading {}
