//! The machine: latencies both ways, arrivals in order, reports in order.

use crate::account::{Account, Binding};
use crate::admission::Meeting;
use crate::market::{Hit, Market};
use crate::queue::{Resting, less};
use crate::settings::PaperConfig;
use remora_approval::ApprovedOrder;
use remora_domain::{
    AmountError, Balances, BookTop, ClOrdId, DurationNs, ExecId, Fill, Instrument, InstrumentKey,
    Liquidity, MarketTrade, Notional, OpenOrder, OrderEvent, OrderEventReason, OrderId,
    OrderRequest, Price, Qty, TimeInForce, Timestamp, VenueReport,
};
use remora_machine::{Machine, SplitMix64};
use remora_venue_api::{OrderEntry, VenueCommand, VenueInput, VenueOutput};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Simulates one account at one venue.
#[derive(Debug)]
pub struct PaperVenue {
    config: PaperConfig,
    random: SplitMix64,
    instruments: BTreeMap<InstrumentKey, Instrument>,
    markets: BTreeMap<InstrumentKey, Market>,
    account: Account,
    /// Where each resting order is.
    places: BTreeMap<ClOrdId, InstrumentKey>,
    used: BTreeSet<ClOrdId>,
    /// What is on its way here, by arrival and order of sending.
    arrivals: BTreeMap<(Timestamp, u64), Arrival>,
    sent: u64,
    order_arrives_at: Timestamp,
    cancel_arrives_at: Timestamp,
    /// What is on its way back, in order.
    reports: VecDeque<(Timestamp, VenueReport)>,
    orders_made: u64,
    fills_made: u64,
    /// Arrivals of new orders within the last second.
    recent: VecDeque<Timestamp>,
    /// Executions of earlier runs.
    restored: BTreeSet<ExecId>,
    /// Fills of earlier runs that wait for the definition of their instrument.
    unrestored: Vec<OrderEvent>,
    /// Whether somebody waits for balances until all earlier fills are in them.
    is_account_asked: bool,
}

/// Is something on its way to the venue.
#[derive(Debug)]
enum Arrival {
    Submit(ApprovedOrder),
    Cancel(ClOrdId),
    CancelAccount,
    QueryOpenOrders { asked_at: Timestamp },
    QueryAccount,
}

impl PaperVenue {
    /// Opens the account; `seed` decides the jitter of latencies.
    #[must_use]
    pub fn new(config: PaperConfig, seed: u64) -> Self {
        let account = Account::new(config.balances.clone(), config.fees, config.fee_decimals);
        Self {
            config,
            random: SplitMix64::new(seed),
            instruments: BTreeMap::new(),
            markets: BTreeMap::new(),
            account,
            places: BTreeMap::new(),
            used: BTreeSet::new(),
            arrivals: BTreeMap::new(),
            sent: 0,
            order_arrives_at: Timestamp::EPOCH,
            cancel_arrives_at: Timestamp::EPOCH,
            reports: VecDeque::new(),
            orders_made: 0,
            fills_made: 0,
            recent: VecDeque::new(),
            restored: BTreeSet::new(),
            unrestored: Vec::new(),
            is_account_asked: false,
        }
    }

    /// Puts a command on its way. Orders and queries keep their order; cancels keep theirs, and may overtake orders.
    fn send(&mut self, now: Timestamp, command: VenueCommand) {
        let (latency, arrival) = match command {
            VenueCommand::Submit(order) => (self.config.order_latency, Arrival::Submit(order)),
            VenueCommand::Cancel { cl_ord_id, order_id: _ } => {
                (self.config.cancel_latency, Arrival::Cancel(cl_ord_id))
            }
            VenueCommand::CancelAccount => (self.config.cancel_latency, Arrival::CancelAccount),
            // What was asked for has left.
            VenueCommand::ForgetCancelAccount => return,
            VenueCommand::QueryOpenOrders { asked_at } => {
                (self.config.order_latency, Arrival::QueryOpenOrders { asked_at })
            }
            VenueCommand::QueryAccount => (self.config.order_latency, Arrival::QueryAccount),
        };
        let at = now.saturating_add(self.with_jitter(latency));
        let last = match arrival {
            Arrival::Cancel(_) | Arrival::CancelAccount => &mut self.cancel_arrives_at,
            Arrival::Submit(_) | Arrival::QueryOpenOrders { .. } | Arrival::QueryAccount => {
                &mut self.order_arrives_at
            }
        };
        *last = at.max(*last);
        self.sent = self.sent.saturating_add(1);
        self.arrivals.insert((*last, self.sent), arrival);
    }

