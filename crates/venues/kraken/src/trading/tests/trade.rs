//! Trading by chance in a world, and what must hold when it is wound down.

use super::world::{CROWD, Options, TRADED, Traded, World};
use crate::server::desk::{ExecutionQuery, Span};
use crate::server::io::{Flow, ServerInput};
use remora_domain::{
    Asset, ClOrdId, DurationNs, Lots, OrderRequest, Qty, Side, Ticks, TimeInForce,
};
use remora_testkit::request;
use rust_decimal::Decimal;
use std::collections::BTreeSet;

impl World {
    /// Makes an order by chance: most rest inside the crowd, some would take, some do.
    pub(crate) fn any_order(&mut self) -> OrderRequest {
        let traded = &TRADED[usize::try_from(self.random.next_below(6)).unwrap()];
        let side = if self.random.next_below(2) == 0 { Side::Buy } else { Side::Sell };
        let away = i64::try_from(self.random.next_below(24)).unwrap() + 1;
        // One in twenty is written across the crowd.
        let steps = if self.random.next_below(20) == 0 { CROWD + 1 } else { -away };
        let steps = if side == Side::Buy { steps } else { -steps };
        let is_ioc = self.random.next_below(15) == 0;
        let qty = traded.qty * i64::try_from(1 + self.random.next_below(4)).unwrap();
        OrderRequest {
            cl_ord_id: self.router.next_id(),
            instrument: traded.key(),
            side,
            price: traded.price(steps),
            qty: Qty::from_decimal(Decimal::new(qty, 8)).unwrap(),
            tif: if is_ioc { TimeInForce::Ioc } else { TimeInForce::Gtc },
            is_post_only: !is_ioc,
            ..request("x")
        }
    }

    /// Lets somebody take what rests on a side of a pair, a little of it.
    pub(crate) fn take(&mut self) {
        let traded = &TRADED[usize::try_from(self.random.next_below(6)).unwrap()];
        let side = if self.random.next_below(2) == 0 { Side::Buy } else { Side::Sell };
        let sign = if side == Side::Buy { 1 } else { -1 };
        let reach = i64::try_from(self.random.next_below(20)).unwrap();
        let limit = Ticks::new(traded.mid + sign * reach * traded.tick);
        // Half of the time whole orders, so that a fill often is the last one.
        let whole = u64::try_from(traded.qty).unwrap();
        let part = if self.random.next_below(2) == 0 {
            (1 + self.random.next_below(4)) * whole
        } else {
            1 + self.random.next_below(whole * 3)
        };
        let qty = Lots::new(i64::try_from(part).unwrap());
        let symbol = traded.symbol.into();
        let flow = Flow::Take { symbol, side, limit, qty, is_market_order: true };
        self.server_input(ServerInput::Flow(flow));
    }

    /// Makes a world with a session that is up.
    pub(crate) fn ready(options: Options) -> Self {
        let mut world = Self::new(options);
        world.start();
        world.quiet(DurationNs::from_s(5));
        assert!(world.router.is_ready(), "{:?}", world.problems);
        world
    }

    /// Counts the orders that the venue took.
    pub(crate) fn taken(&self) -> usize {
        self.router.orders.values().filter(|order| order.order_id.is_some()).count()
    }

    /// Trades by chance for a while.
    pub(crate) fn trade(&mut self, by: DurationNs, orders_per_s: u64) {
        self.pass(by, |world| {
            if world.random.next_below(1_000) < orders_per_s * 10 && world.router.is_ready() {
                let order = world.any_order();
                world.router.submit(world.now, order, DurationNs::from_s(3), true);
            }
            if world.random.next_below(1_000) < orders_per_s * 8 && world.router.is_up {
                let live: Vec<ClOrdId> = world.router.live().map(|(id, _)| id.clone()).collect();
                if !live.is_empty() {
                    let at = world.random.next_below(u64::try_from(live.len()).unwrap());
                    let id = live[usize::try_from(at).unwrap()].clone();
                    world.router.cancel(world.now, &id);
                }
            }
            if world.random.next_below(1_000) < orders_per_s * 5 && world.router.is_ready() {
                world.change_one(None);
            }
            if world.random.next_below(1_000) < orders_per_s * 6 {
                world.take();
            }
            world.pump_router();
        });
    }

