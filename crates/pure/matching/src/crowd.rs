//! The crowd of a recorded feed: liquidity nobody placed here, which clients' orders queue among.
//!
//! Each price level of the recording is a queue: first what clients took from it (gone here, still there in the
//! recording), then pieces of crowd and clients' orders in the order they came. A recorded increase joins the back. A
//! recorded trade comes off the front of the recorded queue, all of it, because that is what the recording will show
//! next; clients' orders it passes on the way are filled out of the same trade, so one behind a quantity is filled
//! only by what traded beyond that quantity. A recorded decrease that no trade explains comes off the back: an order
//! moves forward only by trades, or when the level becomes smaller than what is ahead. What was taken is at the very
//! front, so it comes back only when the recorded level falls below it.
//!
//! So what the recorded queue holds (taken, and pieces) is always what the recording showed last less what traded since.
//!
//! Prints may arrive after the level change they caused. So an unexplained decrease is remembered for
//! [`LATE_PRINT`]: a print within it is that decrease, seen again. It was taken off the back and is put back there while
//! the print comes off the front; where the back was already empty it came off the front, and nothing moves twice.

use crate::api::{Event, MarketIx, OrderNo, QueueChange, TraderIx};
use crate::book::reaches;
use crate::exchange::{Exchange, Market};
use crate::fill::{Party, Taker};
use crate::money::{less, more};
use remora_domain::{DurationNs, Lots, Side, Ticks, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// Is how long after an unexplained decrease a print at the same price is taken for its cause. In the shared recording
/// of 2026-05-02 (BTC/USD, 20 minutes) 72 of 232 prints come after their level was gone, the last 0.38 s later.
const LATE_PRINT: DurationNs = DurationNs::from_s(1);

/// Is the crowd of one market.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crowd {
    /// Who it is; none in a market without a recording.
    trader: Option<TraderIx>,
    bids: Marks,
    asks: Marks,
}

impl Crowd {
    const fn side(&mut self, side: Side) -> &mut Marks {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

/// Is what must be remembered of levels beyond what the book shows.
#[derive(Clone, Debug, Default)]
struct Marks {
    by_price: BTreeMap<Ticks, Mark>,
    /// Unexplained decreases, oldest first.
    cuts: VecDeque<(Timestamp, Ticks)>,
}

/// Is what must be remembered of one level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    /// Taken by clients, still in the recording.
    taken: Lots,
    /// Of an unexplained decrease: what came off ahead of a client's order.
    cut_ahead: Lots,
    /// Of an unexplained decrease: what came off behind all of them.
    cut_behind: Lots,
    cut_at: Timestamp,
}

impl Marks {
    fn get(&self, price: Ticks) -> Mark {
        self.by_price.get(&price).copied().unwrap_or_default()
    }

    /// Remembers a mark, or forgets one that says nothing.
    fn set(&mut self, price: Ticks, mark: Mark) {
        if [mark.taken, mark.cut_ahead, mark.cut_behind].iter().all(|&lots| lots == Lots::ZERO) {
            self.by_price.remove(&price);
        } else {
            self.by_price.insert(price, mark);
        }
    }

