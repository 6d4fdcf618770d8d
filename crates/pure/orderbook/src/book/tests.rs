//! The book against the worked example of the checksum and against a plain map.

use super::*;
use crate::sample;
use proptest::prelude::*;
use remora_domain::{InstrumentId, VenueId};
use std::collections::BTreeMap;

fn key() -> InstrumentKey {
    InstrumentKey::new(
        VenueId::new("some-venue").unwrap(),
        InstrumentId::of_pair("EXA", "USD").unwrap(),
    )
}

fn changes(side: Side, of: &[(i64, i64)]) -> Vec<LevelChange> {
    of.iter()
        .map(|&(ticks, lots)| LevelChange { side, ticks: Ticks::new(ticks), lots: Lots::new(lots) })
        .collect()
}

fn both(bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Vec<LevelChange> {
    [changes(Side::Buy, bids), changes(Side::Sell, asks)].concat()
}

fn crc(expected: u32) -> Verify {
    Verify::Crc32 { expected, levels: 10 }
}

fn worked_example() -> Vec<LevelChange> {
    both(&sample::BIDS, &sample::ASKS)
}

fn after_first_update() -> OrderBook {
    let mut book = OrderBook::new(key(), 10);
    book.apply_snapshot(10, worked_example(), crc(sample::CRC32)).unwrap();
    let update =
        both(&[(5019, 0), (4985, 500_000_000)], &[(5024, 1_550_000_000), (5021, 11_900_000_000)]);
    book.apply_update(update, crc(2_825_815_933)).unwrap();
    book
}

fn second_update() -> Vec<LevelChange> {
    both(&[], &[(5022, 0), (5110, 4_200_000_000)])
}

#[test]
fn the_worked_example_verifies_through_both_updates() {
    let mut book = after_first_update();
    book.apply_update(second_update(), crc(1_769_047_479)).unwrap();
    assert_eq!(book.asks().last().map(|level| level.ticks), Some(Ticks::new(5110)));
    assert_eq!(book.bids().len(), 10);
}

#[test]
fn a_level_pushed_out_of_the_window_is_dropped() {
    // Kept, the ghost level at 5100 gives the published wrong number 2715565174.
    let mut ghost = OrderBook::new(key(), 11);
    let levels: Vec<_> = {
        let book = after_first_update();
        let bids = book.bids().map(|at| (Side::Buy, at));
        let asks = book.asks().map(|at| (Side::Sell, at));
        bids.chain(asks)
            .map(|(side, at)| LevelChange { side, ticks: at.ticks, lots: at.lots })
            .chain(changes(Side::Sell, &[(5100, 6_450_000_000)]))
            .collect()
    };
    ghost.apply_snapshot(11, levels, Verify::Order).unwrap();
    let error = ghost.apply_update(second_update(), crc(1_769_047_479)).unwrap_err();
    let got = 2_715_565_174;
    let expected = 1_769_047_479;
    assert_eq!(error, BookError::Checksum { instrument: key(), expected, got });
}

#[test]
fn a_wrong_checksum_empties_the_book_until_the_next_snapshot() {
    let mut book = after_first_update();
    assert!(book.apply_update(second_update(), crc(1)).is_err());
    assert!(!book.is_live());
    assert_eq!((book.best_bid(), book.best_ask()), (None, None));
    let refused = book.apply_update(second_update(), crc(1_769_047_479));
    assert_eq!(refused, Err(BookError::NoSnapshot { instrument: key() }));
    book.apply_snapshot(10, worked_example(), crc(sample::CRC32)).unwrap();
    assert!(book.is_live());
}

#[test]
fn a_crossed_or_locked_book_is_refused() {
    let mut book = OrderBook::new(key(), 10);
    book.apply_snapshot(10, both(&[(5, 1)], &[(7, 1)]), Verify::Order).unwrap();
    let crossed = book.apply_update(both(&[(8, 1)], &[]), Verify::Order);
    let (bid, ask) = (Ticks::new(8), Ticks::new(7));
    assert_eq!(crossed, Err(BookError::Crossed { instrument: key(), bid, ask }));
    let locked = book.apply_snapshot(10, both(&[(7, 1)], &[(7, 1)]), Verify::Order);
    assert_eq!(locked, Err(BookError::Locked { instrument: key(), at: ask }));
    assert_eq!(book.touch(), Touch::OneSided);
}

#[test]
fn a_book_may_cross_within_one_message_as_long_as_it_ends_apart() {
    let mut book = OrderBook::new(key(), 10);
    book.apply_snapshot(10, both(&[(5, 1)], &[(7, 1)]), Verify::Order).unwrap();
    book.apply_update(both(&[(8, 1)], &[(7, 0), (9, 1)]), Verify::Order).unwrap();
    assert_eq!(book.touch(), Touch::Apart);
}

#[test]
fn an_impossible_level_is_refused() {
    for (ticks, lots) in [(0, 1), (-1, 1), (1, -1)] {
        let mut book = OrderBook::new(key(), 10);
        let error = book.apply_snapshot(10, both(&[(ticks, lots)], &[]), Verify::Order);
        assert!(matches!(error, Err(BookError::Level { .. })), "{ticks} {lots}");
    }
}

#[test]
fn a_thin_or_empty_side_is_a_book() {
    let mut book = OrderBook::new(key(), 10);
    book.apply_snapshot(10, both(&[(5, 1)], &[]), Verify::Order).unwrap();
    assert_eq!((book.touch(), book.is_live()), (Touch::OneSided, true));
    assert_eq!(book.crc32(10), crc32fast::hash(b"51"));
}

type Sides = (BTreeMap<i64, i64>, BTreeMap<i64, i64>);

/// The same rules, in the plainest possible form: every key is `price × direction`, so the best is last.
fn reference(sides: &Sides, message: &[LevelChange], depth: usize) -> Option<Sides> {
    let mut next = sides.clone();
    for change in message {
        let (side, key) = match change.side {
            Side::Buy => (&mut next.0, change.ticks.get()),
            Side::Sell => (&mut next.1, -change.ticks.get()),
        };
        if change.lots == Lots::ZERO {
            side.remove(&key);
        } else {
            side.insert(key, change.lots.get());
        }
    }
    for side in [&mut next.0, &mut next.1] {
        while side.len() > depth {
            side.pop_first();
        }
    }
    match (next.0.last_key_value(), next.1.last_key_value()) {
        (Some((&bid, _)), Some((&ask, _))) if bid >= -ask => None,
        _ => Some(next),
    }
}

fn message() -> impl Strategy<Value = Vec<LevelChange>> {
    // Bids mostly below 60, asks mostly above 50: most messages are good, some lock or cross.
    let level = (any::<bool>(), 0i64..58, 0i64..4).prop_map(|(is_bid, at, lots)| LevelChange {
        side: if is_bid { Side::Buy } else { Side::Sell },
        ticks: Ticks::new(if is_bid { 1 + at } else { 110 - at }),
        lots: Lots::new(lots),
    });
    proptest::collection::vec(level, 0..12)
}

proptest! {
    #[test]
    fn the_book_equals_a_plain_map_and_is_never_crossed(
        depth in 1usize..12,
        messages in proptest::collection::vec(message(), 1..40),
    ) {
        let mut book = OrderBook::new(key(), depth);
        prop_assert_eq!(book.depth(), depth);
        let mut sides: Option<Sides> = None;
        for message in messages {
            let good = if let Some(held) = sides {
                sides = reference(&held, &message, depth);
                book.apply_update(message, Verify::Order).is_ok()
            } else {
                sides = reference(&Sides::default(), &message, depth);
                book.apply_snapshot(depth, message, Verify::Order).is_ok()
            };
            prop_assert_eq!(good, sides.is_some());
            prop_assert_eq!(book.is_live(), good);
            prop_assert!(matches!(book.touch(), Touch::Apart | Touch::OneSided));
            let held = sides.clone().unwrap_or_default();
            let bids: Vec<_> = held.0.iter().rev().map(|(&at, &lots)| (at, lots)).collect();
            let asks: Vec<_> = held.1.iter().rev().map(|(&at, &lots)| (-at, lots)).collect();
            let pair = |level: BookLevel| (level.ticks.get(), level.lots.get());
            prop_assert_eq!(book.bids().map(pair).collect::<Vec<_>>(), bids);
            prop_assert_eq!(book.asks().map(pair).collect::<Vec<_>>(), asks);
        }
    }
}
