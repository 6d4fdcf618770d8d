//! Matching: an arriving order meets the book, best price first, oldest first; each trade is booked as it happens.

use crate::api::{
    Event, MarketIx, Money, OrderNo, OrderState, QueueChange, Reference, SelfTrade, TradeNo,
    TradeSide, TraderIx,
};
use crate::book::reaches;
use crate::exchange::Exchange;
use crate::money::{fee, less, more};
use crate::store::Ix;
use remora_domain::{Lots, Side, Ticks};

/// Is one of the two that trade.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Party {
    /// An order.
    Order(Ix),
    /// A recorded crowd, by a number of its own.
    Crowd(TraderIx, OrderNo),
}

/// Is whoever arrives at the book.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taker {
    pub(crate) market: MarketIx,
    pub(crate) side: Side,
    pub(crate) limit: Option<Ticks>,
    pub(crate) party: Party,
    /// What a crowd still wants; an order knows itself.
    pub(crate) left: Lots,
    pub(crate) is_market_order: bool,
    /// What traded with cash traders' orders.
    pub(crate) with_clients: Lots,
}

/// Says why an arriving order stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It has what it wants, or there is nothing more for it.
    Done,
    /// It met an order of its own trader and has to go.
    SelfTrade,
}

/// Is one trade that is being booked.
#[derive(Clone, Copy, Debug)]
struct Deal {
    trade: TradeNo,
    market: MarketIx,
    price: Ticks,
    qty: Lots,
    cost: Money,
}

impl Exchange {
    /// Trades with the opposite side until there is nothing to want or to have.
    pub(crate) fn sweep(&mut self, taker: &mut Taker, out: &mut Vec<Event>) -> Stop {
        let against = taker.side.opposite();
        let mut level: Option<(Ticks, Lots)> = None;
        let stop = loop {
            let book = &self.markets.at(taker.market.get()).book;
            let front = book.front(against);
            let Some((price, place)) = front.filter(|at| reaches(taker.side, taker.limit, at.0))
            else {
                break Stop::Done;
            };
            let want = self.wants(taker, price);
            if want == Lots::ZERO {
                break Stop::Done;
            }
            if level.is_none_or(|(at, _)| at != price) {
                let next = (price, book.shown(against, price));
                if let Some((at, before)) = level.replace(next) {
                    self.tell_level(taker.market, against, at, before, out);
                }
            }
            if let Some(stop) = self.meet(taker, price, place, want, out) {
                break stop;
            }
        };
        if let Some((at, before)) = level {
            self.tell_level(taker.market, against, at, before, out);
        }
        stop
    }

    fn wants(&self, taker: &Taker, price: Ticks) -> Lots {
        match taker.party {
            Party::Crowd(..) => taker.left,
            Party::Order(ix) if self.orders.at(ix).is_open() => {
                let market = self.markets.at(taker.market.get());
                self.orders.at(ix).wants(&market.units, price, market.spec.lot)
            }
            Party::Order(_) => Lots::ZERO,
        }
    }

    /// Lets the taker trade with one place, or prevents it.
    fn meet(
        &mut self,
        taker: &mut Taker,
        price: Ticks,
        place: Ix,
        want: Lots,
        out: &mut Vec<Event>,
    ) -> Option<Stop> {
        let resting = *self.markets.at(taker.market.get()).book.place(place);
        if let (Party::Order(arriving), Some(own)) = (taker.party, resting.order)
            && self.is_self_trade(arriving, own)
        {
            return self.prevent(arriving, own, out);
        }
        self.trade(taker, price, want.min(resting.shown), place, out);
        None
    }

    fn is_self_trade(&self, arriving: Ix, resting: Ix) -> bool {
        let trader = self.orders.at(arriving).asked().trader;
        trader == self.orders.at(resting).asked().trader && self.accounts.at(trader.get()).is_cash()
    }

    /// Applies the arriving order's choice. The resting one's level is told by the sweep.
    fn prevent(&mut self, arriving: Ix, resting: Ix, out: &mut Vec<Event>) -> Option<Stop> {
        let choice = self.orders.at(arriving).asked().self_trade;
        if choice != SelfTrade::CancelNewest {
            self.leave(resting, out);
            let cause = crate::api::EndCause::SelfTrade;
            self.close(resting, OrderState::Ended(cause));
            out.push(Event::Ended { order: self.orders.at(resting).view.order, cause });
        }
        match choice {
            SelfTrade::CancelOldest => None,
            SelfTrade::CancelNewest | SelfTrade::CancelBoth => Some(Stop::SelfTrade),
        }
    }

