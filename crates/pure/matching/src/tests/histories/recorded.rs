//! A recorded market with clients in it, against a model that keeps every single lot in line.

use super::watch::Watch;
use crate::tests::Rig;
use crate::{EndCause, Event, Lifetime, NewOrder, OrderNo};
use proptest::prelude::*;
use remora_domain::{DurationNs, Lots, Side, Ticks, Timestamp};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Level {
        side: Side,
        price: i64,
        qty: i64,
    },
    Print {
        side: Side,
        price: i64,
        qty: i64,
    },
    /// A level change that a print follows, as it often is in recordings.
    LatePrint {
        side: Side,
        price: i64,
        qty: i64,
    },
    Place {
        side: Side,
        price: i64,
        qty: i64,
        is_immediate: bool,
    },
    Cancel {
        which: usize,
    },
    Pass {
        ms: i64,
    },
    Reset,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let at = || (super::sides(), 96_i64..=104, 0_i64..12);
    let step = prop_oneof![
        6 => at().prop_map(|(side, price, qty)| Step::Level { side, price, qty }),
        3 => at().prop_map(|(side, price, qty)| Step::Print { side, price, qty }),
        2 => at().prop_map(|(side, price, qty)| Step::LatePrint { side, price, qty }),
        4 => (at(), prop::bool::weighted(0.4)).prop_map(|((side, price, qty), is_immediate)| {
            Step::Place { side, price, qty: qty + 1, is_immediate }
        }),
        1 => (0_usize..6).prop_map(|which| Step::Cancel { which }),
        1 => (0_i64..700).prop_map(|ms| Step::Pass { ms }),
    ];
    let step = prop_oneof![60 => step, 1 => Just(Step::Reset)];
    prop::collection::vec(step, 1..150)
}

/// Is one lot in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lot {
    Crowd,
    Client(OrderNo),
}

/// Is the line at one price.
#[derive(Clone, Debug, Default)]
struct Line {
    lots: Vec<Lot>,
    taken: i64,
    cut_ahead: i64,
    cut_behind: i64,
    cut_at: Timestamp,
}

impl Line {
    fn recorded(&self) -> i64 {
        self.taken
            + i64::try_from(self.lots.iter().filter(|lot| **lot == Lot::Crowd).count()).unwrap()
    }

    /// Takes an unexplained decrease off the back, lot by lot.
    fn cut(&mut self, now: Timestamp, by: i64) {
        for _ in 0..by {
            self.cut_at = now;
            let last = self.lots.iter().rposition(|lot| *lot == Lot::Crowd);
            let client = self.lots.iter().rposition(|lot| *lot != Lot::Crowd);
            match last {
                Some(at) => {
                    self.lots.remove(at);
                    if client.is_some_and(|client| client > at) {
                        self.cut_ahead += 1;
                    } else {
                        self.cut_behind += 1;
                    }
                }
                None => {
                    self.taken -= 1;
                    self.cut_ahead += 1;
                }
            }
        }
    }
}

/// Is the recorded market as it should be.
struct Model {
    lines: BTreeMap<(Side, i64), Line>,
    now: Timestamp,
    /// What clients' resting orders got, in the order they got it.
    fills: Vec<(OrderNo, i64)>,
}

impl Model {
    fn line(&mut self, side: Side, price: i64) -> &mut Line {
        let now = self.now;
        let line = self.lines.entry((side, price)).or_default();
        if now.since(line.cut_at) > DurationNs::from_s(1) {
            (line.cut_ahead, line.cut_behind) = (0, 0);
        }
        line
    }

    /// Gives the prices of `side` that have something to meet, best first, as far as `limit`.
    fn reached(&self, side: Side, limit: i64) -> Vec<i64> {
        let lines =
            self.lines.iter().filter(|((of, _), line)| *of == side && !line.lots.is_empty());
        let mut prices: Vec<i64> = lines.map(|((_, price), _)| *price).collect();
        if side == Side::Buy {
            prices.reverse();
            prices.retain(|price| *price >= limit);
        } else {
            prices.retain(|price| *price <= limit);
        }
        prices
    }

    fn fill(&mut self, no: OrderNo) {
        match self.fills.last_mut() {
            Some((last, qty)) if *last == no => *qty += 1,
            _ => self.fills.push((no, 1)),
        }
    }

