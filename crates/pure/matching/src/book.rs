//! The book of one market: price levels and their queues. It knows quantities and places, not what they mean: fees,
//! holds and events are the engine's.
//!
//! A level is found by price in O(log levels), best first; an order in its queue by index in O(1), because queues are
//! linked lists through one store. Invariants: no level without a place, no place that shows nothing, two neighbouring
//! places are never both the crowd's, `shown` and `crowd` are the sums over the queue.

use crate::api::OrderNo;
use crate::money::{less, more};
use crate::store::{Ix, Slab};
use remora_domain::{Lots, Side, Ticks};
use std::collections::BTreeMap;

/// Is one place in a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The order's number.
    pub(crate) no: OrderNo,
    /// What it shows; above zero.
    pub(crate) shown: Lots,
    /// The order in the engine's store; none for a piece of a recorded crowd.
    pub(crate) order: Option<Ix>,
    level: Ix,
    prev: Option<Ix>,
    next: Option<Ix>,
}

/// Is one price level.
#[derive(Clone, Copy, Debug)]
struct Level {
    price: Ticks,
    side: Side,
    head: Option<Ix>,
    tail: Option<Ix>,
    /// Sum over the queue; wider than one quantity, so that no number of orders overflows it.
    shown: i128,
    /// The recorded crowd's part of it.
    crowd: Lots,
    /// How many places are orders.
    orders: u32,
}

/// Says what became of a neighbour when a place was removed: two pieces of crowd that met became one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    /// The piece that grew.
    pub(crate) kept: OrderNo,
    /// What it shows now.
    pub(crate) shown: Lots,
    /// The piece that went into it.
    pub(crate) gone: OrderNo,
}

/// Is the book.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    bids: BTreeMap<Ticks, Ix>,
    asks: BTreeMap<Ticks, Ix>,
    levels: Slab<Level>,
    places: Slab<Place>,
}

/// Tells whether an order of `side` with this limit (none: any price) trades with an opposite price.
pub(crate) fn reaches(side: Side, limit: Option<Ticks>, price: Ticks) -> bool {
    limit.is_none_or(|limit| match side {
        Side::Buy => limit >= price,
        Side::Sell => limit <= price,
    })
}

impl Book {
    fn side(&self, side: Side) -> &BTreeMap<Ticks, Ix> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<Ticks, Ix> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    fn level(&self, side: Side, price: Ticks) -> Option<&Level> {
        self.side(side).get(&price).map(|&ix| self.levels.at(ix))
    }

    fn best_level(&self, side: Side) -> Option<&Level> {
        let ix = match side {
            Side::Buy => self.bids.last_key_value(),
            Side::Sell => self.asks.first_key_value(),
        };
        ix.map(|(_, &ix)| self.levels.at(ix))
    }

    /// Gives the levels of a side, best first.
    fn best_first(&self, side: Side) -> impl Iterator<Item = &Level> {
        let (bids, asks) = match side {
            Side::Buy => (Some(self.bids.values().rev()), None),
            Side::Sell => (None, Some(self.asks.values())),
        };
        let of_bids = bids.into_iter().flatten();
        of_bids.chain(asks.into_iter().flatten()).map(|&ix| self.levels.at(ix))
    }

    /// Gives prices and shown quantities, best first.
    pub(crate) fn levels(&self, side: Side) -> impl Iterator<Item = (Ticks, Lots)> {
        self.best_first(side).map(|level| (level.price, narrow(level.shown)))
    }

    /// Gives the prices of a side, best first, as far as an order of the other side with this limit reaches.
    pub(crate) fn within(&self, side: Side, limit: Option<Ticks>) -> impl Iterator<Item = Ticks> {
        let prices = self.best_first(side).map(|level| level.price);
        prices.take_while(move |&price| reaches(side.opposite(), limit, price))
    }

    /// Gives the best price and the place at the front of its queue.
    pub(crate) fn front(&self, side: Side) -> Option<(Ticks, Ix)> {
        let level = self.best_level(side)?;
        level.head.map(|head| (level.price, head))
    }

    pub(crate) fn best(&self, side: Side) -> Option<Ticks> {
        self.best_level(side).map(|level| level.price)
    }

    /// Gives what a level shows; 0 where there is none.
    pub(crate) fn shown(&self, side: Side, price: Ticks) -> Lots {
        self.level(side, price).map_or(Lots::ZERO, |level| narrow(level.shown))
    }

    /// Gives what of it is the recorded crowd's.
    pub(crate) fn crowd(&self, side: Side, price: Ticks) -> Lots {
        self.level(side, price).map_or(Lots::ZERO, |level| level.crowd)
    }

