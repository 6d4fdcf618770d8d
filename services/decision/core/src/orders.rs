//! Our orders and fills, rebuilt from the log and kept from the news. One rule for both: a request makes an order,
//! only a refusal or a terminal event ends it.

use crate::facts::{Stamp, stamp};
use remora_domain::{
    AccountId, ClOrdId, Fill, Header, IdError, Instrument, InstrumentKey, OrdStatus, OrderCancel,
    OrderEvent, OrderRequest, Position, Price, Qty, SessionId, Side, Timestamp,
};
use remora_ledger::{Booking, Ledger, LedgerError};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Starts every client order id of ours, and with luck nobody else's; the router's `cl_ord_id_prefix` says it again.
const PREFIX: &str = "rmra";
/// Digits to the base 36 of a session (its low 32 bits) and of the number of an order in it: 18 characters in all.
const DIGITS: usize = 7;
/// How many ended orders and executions are remembered against repeats. A repeat this late does not happen: the
/// log is read once at the start, and what is delivered again is recent.
const REMEMBERED_MAX: usize = 65_536;

/// Says how far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Asked for; the gate has not answered.
    Requested,
    /// Approved; the router has not spoken of it.
    Approved,
    /// The router has spoken of it; the venue has not.
    Known,
    /// The venue has it.
    Working,
}

/// Is one order that has not ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) side: Side,
    pub(crate) price: Price,
    pub(crate) qty: Qty,
    pub(crate) cum: Qty,
    pub(crate) stage: Stage,
    pub(crate) cancel_sent: Option<Timestamp>,
    /// The order whose place it takes; while that one is open, it has not.
    pub(crate) orig: Option<ClOrdId>,
}

impl Order {
    /// Gives what may still fill.
    pub(crate) fn leaves(&self) -> Qty {
        self.qty.checked_sub(self.cum).unwrap_or(Qty::ZERO)
    }
}

/// Is a fill that balances may not hold yet.
#[derive(Clone, Debug)]
pub(crate) struct RecentFill {
    pub(crate) at: Stamp,
    pub(crate) instrument: InstrumentKey,
    pub(crate) side: Side,
    pub(crate) fill: Fill,
}

/// Says what an order event changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// A repeat, or about an order of somebody else.
    Nothing,
    /// The order lives on, or a late fill was booked.
    Something,
    /// The order has ended now.
    Ended,
}

/// Remembers the newest of what it was given.
#[derive(Debug)]
struct Remembered<T> {
    set: BTreeSet<T>,
    order: VecDeque<T>,
}

impl<T: Ord + Clone> Remembered<T> {
    const fn new() -> Self {
        Self { set: BTreeSet::new(), order: VecDeque::new() }
    }

    /// Adds a value; tells whether it is new.
    fn add(&mut self, value: &T) -> bool {
        let is_new = self.set.insert(value.clone());
        if is_new {
            self.order.push_back(value.clone());
        }
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        is_new
    }
}

/// Holds our orders, positions and ids.
#[derive(Debug)]
pub(crate) struct Orders {
    open: BTreeMap<InstrumentKey, BTreeMap<ClOrdId, Order>>,
    ended: Remembered<ClOrdId>,
    ledger: Ledger,
    /// The account whose executions were booked; one core is of one account.
    account: Option<AccountId>,
    /// Executions that wait for the definition of their pair, or cannot be booked: the position is unknown.
    unbooked: BTreeMap<InstrumentKey, Vec<RecentFill>>,
    recent_fills: Vec<RecentFill>,
    id_prefix: String,
    id_counter: u64,
}

impl Orders {
    pub(crate) fn new(session: SessionId) -> Self {
        Self {
            open: BTreeMap::new(),
            ended: Remembered::new(),
            ledger: Ledger::new(),
            account: None,
            unbooked: BTreeMap::new(),
            recent_fills: Vec::new(),
            id_prefix: format!("{PREFIX}{}", base36(session.get() & 0xffff_ffff)),
            id_counter: 0,
        }
    }

    /// Gives an id never used before: also not by an earlier session whose number ends alike.
    pub(crate) fn next_id(&mut self) -> Result<ClOrdId, IdError> {
        self.id_counter = self.id_counter.saturating_add(1);
        ClOrdId::new(&format!("{}{}", self.id_prefix, base36(self.id_counter)))
    }