    /// Trades with one place; books, tells, and takes what is empty out of the book. The level is told by the caller.
    pub(crate) fn trade(
        &mut self,
        taker: &mut Taker,
        price: Ticks,
        qty: Lots,
        place: Ix,
        out: &mut Vec<Event>,
    ) {
        let resting = *self.markets.at(taker.market.get()).book.place(place);
        let against = taker.side.opposite();
        let maker = match resting.order {
            Some(ix) => Party::Order(ix),
            None => Party::Crowd(self.crowd_of(taker.market), resting.no),
        };
        self.deal(taker, maker, price, qty, qty == resting.shown, out);
        match (maker, taker.party) {
            (Party::Order(ix), _) if self.is_client(ix) => {
                taker.with_clients = more(taker.with_clients, qty);
            }
            (Party::Crowd(..), Party::Order(_)) => {
                self.note_taken(taker.market, against, price, qty);
            }
            (Party::Order(_), _) | (Party::Crowd(..), Party::Crowd(..)) => {}
        }
        self.shrink(taker.market, against, price, place, less(resting.shown, qty), out);
        if let Party::Order(ix) = taker.party
            && self.is_filled(ix, price)
        {
            self.close(ix, OrderState::Filled);
        }
        self.price_moved(taker.market, Reference::Last, price, out);
    }

    /// Books one trade between two parties and tells it.
    pub(crate) fn deal(
        &mut self,
        taker: &mut Taker,
        maker: Party,
        price: Ticks,
        qty: Lots,
        is_last_of_maker: bool,
        out: &mut Vec<Event>,
    ) {
        if let Party::Order(ix) = taker.party {
            self.open(ix, out);
        }
        self.trades_numbered = self.trades_numbered.saturating_add(1);
        let trade = TradeNo::new(self.trades_numbered);
        let market = self.markets.at_mut(taker.market.get());
        market.trades = market.trades.saturating_add(1);
        let (market_trade, cost) = (market.trades, market.units.cost(price, qty));
        let deal = Deal { trade, market: taker.market, price, qty, cost };
        taker.left = less(taker.left, qty).max(Lots::ZERO);
        let maker_side = self.fill(maker, &deal, true, is_last_of_maker);
        let taker_side = self.fill(taker.party, &deal, false, taker.left == Lots::ZERO);
        out.push(Event::Traded {
            trade,
            market_trade,
            market: taker.market,
            price,
            qty,
            cost,
            taker_side: taker.side,
            is_market_order: taker.is_market_order,
            maker: maker_side,
            taker: taker_side,
        });
        for (party, side) in [(maker, maker_side), (taker.party, taker_side)] {
            if let Party::Order(ix) = party {
                self.pay(ix, &deal, &side, out);
            }
        }
    }

    /// Notes a trade in one party's order and gives that side of it.
    fn fill(&mut self, party: Party, deal: &Deal, is_maker: bool, is_last: bool) -> TradeSide {
        let market = self.markets.at(deal.market.get());
        let ix = match party {
            Party::Order(ix) => ix,
            Party::Crowd(trader, order) => {
                return TradeSide {
                    trader,
                    order,
                    cum_qty: deal.qty,
                    cum_cost: deal.cost,
                    is_filled: is_last,
                    fee_asset: market.spec.quote,
                    fee: 0,
                };
            }
        };
        let order = self.orders.at_mut(ix);
        let rate = if is_maker { order.rates.maker_ppm } else { order.rates.taker_ppm };
        let (fee_asset, fee) = if order.asked().is_fee_in_base {
            (market.spec.base, fee(market.units.in_base(deal.qty), rate))
        } else {
            (market.spec.quote, fee(deal.cost, rate))
        };
        let view = &mut order.view;
        view.cum_qty = more(view.cum_qty, deal.qty);
        view.cum_cost = view.cum_cost.saturating_add(deal.cost);
        if fee_asset == market.spec.quote {
            view.cum_fee = view.cum_fee.saturating_add(fee);
        }
        let (trader, order) = (view.asked.trader, view.order);
        let (cum_qty, cum_cost) = (view.cum_qty, view.cum_cost);
        let is_filled = self.is_filled(ix, deal.price);
        TradeSide { trader, order, cum_qty, cum_cost, is_filled, fee_asset, fee }
    }

