//! Settling what is not certain, by asking: open orders, orders that are not among them, fills that did not arrive.
//!
//! A round asks for all open orders, then for each order of ours that should be among them and is not, then for fills
//! until those reported add up to what the venue counts. Only then the router hears which orders are open: every fill of
//! an order that is not listed any more has been told. While the outcome of an order is open, nothing is answered: the
//! router would take the order for absent. An order counts as never placed when neither the open nor the closed orders
//! know it, twice, asked after its deadline. Nothing is ever sent again.

use super::KrakenTrading;
use super::answers::{self, RestOrder};
use super::calls::Ask;
use super::codec::Unreadable;
use super::errors::end_reason;
use super::orders::places::Seen;
use super::orders::{Listed, Order, Out, Status};
use super::sought::{After, Sought};
use remora_domain::{
    ClOrdId, DurationNs, OpenOrder, OrderEventReason as Reason, OrderId, Timestamp, VenueReport,
};
use remora_venue_api::{DeadMan, ProblemKind, VenueOutput};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// After an order's deadline its absence counts: clocks differ, histories lag.
const ABSENCE_GRACE: DurationNs = DurationNs::from_s(2);
/// Pause between two rounds while something is open.
const AGAIN: DurationNs = DurationNs::from_s(1);
/// How often to look while no socket tells what happens.
const POLL: DurationNs = DurationNs::from_s(3);
/// How often to look whether orders that are not ours are gone, while they forbid sending.
const FOREIGN_POLL: DurationNs = DurationNs::from_s(10);
/// An order that the router gave us so long ago holds answers back: it counts the absence of such.
const UNANSWERED_YOUNG: DurationNs = DurationNs::from_s(1);
/// Ids in one query.
const QUERY_MAX: usize = 50;
/// Rows of one page of fills, and the most pages of one round.
pub(super) const PAGE: usize = 50;
const PAGES_MAX: u32 = 40;

/// Is where settling stands.
#[derive(Debug, Default)]
pub(super) struct Settle {
    wanted_at: Option<Timestamp>,
    /// When the newest query of the router was made that is not answered; the answer to it answers those before.
    owed: Option<Timestamp>,
    /// They are not asked for again before that.
    held_until: Timestamp,
    round: Option<Round>,
    /// Whether a round was completed in this run.
    pub(super) has_completed: bool,
    /// Open orders of the account that are not ours, by the last list.
    pub(super) foreign: usize,
    /// Since when something that the stream told may be missing here, until a round that was begun later is complete.
    doubted_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Round {
    /// When the question for open orders left.
    asked_at: Option<Timestamp>,
    /// When the venue answered it.
    listed_at: Option<Timestamp>,
    /// The query of the router that its end answers.
    answers: Option<Timestamp>,
    listing: Vec<(Option<ClOrdId>, Listed)>,
    /// How many more were listed that are not ours and could not be read.
    unread: u64,
    queued: VecDeque<Ask>,
    sought: Option<Sought>,
    offset: u32,
    is_paged: bool,
}

impl Settle {
    /// Wants a round no later than then.
    pub(super) fn want(&mut self, at: Timestamp) {
        self.wanted_at = Some(self.wanted_at.map_or(at, |before| before.min(at)));
    }

    /// Owes the router the answer to what it asked then.
    pub(super) fn owe(&mut self, asked_at: Timestamp) {
        self.owed = self.owed.max(Some(asked_at));
    }

    /// Forgets what is owed: the router asks anew when the session has come or gone.
    pub(super) fn forget_owed(&mut self) {
        self.owed = None;
        if let Some(round) = &mut self.round {
            round.answers = None;
        }
    }

    /// Keeps what is owed until then.
    fn hold(&mut self, answers: Option<Timestamp>, until: Timestamp) {
        self.owed = self.owed.max(answers);
        self.held_until = until;
        self.want(until);
    }

    /// Notes that something the stream told may be missing.
    pub(super) fn doubt(&mut self, now: Timestamp) {
        self.doubted_at = self.doubted_at.max(Some(now));
    }

    /// Tells whether something the stream told may be missing, and no round has settled that.
    pub(super) const fn is_in_doubt(&self) -> bool {
        self.doubted_at.is_some()
    }

