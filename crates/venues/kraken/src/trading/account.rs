//! What is asked by calls: names, the clock, tokens, balances, fees; and what comes back of every call.

use super::KrakenTrading;
use super::acts::Outcome;
use super::answers::{self, Answer};
use super::calls::{Ask, Flight};
use super::codec::Unreadable;
use super::errors::{Meaning, meaning};
use super::key;
use super::orders::Out;
use remora_domain::{
    Balances, DurationNs, FeeSchedule, OrderEventReason as Reason, Timestamp, VenueReport,
};
use remora_venue_api::{CallEnd, CallId, ProblemKind, VenueOutput};

/// Names of pairs and assets are read again this often: listings change.
const NAMES_AGE_MAX: DurationNs = DurationNs::from_s(3_600);
/// The fee tier is read again this often.
const FEES_AGE_MAX: DurationNs = DurationNs::from_s(300);
/// Changes of balances are read together.
const BALANCES_PAUSE: DurationNs = DurationNs::from_s(2);
/// First and last pause after calls that failed: nothing is quoted until a router that starts has read what it must.
const RETRY_FIRST: DurationNs = DurationNs::from_ms(500);
const RETRY_MAX: DurationNs = DurationNs::from_s(5);
/// No call is made for so long after the venue said that the key is no good: repeating it leads to a lock-out.
const LOCKED_PAUSE: DurationNs = DurationNs::from_s(60);
/// The venue's clock is not read again sooner than this because of what it refuses.
const CLOCK_DOUBT_PAUSE: DurationNs = DurationNs::from_s(10);
/// Pairs are not listed again sooner than this because of a name that nobody knew.
const NAMES_DOUBT_PAUSE: DurationNs = DurationNs::from_s(5);
/// Pairs whose fees are asked for at once.
const FEE_PAIRS_MAX: usize = 50;

/// Is when what was read last, and what is wanted.
#[derive(Debug, Default)]
pub(super) struct Reads {
    names_at: Option<Timestamp>,
    has_assets: bool,
    time_at: Option<Timestamp>,
    /// The venue refused a deadline: one of both clocks has moved.
    is_clock_doubted: bool,
    key_at: Option<Timestamp>,
    /// Why our key is not used; empty for a good one, `None` before it was looked at.
    key_objection: Option<String>,
    fees: Option<(Timestamp, FeeSchedule)>,
    are_fees_owed: bool,
    /// The fees of the pairs asked for so far, and how many those are: all of them need several calls.
    fees_so_far: Option<(usize, FeeSchedule)>,
    balances_at: Option<Timestamp>,
    /// Balances are wanted from then on.
    balances_from: Option<Timestamp>,
    /// No read before that.
    paused_until: Timestamp,
    failures: u32,
    /// When a call last came back.
    pub(super) heard_at: Option<Timestamp>,
}

impl Reads {
    /// Tells whether our key may be used.
    pub(super) fn is_key_good(&self) -> bool {
        self.key_objection.as_ref().is_some_and(String::is_empty)
    }

    /// Gives how long what was read of the key counts: one that is not used may be mended meanwhile.
    fn key_age_max(&self) -> DurationNs {
        if self.is_key_good() { NAMES_AGE_MAX } else { LOCKED_PAUSE }
    }

    /// Notes that what was asked is wanted again from then on, or not any more.
    const fn note(&mut self, ask: &Ask, from: Option<Timestamp>) {
        match ask {
            Ask::Balances => self.balances_from = from,
            Ask::Fees(_) => self.are_fees_owed = from.is_some(),
            // Where it fails, the next deadline that is refused asks again.
            Ask::Time => self.is_clock_doubted = false,
            Ask::Assets
            | Ask::Pairs
            | Ask::KeyInfo
            | Ask::Token
            | Ask::OpenOrders
            | Ask::Orders(_)
            | Ask::Closed(_)
            | Ask::ClosedPage { .. }
            | Ask::Trades { .. }
            | Ask::Act(_) => {}
        }
    }
}