    fn with_jitter(&mut self, latency: DurationNs) -> DurationNs {
        let most = u64::try_from(self.config.latency_jitter.as_ns()).unwrap_or(0);
        let extra = self.random.next_below(most.saturating_add(1));
        latency.saturating_add(DurationNs::from_ns(i64::try_from(extra).unwrap_or(i64::MAX)))
    }

    /// Puts a report of an event at `at` on its way back. Reports never overtake each other.
    fn report(&mut self, at: Timestamp, report: VenueReport) {
        let latency = self.with_jitter(self.config.response_latency);
        let heard_at = at.saturating_add(latency);
        let heard_at = self.reports.back().map_or(heard_at, |(last, _)| heard_at.max(*last));
        self.reports.push_back((heard_at, report));
    }

    /// Serves what arrived by `until`, in order.
    fn serve_until(&mut self, until: Timestamp) {
        while let Some(entry) = self.arrivals.first_entry().filter(|entry| entry.key().0 <= until) {
            let ((at, _), arrival) = entry.remove_entry();
            match arrival {
                Arrival::Submit(order) => self.submitted(at, order.request()),
                Arrival::Cancel(cl_ord_id) => self.cancelled(at, cl_ord_id),
                // Nobody else has orders here.
                Arrival::CancelAccount => {
                    let open: Vec<ClOrdId> = self.places.keys().cloned().collect();
                    open.into_iter().for_each(|cl_ord_id| self.cancelled(at, cl_ord_id));
                }
                Arrival::QueryOpenOrders { asked_at } => {
                    let orders = self.open_orders();
                    let (unread, venue_time) = (0, at);
                    let list = VenueReport::OpenOrders { orders, unread, asked_at, venue_time };
                    self.report(at, list);
                }
                Arrival::QueryAccount => {
                    self.is_account_asked = true;
                    self.answer_account(at);
                }
            }
        }
    }

    fn submitted(&mut self, at: Timestamp, request: &OrderRequest) {
        let is_over_rate = self.is_over_rate(at);
        let open = self.bindings(request.orig_cl_ord_id.as_ref());
        let meeting = Meeting {
            config: &self.config,
            account: &self.account,
            instrument: self.instruments.get(&request.instrument),
            market: self.markets.get(&request.instrument),
            open: &open,
            is_id_used: self.used.contains(&request.cl_ord_id),
            is_over_rate,
        };
        let verdict = meeting.check(at, request);
        let cl_ord_id = request.cl_ord_id.clone();
        self.used.insert(cl_ord_id.clone());
        if let (Ok(takes), Some(orig)) = (verdict, &request.orig_cl_ord_id) {
            return self.amended(at, request, orig, takes);
        }
        match verdict {
            Err(reason) => {
                self.report(at, VenueReport::Rejected { cl_ord_id, reason, venue_time: at });
            }
            Ok(would_take) => match self.next_order_id() {
                Some(order_id) => self.accept(at, request, order_id, would_take),
                None => {
                    let reason = OrderEventReason::VenueOther;
                    self.report(at, VenueReport::Rejected { cl_ord_id, reason, venue_time: at });
                }
            },
        }
    }

    fn accept(&mut self, at: Timestamp, request: &OrderRequest, order_id: OrderId, takes: bool) {
        let cl_ord_id = request.cl_ord_id.clone();
        let accepted = VenueReport::Accepted {
            cl_ord_id: cl_ord_id.clone(),
            order_id: order_id.clone(),
            venue_time: at,
        };
        self.report(at, accepted);
        let market = self.markets.entry(request.instrument.clone()).or_default();
        market.resting.push(Resting {
            cl_ord_id: cl_ord_id.clone(),
            order_id,
            side: request.side,
            price: request.price,
            order_qty: request.qty,
            cum_qty: Qty::ZERO,
            is_post_only: request.is_post_only,
            front: market.book.shown(request.side, request.price),
            cut: None,
            fee_exact: Notional::ZERO,
            fee_charged: Notional::ZERO,
        });
        self.places.insert(cl_ord_id, request.instrument.clone());
        self.met(at, request, request.qty, takes);
    }

