//! Allocations of the codec, counted: they grow with no level. Deterministic, so a test and not a benchmark.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use allocation_counter::measure;
use remora_domain::{Lots, Ticks, Timestamp, VenueId};
use remora_kraken::{Frame, KrakenFeed, decode};
use remora_machine::Machine as _;
use remora_orderbook::{BookLevel, Checksum};
use remora_venue_api::{ConnId, FeedInput, FeedSession as _, FeedSettings};

/// Writes a book frame of our own with so many levels a side.
fn frame(kind: &str, levels: usize) -> String {
    let side = |first: i64| {
        let rows = (0..levels).map(|n| {
            let ticks = first + i64::try_from(n).unwrap();
            format!(r#"{{"price":{}.{},"qty":0.12345678}}"#, ticks / 10, ticks % 10)
        });
        rows.collect::<Vec<_>>().join(",")
    };
    let (bids, asks) = (side(500_000), side(600_000));
    format!(
        r#"{{"channel":"book","type":"{kind}","data":[{{"symbol":"BTC/USD","bids":[{bids}],"asks":[{asks}],"checksum":1,"timestamp":"2026-01-02T03:04:05.678901Z"}}]}}"#
    )
}

/// Counts the allocations of reading a frame into changes whose list is warm.
fn allocations(text: &str, levels: usize) -> u64 {
    let mut changes = Vec::with_capacity(2 * levels);
    let counted = measure(|| {
        let Ok(Frame::Books(books)) = decode(text) else { panic!("no book: {text}") };
        for book in &books.items {
            book.changes(1, 8, &mut changes).unwrap();
        }
    });
    assert_eq!(changes.len(), 2 * levels);
    counted.count_total
}

#[test]
fn an_update_allocates_as_often_with_sixteen_levels_a_side_as_with_one() {
    let one = allocations(&frame("update", 1), 1);
    for levels in [2, 3, 5, 10, 16] {
        assert_eq!(allocations(&frame("update", levels), levels), one, "{levels} levels a side");
    }
    // The list of items, the two lists of levels, and one buffer of the JSON reader.
    assert!(one <= 4, "{one}");
}

#[test]
fn a_snapshot_allocates_only_to_double_its_two_lists() {
    let one = allocations(&frame("snapshot", 1), 1);
    let thousand = allocations(&frame("snapshot", 1_000), 1_000);
    // From 16 levels to 1,024 a list doubles six times.
    assert!(thousand <= one + 2 * 6, "{thousand} against {one}");
}

const DEFINITION: &str = r#"{"channel":"instrument","type":"snapshot","data":{"assets":[],"pairs":[{"symbol":"BTC/USD","base":"BTC","quote":"USD","status":"online","qty_precision":8,"qty_increment":1E-8,"price_precision":1,"price_increment":0.1,"qty_min":0.0001}]}}"#;

/// Writes a frame that tells the first `sent` levels a side of a book that has these lots a side, best first.
fn book(kind: &str, held: &[i64], sent: usize) -> String {
    let side = |first: i64, step: i64| -> Vec<BookLevel> {
        let level = |(n, lots): (i64, &i64)| BookLevel {
            ticks: Ticks::new(first + step * n),
            lots: Lots::new(*lots),
        };
        (0..).zip(held).map(level).collect()
    };
    let (bids, asks) = (side(500_000, -1), side(600_000, 1));
    let checksum = Checksum::new().of(asks.iter().copied(), bids.iter().copied());
    let text = |levels: &[BookLevel]| {
        let rows = levels.iter().take(sent).map(|level| {
            let (ticks, lots) = (level.ticks.get(), level.lots.get());
            format!(r#"{{"price":{}.{},"qty":0.{lots:08}}}"#, ticks / 10, ticks % 10)
        });
        rows.collect::<Vec<_>>().join(",")
    };
    format!(
        r#"{{"channel":"book","type":"{kind}","data":[{{"symbol":"BTC/USD","bids":[{}],"asks":[{}],"checksum":{checksum},"timestamp":"2026-01-02T03:04:05.678901Z"}}]}}"#,
        text(&bids),
        text(&asks)
    )
}

#[test]
fn a_warm_session_allocates_for_what_it_publishes_and_for_no_level() {
    let mut session =
        KrakenFeed::new(FeedSettings::recorded(VenueId::new("kraken-spot").unwrap(), 10, 10));
    let (conn, receive_time) = (ConnId::new(0), Timestamp::from_ns(1_771_234_567_000_000_000));
    let mut out = Vec::with_capacity(8);
    let mut counted = |text: String| {
        let frame = FeedInput::Frame { conn, receive_time, text };
        let counted = measure(|| session.handle(receive_time, frame, &mut out));
        assert!(!out.is_empty(), "nothing was published");
        out.clear();
        counted.count_total
    };
    let mut held = [5; 10];
    counted(DEFINITION.to_owned());
    counted(book("snapshot", &held, 10));
    let mut update = |changed: usize| {
        held.iter_mut().take(changed).for_each(|lots| *lots += 1);
        book("update", &held, changed)
    };
    // All that is reused grows to its size here.
    counted(update(10));
    for changed in [1, 2, 5, 10] {
        // The two lists of levels that are published.
        assert_eq!(counted(update(changed)), 2, "{changed} levels a side");
    }
    assert_eq!(session.counters().values().map(|it| it.checksums_passed).sum::<u64>(), 6);
}