    /// Tells whether a round is to begin.
    fn is_due(&self, now: Timestamp) -> bool {
        let is_owed = self.owed.is_some() && self.held_until <= now;
        is_owed || self.wanted_at.is_some_and(|at| at <= now)
    }

    /// Gives when a round begins; none while one is under way.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let owed = self.owed.map(|_| self.held_until);
        self.wanted_at.into_iter().chain(owed).min().filter(|_| self.round.is_none())
    }
}

impl KrakenTrading {
    /// Gives what is to be asked next, if anything.
    pub(super) fn settle_next(&self, now: Timestamp) -> Option<Ask> {
        if !self.names.is_complete() {
            return None;
        }
        let Some(round) = &self.settle.round else {
            return self.settle.is_due(now).then_some(Ask::OpenOrders);
        };
        if round.listed_at.is_none() {
            return Some(Ask::OpenOrders);
        }
        let is_paging = self.orders.is_any_lacking() && !round.is_paged;
        let trades = || is_paging.then_some(Ask::Trades { offset: round.offset });
        let sought = round.sought.as_ref().map(Sought::ask);
        round.queued.front().cloned().or(sought).or_else(trades)
    }

    /// Notes that the question for open orders leaves.
    pub(super) fn settle_asked(&mut self, now: Timestamp, ask: &Ask) {
        if *ask == Ask::OpenOrders {
            let round = self.settle.round.get_or_insert_default();
            round.asked_at = Some(now);
            round.answers = round.answers.max(self.settle.owed.take());
            self.settle.wanted_at = None;
        }
    }

    /// Takes in the list of open orders.
    pub(super) fn on_open_orders(
        &mut self,
        now: Timestamp,
        result: &str,
        out: &mut Out,
    ) -> Result<(), Unreadable> {
        let read = answers::orders(result, Some("open"), &self.names, self.is_ours())?;
        let Some(round) = self.settle.round.as_mut().filter(|round| round.listed_at.is_none())
        else {
            return Ok(());
        };
        round.listed_at = Some(now);
        let asked_at = round.asked_at.unwrap_or(now);
        let (mut listed, mut foreign, mut listing) = (BTreeSet::new(), read.strange, Vec::new());
        for row in read.rows {
            match self.see_open(now, &row, out) {
                Some(id) => {
                    listed.insert(id.clone());
                    listing.push((Some(id), row.listed));
                }
                None => {
                    foreign = foreign.saturating_add(1);
                    let id = row.cl_ord_id.and_then(|id| ClOrdId::new(&id).ok());
                    listing.push((id, row.listed));
                }
            }
        }
        self.note_foreign(foreign, out);
        let (queued, sought) = self.questions(asked_at, &listed);
        if let Some(round) = &mut self.settle.round {
            round.listing = listing;
            round.unread = u64::try_from(read.strange).unwrap_or(u64::MAX);
            round.queued = queued;
            round.sought = sought;
        }
        Ok(())
    }

    /// Takes in an open order; `None` when it is not ours.
    fn see_open(&mut self, now: Timestamp, row: &RestOrder, out: &mut Out) -> Option<ClOrdId> {
        let Listed { order_id, cum_qty, opened, .. } = &row.listed;
        let known = self.orders.find(Some(order_id.as_str()), row.cl_ord_id.as_deref());
        if let Some(id) = known {
            let id = self.see_terms(now, id, (&row.listed, false), out);
            self.orders.venue_told(*opened);
            self.orders.accepted(now, &id, order_id, *opened, out);
            self.orders.cum_told(&id, *cum_qty);
            if let Some(order) = self.orders.get_mut(&id) {
                order.is_cancel_taken = false;
            }
            return Some(id);
        }
        let id = ClOrdId::new(row.cl_ord_id.as_deref()?).ok()?;
        if !self.is_our_name(&id) {
            return None;
        }
        self.orders.adopt(now, &id, &row.listed);
        Some(id)
    }