    pub(crate) fn requested(&mut self, request: &OrderRequest) -> Changed {
        self.count_id(&request.cl_ord_id);
        let order = Order {
            side: request.side,
            price: request.price,
            qty: request.qty,
            cum: Qty::ZERO,
            stage: Stage::Requested,
            cancel_sent: None,
            orig: request.orig_cl_ord_id.clone(),
        };
        self.insert(&request.instrument, &request.cl_ord_id, order)
    }

    pub(crate) fn approved(&mut self, request: &OrderRequest) -> Changed {
        self.requested(request);
        match self.get_mut(&request.instrument, &request.cl_ord_id) {
            Some(order) if order.stage == Stage::Requested => {
                order.stage = Stage::Approved;
                // A gate that knows no changes approves an order beside the other.
                order.orig.clone_from(&request.orig_cl_ord_id);
                Changed::Something
            }
            Some(_) | None => Changed::Nothing,
        }
    }

    /// Ends an order that was refused; gives it if it had not ended.
    pub(crate) fn refused(&mut self, key: &InstrumentKey, id: &ClOrdId) -> Option<Order> {
        self.ended.add(id);
        self.remove(key, id)
    }

    pub(crate) fn cancel_sent(&mut self, at: Timestamp, cancel: &OrderCancel) -> Changed {
        let Some(order) = self.get_mut(&cancel.instrument, &cancel.cl_ord_id) else {
            return Changed::Nothing;
        };
        if order.cancel_sent.is_some_and(|sent| sent >= at) {
            return Changed::Nothing;
        }
        order.cancel_sent = Some(at);
        Changed::Something
    }

    /// Takes what a router says about an order.
    ///
    /// # Errors
    /// Refuses an execution that cannot be booked; it stays unbooked, and the position unknown.
    pub(crate) fn event(
        &mut self,
        header: &Header,
        event: &OrderEvent,
        instrument: Option<&Instrument>,
    ) -> Result<Changed, LedgerError> {
        // Ours by name, or because the log holds our request for it: names of earlier versions look different.
        let (key, id) = (&event.instrument, &event.cl_ord_id);
        let is_open = || self.open.get(key).is_some_and(|orders| orders.contains_key(id));
        if !id.as_str().starts_with(PREFIX) && !is_open() && !self.ended.set.contains(id) {
            return Ok(Changed::Nothing);
        }
        let booked = self.book(header, event, instrument);
        let changed = self.follow(event, booked.as_ref().is_ok_and(|is_new| *is_new));
        booked.map(|_| changed)
    }

    fn follow(&mut self, event: &OrderEvent, has_filled: bool) -> Changed {
        let (key, id) = (&event.instrument, &event.cl_ord_id);
        if event.ord_status.is_terminal() {
            if self.ended.add(id) {
                self.remove(key, id);
                return Changed::Ended;
            }
            return if has_filled { Changed::Something } else { Changed::Nothing };
        }
        self.count_id(id);
        let stage = match event.ord_status {
            OrdStatus::Working => Stage::Working,
            OrdStatus::InFlight
            | OrdStatus::SubmitUnknown
            | OrdStatus::CancelPending
            | OrdStatus::Filled
            | OrdStatus::Cancelled
            | OrdStatus::Rejected
            | OrdStatus::Expired => Stage::Known,
        };
        // An order whose request this log does not hold: known by its event.
        let unseen = Order {
            side: event.side,
            price: event.price,
            qty: event.order_qty,
            cum: Qty::ZERO,
            stage,
            cancel_sent: None,
            orig: event.orig_cl_ord_id.clone(),
        };
        self.insert(key, id, unseen);
        let Some(order) = self.get_mut(key, id) else {
            return if has_filled { Changed::Something } else { Changed::Nothing };
        };
        order.stage = stage;
        order.cum = order.cum.max(event.cum_qty);
        // Smaller where the order whose place it took filled on the way.
        order.qty = order.qty.min(event.order_qty);
        Changed::Something
    }

    /// Gives the open orders of a pair, oldest id first.
    pub(crate) fn of_pair(&self, key: &InstrumentKey) -> impl Iterator<Item = (&ClOrdId, &Order)> {
        self.open.get(key).into_iter().flatten()
    }

    pub(crate) fn get(&self, key: &InstrumentKey, id: &ClOrdId) -> Option<&Order> {
        self.open.get(key)?.get(id)
    }

