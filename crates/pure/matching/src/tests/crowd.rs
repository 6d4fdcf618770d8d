//! The crowd of a recording: what clients' orders may take from it, and when it fills them.

use super::Rig;
use crate::{Event, MarketMode};
use remora_domain::Side::{self, Buy, Sell};
use remora_domain::{DurationNs, Lots, Ticks};

impl Rig {
    /// Sets a recorded level and gives what happened.
    fn level(&mut self, side: Side, price: i64, qty: i64) -> Vec<String> {
        self.out.clear();
        let (price, qty) = (Ticks::new(price), Lots::new(qty));
        let (now, crowd, market) = (self.now, self.crowd, self.market);
        self.exchange.set_crowd_level(now, crowd, market, side, price, qty, &mut self.out);
        self.log()
    }

    /// Plays a recorded trade; gives what traded with clients, and what happened.
    fn print(&mut self, side: Side, price: i64, qty: i64) -> (i64, Vec<String>) {
        self.out.clear();
        let (price, qty) = (Ticks::new(price), Lots::new(qty));
        let (now, crowd, market) = (self.now, self.crowd, self.market);
        let out = &mut self.out;
        let with = self.exchange.take_for_crowd(now, crowd, market, side, price, qty, false, out);
        (with.get(), self.log())
    }

    fn later(&mut self) {
        self.now = self.now.saturating_add(DurationNs::from_s(2));
    }

    /// Gives the quantities at the best bid's queue: positive for the crowd, negative for orders.
    fn line(&self) -> Vec<i64> {
        let Some((price, _)) = self.exchange.best(self.market, Buy) else {
            return Vec::new();
        };
        let queue = self.exchange.queue(self.market, Buy, price);
        queue
            .map(|(no, qty)| if self.exchange.order(no).is_some() { -qty.get() } else { qty.get() })
            .collect()
    }
}

/// Makes a rig with ten recorded at 100, alice's five behind them and three recorded behind her.
fn queued() -> Rig {
    let mut rig = Rig::new();
    rig.level(Buy, 100, 10);
    rig.rest(&[(rig.alice, Buy, 5, 100)]);
    rig.level(Buy, 100, 13);
    rig
}

#[test]
fn an_order_queues_behind_what_the_recording_showed_when_it_came() {
    let mut rig = queued();
    assert_eq!(rig.line(), [10, -5, 3]);
    assert_eq!(rig.print(Sell, 100, 10).0, 0);
    assert_eq!(rig.line(), [-5, 3]);
    assert_eq!(rig.print(Sell, 100, 4).0, 4);
    assert_eq!(rig.line(), [-1], "the recording lost four as well, and alice stands between them");
    assert_eq!(rig.print(Sell, 100, 4).0, 1);
    assert_eq!(rig.line(), [0_i64; 0]);
}

#[test]
fn a_trade_and_the_level_change_it_caused_count_once() {
    let mut rig = queued();
    rig.print(Sell, 100, 4);
    assert_eq!(rig.line(), [6, -5, 3]);
    assert_eq!(rig.level(Buy, 100, 9), [""; 0], "13 less 4 is what the trade left");
    assert_eq!(rig.line(), [6, -5, 3]);
}

#[test]
fn a_decrease_without_a_trade_comes_off_behind_the_order() {
    let mut rig = queued();
    rig.level(Buy, 100, 11);
    assert_eq!(rig.line(), [10, -5, 1]);
    rig.level(Buy, 100, 10);
    assert_eq!(rig.line(), [10, -5]);
    rig.level(Buy, 100, 7);
    assert_eq!(rig.line(), [7, -5], "the level is smaller than what was ahead");
    rig.level(Buy, 100, 0);
    assert_eq!(rig.line(), [-5]);
}