    /// Tells whether nothing is left of an order: for one in quote, whether the rest buys nothing at this price.
    fn is_filled(&self, ix: Ix, price: Ticks) -> bool {
        let order = self.orders.at(ix);
        let market = self.markets.at(order.asked().market.get());
        order.wants(&market.units, price, market.spec.lot) == Lots::ZERO
    }

    /// Moves one party's money and sets its hold to what is left of the order.
    fn pay(&mut self, ix: Ix, deal: &Deal, side: &TradeSide, out: &mut Vec<Event>) {
        let Some((_, held)) = self.orders.at(ix).view.held else {
            return;
        };
        let market = self.markets.at(deal.market.get());
        let (base, quote) = (market.spec.base, market.spec.quote);
        let (qty, cost) = (market.units.in_base(deal.qty), market.units.in_quote(deal.cost));
        let (base_fee, quote_fee) = if side.fee_asset == base {
            (side.fee, 0)
        } else {
            (0, market.units.in_quote(side.fee))
        };
        let is_buy = self.orders.at(ix).asked().side == Side::Buy;
        let (given, given_fee) = if is_buy { (cost, quote_fee) } else { (qty, base_fee) };
        let need = self.need_after(ix, held, given.saturating_add(given_fee));
        self.set_hold(ix, 0);
        let moves = if is_buy {
            [(quote, cost.saturating_neg(), quote_fee), (base, qty, base_fee)]
        } else {
            [(base, qty.saturating_neg(), base_fee), (quote, cost, quote_fee)]
        };
        for (asset, amount, fee) in moves {
            let account = self.accounts.at_mut(side.trader.get());
            // Holds cover a fill but for the rounding of its parts. If that last unit is not available either, the
            // exchange bears it: a balance is never below what other orders hold.
            let change = amount.saturating_sub(fee).max(account.available(asset).saturating_neg());
            let balance = account.add(asset, change);
            let earned = self.earned.at_mut(asset.get());
            *earned = earned.saturating_add(amount.saturating_sub(change));
            // `amount` moved between the two traders; what this one did not pay of it is the exchange's.
            let (trader, trade) = (side.trader, Some(deal.trade));
            let amount = change.saturating_add(fee);
            out.push(Event::BalanceChanged { trader, asset, amount, fee, balance, trade });
        }
        let (asset, left) = if is_buy { (quote, need) } else { (base, need) };
        let available = self.accounts.at(side.trader.get()).available(asset);
        self.set_hold(ix, left.min(available));
    }

    /// Gives the hold of an order after a fill for which `paid` was given away. A live market buy's hold shrinks by
    /// what it pays; any other's is computed anew from what is left.
    fn need_after(&self, ix: Ix, held: Money, paid: Money) -> Money {
        let order = self.orders.at(ix);
        let asked = order.asked();
        if asked.side == Side::Buy && order.limit().is_none() {
            return held.saturating_sub(paid).max(0);
        }
        self.need(ix)
    }

    /// Sets what a place shows after a trade. An order that shows nothing is refilled from its hidden rest at the back
    /// of the queue, or done.
    pub(crate) fn shrink(
        &mut self,
        market: MarketIx,
        side: Side,
        price: Ticks,
        place: Ix,
        shown: Lots,
        out: &mut Vec<Event>,
    ) {
        let book = &mut self.markets.at_mut(market.get()).book;
        let resting = *book.place(place);
        if shown > Lots::ZERO {
            book.resize(place, shown);
            let (order, change) = (resting.no, QueueChange::Modify);
            out.push(Event::QueueChanged { market, side, price, order, change, qty: shown });
            return;
        }
        self.remove_place(market, side, price, place, out);
        let Some(ix) = resting.order else {
            return;
        };
        self.orders.at_mut(ix).place = None;
        if self.orders.at(ix).leaves() == Lots::ZERO {
            self.close(ix, OrderState::Filled);
        } else {
            self.join(ix, price, out);
            out.push(Event::Refilled { order: resting.no });
        }
    }

    fn is_client(&self, ix: Ix) -> bool {
        self.accounts.at(self.orders.at(ix).asked().trader.get()).is_cash()
    }
}