    /// Gives the order that is to take the place of another and has not yet.
    pub(crate) fn successor(&self, key: &InstrumentKey, id: &ClOrdId) -> Option<&ClOrdId> {
        let mut all = self.of_pair(key);
        all.find(|(_, order)| order.orig.as_ref() == Some(id)).map(|(successor, _)| successor)
    }

    /// Gives the pairs with open orders.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = &InstrumentKey> {
        self.open.keys()
    }

    /// Gives every open order with its pair.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&InstrumentKey, &Order)> {
        self.open.iter().flat_map(|(key, orders)| orders.values().map(move |order| (key, order)))
    }

    /// Gives our holding relative to the start: executions, less fees paid in the base asset.
    pub(crate) fn position(&self, key: &InstrumentKey) -> Position {
        let account = self.account.as_ref();
        account.map_or(Position::ZERO, |account| self.ledger.position(account, key))
    }

    /// Tells whether an execution of the pair waits to be booked, so that its position is not known.
    pub(crate) fn has_unbooked(&self, key: &InstrumentKey) -> bool {
        self.unbooked.contains_key(key)
    }

    /// Books what waited for the definition of a pair.
    ///
    /// # Errors
    /// Refuses an execution that cannot be booked; it and those behind it stay unbooked.
    pub(crate) fn book_waiting(&mut self, instrument: &Instrument) -> Result<(), LedgerError> {
        let mut waiting = self.unbooked.remove(&instrument.key).unwrap_or_default().into_iter();
        while let Some(fill) = waiting.next() {
            if let Err(cause) = self.book_one(instrument, fill.clone()) {
                let left = std::iter::once(fill).chain(waiting).collect();
                self.unbooked.insert(instrument.key.clone(), left);
                return Err(cause);
            }
        }
        Ok(())
    }

    pub(crate) fn recent_fills(&self) -> &[RecentFill] {
        &self.recent_fills
    }

    /// Forgets fills of a venue that its balances hold now.
    pub(crate) fn balances_told(&mut self, venue: &remora_domain::VenueId, told: Stamp) {
        self.recent_fills.retain(|fill| fill.instrument.venue != *venue || is_after(fill.at, told));
    }

    /// Books the execution of an event, once; tells whether it is new.
    fn book(
        &mut self,
        header: &Header,
        event: &OrderEvent,
        instrument: Option<&Instrument>,
    ) -> Result<bool, LedgerError> {
        let Some(fill) = &event.fill else { return Ok(false) };
        self.account.get_or_insert_with(|| event.account.clone());
        let recent = RecentFill {
            at: stamp(header),
            instrument: event.instrument.clone(),
            side: event.side,
            fill: fill.clone(),
        };
        let Some(instrument) = instrument else {
            let waiting = self.unbooked.entry(event.instrument.clone()).or_default();
            let is_new = waiting.iter().all(|held| held.fill.exec_id != fill.exec_id);
            if is_new {
                waiting.push(recent);
            }
            return Ok(is_new);
        };
        let booked = self.book_one(instrument, recent.clone());
        if booked.is_err() {
            self.unbooked.entry(event.instrument.clone()).or_default().push(recent);
        }
        booked
    }

    fn book_one(&mut self, instrument: &Instrument, new: RecentFill) -> Result<bool, LedgerError> {
        let Some(account) = &self.account else { return Ok(false) };
        match self.ledger.book(account, instrument, new.side, &new.fill)? {
            Booking::Duplicate => Ok(false),
            Booking::Booked => {
                self.recent_fills.push(new);
                Ok(true)
            }
        }
    }

    fn insert(&mut self, key: &InstrumentKey, id: &ClOrdId, order: Order) -> Changed {
        let orders = self.open.entry(key.clone()).or_default();
        if orders.contains_key(id) || self.ended.set.contains(id) {
            if orders.is_empty() {
                self.open.remove(key);
            }
            return Changed::Nothing;
        }
        orders.insert(id.clone(), order);
        Changed::Something
    }

    fn remove(&mut self, key: &InstrumentKey, id: &ClOrdId) -> Option<Order> {
        let orders = self.open.get_mut(key)?;
        let removed = orders.remove(id);
        if orders.is_empty() {
            self.open.remove(key);
        }
        removed
    }

    fn get_mut(&mut self, key: &InstrumentKey, id: &ClOrdId) -> Option<&mut Order> {
        self.open.get_mut(key)?.get_mut(id)
    }

    fn count_id(&mut self, id: &ClOrdId) {
        let number = id.as_str().strip_prefix(&self.id_prefix);
        let used = number.and_then(|text| u64::from_str_radix(text, 36).ok());
        self.id_counter = self.id_counter.max(used.unwrap_or(0));
    }
}