    /// Asks for much: places and takes back on every pair, so many times a second each, and asks for the lists twice a
    /// second. Gives the highest counter of any pair, in points.
    pub(crate) fn overload(&mut self, by: DurationNs, per_pair_and_s: u64) -> Decimal {
        let (mut highest, mut query_at) = (Decimal::ZERO, self.now);
        self.pass(by, |world| {
            for traded in &TRADED {
                if world.random.next_below(100) < per_pair_and_s && world.router.is_ready() {
                    let order = world.resting(traded);
                    world.router.submit(world.now, order, DurationNs::from_s(3), true);
                }
                if world.random.next_below(100) < per_pair_and_s {
                    world.take_back_one(traded);
                }
                if world.random.next_below(100) < per_pair_and_s && world.router.is_ready() {
                    world.change_one(Some(traded));
                }
                let desk = world.server.desk();
                let market = desk.catalogue().find_pair(traded.symbol).unwrap().market;
                highest = highest.max(desk.rate_count(world.now, world.trader(), market));
            }
            if query_at <= world.now && world.router.is_up {
                world.router.query(world.now);
                query_at = world.now.saturating_add(DurationNs::from_ms(500));
            }
            world.pump_router();
        });
        highest
    }

    /// Has an order, of a pair where one is given, changed in price, in size, or in both.
    fn change_one(&mut self, only: Option<&Traded>) {
        let of_pair =
            |request: &OrderRequest| only.is_none_or(|traded| traded.key() == request.instrument);
        let mut ids = self.router.changeable();
        ids.retain(|id| of_pair(&self.router.orders[id].request));
        if ids.is_empty() {
            return;
        }
        let at = self.random.next_below(u64::try_from(ids.len()).unwrap());
        let id = ids[usize::try_from(at).unwrap()].clone();
        let old = self.router.orders[&id].request.clone();
        let traded = TRADED.iter().find(|traded| traded.key() == old.instrument).unwrap();
        let away = i64::try_from(self.random.next_below(15)).unwrap() + 1;
        let steps = if old.side == Side::Buy { -away } else { away };
        let is_moved = self.random.next_below(3) > 0;
        let lots = i64::try_from(1 + self.random.next_below(4)).unwrap();
        let order = OrderRequest {
            cl_ord_id: self.router.next_id(),
            price: if is_moved { traded.price(steps) } else { old.price },
            qty: Qty::from_decimal(Decimal::new(traded.qty * lots, 8)).unwrap(),
            orig_cum_qty: self.router.orders[&id].cum,
            orig_cl_ord_id: Some(id),
            is_post_only: true,
            ..old
        };
        self.router.submit(self.now, order, DurationNs::from_s(3), true);
    }

    /// Takes back an order of a pair that nobody wanted back yet.
    fn take_back_one(&mut self, traded: &Traded) {
        let key = traded.key();
        let live = self.router.live();
        let live = live.filter(|(_, order)| order.request.instrument == key);
        let live = live.filter(|(_, order)| order.cancel_from.is_none());
        let live: Vec<ClOrdId> = live.map(|(id, _)| id.clone()).collect();
        if !live.is_empty() {
            let at = self.random.next_below(u64::try_from(live.len()).unwrap());
            self.router.cancel(self.now, &live[usize::try_from(at).unwrap()]);
        }
    }

    /// Makes an order of a pair that rests.
    fn resting(&mut self, traded: &Traded) -> OrderRequest {
        let side = if self.random.next_below(2) == 0 { Side::Buy } else { Side::Sell };
        let away = i64::try_from(self.random.next_below(15)).unwrap() + 5;
        let steps = if side == Side::Buy { -away } else { away };
        OrderRequest {
            cl_ord_id: self.router.next_id(),
            instrument: traded.key(),
            side,
            price: traded.price(steps),
            qty: Qty::from_decimal(Decimal::new(traded.qty, 8)).unwrap(),
            tif: TimeInForce::Gtc,
            is_post_only: true,
            ..request("x")
        }
    }