    fn level(&mut self, side: Side, price: i64, qty: i64) {
        if qty > 0 {
            for crossed in self.reached(side.opposite(), price) {
                let now = self.now;
                let line = self.line(side.opposite(), crossed);
                line.cut(now, line.recorded());
            }
        }
        let now = self.now;
        let line = self.line(side, price);
        let more = qty - line.recorded();
        line.cut(now, -more);
        for _ in 0..more {
            // Each new lot meets whoever it crosses, or stands at the back.
            if let Some(&crossed) = self.reached(side.opposite(), price).first() {
                let Lot::Client(no) = self.line(side.opposite(), crossed).lots.remove(0) else {
                    panic!("crossed crowd is gone");
                };
                self.fill(no);
                self.line(side, price).taken += 1;
            } else {
                self.line(side, price).lots.push(Lot::Crowd);
            }
        }
    }

    fn print(&mut self, side: Side, price: i64, qty: i64) {
        let against = side.opposite();
        let mut left = qty;
        for better in self.reached(against, price) {
            while better != price && left > 0 {
                let lots = &mut self.line(against, better).lots;
                let Some(at) = lots.iter().position(|lot| *lot != Lot::Crowd) else { break };
                if let Lot::Client(no) = lots.remove(at) {
                    self.fill(no);
                }
                left -= 1;
            }
        }
        let is_crossed = !self.reached(side, price).is_empty();
        let line = self.line(against, price);
        let mut recorded = qty;
        let seen_ahead = line.cut_ahead.min(recorded);
        line.cut_ahead -= seen_ahead;
        recorded -= seen_ahead;
        left -= seen_ahead;
        let seen_behind = line.cut_behind.min(recorded);
        line.cut_behind -= seen_behind;
        if is_crossed {
            line.taken += seen_behind;
        } else {
            line.lots.extend((0..seen_behind).map(|_| Lot::Crowd));
        }
        while recorded > 0 {
            let line = self.line(against, price);
            if line.taken > 0 {
                line.taken -= 1;
                (recorded, left) = (recorded - 1, left - 1);
                continue;
            }
            let Some(at) = line.lots.iter().position(|lot| left > 0 || *lot == Lot::Crowd) else {
                break;
            };
            match line.lots.remove(at) {
                Lot::Crowd => recorded -= 1,
                Lot::Client(no) => self.fill(no),
            }
            left -= 1;
        }
    }

    /// Lets a client's order arrive: one lot after the other.
    fn place(&mut self, no: OrderNo, side: Side, price: i64, qty: i64, is_immediate: bool) {
        for _ in 0..qty {
            if let Some(&met) = self.reached(side.opposite(), price).first() {
                let line = self.line(side.opposite(), met);
                match line.lots.remove(0) {
                    Lot::Crowd => line.taken += 1,
                    Lot::Client(resting) => self.fill(resting),
                }
            } else if !is_immediate {
                self.line(side, price).lots.push(Lot::Client(no));
            }
        }
    }

    fn cancel(&mut self, no: OrderNo) {
        for line in self.lines.values_mut() {
            line.lots.retain(|lot| *lot != Lot::Client(no));
        }
    }

    /// Gives a line as the book would show it: neighbours of one kind together, no number for the crowd.
    fn shown(&mut self, side: Side, price: i64) -> Vec<(Option<OrderNo>, i64)> {
        let mut shown: Vec<(Option<OrderNo>, i64)> = Vec::new();
        for lot in &self.line(side, price).lots {
            let no = match lot {
                Lot::Crowd => None,
                Lot::Client(no) => Some(*no),
            };
            match shown.last_mut() {
                Some((last, qty)) if *last == no => *qty += 1,
                _ => shown.push((no, 1)),
            }
        }
        shown
    }
}

/// Is one recorded history: alice buys and bob sells, so that nobody meets himself.
struct Run {
    rig: Rig,
    model: Model,
    watch: Watch,
    clients: Vec<OrderNo>,
    /// Most that clients' resting orders may have got, from what the recording gave; and what they got.
    justified: i64,
    filled: i64,
    /// Most that clients may have taken from the crowd; and what they took.
    offered: i64,
    taken: i64,
}

impl Run {
    fn new() -> Self {
        let mut rig = Rig::new();
        rig.exchange.reset_crowd(rig.now, rig.crowd, rig.market, &mut rig.out);
        let watch = Watch::new(&rig);
        let model = Model { lines: BTreeMap::new(), now: rig.now, fills: Vec::new() };
        let clients = Vec::new();
        Self { rig, model, watch, clients, justified: 0, filled: 0, offered: 0, taken: 0 }
    }

    fn level(&mut self, side: Side, price: i64, qty: i64) {
        let Rig { exchange, out, now, crowd, market, .. } = &mut self.rig;
        let (at, lots) = (Ticks::new(price), Lots::new(qty));
        let more = (qty - self.model.line(side, price).recorded()).max(0);
        self.justified += more;
        self.offered += more;
        self.model.level(side, price, qty);
        exchange.set_crowd_level(*now, *crowd, *market, side, at, lots, out);
        let recorded = self.model.line(side, price).recorded();
        assert_eq!(recorded, qty, "taken and standing are what the recording shows");
    }

