//! Books written with more decimals than their definition.

use super::*;
use remora_domain::Instrument;

const STALE: InstrumentStatus = InstrumentStatus::Closed;

/// The definitions as they were before EXA/USD got its fourth decimal of price.
fn old_definitions() -> String {
    frame("instruments").replace(
        r#""price_precision":4,"price_increment":0.0001"#,
        r#""price_precision":3,"price_increment":0.001"#,
    )
}

fn instruments(out: &[FeedOutput]) -> Vec<&Instrument> {
    out.iter()
        .filter_map(|output| {
            let FeedOutput::Event(MarketEvent::Instrument(made)) = output else { return None };
            Some(made)
        })
        .collect()
}

/// Gives version, status and both decimals of each definition of EXA/USD.
fn made(out: &[FeedOutput]) -> Vec<(u32, InstrumentStatus, u32, u32)> {
    instruments(out)
        .iter()
        .filter(|made| made.symbol == "EXA/USD")
        .map(|made| (made.version, made.status, made.price_decimals, made.qty_decimals))
        .collect()
}

/// A recording whose definition of EXA/USD was just proven outdated.
fn outdated() -> Driver {
    let mut driver = Driver::recorded();
    driver.text(&old_definitions());
    driver.frames(&["a_snapshot"]);
    driver
}

#[test]
fn a_finer_snapshot_that_verifies_closes_its_definition_and_goes_on() {
    let mut driver = Driver::recorded();
    let out = driver.text(&old_definitions());
    assert_eq!(made(&out), [(1, InstrumentStatus::Online, 3, 8)]);
    let out = driver.frames(&["a_snapshot"]);
    let [problem, definition, book] = out.as_slice() else { panic!("{out:?}") };
    let FeedOutput::Problem(problem) = problem else { panic!("{problem:?}") };
    assert_eq!(problem.kind, ProblemKind::StaleDefinition);
    assert!(problem.detail.contains("4 decimals of price"), "{}", problem.detail);
    assert_eq!(made(std::slice::from_ref(definition)), [(2, STALE, 4, 8)]);
    assert_eq!(states(std::slice::from_ref(book)), [("EXA-USD", BookState::Live)]);
    // Tick, lot and minimums stay what the venue last said.
    assert_eq!(instruments(&out)[0].tick.to_string(), "0.001");

    let out = driver.frames(&["a_update_deep", "a_update_top", "trades_12_13"]);
    assert_eq!((problems(&out), made(&out)), (vec![], vec![]));
    assert_eq!(tops(&out)[0].bids[0].price.to_string(), "0.4999");
    assert_eq!(trade_ids(&out), [12, 13]);
    let counters = driver.counters("EXA-USD");
    assert_eq!((counters.checksums_passed, counters.checksums_failed), (3, 0));
    assert_eq!((counters.malformed, counters.resyncs), (0, 0));
    // One proof is enough: the next snapshot tells nothing new of the definition.
    assert_eq!(problems(&driver.frames(&["a_snapshot_again"])), []);
}

