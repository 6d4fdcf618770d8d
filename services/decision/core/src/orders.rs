//! Our orders and fills, rebuilt from the log and kept from the news. One rule for both: a request makes an order,
//! only a refusal or a terminal event ends it.

use crate::facts::{Stamp, stamp};
use remora_domain::{
    AmountError, ClOrdId, ExecId, Fill, Header, IdError, InstrumentKey, OrderCancel, OrderEvent,
    OrderRequest, Position, Price, Qty, SessionId, Side, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Starts every client order id of ours.
const PREFIX: char = 'r';
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
    /// The router has spoken of it.
    Known,
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
    executions: Remembered<ExecId>,
    positions: BTreeMap<InstrumentKey, Position>,
    recent_fills: Vec<RecentFill>,
    id_prefix: String,
    id_counter: u64,
}

impl Orders {
    pub(crate) fn new(session: SessionId) -> Self {
        Self {
            open: BTreeMap::new(),
            ended: Remembered::new(),
            executions: Remembered::new(),
            positions: BTreeMap::new(),
            recent_fills: Vec::new(),
            id_prefix: format!("{PREFIX}{:08x}-", session.get() & 0xffff_ffff),
            id_counter: 0,
        }
    }

    /// Gives an id never used before: also not by an earlier session whose number ends alike.
    pub(crate) fn next_id(&mut self) -> Result<ClOrdId, IdError> {
        self.id_counter = self.id_counter.saturating_add(1);
        ClOrdId::new(&format!("{}{:x}", self.id_prefix, self.id_counter))
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
        };
        self.insert(&request.instrument, &request.cl_ord_id, order)
    }

    pub(crate) fn approved(&mut self, request: &OrderRequest) -> Changed {
        self.requested(request);
        match self.get_mut(&request.instrument, &request.cl_ord_id) {
            Some(order) if order.stage == Stage::Requested => {
                order.stage = Stage::Approved;
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
    /// Refuses a position outside the exact range.
    pub(crate) fn event(
        &mut self,
        header: &Header,
        event: &OrderEvent,
    ) -> Result<Changed, AmountError> {
        if !event.cl_ord_id.as_str().starts_with(PREFIX) {
            return Ok(Changed::Nothing);
        }
        let has_filled = self.book(header, event)?;
        let (key, id) = (&event.instrument, &event.cl_ord_id);
        if event.ord_status.is_terminal() {
            if self.ended.add(id) {
                self.remove(key, id);
                return Ok(Changed::Ended);
            }
            return Ok(if has_filled { Changed::Something } else { Changed::Nothing });
        }
        self.count_id(id);
        // An order whose request this log does not hold: known by its event.
        let unseen = Order {
            side: event.side,
            price: event.price,
            qty: event.order_qty,
            cum: Qty::ZERO,
            stage: Stage::Known,
            cancel_sent: None,
        };
        self.insert(key, id, unseen);
        let Some(order) = self.get_mut(key, id) else {
            return Ok(if has_filled { Changed::Something } else { Changed::Nothing });
        };
        order.stage = Stage::Known;
        order.cum = order.cum.max(event.cum_qty);
        Ok(Changed::Something)
    }

    /// Gives the open orders of a pair, oldest id first.
    pub(crate) fn of_pair(&self, key: &InstrumentKey) -> impl Iterator<Item = (&ClOrdId, &Order)> {
        self.open.get(key).into_iter().flatten()
    }

    /// Gives the pairs with open orders.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = &InstrumentKey> {
        self.open.keys()
    }

    /// Gives every open order with its pair.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&InstrumentKey, &Order)> {
        self.open.iter().flat_map(|(key, orders)| orders.values().map(move |order| (key, order)))
    }

    /// Gives our holding relative to the start.
    pub(crate) fn position(&self, key: &InstrumentKey) -> Position {
        self.positions.get(key).copied().unwrap_or(Position::ZERO)
    }

    pub(crate) fn recent_fills(&self) -> &[RecentFill] {
        &self.recent_fills
    }

    /// Forgets fills of a venue that its balances hold now.
    pub(crate) fn balances_told(&mut self, venue: &remora_domain::VenueId, told: Stamp) {
        self.recent_fills.retain(|fill| fill.instrument.venue != *venue || is_after(fill.at, told));
    }

    fn book(&mut self, header: &Header, event: &OrderEvent) -> Result<bool, AmountError> {
        let Some(fill) = &event.fill else { return Ok(false) };
        if !self.executions.add(&fill.exec_id) {
            return Ok(false);
        }
        let key = &event.instrument;
        let moved = self.position(key).checked_add(Position::of(event.side, fill.last_qty))?;
        self.positions.insert(key.clone(), moved);
        self.recent_fills.push(RecentFill {
            at: stamp(header),
            instrument: key.clone(),
            side: event.side,
            fill: fill.clone(),
        });
        Ok(true)
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
        let used = number.and_then(|text| u64::from_str_radix(text, 16).ok());
        self.id_counter = self.id_counter.max(used.unwrap_or(0));
    }
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
        Producer, accepted, at_ms, cancelled, event, filled, key, position, qty, request, sending,
    };

    fn header(n: i64) -> Header {
        let mut router = Producer::new("order-router-sim", 1);
        let body = Body::OrderEvent(sending(&request("r-1")));
        router.wrap(at_ms(n), body).header.clone()
    }

    fn orders() -> Orders {
        Orders::new(SessionId::new(0x1_0000_00ab))
    }

    #[test]
    fn ids_carry_the_session_and_never_repeat_those_of_the_log() {
        let mut orders = orders();
        assert_eq!(orders.next_id().unwrap().as_str(), "r000000ab-1");
        orders.requested(&request("r000000ab-1f"));
        assert_eq!(orders.next_id().unwrap().as_str(), "r000000ab-20");
    }

    #[test]
    fn an_ended_order_stays_ended_whatever_is_repeated() {
        let (mut orders, order) = (orders(), request("r-1"));
        orders.requested(&order);
        let end = cancelled(&order, qty("0.4"));
        assert_eq!(orders.event(&header(1), &end), Ok(Changed::Ended));
        assert_eq!(orders.event(&header(1), &end), Ok(Changed::Nothing));
        assert_eq!(orders.event(&header(2), &accepted(&order)), Ok(Changed::Nothing));
        assert_eq!(orders.requested(&order), Changed::Nothing);
        assert_eq!(orders.approved(&order), Changed::Nothing);
        assert_eq!(orders.all().count(), 0);
    }

    #[test]
    fn a_fill_is_booked_once_even_after_the_end() {
        let (mut orders, order) = (orders(), request("r-1"));
        orders.requested(&order);
        let first = filled(&order, "x-1", Qty::ZERO, qty("0.3"));
        let late = filled(&order, "x-2", qty("0.3"), qty("0.1"));
        orders.event(&header(1), &first).unwrap();
        orders.event(&header(2), &cancelled(&order, qty("0.4"))).unwrap();
        assert_eq!(orders.event(&header(3), &late), Ok(Changed::Something));
        assert_eq!(orders.event(&header(3), &late), Ok(Changed::Nothing));
        assert_eq!(orders.position(&key("BTC-USD")), position("0.4"));
    }

    #[test]
    fn an_order_known_only_by_its_event_counts() {
        let (mut orders, order) = (orders(), request("r-7"));
        orders.event(&header(1), &accepted(&order)).unwrap();
        let (id, open) = orders.of_pair(&key("BTC-USD")).next().unwrap();
        assert_eq!((id, open.leaves()), (&order.cl_ord_id, qty("1")));
    }

    #[test]
    fn orders_of_others_are_not_ours() {
        let mut orders = orders();
        let foreign = request("m-1");
        let working = event(&foreign, ExecType::New, OrdStatus::Working, Qty::ZERO);
        assert_eq!(orders.event(&header(1), &working), Ok(Changed::Nothing));
        assert_eq!(orders.all().count(), 0);
    }
}