    /// Takes in the terms that a list shows, and gives the order's name from then on. A list that was asked for before terms
    /// changed, or were asked to change, may tell of any of them, unless the order is over.
    fn see_terms(
        &mut self,
        now: Timestamp,
        id: ClOrdId,
        (listed, is_over): (&Listed, bool),
        out: &mut Out,
    ) -> ClOrdId {
        self.orders.cum_told(&id, listed.cum_qty);
        let asked_at = self.settle.round.as_ref().and_then(|round| round.asked_at);
        if !is_over && self.orders.changed_at(&id) >= asked_at {
            return id;
        }
        self.orders.learn_base(&id, listed.qty);
        let seen = Seen { price: Some(listed.price), qty: Some(listed.qty) };
        // The venue tells when the order was opened, not when it was changed.
        let venue_time = now.saturating_add(self.offset);
        self.orders.terms_seen(now, id, seen, venue_time, out)
    }

    fn note_foreign(&mut self, foreign: usize, out: &mut Out) {
        let before = std::mem::replace(&mut self.settle.foreign, foreign);
        let is_guarded = matches!(self.dead_man, DeadMan::Guard(_));
        if is_guarded && foreign > 0 && before != foreign {
            let detail = format!(
                "{foreign} open orders of the account are not ours; the venue's timer would cancel them: nothing is sent \
                 while they are open, unless the account is declared shared"
            );
            self.problem(ProblemKind::RequestRefused, None, detail, out);
        }
    }

    /// Gives what must be asked about our orders that are not listed.
    fn questions(
        &self,
        asked_at: Timestamp,
        listed: &BTreeSet<ClOrdId>,
    ) -> (VecDeque<Ask>, Option<Sought>) {
        let missing = self.orders.live().filter(|(id, _)| !listed.contains(*id));
        // The place of one that is to take another's is seen there.
        let missing = missing.filter(|(_, order)| !self.orders.is_moving(order));
        let (mut known, mut unknown): (Vec<OrderId>, BTreeMap<_, _>) = Default::default();
        for (id, order) in missing {
            match &order.order_id {
                // Also one that was heard of since: it may have ended before the list was made.
                Some(order_id) => known.push(order_id.clone()),
                None if order.deadline.saturating_add(ABSENCE_GRACE) <= asked_at => {
                    unknown.insert(id.clone(), order.opened_from);
                }
                None => {}
            }
        }
        let known = known.chunks(QUERY_MAX).map(|ids| Ask::Orders(ids.to_vec()));
        match Sought::begin(unknown) {
            After::More(sought) => (known.collect(), Some(sought)),
            After::ByName(ids) | After::Absent(ids) => {
                (known.chain(ids.into_iter().map(Ask::Closed)).collect(), None)
            }
        }
    }

    /// Tells orders that may be ours by the venue's id or ours.
    fn is_ours(&self) -> impl Fn(&str, Option<&str>) -> bool {
        move |order_id: &str, cl_ord_id: Option<&str>| {
            cl_ord_id.is_some_and(|id| id.starts_with(&self.cl_ord_id_prefix))
                || self.orders.find(Some(order_id), cl_ord_id).is_some()
        }
    }

    /// Takes in orders that were asked for by the venue's ids.
    pub(super) fn on_orders(
        &mut self,
        now: Timestamp,
        result: &str,
        out: &mut Out,
    ) -> Result<(), Unreadable> {
        for row in answers::orders(result, None, &self.names, self.is_ours())?.rows {
            let order_id = row.listed.order_id.as_str();
            if let Some(id) = self.orders.find(Some(order_id), row.cl_ord_id.as_deref()) {
                self.see_row(now, &id, &row, out);
                // It came after the list: the answer to the router names it too.
                let round = self.settle.round.as_mut().filter(|_| row.is_open);
                round.into_iter().for_each(|round| {
                    round.listing.push((Some(id.clone()), row.listed.clone()));
                });
            }
        }
        self.settle_answered();
        Ok(())
    }

    fn see_row(&mut self, now: Timestamp, id: &ClOrdId, row: &RestOrder, out: &mut Out) {
        let Listed { order_id, cum_qty, opened, .. } = &row.listed;
        let id = &self.see_terms(now, id.clone(), (&row.listed, !row.is_open), out);
        self.orders.venue_told(row.closed.max(*opened));
        if row.is_open {
            self.orders.accepted(now, id, order_id, *opened, out);
            self.orders.cum_told(id, *cum_qty);
        } else {
            if row.is_cancelled {
                self.ended_by_venue(now, id, row.reason.as_deref());
            }
            self.orders.learn(now, id, order_id);
            self.orders.not_changed(now, id, out);
            let reason = end_reason(row.reason.as_deref());
            self.orders.ended(id, reason, Some(*cum_qty), row.closed, out);
        }
    }

