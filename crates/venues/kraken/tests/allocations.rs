//! Allocations of the codec, counted: they grow with no level. Deterministic, so a test and not a benchmark.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use allocation_counter::measure;
use remora_kraken::{Frame, decode};

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