#[test]
fn a_print_that_comes_after_its_level_change_counts_once_and_off_the_front() {
    let mut rig = queued();
    rig.level(Buy, 100, 11);
    rig.print(Sell, 100, 2);
    assert_eq!(rig.line(), [8, -5, 3], "as if the trade had come first");
    rig.level(Buy, 100, 0);
    assert_eq!(rig.print(Sell, 100, 11).0, 3, "eight were ahead");
    assert_eq!(rig.line(), [-2]);
    rig.level(Buy, 100, 6);
    rig.level(Buy, 100, 0);
    assert_eq!(rig.print(Sell, 100, 2).0, 2, "the six were behind");
    rig.rest(&[(rig.alice, Buy, 5, 100)]);
    rig.level(Buy, 100, 6);
    rig.level(Buy, 100, 0);
    rig.later();
    assert_eq!(rig.print(Sell, 100, 2).0, 2, "too late to be that decrease's");
}

#[test]
fn what_a_client_took_stays_gone_until_the_level_falls_below_it() {
    let mut rig = Rig::new();
    rig.level(Sell, 100, 10);
    rig.place(rig.limit(rig.alice, Buy, 4, 100));
    assert_eq!(rig.book(Sell), [(100, 6)]);
    rig.level(Sell, 100, 10);
    assert_eq!(rig.book(Sell), [(100, 6)], "it is not there twice");
    rig.level(Sell, 100, 12);
    assert_eq!(rig.book(Sell), [(100, 8)]);
    rig.level(Sell, 100, 5);
    assert_eq!(rig.book(Sell), [(100, 1)]);
    rig.level(Sell, 100, 3);
    assert_eq!(rig.book(Sell), []);
    rig.level(Sell, 100, 5);
    assert_eq!(rig.book(Sell), [(100, 2)], "the recording fell below what was taken");
}

#[test]
fn an_order_also_waits_for_what_was_taken_before_it_came() {
    let mut rig = Rig::new();
    rig.level(Buy, 100, 10);
    rig.place(rig.limit(rig.bob, Sell, 4, 100));
    rig.rest(&[(rig.alice, Buy, 5, 100)]);
    assert_eq!(rig.line(), [6, -5]);
    assert_eq!(rig.print(Sell, 100, 4).0, 0, "the recorded trade took what bob took here");
    assert_eq!(rig.line(), [6, -5]);
    assert_eq!(rig.print(Sell, 100, 7).0, 1);
}

#[test]
fn a_trade_fills_orders_at_better_prices_first_and_at_their_price() {
    let mut rig = Rig::new();
    rig.level(Buy, 99, 10);
    rig.rest(&[(rig.alice, Buy, 2, 101), (rig.bob, Buy, 2, 100)]);
    rig.level(Buy, 101, 7);
    let (with, log) = rig.print(Sell, 99, 5);
    assert_eq!(with, 4);
    let trades: Vec<&str> =
        log.iter().filter_map(|line| line.split_once(" sell ")).map(|it| it.1).collect();
    assert_eq!(trades, ["2@101 of 2", "2@100 of 3", "1@99 of 1"]);
    assert_eq!(rig.book(Buy), [(101, 7), (99, 5)], "the recorded level at 101 was not in its way");
}

#[test]
fn every_recorded_trade_is_told_completely() {
    let mut rig = queued();
    let total = |rig: &Rig| {
        let mut total = 0;
        for event in &rig.out {
            if let Event::Traded { qty, is_market_order: true, .. } = event {
                total += qty.get();
            }
        }
        total
    };
    let (price, qty) = (Ticks::new(100), Lots::new(40));
    let (now, crowd, market) = (rig.now, rig.crowd, rig.market);
    rig.out.clear();
    let out = &mut rig.out;
    let with = rig.exchange.take_for_crowd(now, crowd, market, Sell, price, qty, true, out);
    assert_eq!((with, total(&rig)), (Lots::new(5), 40));
    let mut made = Vec::new();
    for event in &rig.out {
        if let Event::Traded { qty, maker, taker, .. } = event {
            let is_crowds = maker.trader == rig.crowd && taker.trader == rig.crowd;
            made.push((qty.get(), is_crowds, maker.is_filled, taker.is_filled));
        }
    }
    assert_eq!(
        made,
        [
            (10, true, true, false),
            (5, false, true, false),
            (3, true, true, false),
            (22, true, true, true)
        ]
    );
    assert_eq!(rig.exchange.last_price(rig.market), Some(price));
}