    /// Takes in the closed orders of one name: it, or none.
    pub(super) fn on_closed(
        &mut self,
        now: Timestamp,
        id: &ClOrdId,
        result: &str,
        out: &mut Out,
    ) -> Result<(), Unreadable> {
        let read = answers::orders(result, Some("closed"), &self.names, self.is_ours())?;
        let ours = read.rows.iter().find(|row| row.cl_ord_id.as_deref() == Some(id.as_str()));
        let id = &self.orders.current(id);
        match ours {
            Some(row) => self.see_row(now, id, row, out),
            None => self.absent(now, id, out),
        }
        self.settle_answered();
        Ok(())
    }

    /// Takes in a page of closed orders.
    pub(super) fn on_closed_page(
        &mut self,
        now: Timestamp,
        result: &str,
        out: &mut Out,
    ) -> Result<(), Unreadable> {
        let read = answers::orders(result, Some("closed"), &self.names, self.is_ours())?;
        for row in &read.rows {
            let order_id = row.listed.order_id.as_str();
            if let Some(id) = self.orders.find(Some(order_id), row.cl_ord_id.as_deref()) {
                self.see_row(now, &id, row, out);
            }
        }
        let Some(round) = &mut self.settle.round else { return Ok(()) };
        let Some(sought) = round.sought.take() else { return Ok(()) };
        let found = |id: &ClOrdId| {
            let order = self.orders.get(id);
            order.is_none_or(|order| order.order_id.is_some() || !order.is_live())
        };
        let rows = read.rows.len().saturating_add(read.strange);
        let absent = match sought.after_page(rows, found) {
            After::More(sought) => {
                round.sought = Some(sought);
                Vec::new()
            }
            After::ByName(ids) => {
                round.queued.extend(ids.into_iter().map(Ask::Closed));
                Vec::new()
            }
            After::Absent(ids) => ids,
        };
        absent.iter().for_each(|id| self.absent(now, id, out));
        Ok(())
    }

    /// Counts that neither the open nor the closed orders know an order.
    fn absent(&mut self, now: Timestamp, id: &ClOrdId, out: &mut Out) {
        let Some(order) = self.orders.get_mut(id).filter(|order| order.is_live()) else { return };
        order.absences = order.absences.saturating_add(1);
        if order.absences < 2 {
            return;
        }
        match order.status {
            Status::Open => {
                self.orders.not_changed(now, id, out);
                self.orders.ended(id, Reason::UnknownOrder, None, now, out);
            }
            Status::Waiting | Status::Sent | Status::Unknown | Status::Refused | Status::Ended => {
                self.orders.refused(now, id, Reason::UnknownOrder, out);
            }
        }
    }

    /// Takes in a page of fills.
    pub(super) fn on_trades(
        &mut self,
        now: Timestamp,
        result: &str,
        out: &mut Out,
    ) -> Result<(), Unreadable> {
        let (trades, rows, wrong) = answers::trades(result, &self.names)?;
        if let Some(error) = wrong {
            self.problem(ProblemKind::Malformed, None, error.to_string(), out);
        }
        for trade in trades {
            if let Some(id) = self.orders.find(Some(trade.order_id.as_str()), None) {
                self.orders.venue_told(trade.time);
                self.orders.filled(now, &id, &trade.order_id, trade.fill, trade.time, out);
            }
        }
        if let Some(round) = &mut self.settle.round {
            let page = u32::try_from(PAGE).unwrap_or(50);
            round.offset = round.offset.saturating_add(page);
            round.is_paged = rows < PAGE || round.offset >= page.saturating_mul(PAGES_MAX);
        }
        Ok(())
    }

    /// Goes on after an answer.
    fn settle_answered(&mut self) {
        if let Some(round) = &mut self.settle.round {
            round.queued.pop_front();
        }
    }