    /// Lets an order that has just come to rest take what it meets, and ends one that does not stay.
    fn met(&mut self, at: Timestamp, request: &OrderRequest, open: Qty, takes: bool) {
        let cl_ord_id = request.cl_ord_id.clone();
        let market = self.markets.entry(request.instrument.clone()).or_default();
        let taken =
            if takes { market.book.take(request.side, request.price, open) } else { Vec::new() };
        let has_taken = !taken.is_empty();
        for (price, qty) in taken {
            if let Some(order) = self.resting_mut(&cl_ord_id) {
                order.take(qty);
            }
            self.fill(at, &cl_ord_id, qty, Some(price));
        }
        if request.tif == TimeInForce::Ioc && self.remove(&cl_ord_id).is_some() {
            let reason = OrderEventReason::None;
            self.report(at, VenueReport::Cancelled { cl_ord_id, reason, venue_time: at });
        }
        if has_taken {
            self.report_balances(at);
        }
    }

    /// Puts an order in the place of another. What that one filled unheard of comes off, as at venues that count both as
    /// one. At the same price and not larger it keeps its place in the queue, else it goes to the end.
    fn amended(&mut self, at: Timestamp, request: &OrderRequest, orig: &ClOrdId, takes: bool) {
        let cl_ord_id = request.cl_ord_id.clone();
        let is_there = self.places.get(orig) == Some(&request.instrument);
        let is_same = |old: &&mut Resting| is_there && old.side == request.side;
        let old = self.resting_mut(orig).filter(is_same).map(|old| old.clone());
        let open =
            old.as_ref().map(|old| less(request.qty, less(old.cum_qty, request.orig_cum_qty)));
        let (Some(old), Some(open)) = (old, open.filter(|open| !open.is_zero())) else {
            let reason = OrderEventReason::UnknownOrder;
            return self.report(at, VenueReport::Rejected { cl_ord_id, reason, venue_time: at });
        };
        let replaced = VenueReport::Replaced {
            orig_cl_ord_id: orig.clone(),
            cl_ord_id: cl_ord_id.clone(),
            order_id: old.order_id.clone(),
            order_qty: open,
            venue_time: at,
        };
        self.report(at, replaced);
        let keeps_place = old.price == request.price && open <= old.leaves_qty();
        self.places.remove(orig);
        self.places.insert(cl_ord_id.clone(), request.instrument.clone());
        let market = self.markets.entry(request.instrument.clone()).or_default();
        let shown = market.book.shown(request.side, request.price);
        let (front, cut) = if keeps_place { (old.front, old.cut) } else { (shown, None) };
        let (order_qty, is_post_only) = (open, request.is_post_only);
        let (price, cum_qty) = (request.price, Qty::ZERO);
        let order =
            Resting { cl_ord_id, price, order_qty, cum_qty, is_post_only, front, cut, ..old };
        market.replace(orig, order, keeps_place);
        self.met(at, request, open, takes);
    }

    fn cancelled(&mut self, at: Timestamp, cl_ord_id: ClOrdId) {
        let report = if self.remove(&cl_ord_id).is_some() {
            let reason = OrderEventReason::UserRequested;
            VenueReport::Cancelled { cl_ord_id, reason, venue_time: at }
        } else {
            let reason = OrderEventReason::UnknownOrder;
            VenueReport::CancelRejected { cl_ord_id, reason, venue_time: at }
        };
        self.report(at, report);
    }

    fn market_moved(&mut self, now: Timestamp, hits: Vec<Hit>) {
        let has_hits = !hits.is_empty();
        for Hit { cl_ord_id, qty } in hits {
            self.fill(now, &cl_ord_id, qty, None);
        }
        if has_hits {
            self.report_balances(now);
        }
    }

    fn book(&mut self, now: Timestamp, top: &BookTop, venue_time: Option<Timestamp>) {
        let lot = self.instruments.get(&top.instrument).map_or(Qty::ZERO, |i| i.lot);
        let market = self.markets.entry(top.instrument.clone()).or_default();
        market.book_at = now;
        let hits = market.book_changed(top, self.config.queue_model, lot, venue_time);
        self.market_moved(now, hits);
    }

    fn trade(&mut self, now: Timestamp, trade: &MarketTrade, venue_time: Option<Timestamp>) {
        let market = self.markets.entry(trade.instrument.clone()).or_default();
        if !market.is_usable(now, self.config.book_age_max) {
            return; // what is ahead of us is not known any more
        }
        let hits = market.traded(trade, venue_time);
        self.market_moved(now, hits);
    }

