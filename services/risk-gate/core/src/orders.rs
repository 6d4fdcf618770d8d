//! What may still fill: one reservation per order, from its approval to the event that ends it.

use remora_domain::{
    AmountError, ClOrdId, ExecType, Notional, OrderEvent, OrderRequest, Price, Qty, Side,
};
use std::collections::BTreeMap;

/// Says what is known of a client order id. Ids are never forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum IdState {
    /// Asked for and refused by a gate.
    Refused,
    /// Approved and not known to have ended.
    Open,
    /// The router said it never sent it.
    NeverSent,
    /// Ended.
    Closed,
}

/// Is what one order may still do to the position.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Reservation {
    side: Side,
    price: Price,
    qty: Qty,
    booked: Qty,
    ended_at_cum: Option<Qty>,
    progress: Progress,
}

/// Says how far an order has come, as far as its router told.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub(crate) enum Progress {
    /// Approved.
    Approved,
    /// The router was about to send it.
    Sending,
    /// The venue may have it.
    Sent,
}

impl Progress {
    /// Reads how far an order said to live has come.
    pub(crate) fn of(event: &OrderEvent) -> Self {
        if event.exec_type == ExecType::Sending { Self::Sending } else { Self::Sent }
    }
}

impl Reservation {
    pub(crate) fn of_request(request: &OrderRequest) -> Self {
        Self {
            side: request.side,
            price: request.price,
            qty: request.qty,
            booked: Qty::ZERO,
            ended_at_cum: None,
            progress: Progress::Approved,
        }
    }

    /// Takes an order that only its events tell of, as large as it is asked to be: which of its fills were booked
    /// is not known, so none is counted.
    pub(crate) fn of_event(event: &OrderEvent) -> Self {
        Self {
            side: event.side,
            price: event.price,
            qty: event.order_qty,
            booked: Qty::ZERO,
            ended_at_cum: None,
            progress: Progress::of(event),
        }
    }

    /// Gives what may still fill, or has filled at the venue and was not heard of yet. Follows the fills booked,
    /// not the counters in events, so that position plus remainder never shrinks by a late or lost fill.
    pub(crate) fn remaining(&self) -> Qty {
        let end = self.ended_at_cum.unwrap_or(self.qty);
        end.checked_sub(self.booked).unwrap_or(Qty::ZERO)
    }

    /// Gives what was booked of it.
    pub(crate) const fn booked(&self) -> Qty {
        self.booked
    }

    pub(crate) const fn side(&self) -> Side {
        self.side
    }

    pub(crate) const fn is_ended(&self) -> bool {
        self.ended_at_cum.is_some()
    }

    pub(crate) const fn progress(&self) -> Progress {
        self.progress
    }

    pub(crate) fn advance(&mut self, to: Progress) {
        self.progress = self.progress.max(to);
    }

    pub(crate) fn add_fill(&mut self, qty: Qty) -> Result<(), AmountError> {
        self.booked = self.booked.checked_add(qty)?;
        Ok(())
    }

    pub(crate) fn end(&mut self, cum: Qty) {
        self.ended_at_cum = Some(self.ended_at_cum.map_or(cum, |before| before.max(cum)));
    }
}

/// Is the sum of the reservations on one side of a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SideSum {
    /// Base units that may still fill.
    pub(crate) qty: Qty,
    /// Their value at their limit prices, in quote currency.
    pub(crate) cost: Notional,
}

impl SideSum {
    pub(crate) fn with(self, price: Price, qty: Qty) -> Result<Self, AmountError> {
        let one = Qty::from_decimal(1.into())?;
        let cost = price.checked_notional(qty, one)?;
        Ok(Self { qty: self.qty.checked_add(qty)?, cost: self.cost.checked_add(cost)? })
    }
}

/// Holds the reservations of one pair, with their sums kept ready.
#[derive(Debug, Default, Clone)]
pub(crate) struct PairOrders {
    open: BTreeMap<ClOrdId, Reservation>,
    sums: Sums,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sums {
    buys: Result<SideSum, AmountError>,
    sells: Result<SideSum, AmountError>,
}

impl Default for Sums {
    fn default() -> Self {
        Self { buys: Ok(SideSum::default()), sells: Ok(SideSum::default()) }
    }
}

impl PairOrders {
    pub(crate) fn of(open: BTreeMap<ClOrdId, Reservation>) -> Self {
        let mut orders = Self { open, ..Self::default() };
        orders.sum_up();
        orders
    }

    pub(crate) const fn open(&self) -> &BTreeMap<ClOrdId, Reservation> {
        &self.open
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn contains(&self, id: &ClOrdId) -> bool {
        self.open.contains_key(id)
    }

    /// Gives the sum of a side, or why it cannot be told exactly.
    pub(crate) fn sum(&self, side: Side) -> Result<SideSum, AmountError> {
        match side {
            Side::Buy => self.sums.buys.clone(),
            Side::Sell => self.sums.sells.clone(),
        }
    }

    pub(crate) fn insert(&mut self, id: ClOrdId, reservation: Reservation) {
        self.open.insert(id, reservation);
        self.sum_up();
    }

    /// Changes a reservation and drops it once it has ended with nothing unheard of; gives whether it is gone.
    pub(crate) fn update(
        &mut self,
        id: &ClOrdId,
        change: impl FnOnce(&mut Reservation) -> Result<(), AmountError>,
    ) -> Result<bool, AmountError> {
        let Some(reservation) = self.open.get_mut(id) else { return Ok(false) };
        change(reservation)?;
        let is_gone = reservation.is_ended() && reservation.remaining().is_zero();
        if is_gone {
            self.open.remove(id);
        }
        self.sum_up();
        Ok(is_gone)
    }

    pub(crate) fn get(&self, id: &ClOrdId) -> Option<&Reservation> {
        self.open.get(id)
    }

    /// Gives an order of the other side that an order at `price` would meet, if it were at the venue.
    pub(crate) fn crossed_by(&self, side: Side, price: Price) -> Option<(&ClOrdId, Price)> {
        let meets = |other: Price| match side {
            Side::Buy => price >= other,
            Side::Sell => price <= other,
        };
        let resting = |r: &Reservation| r.side == side.opposite() && !r.is_ended();
        let mut all = self.open.iter().filter(|(_, r)| resting(r) && meets(r.price));
        all.next().map(|(id, r)| (id, r.price))
    }

    fn sum_up(&mut self) {
        let of_side = |side: Side| {
            let mut on_side = self.open.values().filter(|r| r.side == side);
            on_side.try_fold(SideSum::default(), |sum, r| sum.with(r.price, r.remaining()))
        };
        self.sums = Sums { buys: of_side(Side::Buy), sells: of_side(Side::Sell) };
    }
}