/// Writes a number in digits to the base 36, so that ids of a session sort by age.
fn base36(number: u64) -> String {
    let mut left = number;
    let mut digits = Vec::with_capacity(DIGITS);
    while left > 0 || digits.len() < DIGITS {
        let digit = u32::try_from(left % 36).ok().and_then(|digit| char::from_digit(digit, 36));
        digits.push(digit.unwrap_or('0'));
        left /= 36;
    }
    digits.iter().rev().collect()
}

/// Tells whether a fill was told after balances of the same router; at one instant both are one statement.
pub(crate) fn is_after(fill: Stamp, balances: Stamp) -> bool {
    fill.0 > balances.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::{Body, ExecType, OrdStatus};
    use remora_testkit::{
        Producer, accepted, at_ms, cancelled, event, filled, instrument, key, position, qty,
        request, sending,
    };

    fn header(n: i64) -> Header {
        let mut router = Producer::new("order-router-sim", 1);
        let body = Body::OrderEvent(sending(&request("rmra-1")));
        router.wrap(at_ms(n), body).header.clone()
    }

    fn btc() -> Instrument {
        instrument("BTC", "USD")
    }

    fn orders() -> Orders {
        Orders::new(SessionId::new(0x1_0000_00ab))
    }

    #[test]
    fn ids_carry_the_session_and_never_repeat_those_of_the_log() {
        let mut orders = orders();
        assert_eq!(orders.next_id().unwrap().as_str(), "rmra000004r0000001");
        orders.requested(&request("rmra000004r000001f"));
        assert_eq!(orders.next_id().unwrap().as_str(), "rmra000004r000001g");
    }

    #[test]
    fn an_ended_order_stays_ended_whatever_is_repeated() {
        let (mut orders, order) = (orders(), request("rmra-1"));
        orders.requested(&order);
        let end = cancelled(&order, qty("0.4"));
        assert_eq!(orders.event(&header(1), &end, Some(&btc())), Ok(Changed::Ended));
        assert_eq!(orders.event(&header(1), &end, Some(&btc())), Ok(Changed::Nothing));
        assert_eq!(orders.event(&header(2), &accepted(&order), Some(&btc())), Ok(Changed::Nothing));
        assert_eq!(orders.requested(&order), Changed::Nothing);
        assert_eq!(orders.approved(&order), Changed::Nothing);
        assert_eq!(orders.all().count(), 0);
    }

    #[test]
    fn a_fill_is_booked_once_even_after_the_end() {
        let (mut orders, order) = (orders(), request("rmra-1"));
        orders.requested(&order);
        let first = filled(&order, "x-1", Qty::ZERO, qty("0.3"));
        let late = filled(&order, "x-2", qty("0.3"), qty("0.1"));
        orders.event(&header(1), &first, Some(&btc())).unwrap();
        orders.event(&header(2), &cancelled(&order, qty("0.4")), Some(&btc())).unwrap();
        assert_eq!(orders.event(&header(3), &late, Some(&btc())), Ok(Changed::Something));
        assert_eq!(orders.event(&header(3), &late, Some(&btc())), Ok(Changed::Nothing));
        assert_eq!(orders.position(&key("BTC-USD")), position("0.4"));
    }

    #[test]
    fn an_order_known_only_by_its_event_counts() {
        let (mut orders, order) = (orders(), request("rmra-7"));
        orders.event(&header(1), &accepted(&order), Some(&btc())).unwrap();
        let (id, open) = orders.of_pair(&key("BTC-USD")).next().unwrap();
        assert_eq!((id, open.leaves()), (&order.cl_ord_id, qty("1")));
    }

    #[test]
    fn orders_of_others_are_not_ours() {
        let mut orders = orders();
        let foreign = request("m-1");
        let working = event(&foreign, ExecType::New, OrdStatus::Working, Qty::ZERO);
        assert_eq!(orders.event(&header(1), &working, Some(&btc())), Ok(Changed::Nothing));
        assert_eq!(orders.all().count(), 0);
    }
}