#[test]
fn an_increase_that_crosses_an_order_fills_it_first() {
    let mut rig = Rig::new();
    rig.rest(&[(rig.alice, Sell, 3, 100), (rig.alice, Sell, 3, 102)]);
    let log = rig.level(Buy, 101, 8);
    assert_eq!(log, ["3 buy 3@100 of 1", "sell level 100 = 0", "buy level 101 = 5"]);
    assert_eq!(rig.level(Buy, 101, 8), [""; 0]);
    assert_eq!(rig.level(Buy, 101, 3), ["buy level 101 = 0"], "three are gone already");
}

#[test]
fn a_recorded_level_that_crosses_recorded_ones_replaces_them() {
    let mut rig = Rig::new();
    rig.level(Sell, 101, 5);
    rig.level(Sell, 102, 5);
    rig.level(Sell, 103, 5);
    let log = rig.level(Buy, 102, 4);
    assert_eq!(log, ["sell level 101 = 0", "sell level 102 = 0", "buy level 102 = 4"]);
    assert_eq!(rig.book(Sell), [(103, 5)]);
}

#[test]
fn a_market_that_does_not_match_fills_nobody_and_is_never_crossed() {
    let mut rig = Rig::new();
    rig.level(Buy, 99, 5);
    rig.rest(&[(rig.alice, Sell, 3, 100)]);
    rig.exchange.set_mode(rig.market, MarketMode::CancelOnly, &mut rig.out);
    assert_eq!(rig.level(Buy, 100, 8), [""; 0]);
    assert_eq!(rig.print(Buy, 100, 3), (0, vec![]));
    assert_eq!((rig.book(Buy), rig.book(Sell)), (vec![(99, 5)], vec![(100, 3)]));
}

#[test]
fn a_reset_takes_the_crowd_and_leaves_the_orders() {
    let mut rig = queued();
    rig.level(Sell, 105, 4);
    rig.place(rig.limit(rig.bob, Buy, 2, 105));
    rig.out.clear();
    rig.exchange.reset_crowd(rig.now, rig.crowd, rig.market, &mut rig.out);
    assert_eq!(rig.log(), ["buy level 100 = 5", "sell level 105 = 0"]);
    rig.level(Sell, 105, 4);
    assert_eq!(rig.book(Sell), [(105, 4)], "what was taken before is forgotten");
    rig.level(Buy, 100, 10);
    assert_eq!(rig.line(), [-5, 10]);
}

#[test]
fn pieces_of_crowd_merge_when_the_order_between_them_leaves() {
    let mut rig = queued();
    rig.cancel(rig.alice, 2).unwrap();
    assert_eq!(rig.line(), [13]);
}

#[test]
fn without_a_recording_a_taker_of_the_crowd_takes_what_there_is() {
    let mut rig = Rig::new();
    rig.rest(&[(rig.crowd, Sell, 2, 100), (rig.alice, Sell, 2, 101), (rig.crowd, Sell, 2, 102)]);
    let (with, log) = rig.print(Buy, 101, 9);
    assert_eq!((with, log.iter().filter(|line| line.contains('@')).count()), (2, 2));
    assert_eq!(rig.book(Sell), [(102, 2)], "the rest is not told and not there");
}

#[test]
fn nonsense_is_ignored() {
    let mut rig = Rig::new();
    let (now, market) = (rig.now, rig.market);
    for (crowd, price, qty) in [
        (rig.alice, 100, 1),
        (rig.crowd, 0, 1),
        (rig.crowd, 100, -1),
        (rig.crowd, i64::MAX, i64::MAX),
    ] {
        let (price, qty) = (Ticks::new(price), Lots::new(qty));
        rig.exchange.set_crowd_level(now, crowd, market, Buy, price, qty, &mut rig.out);
        let out = &mut rig.out;
        assert_eq!(
            rig.exchange.take_for_crowd(now, crowd, market, Buy, price, qty, false, out),
            Lots::ZERO
        );
    }
    rig.exchange.reset_crowd(now, rig.alice, market, &mut rig.out);
    assert_eq!(rig.book(Buy), []);
}
