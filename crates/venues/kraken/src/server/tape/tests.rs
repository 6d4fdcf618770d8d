//! Tests of trades, tickers and candles.

use super::*;
use proptest::prelude::*;
use remora_domain::DurationNs;

const MARKET: MarketIx = MarketIx::new(3);
const MINUTE: i64 = 60_000_000_000;
/// 2026-02-16T00:00:00Z.
const MIDNIGHT: Timestamp = Timestamp::from_ns(1_771_200_000_000_000_000);

fn at(minutes: i64) -> Timestamp {
    MIDNIGHT.saturating_add(DurationNs::from_ns(minutes.saturating_mul(MINUTE)))
}

fn trade(time: Timestamp, price: i64, qty: i64) -> TapeTrade {
    TapeTrade {
        time,
        cursor: time.as_ns(),
        trade_id: 1,
        side: Side::Buy,
        price,
        qty,
        is_market_order: false,
    }
}

fn tape(trades: &[(i64, i64, i64)]) -> Tape {
    let mut tape = Tape::default();
    for (minutes, price, qty) in trades {
        tape.trade(MARKET, trade(at(*minutes), *price, *qty));
    }
    tape
}

#[test]
fn a_pair_without_trades_has_nothing() {
    let tape = Tape::default();
    assert_eq!(tape.ticker(MARKET, at(0)), None);
    assert_eq!(tape.trades(MARKET).count(), 0);
    assert_eq!(tape.candles(MARKET, 1, at(0)).count(), 0);
    assert_eq!(tape.spreads(MARKET).count(), 0);
}

#[test]
fn trades_of_one_instant_are_told_apart_by_their_cursors() {
    let tape = tape(&[(0, 10, 1), (0, 11, 1), (-5, 12, 1)]);
    let cursors: Vec<i64> =
        tape.trades(MARKET).map(|trade| trade.cursor - MIDNIGHT.as_ns()).collect();
    assert_eq!(cursors, [0, 1, 2]);
    assert!(tape.trades(MARKET).all(|trade| trade.time == MIDNIGHT), "time never runs back");
}

#[test]
fn a_candle_holds_the_trades_of_its_interval() {
    let tape = tape(&[(0, 10, 3), (1, 30, 1), (1, 20, 1), (4, 25, 2)]);
    let minutes: Vec<_> = tape.candles(MARKET, 1, at(4)).collect();
    assert_eq!(minutes.len(), 3, "minutes without trades have no candle");
    let second = Candle {
        begin: at(1),
        open: 30,
        high: 30,
        low: 20,
        close: 20,
        trades: 2,
        volume: 2,
        turnover: 50,
    };
    assert_eq!(*minutes[1], second);
    let five: Vec<_> = tape.candles(MARKET, 5, at(4)).collect();
    assert_eq!((five.len(), five[0].volume, five[0].turnover), (1, 7, 130));
    assert_eq!(tape.candles(MARKET, 7, at(4)).count(), 0, "no such interval");
}

#[test]
fn a_week_starts_on_thursday() {
    let tape = tape(&[(0, 10, 1)]);
    let week = tape.candles(MARKET, 10_080, at(0)).next().unwrap();
    assert_eq!(at(0).since(week.begin), DurationNs::from_s(4 * 86_400), "a Monday");
}

#[test]
fn candles_older_than_720_intervals_are_not_given() {
    let mut tape = tape(&[]);
    for minute in 0..2_000 {
        tape.trade(MARKET, trade(at(minute), 10, 1));
    }
    assert_eq!(tape.candles(MARKET, 1, at(1_999)).count(), 721);
    assert_eq!(tape.candles(MARKET, 1, at(2_010)).next().unwrap().begin, at(2_010 - 720));
    assert_eq!(tape.trades(MARKET).len(), TRADES_MAX);
}

#[test]
fn the_ticker_knows_today_and_24_hours() {
    let tape = tape(&[(-1_439, 50, 5), (-1_430, 100, 1), (-1, 80, 2), (3, 90, 3)]);
    let facts = tape.ticker(MARKET, at(4)).unwrap();
    assert_eq!((facts.last, facts.last_qty), (90, 3));
    let today = Window {
        open: Some(90),
        high: Some(90),
        low: Some(90),
        trades: 1,
        volume: 3,
        turnover: 270,
    };
    assert_eq!(facts.today, today);
    let day = Window {
        open: Some(100),
        high: Some(100),
        low: Some(80),
        trades: 3,
        volume: 6,
        turnover: 530,
    };
    assert_eq!(facts.day, day, "the first trade is older than 24 hours");
    let later = tape.ticker(MARKET, at(3_000)).unwrap();
    assert_eq!((later.day, later.today), (Window::default(), Window::default()));
}

#[test]
fn the_average_price_is_rounded_half_up() {
    assert_eq!(vwap(500, 4, 1, 2), Some(1_250));
    assert_eq!(vwap(500, 4, 1, 1), Some(125));
    assert_eq!(vwap(15, 2, 0, 0), Some(8));
    assert_eq!(vwap(1_250, 1, 2, 0), Some(12));
    assert_eq!(vwap(0, 0, 1, 5), None);
}

#[test]
fn only_a_changed_spread_is_remembered() {
    let mut tape = Tape::default();
    for (minute, bid, ask) in
        [(0, Some(10), Some(11)), (1, Some(10), Some(11)), (2, None, Some(11))]
    {
        tape.quote(MARKET, Spread { time: at(minute), bid, ask });
    }
    assert_eq!(tape.spreads(MARKET).count(), 2);
    for step in 0..500 {
        tape.quote(MARKET, Spread { time: at(step), bid: Some(step), ask: None });
    }
    assert_eq!(tape.spreads(MARKET).count(), SPREADS_MAX);
}

proptest! {
    #[test]
    fn every_interval_adds_up_to_the_same_trades(
        steps in prop::collection::vec((0_i64..7, 1_i64..1_000, 1_i64..1_000), 1..60)
    ) {
        let mut tape = Tape::default();
        let mut minute = 0;
        let (mut volume, mut turnover) = (0_i128, 0_i128);
        for (wait, price, qty) in steps {
            minute += wait;
            tape.trade(MARKET, trade(at(minute), price, qty));
            volume += i128::from(qty);
            turnover += i128::from(price * qty);
        }
        for interval in INTERVALS_MIN {
            let sum = tape.candles(MARKET, interval, at(minute)).fold((0, 0), |sum, candle| {
                (sum.0 + candle.volume, sum.1 + candle.turnover)
            });
            prop_assert_eq!(sum, (volume, turnover), "interval {}", interval);
        }
        let day = tape.ticker(MARKET, at(minute)).unwrap().day;
        prop_assert_eq!((day.volume, day.turnover), (volume, turnover));
    }
}