fn is_older(at: Option<Timestamp>, age: DurationNs, now: Timestamp) -> bool {
    at.is_none_or(|at| at.saturating_add(age) <= now)
}

impl KrakenTrading {
    /// Answers a query of the account.
    pub(super) fn query_account(&mut self, now: Timestamp, out: &mut Out) {
        self.reads.balances_from = Some(now);
        match self.reads.fees {
            Some((at, fees)) if at.saturating_add(FEES_AGE_MAX) > now => {
                out.push(VenueOutput::Report(VenueReport::Fees(fees)));
            }
            Some(_) | None => self.reads.are_fees_owed = true,
        }
    }

    /// Reads the venue's clock again, unless it was read just now.
    pub(super) fn doubt_clock(&mut self, now: Timestamp) {
        self.reads.is_clock_doubted |= is_older(self.reads.time_at, CLOCK_DOUBT_PAUSE, now);
    }

    /// Wants balances soon: several changes are read together.
    pub(super) fn want_balances(&mut self, now: Timestamp) {
        let last = self.reads.balances_at.map_or(now, |at| at.saturating_add(BALANCES_PAUSE));
        let from = last.max(now);
        let wanted = self.reads.balances_from;
        self.reads.balances_from = Some(wanted.map_or(from, |before| before.min(from)));
    }

    /// Gives what is to be read next, most urgent first.
    fn next_read(&self, now: Timestamp) -> Option<Ask> {
        let reads = &self.reads;
        if reads.is_clock_doubted || is_older(reads.time_at, NAMES_AGE_MAX, now) {
            return Some(Ask::Time);
        }
        if !reads.has_assets {
            return Some(Ask::Assets);
        }
        if is_older(reads.names_at, NAMES_AGE_MAX, now) {
            return Some(Ask::Pairs);
        }
        if is_older(reads.key_at, reads.key_age_max(), now) {
            return Some(Ask::KeyInfo);
        }
        if self.link.wants_token() {
            return Some(Ask::Token);
        }
        if let Some(ask) = self.settle_next(now) {
            return Some(ask);
        }
        if self.reads.balances_from.is_some_and(|from| from <= now) {
            return Some(Ask::Balances);
        }
        let is_fee_due = is_older(self.reads.fees.map(|(at, _)| at), FEES_AGE_MAX, now);
        if is_fee_due || self.reads.are_fees_owed {
            let asked = self.reads.fees_so_far.map_or(0, |(asked, _)| asked);
            // There may be fewer pairs by now; then the first ones are asked for once more.
            let asked = if asked < self.names.defined().count() { asked } else { 0 };
            let pairs = self.names.defined().skip(asked).take(FEE_PAIRS_MAX);
            let pairs: Vec<String> = pairs.map(|pair| pair.altname.clone()).collect();
            return (!pairs.is_empty()).then_some(Ask::Fees(pairs));
        }
        None
    }

    /// Tells whether something is to be read and may be.
    pub(super) fn is_read_due(&self, now: Timestamp) -> bool {
        let is_free = self.reads.paused_until <= now;
        let ask = self.next_read(now).filter(|_| is_free);
        ask.is_some_and(|ask| self.budget.rest_wait(now, ask.points(false)).is_none())
    }

    /// Asks the next thing, one at a time.
    pub(super) fn send_reads(&mut self, now: Timestamp, out: &mut Out) {
        if self.calls.flights().next().is_some() || now < self.reads.paused_until {
            return;
        }
        let Some(ask) = self.next_read(now) else { return };
        if self.budget.rest_wait(now, ask.points(false)).is_some() {
            return;
        }
        let fields = ask.fields();
        let asked = ask.clone();
        if self.send_call(now, ask, Vec::new(), &fields, out) {
            self.acts_in_row = 0;
            self.settle_asked(now, &asked);
            self.reads.note(&asked, None);
        }
    }