#[test]
fn only_a_definition_that_fits_the_book_opens_the_instrument_again() {
    let mut driver = outdated();
    // The same definition again, and another one that is as outdated, open nothing.
    assert!(driver.text(&old_definitions()).is_empty());
    let other = old_definitions().replacen(r#""cost_min":0.50"#, r#""cost_min":0.60"#, 1);
    let out = driver.text(&other);
    assert_eq!((made(&out), states(&out)), (vec![(3, STALE, 4, 8)], vec![]));

    let out = driver.frames(&["instruments_same_again"]);
    assert_eq!(made(&out), [(4, InstrumentStatus::Online, 4, 8)]);
    assert_eq!(instruments(&out)[0].tick.to_string(), "0.0001");
    assert_eq!(states(&out), []); // the book was good all the time
    let out = driver.frames(&["a_update_deep", "a_update_top"]);
    assert_eq!((problems(&out), tops(&out).len()), (vec![], 1));
}

#[test]
fn a_later_session_with_the_same_old_definitions_proves_it_again() {
    let mut driver = outdated();
    driver.input(FeedInput::SessionEnded);
    assert_eq!(made(&driver.text(&old_definitions())), [(3, InstrumentStatus::Online, 3, 8)]);
    let out = driver.frames(&["a_snapshot", "a_update_deep"]);
    assert_eq!(problems(&out), [ProblemKind::StaleDefinition]);
    assert_eq!(made(&out), [(4, STALE, 4, 8)]);
    assert_eq!(states(&out), [("EXA-USD", BookState::Live)]);
    let counters = driver.counters("EXA-USD");
    assert_eq!((counters.checksums_passed, counters.checksums_failed), (3, 0));
}

#[test]
fn a_wrong_checksum_at_finer_decimals_is_a_failure_and_proves_nothing() {
    let mut driver = Driver::recorded();
    driver.text(&old_definitions());
    let out = driver.text(&corrupt("a_snapshot"));
    assert_eq!((problems(&out), made(&out)), (vec![ProblemKind::Checksum], vec![]));
    assert_eq!(states(&out), [("EXA-USD", INVALID(InvalidBook::Checksum))]);
    let counters = driver.counters("EXA-USD");
    assert_eq!((counters.checksums_passed, counters.checksums_failed), (0, 1));
    assert!(driver.text(&old_definitions()).is_empty()); // the definition in force is unchanged
    let out = driver.frames(&["a_snapshot"]);
    assert_eq!(made(&out), [(2, STALE, 4, 8)]);
}

#[test]
fn a_finer_update_takes_the_book_back_and_the_next_snapshot_proves_it() {
    let mut driver = Driver::recorded();
    driver.frames(&["instruments", "a_snapshot"]);
    let out = driver.text(&frame("a_update_deep").replace("0.4992", "0.49925"));
    assert_eq!((problems(&out), made(&out)), (vec![ProblemKind::Malformed], vec![]));
    assert_eq!(states(&out), [("EXA-USD", INVALID(InvalidBook::Malformed))]);
    // Its levels are written with four and five decimals of price, one and eight of quantity.
    let out = driver.frames(&["a_snapshot_finer"]);
    assert_eq!(problems(&out), [ProblemKind::StaleDefinition]);
    assert_eq!(made(&out), [(2, STALE, 5, 8)]);
    assert_eq!(tops(&out)[0].bids[1].price.to_string(), "0.49995");
    assert_eq!(tops(&out)[0].bids[2].qty.to_string(), "3.50000000");
    // Back at four decimals the venue's own definition fits again, but a contradicted one opens nothing.
    let out = driver.frames(&["a_snapshot_again", "a_update_after"]);
    assert_eq!(made(&out), [(3, STALE, 4, 8)]);
    assert_eq!(driver.counters("EXA-USD").checksums_failed, 0);
    let out = driver.frames(&["instruments_same_again"]);
    assert_eq!(made(&out), [(4, InstrumentStatus::Online, 4, 8)]);
    assert_eq!(states(&out), []);
}

#[test]
fn finer_quantities_outdate_a_definition_as_finer_prices_do() {
    let mut driver = Driver::recorded();
    driver.text(&frame("instruments").replace(r#""qty_precision":8"#, r#""qty_precision":6"#));
    let out = driver.frames(&["a_snapshot", "a_update_deep"]);
    assert_eq!(made(&out), [(2, STALE, 4, 8)]);
    assert_eq!(driver.counters("EXA-USD").checksums_passed, 2);
    // The other symbol has a definition of its own: nothing of it is proven yet.
    assert!(instruments(&out).iter().all(|made| made.symbol == "EXA/USD"));
}

#[test]
fn a_text_finer_than_any_amount_is_malformed_and_named() {
    let mut driver = Driver::recorded();
    driver.frames(&["instruments"]);
    let text = frame("b_snapshot").replace("64524.7,", "64524.7000000000000000000,");
    let out = driver.text(&text);
    assert_eq!((problems(&out), instruments(&out).len()), (vec![ProblemKind::Malformed], 0));
    let Some(FeedOutput::Problem(problem)) = out.first() else { panic!("{out:?}") };
    assert!(problem.detail.contains("64524.7000000000000000000"), "{}", problem.detail);
}

#[test]
fn an_empty_book_proves_nothing() {
    let mut driver = Driver::recorded();
    driver.frames(&["instruments"]);
    let empty = r#"{"channel":"book","type":"snapshot","data":[{"symbol":"EXA/USD","bids":[{"price":0.50001,"qty":0}],"asks":[],"checksum":0}]}"#;
    let out = driver.text(empty);
    assert_eq!((problems(&out), made(&out)), (vec![], vec![]));
    assert_eq!(states(&out), [("EXA-USD", BookState::Live)]);
}