    fn print(&mut self, side: Side, price: i64, qty: i64) {
        let Rig { exchange, out, now, crowd, market, .. } = &mut self.rig;
        let (at, lots) = (Ticks::new(price), Lots::new(qty));
        self.justified += qty;
        // A late print puts lots back that its level change had taken off the wrong end.
        let line = self.model.line(side.opposite(), price);
        self.offered += line.cut_behind.min((qty - line.cut_ahead).max(0));
        let before = self.model.fills.iter().map(|(_, qty)| qty).sum::<i64>();
        self.model.print(side, price, qty);
        let with = exchange.take_for_crowd(*now, *crowd, *market, side, at, lots, false, out);
        let after = self.model.fills.iter().map(|(_, qty)| qty).sum::<i64>();
        assert_eq!(with.get(), after - before);
        let mut told = 0;
        for event in &*out {
            if let Event::Traded { qty, .. } = event {
                told += qty.get();
            }
        }
        assert_eq!(told, qty, "every recorded lot is told once");
    }

    fn place(&mut self, side: Side, price: i64, qty: i64, is_immediate: bool) {
        let trader = if side == Side::Buy { self.rig.alice } else { self.rig.bob };
        let order = self.rig.limit(trader, side, qty, price);
        let lifetime = if is_immediate { Lifetime::Ioc } else { Lifetime::Gtc };
        let Rig { exchange, out, now, .. } = &mut self.rig;
        let no = exchange.place(*now, NewOrder { lifetime, ..order }, out).unwrap();
        self.model.place(no, side, price, qty, is_immediate);
        self.clients.push(no);
        self.justified += qty; // another client's order may fill a resting one
    }

    fn step(&mut self, step: &Step) {
        self.rig.out.clear();
        match *step {
            Step::Level { side, price, qty } => self.level(side, price, qty),
            Step::Print { side, price, qty } => self.print(side, price, qty),
            Step::LatePrint { side, price, qty } => {
                let against = side.opposite();
                let left = self.model.line(against, price).recorded() - qty;
                self.level(against, price, left.max(0));
                self.look();
                self.rig.out.clear();
                self.print(side, price, qty);
            }
            Step::Place { side, price, qty, is_immediate } => {
                self.place(side, price, qty, is_immediate);
            }
            Step::Cancel { which } => {
                let Some(&no) = self.clients.iter().rev().nth(which) else { return };
                let Rig { exchange, out, now, .. } = &mut self.rig;
                let trader = exchange.order(no).unwrap().asked.trader;
                if exchange.cancel(*now, trader, no, EndCause::Requested, out).is_ok() {
                    self.model.cancel(no);
                }
            }
            Step::Pass { ms } => {
                self.rig.now = self.rig.now.saturating_add(DurationNs::from_ms(ms));
                self.model.now = self.rig.now;
            }
            Step::Reset => {
                let Rig { exchange, out, now, crowd, market, .. } = &mut self.rig;
                exchange.reset_crowd(*now, *crowd, *market, out);
                for line in self.model.lines.values_mut() {
                    line.lots.retain(|lot| *lot != Lot::Crowd);
                    (line.taken, line.cut_ahead, line.cut_behind) = (0, 0, 0);
                }
            }
        }
    }

    fn look(&mut self) {
        self.watch.look(&self.rig);
        for side in [Side::Buy, Side::Sell] {
            for price in 96..=104 {
                let queue = self.rig.exchange.queue(self.rig.market, side, Ticks::new(price));
                let is_order = |no: OrderNo| self.rig.exchange.order(no).is_some();
                let queue: Vec<_> =
                    queue.map(|(no, qty)| (is_order(no).then_some(no), qty.get())).collect();
                assert_eq!(queue, self.model.shown(side, price), "{side} {price}");
            }
        }
        for event in &self.rig.out {
            if let Event::Traded { qty, maker, taker, .. } = event {
                let is_maker = maker.trader != self.rig.crowd;
                self.filled += if is_maker { qty.get() } else { 0 };
                let takes = !is_maker && taker.trader != self.rig.crowd;
                self.taken += if takes { qty.get() } else { 0 };
            }
        }
        let filled: i64 = self.model.fills.iter().map(|(_, qty)| qty).sum();
        assert_eq!(self.filled, filled);
        assert!(self.filled <= self.justified, "more than was traded");
        assert!(self.taken <= self.offered, "more than was shown");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn clients_get_what_the_recording_justifies_and_no_more(steps in steps()) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
            run.look();
        }
    }
}
