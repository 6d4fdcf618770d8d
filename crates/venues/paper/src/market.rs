//! One instrument: its book and our resting orders in time order. Says which of them trade, and why.
//!
//! Maker rules (quant-methods, section 21, B5): (a) a trade at our price serves those ahead, then ours in time order out
//! of the same print; (b) a trade through our price fills the rest; (c) an opposite quote at or through our price without a
//! print fills at most what it displays; (d) a touch alone fills nothing. All at our price.
//! A trade comes before the book update that removes its volume; where the venue's own stamps say that it came
//! after, `Resting::traded_at_price` sees to it that nothing counts twice.

use crate::book::{Book, reaches};
use crate::queue::{QueueModel, Resting, less, more};
use remora_domain::{BookTop, ClOrdId, DurationNs, MarketTrade, Price, Qty, Side, Timestamp};

/// Is the quantity an order of ours traded as maker, at its own price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) cl_ord_id: ClOrdId,
    pub(crate) qty: Qty,
}

/// Is one instrument at the venue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Market {
    pub(crate) book: Book,
    /// In the order of arrival.
    pub(crate) resting: Vec<Resting>,
    /// When its book last came. Trades do not renew it: they go on while the book is lost.
    pub(crate) book_at: Timestamp,
}

impl Market {
    /// Tells whether the book may be matched against: verified, and not silent for too long.
    pub(crate) fn is_usable(&self, now: Timestamp, age_max: DurationNs) -> bool {
        self.book.is_live() && now.since(self.book_at) <= age_max
    }

    /// Applies a new top: moves queues, then fills what the opposite side now displays across our prices.
    pub(crate) fn book_changed(
        &mut self,
        top: &BookTop,
        model: QueueModel,
        lot: Qty,
        venue_time: Option<Timestamp>,
    ) -> Vec<Hit> {
        if self.resting.is_empty() {
            self.book.replace(top);
            return Vec::new();
        }
        let before = self.book.clone();
        self.book.replace(top);
        if !self.book.is_live() {
            return Vec::new();
        }
        for order in &mut self.resting {
            let (side, price) = (order.side, order.price);
            let shown = (before.shown(side, price), self.book.shown(side, price));
            order.shown_changed(model, lot, before.traded(side, price), shown, venue_time);
        }
        let mut hits = Vec::new();
        for at in
            self.by_price_and_time(Side::Buy).into_iter().chain(self.by_price_and_time(Side::Sell))
        {
            if let Some(order) = self.resting.get_mut(at).filter(|o| o.front == Some(Qty::ZERO)) {
                let used = self.book.take(order.side, order.price, order.leaves_qty());
                let qty = used.into_iter().fold(Qty::ZERO, |sum, (_, qty)| more(sum, qty));
                hit(order, qty, &mut hits);
            }
        }
        hits
    }

    /// Applies a public trade.
    pub(crate) fn traded(
        &mut self,
        trade: &MarketTrade,
        venue_time: Option<Timestamp>,
    ) -> Vec<Hit> {
        if !self.book.is_live() {
            return Vec::new();
        }
        let side = trade.taker_side.opposite();
        self.book.note_trade(side, trade.price, trade.qty);
        let mut hits = Vec::new();
        // What our own orders take of the print is not there for those behind them.
        let mut spent = Qty::ZERO;
        for at in self.by_price_and_time(side) {
            let Some(order) = self.resting.get_mut(at) else {
                continue;
            };
            if order.price == trade.price {
                let rest = order.traded_at_price(less(trade.qty, spent), venue_time);
                spent = more(spent, hit(order, rest, &mut hits));
            } else if reaches(side, order.price, trade.price) {
                spent = more(spent, hit(order, order.leaves_qty(), &mut hits));
            }
        }
        hits
    }

    /// Gives the best opposite price an order of `side` would meet: displayed, or our own.
    pub(crate) fn best_against(&self, side: Side) -> (Option<Price>, Option<Price>) {
        let against = side.opposite();
        let own = self.resting.iter().filter(|order| order.side == against).map(|o| o.price);
        let own = match against {
            Side::Buy => own.max(),
            Side::Sell => own.min(),
        };
        (self.book.best(against), own)
    }

    pub(crate) fn get(&self, cl_ord_id: &ClOrdId) -> Option<&Resting> {
        self.resting.iter().find(|order| order.cl_ord_id == *cl_ord_id)
    }

    pub(crate) fn get_mut(&mut self, cl_ord_id: &ClOrdId) -> Option<&mut Resting> {
        self.resting.iter_mut().find(|order| order.cl_ord_id == *cl_ord_id)
    }

    /// Takes an order out.
    pub(crate) fn remove(&mut self, cl_ord_id: &ClOrdId) -> Option<Resting> {
        let at = self.resting.iter().position(|order| order.cl_ord_id == *cl_ord_id)?;
        Some(self.resting.remove(at))
    }

    /// Puts an order in the place of another, or behind all.
    pub(crate) fn replace(&mut self, old: &ClOrdId, order: Resting, keeps_place: bool) {
        let at = self.resting.iter().position(|resting| resting.cl_ord_id == *old);
        at.into_iter().for_each(|at| drop(self.resting.remove(at)));
        let at = at.filter(|_| keeps_place).unwrap_or(self.resting.len());
        self.resting.insert(at, order);
    }

    /// Gives the places of one side's orders, best price first, then oldest.
    fn by_price_and_time(&self, side: Side) -> Vec<usize> {
        let of_side = self.resting.iter().enumerate().filter(|(_, order)| order.side == side);
        let mut places: Vec<(Price, usize)> =
            of_side.map(|(at, order)| (order.price, at)).collect();
        match side {
            Side::Buy => places.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1))),
            Side::Sell => places.sort(),
        }
        places.into_iter().map(|(_, at)| at).collect()
    }
}

/// Fills at most `qty` of an order, notes it, and gives how much it was.
fn hit(order: &mut Resting, qty: Qty, hits: &mut Vec<Hit>) -> Qty {
    let qty = order.take(qty);
    if !qty.is_zero() {
        hits.push(Hit { cl_ord_id: order.cl_ord_id.clone(), qty });
    }
    qty
}