    /// Goes on after a refusal of the venue: a list with one unknown order is asked for by halves, and one that the
    /// venue does not know by its id is asked for by ours.
    pub(super) fn settle_refused(&mut self, ask: &Ask, is_unknown: bool) -> bool {
        let Ask::Orders(ids) = ask else { return false };
        let by_name = ids.first().and_then(|id| self.orders.first_name(id));
        let Some(round) = self.settle.round.as_mut().filter(|_| is_unknown) else { return false };
        round.queued.pop_front();
        if ids.len() > 1 {
            let halves = ids.chunks(ids.len().div_ceil(2));
            round.queued.extend(halves.map(|half| Ask::Orders(half.to_vec())));
        } else if let Some(id) = by_name {
            round.queued.push_back(Ask::Closed(id));
        }
        true
    }

    /// Ends a round that has nothing left to ask.
    pub(super) fn settle_finish(&mut self, now: Timestamp, out: &mut Out) {
        let is_done = self.settle.round.as_ref().is_some_and(|round| {
            let is_paging = self.orders.is_any_lacking() && !round.is_paged;
            let is_asked = round.queued.is_empty() && round.sought.is_none();
            round.listed_at.is_some() && is_asked && !is_paging
        });
        let Some(round) = self.settle.round.take_if(|_| is_done) else { return };
        self.settle.has_completed = true;
        let asked_at = round.asked_at.unwrap_or(now);
        self.settle.doubted_at.take_if(|doubted_at| *doubted_at <= asked_at);
        let is_old = |order: &Order| order.taken_at.saturating_add(UNANSWERED_YOUNG) < asked_at;
        // The router would take what waits here for absent.
        let waiting = self.orders.waiting().filter(|(_, order)| is_old(order));
        let waiting: Vec<ClOrdId> = waiting.map(|(id, _)| id.clone()).collect();
        for id in waiting {
            self.orders.refused(now, &id, Reason::RateLimited, out);
        }
        let is_open = |order: &Order| match order.status {
            Status::Unknown | Status::Sent => is_old(order),
            Status::Waiting | Status::Open | Status::Refused | Status::Ended => false,
        };
        let uncertain =
            self.orders.live().filter(|(_, order)| is_open(order) || order.is_lacking());
        let soon = now.saturating_add(AGAIN);
        let again = uncertain.map(|(_, order)| match (order.status, &order.order_id) {
            (Status::Unknown, None) => order.deadline.saturating_add(ABSENCE_GRACE).max(soon),
            (_, _) => soon,
        });
        if let Some(again) = again.min() {
            self.settle.hold(round.answers, again);
        } else {
            self.answer_open_orders(&round, out);
        }
        if !self.link.is_live() && self.orders.live_count() > 0 {
            self.settle.want(now.saturating_add(POLL));
        }
        if self.is_blocked() {
            self.settle.want(now.saturating_add(FOREIGN_POLL));
        }
    }

    fn answer_open_orders(&self, round: &Round, out: &mut Out) {
        let Some((asked_at, venue_time)) = round.answers.zip(round.listed_at) else { return };
        let rows = round.listing.iter();
        let orders: Vec<OpenOrder> =
            rows.filter_map(|(id, listed)| self.open_order(id.as_ref(), listed)).collect();
        let unread = round.unread;
        let list = VenueReport::OpenOrders { orders, unread, asked_at, venue_time };
        out.push(VenueOutput::Report(list));
    }

    /// Gives what is to be told of an order that a list showed; `None` when it has ended since. Where another has taken its
    /// place since, the terms of that one; a list that was asked for before and came after tells the terms of before.
    fn open_order(&self, id: Option<&ClOrdId>, listed: &Listed) -> Option<OpenOrder> {
        let name = self.orders.name_of(&listed.order_id).or(id);
        let ours = name.and_then(|name| self.orders.get(name));
        if ours.is_some_and(|order| !order.is_live()) {
            return None;
        }
        let own = |qty| ours.map_or(qty, |order| order.own(qty));
        let moved = ours.filter(|_| name != id);
        Some(OpenOrder {
            cl_ord_id: name.cloned(),
            order_id: listed.order_id.clone(),
            instrument: listed.key.clone(),
            side: listed.side,
            price: moved.map_or(listed.price, |order| order.price),
            order_qty: own(moved.map_or(listed.qty, |order| order.qty)),
            cum_qty: own(listed.cum_qty),
        })
    }
}