    /// Books a fill that the order has noted already, as taker at `taken_at`, else as maker at the order's own price.
    /// One that cannot be booked exactly ends the order instead: no inexact money, and no silence.
    fn fill(&mut self, at: Timestamp, cl_ord_id: &ClOrdId, qty: Qty, taken_at: Option<Price>) {
        let booked = self.booked(cl_ord_id, qty, taken_at);
        match booked {
            Ok(Some(report)) => self.report(at, report(at)),
            Ok(None) | Err(_) => {
                let (cl_ord_id, reason) = (cl_ord_id.clone(), OrderEventReason::VenueOther);
                self.remove(&cl_ord_id);
                self.report(at, VenueReport::Cancelled { cl_ord_id, reason, venue_time: at });
            }
        }
        let is_done = self.resting_mut(cl_ord_id).is_some_and(|order| order.leaves_qty().is_zero());
        if is_done {
            self.remove(cl_ord_id);
        }
    }

    /// Books a fill on the account; `None` when the order, its instrument or a number for the fill is missing.
    fn booked(
        &mut self,
        cl_ord_id: &ClOrdId,
        qty: Qty,
        taken_at: Option<Price>,
    ) -> Result<Option<impl FnOnce(Timestamp) -> VenueReport + use<>>, AmountError> {
        let exec_id = self.next_exec_id();
        let key = self.places.get(cl_ord_id);
        let order = key.and_then(|key| self.markets.get_mut(key)?.get_mut(cl_ord_id));
        let instrument = key.and_then(|key| self.instruments.get(key));
        let (Some(exec_id), Some(order), Some(instrument)) = (exec_id, order, instrument) else {
            return Ok(None);
        };
        let liquidity = if taken_at.is_some() { Liquidity::Taker } else { Liquidity::Maker };
        let last_px = taken_at.unwrap_or(order.price);
        let notional = last_px.checked_notional(qty, instrument.multiplier)?;
        let fee = self.account.charge(order, notional, liquidity)?;
        let fee = Account::fee_of(instrument, fee);
        let fill = Fill { exec_id, last_px, last_qty: qty, liquidity, cost: None, fee };
        self.account.book(instrument, order.side, &fill)?;
        let (cl_ord_id, order_id) = (cl_ord_id.clone(), order.order_id.clone());
        let cum_qty = order.cum_qty;
        Ok(Some(move |venue_time| VenueReport::Filled {
            cl_ord_id,
            order_id,
            fill,
            cum_qty,
            venue_time,
        }))
    }

    /// Takes in a fill of an earlier run, once its instrument is known.
    fn restore(&mut self, event: OrderEvent) {
        if event.account != self.config.account || event.instrument.venue != self.config.venue {
            return;
        }
        self.used.insert(event.cl_ord_id.clone());
        let Some(fill) = &event.fill else {
            return;
        };
        match self.instruments.get(&event.instrument) {
            None => self.unrestored.push(event),
            Some(instrument) if !self.restored.contains(&fill.exec_id) => {
                // One that cannot be booked exactly was never reported.
                if self.account.book(instrument, event.side, fill).is_ok() {
                    self.restored.insert(fill.exec_id.clone());
                }
            }
            Some(_) => {}
        }
    }

    fn define(&mut self, now: Timestamp, instrument: Instrument) {
        if instrument.key.venue != self.config.venue {
            return;
        }
        self.instruments.insert(instrument.key.clone(), instrument);
        for event in std::mem::take(&mut self.unrestored) {
            self.restore(event);
        }
        self.answer_account(now);
    }

    /// Answers a query of the account, but not before every fill of earlier runs is in it.
    fn answer_account(&mut self, at: Timestamp) {
        if self.is_account_asked && self.unrestored.is_empty() {
            self.is_account_asked = false;
            self.report_balances(at);
            self.report(at, VenueReport::Fees(self.account.fees()));
        }
    }

    fn report_balances(&mut self, at: Timestamp) {
        let entries = self.account.balances(&self.bindings(None));
        let (account, venue) = (self.config.account.clone(), self.config.venue.clone());
        self.report(at, VenueReport::Balances(Balances { account, venue, entries }));
    }

    fn open_orders(&self) -> Vec<OpenOrder> {
        let open = |(cl_ord_id, key): (&ClOrdId, &InstrumentKey)| {
            let order = self.markets.get(key)?.get(cl_ord_id)?;
            Some(OpenOrder {
                cl_ord_id: Some(cl_ord_id.clone()),
                order_id: order.order_id.clone(),
                instrument: key.clone(),
                side: order.side,
                price: order.price,
                order_qty: order.order_qty,
                cum_qty: order.cum_qty,
            })
        };
        self.places.iter().filter_map(open).collect()
    }