    /// Tells whether anything at the level is an order rather than the recorded crowd.
    pub(crate) fn has_orders(&self, side: Side, price: Ticks) -> bool {
        self.level(side, price).is_some_and(|level| level.orders > 0)
    }

    pub(crate) fn place(&self, ix: Ix) -> &Place {
        self.places.at(ix)
    }

    /// Gives the queue of a level, front first.
    pub(crate) fn queue(&self, side: Side, price: Ticks) -> impl Iterator<Item = (Ix, &Place)> {
        let head = self.level(side, price).and_then(|level| level.head);
        std::iter::successors(head, |&ix| self.places.at(ix).next)
            .map(|ix| (ix, self.places.at(ix)))
    }

    /// Gives the place at the back of a queue.
    pub(crate) fn back(&self, side: Side, price: Ticks) -> Option<Ix> {
        self.level(side, price).and_then(|level| level.tail)
    }

    /// Gives the place ahead of this one in its queue.
    pub(crate) fn ahead_of(&self, ix: Ix) -> Option<Ix> {
        self.places.at(ix).prev
    }

    /// Joins the back of a queue. `shown` is above zero.
    pub(crate) fn join(
        &mut self,
        side: Side,
        price: Ticks,
        no: OrderNo,
        order: Option<Ix>,
        shown: Lots,
    ) -> Ix {
        let level_ix = self.level_or_new(side, price);
        let tail = self.levels.at(level_ix).tail;
        let ix =
            self.places.insert(Place { no, shown, order, level: level_ix, prev: tail, next: None });
        match tail {
            Some(tail) => self.places.at_mut(tail).next = Some(ix),
            None => self.levels.at_mut(level_ix).head = Some(ix),
        }
        let level = self.levels.at_mut(level_ix);
        level.tail = Some(ix);
        level.shown = level.shown.saturating_add(shown.get().into());
        match order {
            Some(_) => level.orders = level.orders.saturating_add(1),
            None => level.crowd = more(level.crowd, shown),
        }
        ix
    }

    fn level_or_new(&mut self, side: Side, price: Ticks) -> Ix {
        if let Some(&ix) = self.side(side).get(&price) {
            return ix;
        }
        let (head, tail) = (None, None);
        let level = Level { price, side, head, tail, shown: 0, crowd: Lots::ZERO, orders: 0 };
        let ix = self.levels.insert(level);
        self.side_mut(side).insert(price, ix);
        ix
    }

    /// Sets what a place shows, above zero; the place stays.
    pub(crate) fn resize(&mut self, ix: Ix, shown: Lots) {
        let place = self.places.at_mut(ix);
        let before = std::mem::replace(&mut place.shown, shown);
        let is_crowd = place.order.is_none();
        let level = self.levels.at_mut(place.level);
        let change = i128::from(shown.get()).saturating_sub(before.get().into());
        level.shown = level.shown.saturating_add(change);
        if is_crowd {
            level.crowd = more(less(level.crowd, before), shown);
        }
    }

    /// Takes a place out of its queue; the level goes with its last one.
    pub(crate) fn leave(&mut self, ix: Ix) -> Option<Merged> {
        self.resize(ix, Lots::ZERO);
        let place = self.places.remove(ix)?;
        match place.prev {
            Some(prev) => self.places.at_mut(prev).next = place.next,
            None => self.levels.at_mut(place.level).head = place.next,
        }
        match place.next {
            Some(next) => self.places.at_mut(next).prev = place.prev,
            None => self.levels.at_mut(place.level).tail = place.prev,
        }
        let level = self.levels.at_mut(place.level);
        if place.order.is_some() {
            level.orders = level.orders.saturating_sub(1);
        }
        if level.head.is_none() {
            let (side, price) = (level.side, level.price);
            self.side_mut(side).remove(&price);
            self.levels.remove(place.level);
            return None;
        }
        self.merge(place.prev?, place.next?)
    }

    /// Joins two neighbours that are both crowd, so that orders coming and going between them leave no trace.
    fn merge(&mut self, front: Ix, behind: Ix) -> Option<Merged> {
        let (ahead, after) = (*self.places.at(front), *self.places.at(behind));
        if ahead.order.is_some() || after.order.is_some() {
            return None;
        }
        let shown = more(ahead.shown, after.shown);
        self.leave(behind);
        self.resize(front, shown);
        Some(Merged { kept: ahead.no, shown, gone: after.no })
    }
}

/// Gives a sum as a quantity; what does not fit is shown as the largest there is.
fn narrow(sum: i128) -> Lots {
    Lots::new(i64::try_from(sum).unwrap_or(i64::MAX))
}