    /// Waits until every order of earlier runs is settled and the router has been told; fails when that takes longer.
    pub(crate) fn recover(&mut self, most: DurationNs) {
        let end = self.now.saturating_add(most);
        let before = self.router.listings;
        while self.router.listings == before || self.router.live().next().is_some() {
            assert!(self.now < end, "not recovered: {}", self.shown());
            self.quiet(DurationNs::from_s(1));
        }
    }

    /// Takes everything back, waits until nothing is open, and compares every book with the venue's.
    pub(crate) fn wind_down(&mut self) {
        let end = self.now.saturating_add(DurationNs::from_s(240));
        while self.now < end {
            let now = self.now;
            if self.router.is_up {
                self.router.cancel_everything(now);
                self.pump_router();
            }
            self.quiet(DurationNs::from_s(5));
            if self.router.is_up && self.router.live().next().is_none() {
                break;
            }
        }
        let live = self.router.live().map(|(id, order)| {
            let held = self.session.as_ref().and_then(|session| session.orders.get(id));
            format!("{id} {:?}; held as {held:?}", order.status)
        });
        let live: Vec<String> = live.collect();
        let last: Vec<&String> = self.problems.iter().rev().take(5).collect();
        assert!(live.is_empty(), "still live: {live:#?}\n{last:#?}\n{}", self.shown());
        let (now, before) = (self.now, self.router.listings);
        self.router.query(now);
        self.pump_router();
        self.quiet(DurationNs::from_s(20));
        assert!(self.router.listings > before, "the last query is not answered");
        assert!(self.router.last_listing.is_empty(), "{:?}", self.router.last_listing);
        self.assert_books_equal();
    }

    /// Says where the session stands.
    fn shown(&self) -> String {
        self.session.as_ref().map_or_else(String::new, |session| {
            format!(
                "up {} phase {:?} settle {:?} guard {:?} reads {:?} link {:?} flights {:?} budget {:?} now {}",
                session.is_up,
                session.phase,
                session.settle,
                session.guard,
                session.reads,
                session.link,
                session.calls.flights().collect::<Vec<_>>(),
                session.budget.rest_wait(self.now, 1),
                self.now
            )
        })
    }

    /// Every fill of the venue was told once, and balances are what fills make of the start.
    pub(crate) fn assert_books_equal(&self) {
        let (desk, trader) = (self.server.desk(), self.trader());
        assert_eq!(desk.open_orders(trader).count(), 0, "orders are left at the venue");
        let mut at_venue = BTreeSet::new();
        let mut offset = 0;
        loop {
            let span = Span { offset, ..Span::default() };
            let query = ExecutionQuery { span, is_taker_consolidated: false };
            let page = desk.executions(trader, &query).rows;
            if page.is_empty() {
                break;
            }
            offset += page.len();
            at_venue.extend(page.iter().map(|execution| execution.exec_id.clone()));
        }
        let told = self.router.orders.values().flat_map(|order| order.fills.keys());
        let told: BTreeSet<String> = told.map(ToString::to_string).collect();
        assert_eq!(told, at_venue, "fills told and made");
        let changes = self.router.changes();
        let balances = self.router.balances.as_ref().unwrap();
        for row in desk.balances(trader) {
            let start = Decimal::new(1_000_000, 0);
            let asset = Asset::from_venue(&row.asset.v2).unwrap();
            let change = changes.get(&asset).map_or(Decimal::ZERO, |change| change.to_decimal());
            assert_eq!(
                row.total - start,
                change,
                "{asset}: changed at the venue and by fills told"
            );
            let told = balances.entries.iter().find(|entry| entry.asset == asset).unwrap();
            assert_eq!(told.total.to_decimal(), row.total, "{asset} as told");
            assert_eq!(told.held.to_decimal(), Decimal::ZERO, "{asset} held");
        }
        for id in self.router.orders.keys() {
            self.venue().knows(id); // fails when one is there twice
        }
    }
}