    /// Gives when something is to be read.
    pub(super) fn next_read_at(&self, now: Timestamp) -> Option<Timestamp> {
        if self.calls.flights().next().is_some() {
            return None;
        }
        if let Some(ask) = self.next_read(now) {
            if !ask.is_public() && !self.nonces.has(now) {
                return None; // what reserves them wakes us
            }
            let wait = self.budget.rest_wait(now, ask.points(false)).unwrap_or_default();
            return Some(now.saturating_add(wait).max(self.reads.paused_until));
        }
        let reads = &self.reads;
        let later = |at: Option<Timestamp>, age| at.map(|at: Timestamp| at.saturating_add(age));
        let fees = later(reads.fees.map(|(at, _)| at), FEES_AGE_MAX);
        let fees = fees.filter(|_| self.names.defined().next().is_some());
        [
            later(reads.time_at, NAMES_AGE_MAX),
            later(reads.names_at, NAMES_AGE_MAX),
            later(reads.key_at, reads.key_age_max()),
            self.settle.next_deadline(),
            reads.balances_from,
            fees,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Takes in the end of a call.
    pub(super) fn on_call(&mut self, now: Timestamp, call: CallId, end: &CallEnd, out: &mut Out) {
        let Some(Flight { ask, cost, points, sent_at }) = self.calls.take(call) else { return };
        self.budget.rest_settled(now, points);
        let (body, answer) = match end {
            CallEnd::Answered { status, body } => {
                let body = body.expose();
                self.reads.heard_at = Some(now);
                (body, Some(answers::answer(ask.name(), *status, body)))
            }
            CallEnd::Failed { .. } => ("", None),
        };
        if let Some(Answer::Refused(error)) = &answer
            && error.starts_with("EAPI:Rate limit")
        {
            self.budget.rest_full(now);
        }
        if let Ask::Act(act) = &ask {
            let is_unsent = matches!(end, CallEnd::Failed { is_maybe_sent: false, .. });
            let outcome = match &answer {
                Some(Answer::Good(result)) => Outcome::Good(Some(result)),
                Some(Answer::Refused(error)) => Outcome::Refused(error),
                Some(Answer::Unreadable(error)) => {
                    self.unread(*error, body, out);
                    Outcome::Lost
                }
                None if is_unsent => Outcome::Unsent,
                None => Outcome::Lost,
            };
            return self.acted(now, act, (&cost, sent_at), &outcome, out);
        }
        match answer {
            Some(Answer::Good(result)) => match self.read(now, &ask, result, out) {
                Ok(()) => self.reads.failures = 0,
                Err(error) => {
                    self.unread(error, body, out);
                    self.doubt_names(now, error);
                    self.read_failed(now, &ask);
                }
            },
            Some(Answer::Refused(error)) => self.read_refused(now, &ask, &error, out),
            Some(Answer::Unreadable(error)) => {
                self.unread(error, body, out);
                self.read_failed(now, &ask);
            }
            None => self.read_failed(now, &ask),
        }
    }

    fn read(
        &mut self,
        now: Timestamp,
        ask: &Ask,
        result: &str,
        out: &mut Out,
    ) -> Result<(), Unreadable> {
        match ask {
            Ask::Time => {
                self.offset = answers::time(result)?.since(now);
                self.reads.time_at = Some(now);
            }
            Ask::Assets => {
                self.names.read_assets(result)?;
                self.reads.has_assets = true;
            }
            Ask::Pairs => {
                self.names.read_pairs(result)?;
                self.reads.names_at = Some(now);
            }
            Ask::KeyInfo => self.on_key(now, &answers::permissions(result)?, out),
            Ask::Token => {
                let token = answers::token(result)?;
                if self.link.got_token(now, token.into()) {
                    let (conn, url) = (self.link.conn(), self.private_url.clone());
                    out.push(VenueOutput::Connect { conn, url });
                }
            }
            Ask::Balances => {
                let entries = answers::balances(result, &self.names)?;
                self.reads.balances_at = Some(now);
                let (account, venue) = (self.account.clone(), self.venue.clone());
                let balances = Balances { account, venue, entries };
                out.push(VenueOutput::Report(VenueReport::Balances(balances)));
            }
            Ask::Fees(pairs) => self.on_fees(now, pairs.len(), answers::fees(result)?, out),
            Ask::OpenOrders => self.on_open_orders(now, result, out)?,
            Ask::Orders(_) => self.on_orders(now, result, out)?,
            Ask::Closed(id) => self.on_closed(now, id, result, out)?,
            Ask::ClosedPage { .. } => self.on_closed_page(now, result, out)?,
            Ask::Trades { .. } => self.on_trades(now, result, out)?,
            Ask::Act(_) => {}
        }
        Ok(())
    }

    /// Takes in the fees of so many further pairs; once all have been asked for, the highest are told, so that no fill
    /// costs more than told.
    fn on_fees(&mut self, now: Timestamp, pairs: usize, fees: FeeSchedule, out: &mut Out) {
        let (before, highest) = self.reads.fees_so_far.take().unwrap_or((0, fees));
        let highest = FeeSchedule {
            maker_bps: highest.maker_bps.max(fees.maker_bps),
            taker_bps: highest.taker_bps.max(fees.taker_bps),
        };
        let asked = before.saturating_add(pairs);
        if asked < self.names.defined().count() {
            self.reads.fees_so_far = Some((asked, highest));
            return;
        }
        self.reads.fees = Some((now, highest));
        self.reads.are_fees_owed = false;
        out.push(VenueOutput::Report(VenueReport::Fees(highest)));
    }

    /// Looks at what our key may do.
    fn on_key(&mut self, now: Timestamp, permissions: &[String], out: &mut Out) {
        self.reads.key_at = Some(now);
        let objection = key::objection(permissions, !self.is_rest_only).unwrap_or_default();
        if self.reads.key_objection.as_ref() != Some(&objection) {
            if !objection.is_empty() {
                let detail = format!("{objection}; nothing is sent with it");
                self.problem(ProblemKind::RequestRefused, None, detail, out);
            }
            self.reads.key_objection = Some(objection);
        }
    }

    fn read_refused(&mut self, now: Timestamp, ask: &Ask, error: &str, out: &mut Out) {
        let said = meaning(error);
        let is_unknown = said == Meaning::Refused(Reason::UnknownOrder);
        if self.settle_refused(ask, is_unknown) {
            return;
        }
        let detail = format!("{} refused: {}", ask.name(), self.scrubbed(error));
        self.problem(ProblemKind::RequestRefused, None, detail, out);
        self.note_meaning(now, Some(said), &Vec::new(), out);
        self.read_failed(now, ask);
    }

    /// Asks again later: reads do no harm.
    /// Lists the pairs again when one is named that nobody knew: while a pair is under maintenance, the venue does not list
    /// it, and our orders of it are there all the same.
    pub(super) fn doubt_names(&mut self, now: Timestamp, error: Unreadable) {
        let is_name = matches!(error.field, "descr.pair" | "pair" | "symbol");
        if is_name && is_older(self.reads.names_at, NAMES_DOUBT_PAUSE, now) {
            self.reads.names_at = None;
        }
    }

    fn read_failed(&mut self, now: Timestamp, ask: &Ask) {
        self.reads.note(ask, Some(now));
        let factor = 1_i64.checked_shl(self.reads.failures.min(10)).unwrap_or(1);
        let pause = RETRY_FIRST.saturating_mul(factor).min(RETRY_MAX);
        self.reads.failures = self.reads.failures.saturating_add(1);
        self.reads.paused_until = self.reads.paused_until.max(now.saturating_add(pause));
    }

    /// Stops calling for a while: the key is no good.
    pub(super) fn lock(&mut self, now: Timestamp, out: &mut Out) {
        self.reads.paused_until = now.saturating_add(LOCKED_PAUSE);
        self.locked_until = self.reads.paused_until;
        let detail = "the venue does not take our key: nothing is asked for a minute".to_owned();
        self.problem(ProblemKind::RequestRefused, None, detail, out);
    }
}