    /// Forgets decreases whose print would have come by now.
    fn forget_cuts(&mut self, now: Timestamp) {
        while let Some(&(at, price)) = self.cuts.front()
            && at.saturating_add(LATE_PRINT) < now
        {
            self.cuts.pop_front();
            let mut mark = self.get(price);
            if mark.cut_at == at {
                (mark.cut_ahead, mark.cut_behind) = (Lots::ZERO, Lots::ZERO);
                self.set(price, mark);
            }
        }
    }
}

impl Exchange {
    /// Says what the recording shows at a price now; 0 when the level is gone. An increase that crosses clients' orders
    /// trades with them first, at their prices; opposite recorded levels that it crosses are out of date and go.
    /// While the market does not match, what would cross is left out. Nonsense (an unknown market, a trader who is
    /// no crowd, a number out of range) is ignored.
    #[expect(
        clippy::too_many_arguments,
        reason = "one recorded level; the names are the recording's"
    )]
    pub fn set_crowd_level(
        &mut self,
        now: Timestamp,
        crowd: TraderIx,
        market: MarketIx,
        side: Side,
        price: Ticks,
        qty: Lots,
        out: &mut Vec<Event>,
    ) {
        if !self.is_recordable(crowd, market, price, qty) {
            return;
        }
        self.begin(now, crowd, market);
        if qty > Lots::ZERO {
            self.evict(now, market, side.opposite(), price, out);
        }
        let found = self.markets.at_mut(market.get());
        let before = found.book.shown(side, price);
        let was = more(found.book.crowd(side, price), found.crowd.side(side).get(price).taken);
        if qty < was {
            self.cut(now, (market, side, price), less(was, qty), out);
        } else if qty > was {
            self.grow((market, side, price), less(qty, was), out);
        }
        self.tell_level(market, side, price, before, out);
        self.run_woken(out);
    }

    /// Says that the recording starts anew: everything it showed is gone, and so is what clients took of it.
    pub fn reset_crowd(
        &mut self,
        now: Timestamp,
        crowd: TraderIx,
        market: MarketIx,
        out: &mut Vec<Event>,
    ) {
        if !self.is_recordable(crowd, market, Ticks::new(1), Lots::ZERO) {
            return;
        }
        self.begin(now, crowd, market);
        for side in [Side::Buy, Side::Sell] {
            self.evict_within(now, (market, side), None, out);
            *self.markets.at_mut(market.get()).crowd.side(side) = Marks::default();
        }
    }

    /// Lets a taker of the crowd trade, at most `qty` down or up to `limit`; gives what traded with cash traders' orders.
    ///
    /// In a recorded market it is a trade the recording shows at exactly `limit`: orders at better prices are filled
    /// first (the recorded crowd there was not in its way), then the queue at `limit`; what is left traded among the
    /// crowd. All of `qty` is told as trades. Give a trade before the level change it caused. A market is recorded from
    /// its first [`Self::set_crowd_level`] or [`Self::reset_crowd`] on.
    ///
    /// In a market without a recording it is an order that lives at once and takes what there is, the crowd's placed
    /// orders included.
    #[expect(
        clippy::too_many_arguments,
        reason = "one recorded trade; the names are the recording's"
    )]
    pub fn take_for_crowd(
        &mut self,
        now: Timestamp,
        crowd: TraderIx,
        market: MarketIx,
        side: Side,
        limit: Ticks,
        qty: Lots,
        is_market_order: bool,
        out: &mut Vec<Event>,
    ) -> Lots {
        if !self.is_recordable(crowd, market, limit, qty)
            || qty == Lots::ZERO
            || !self.markets.at(market.get()).is_matching()
        {
            return Lots::ZERO;
        }
        let mut taker = self.crowd_taker(crowd, (market, side, limit), qty);
        taker.is_market_order = is_market_order;
        if self.markets.at(market.get()).crowd.trader.is_some() {
            self.begin(now, crowd, market);
            self.take_better(&mut taker, limit, out);
            self.take_at(&mut taker, limit, qty, out);
        } else {
            self.sweep(&mut taker, out);
        }
        self.run_woken(out);
        taker.with_clients
    }

    fn is_recordable(&self, crowd: TraderIx, market: MarketIx, price: Ticks, qty: Lots) -> bool {
        let is_crowd = self.accounts.get(crowd.get()).is_some_and(|account| !account.is_cash());
        let market = self.markets.get(market.get());
        is_crowd
            && price > Ticks::ZERO
            && market.is_some_and(|market| market.units.is_in_range(price, qty))
    }

    fn begin(&mut self, now: Timestamp, trader: TraderIx, market: MarketIx) {
        let crowd = &mut self.markets.at_mut(market.get()).crowd;
        crowd.trader = Some(trader);
        crowd.bids.forget_cuts(now);
        crowd.asks.forget_cuts(now);
    }

    fn crowd_taker(
        &mut self,
        crowd: TraderIx,
        (market, side, limit): (MarketIx, Side, Ticks),
        left: Lots,
    ) -> Taker {
        let party = Party::Crowd(crowd, self.next_order_no());
        let (limit, is_market_order) = (Some(limit), false);
        Taker { market, side, limit, party, left, is_market_order, with_clients: Lots::ZERO }
    }

    /// Gives whose pieces without an order are.
    pub(crate) fn crowd_of(&self, market: MarketIx) -> TraderIx {
        self.markets.at(market.get()).crowd.trader.unwrap_or(TraderIx::new(u32::MAX))
    }

    /// Remembers that an order took from the recorded crowd.
    pub(crate) fn note_taken(&mut self, market: MarketIx, side: Side, price: Ticks, qty: Lots) {
        let marks = self.markets.at_mut(market.get()).crowd.side(side);
        let mut mark = marks.get(price);
        mark.taken = more(mark.taken, qty);
        marks.set(price, mark);
    }

    /// Takes the recorded levels of a side away that an opposite one at `price` crosses.
    fn evict(
        &mut self,
        now: Timestamp,
        market: MarketIx,
        side: Side,
        price: Ticks,
        out: &mut Vec<Event>,
    ) {
        let best = self.markets.at(market.get()).book.best(side);
        if best.is_some_and(|best| reaches(side.opposite(), Some(price), best)) {
            self.evict_within(now, (market, side), Some(price), out);
        }
    }

    fn evict_within(
        &mut self,
        now: Timestamp,
        (market, side): (MarketIx, Side),
        limit: Option<Ticks>,
        out: &mut Vec<Event>,
    ) {
        let prices: Vec<Ticks> = self.markets.at(market.get()).book.within(side, limit).collect();
        for price in prices {
            let Market { book, crowd, .. } = self.markets.at_mut(market.get());
            let before = book.shown(side, price);
            let was = more(book.crowd(side, price), crowd.side(side).get(price).taken);
            self.cut(now, (market, side, price), was, out);
            self.tell_level(market, side, price, before, out);
        }
    }

    /// Adds to a recorded level: trades with the orders it crosses, and joins the back with the rest. What traded is
    /// taken: the recording still shows it.
    fn grow(
        &mut self,
        (market, side, price): (MarketIx, Side, Ticks),
        by: Lots,
        out: &mut Vec<Event>,
    ) {
        let mut taken = Lots::ZERO;
        if self.would_take(market, side, price) {
            taken = by;
            if self.markets.at(market.get()).is_matching() {
                let crowd = self.crowd_of(market);
                let mut taker = self.crowd_taker(crowd, (market, side, price), by);
                self.sweep(&mut taker, out);
                taken = less(by, taker.left);
            }
            self.note_taken(market, side, price, taken);
        }
        self.join_crowd((market, side, price), less(by, taken), out);
    }

    /// Puts quantity of the crowd at the back of a level.
    fn join_crowd(
        &mut self,
        (market, side, price): (MarketIx, Side, Ticks),
        by: Lots,
        out: &mut Vec<Event>,
    ) {
        if by == Lots::ZERO {
            return;
        }
        let new = self.next_order_no();
        let book = &mut self.markets.at_mut(market.get()).book;
        let back = book.back(side, price).filter(|&back| book.place(back).order.is_none());
        let (order, change, qty) = if let Some(back) = back {
            let qty = more(book.place(back).shown, by);
            book.resize(back, qty);
            (book.place(back).no, QueueChange::Modify, qty)
        } else {
            book.join(side, price, new, None, by);
            (new, QueueChange::Add, by)
        };
        out.push(Event::QueueChanged { market, side, price, order, change, qty });
    }

    /// Takes an unexplained decrease off a recorded level, from the back.
    fn cut(
        &mut self,
        now: Timestamp,
        (market, side, price): (MarketIx, Side, Ticks),
        by: Lots,
        out: &mut Vec<Event>,
    ) {
        if by == Lots::ZERO {
            return;
        }
        let mut mark = self.markets.at_mut(market.get()).crowd.side(side).get(price);
        let (mut left, mut is_ahead) = (by, false);
        let mut next = self.markets.at(market.get()).book.back(side, price);
        while let Some(place) = next
            && left > Lots::ZERO
        {
            let book = &self.markets.at(market.get()).book;
            next = book.ahead_of(place);
            let piece = *book.place(place);
            if piece.order.is_some() {
                is_ahead = true;
                continue;
            }
            let off = left.min(piece.shown);
            let cut = if is_ahead { &mut mark.cut_ahead } else { &mut mark.cut_behind };
            *cut = more(*cut, off);
            left = less(left, off);
            self.shrink(market, side, price, place, less(piece.shown, off), out);
        }
        // Less than clients took: the rest of it was at the front of everything.
        mark.taken = less(mark.taken, left).max(Lots::ZERO);
        mark.cut_ahead = more(mark.cut_ahead, left);
        mark.cut_at = now;
        let marks = self.markets.at_mut(market.get()).crowd.side(side);
        marks.set(price, mark);
        marks.cuts.push_back((now, price));
    }

    /// Fills the orders at prices better than a recorded trade's.
    fn take_better(&mut self, taker: &mut Taker, limit: Ticks, out: &mut Vec<Event>) {
        let against = taker.side.opposite();
        let book = &self.markets.at(taker.market.get()).book;
        let better = book.within(against, Some(limit)).take_while(|&price| price != limit);
        let prices: Vec<Ticks> = better.filter(|&price| book.has_orders(against, price)).collect();
        for price in prices {
            let before = self.markets.at(taker.market.get()).book.shown(against, price);
            while taker.left > Lots::ZERO {
                let mut queue = self.markets.at(taker.market.get()).book.queue(against, price);
                let Some((place, resting)) = queue.find(|(_, place)| place.order.is_some()) else {
                    break;
                };
                let qty = taker.left.min(resting.shown);
                drop(queue);
                self.trade(taker, price, qty, place, out);
            }
            self.tell_level(taker.market, against, price, before, out);
        }
    }

    /// Takes a recorded trade off the front of its level: off the recorded queue all of it, and of the orders in between
    /// what is left of the taker when it gets to them.
    fn take_at(&mut self, taker: &mut Taker, price: Ticks, traded: Lots, out: &mut Vec<Event>) {
        let (market, against) = (taker.market, taker.side.opposite());
        let is_crossed = self.would_take(market, against, price);
        let found = self.markets.at_mut(market.get());
        let before = found.book.shown(against, price);
        let marks = found.crowd.side(against);
        let mut mark = marks.get(price);
        let seen_ahead = traded.min(mark.cut_ahead);
        mark.cut_ahead = less(mark.cut_ahead, seen_ahead);
        let rest = less(traded, seen_ahead);
        let seen_behind = rest.min(mark.cut_behind);
        mark.cut_behind = less(mark.cut_behind, seen_behind);
        // Where an order rests across it by now, what is put back is gone like what was taken.
        let put_back = if is_crossed { Lots::ZERO } else { seen_behind };
        mark.taken = more(mark.taken, less(seen_behind, put_back));
        let off_taken = rest.min(mark.taken);
        mark.taken = less(mark.taken, off_taken);
        marks.set(price, mark);
        self.join_crowd((market, against, price), put_back, out);
        self.print(taker, price, more(seen_ahead, off_taken), out);
        self.take_queue(taker, price, less(rest, off_taken), out);
        self.print(taker, price, taker.left, out);
        self.tell_level(market, against, price, before, out);
    }

    /// Takes a recorded trade off the queue of its level; `recorded` is how much of it the recorded queue loses, at
    /// least what the taker still wants. Once the taker has that, orders stand still.
    fn take_queue(
        &mut self,
        taker: &mut Taker,
        price: Ticks,
        mut recorded: Lots,
        out: &mut Vec<Event>,
    ) {
        let (market, against) = (taker.market, taker.side.opposite());
        while recorded > Lots::ZERO {
            let wants = taker.left > Lots::ZERO;
            let mut queue = self.markets.at(market.get()).book.queue(against, price);
            let next = queue.find(|(_, it)| wants || it.order.is_none());
            let Some((place, resting)) = next.map(|(place, &resting)| (place, resting)) else {
                return;
            };
            drop(queue);
            let off_recorded = recorded.min(resting.shown);
            let qty = taker.left.min(resting.shown);
            if qty > Lots::ZERO {
                self.trade(taker, price, qty, place, out);
            }
            if resting.order.is_none() {
                recorded = less(recorded, off_recorded);
                if qty < off_recorded {
                    let shown = less(resting.shown, off_recorded);
                    self.shrink(market, against, price, place, shown, out);
                }
            }
        }
    }

    /// Tells a trade among the crowd that nothing here took part in.
    fn print(&mut self, taker: &mut Taker, price: Ticks, qty: Lots, out: &mut Vec<Event>) {
        let qty = qty.min(taker.left);
        if qty > Lots::ZERO {
            let maker: OrderNo = self.next_order_no();
            let maker = Party::Crowd(self.crowd_of(taker.market), maker);
            self.deal(taker, maker, price, qty, true, out);
            self.price_moved(taker.market, crate::api::Reference::Last, price, out);
        }
    }
}