    /// Gives what open orders bind, but for one.
    fn bindings(&self, without: Option<&ClOrdId>) -> Vec<Binding<'_>> {
        let places = self.places.iter().filter(|(cl_ord_id, _)| Some(*cl_ord_id) != without);
        let bindings = places.filter_map(|(cl_ord_id, key)| {
            let order = self.markets.get(key)?.get(cl_ord_id)?;
            Some(Binding {
                instrument: self.instruments.get(key)?,
                side: order.side,
                price: order.price,
                leaves_qty: order.leaves_qty(),
                is_post_only: order.is_post_only,
            })
        });
        bindings.collect()
    }

    fn resting_mut(&mut self, cl_ord_id: &ClOrdId) -> Option<&mut Resting> {
        let key = self.places.get(cl_ord_id)?;
        self.markets.get_mut(key)?.get_mut(cl_ord_id)
    }

    fn remove(&mut self, cl_ord_id: &ClOrdId) -> Option<Resting> {
        let key = self.places.remove(cl_ord_id)?;
        self.markets.get_mut(&key)?.remove(cl_ord_id)
    }

    /// Counts new orders within any second; refused ones do not count.
    fn is_over_rate(&mut self, at: Timestamp) -> bool {
        let Some(most) = self.config.orders_per_second_max else {
            return false;
        };
        let second_ago = at.saturating_sub(DurationNs::from_s(1));
        while self.recent.front().is_some_and(|old| *old <= second_ago) {
            self.recent.pop_front();
        }
        let is_over = u32::try_from(self.recent.len()).is_ok_and(|count| count >= most);
        if !is_over {
            self.recent.push_back(at);
        }
        is_over
    }

    fn next_order_id(&mut self) -> Option<OrderId> {
        self.orders_made = self.orders_made.saturating_add(1);
        OrderId::new(&format!("paper-{}-{}", self.config.run, self.orders_made)).ok()
    }

    /// Numbers executions through all runs: a number of an earlier run is never given again, even under its own tag.
    fn next_exec_id(&mut self) -> Option<ExecId> {
        loop {
            self.fills_made = self.fills_made.saturating_add(1);
            let text = format!("paper-{}-{}", self.config.run, self.fills_made);
            let exec_id = ExecId::new(&text).ok()?;
            if !self.restored.contains(&exec_id) {
                return Some(exec_id);
            }
        }
    }

    /// Gives what is displayed ahead of a resting order; the inner `None` is "not known".
    #[cfg(test)]
    pub(crate) fn front(&self, cl_ord_id: &ClOrdId) -> Option<Option<Qty>> {
        let key = self.places.get(cl_ord_id)?;
        Some(self.markets.get(key)?.get(cl_ord_id)?.front)
    }
}

impl Machine for PaperVenue {
    type Input = VenueInput;
    type Output = VenueOutput;

    fn handle(&mut self, now: Timestamp, input: VenueInput, out: &mut Vec<VenueOutput>) {
        match input {
            VenueInput::Start => {
                out.push(VenueOutput::Report(VenueReport::Session { is_up: true }));
                // It has no timer and needs none: its orders live in this process and end with it.
                out.push(VenueOutput::Report(VenueReport::Guard { is_guarded: true }));
            }
            VenueInput::Command(command) => self.send(now, command),
            VenueInput::Book { top, venue_time } => {
                self.serve_before(now);
                self.book(now, &top, venue_time);
            }
            VenueInput::Trade { trade, venue_time } => {
                self.serve_before(now);
                self.trade(now, &trade, venue_time);
            }
            VenueInput::Instrument(instrument) => {
                self.serve_before(now);
                self.define(now, instrument);
            }
            VenueInput::Restored(event) => self.restore(event),
            VenueInput::Stop => out.push(VenueOutput::Stopped),
            // Asked for by sessions that have a wire; this venue has none.
            VenueInput::Connected { .. }
            | VenueInput::Frame { .. }
            | VenueInput::Disconnected { .. }
            | VenueInput::CallEnded { .. }
            | VenueInput::NoncesReserved { .. } => {}
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<VenueOutput>) {
        self.serve_until(now);
        while let Some((_, report)) = self.reports.pop_front_if(|(at, _)| *at <= now) {
            out.push(VenueOutput::Report(report));
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let arrival = self.arrivals.first_key_value().map(|((at, _), _)| *at);
        let report = self.reports.front().map(|(at, _)| *at);
        [arrival, report].into_iter().flatten().min()
    }
}

impl OrderEntry for PaperVenue {}

impl PaperVenue {
    /// Serves what arrived before market data of the instant `now`: at the same instant the market is first.
    fn serve_before(&mut self, now: Timestamp) {
        self.serve_until(now.saturating_sub(DurationNs::from_ns(1)));
    }
}
