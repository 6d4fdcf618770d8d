//! G31 to G35.

use super::{denied, gate};
use remora_domain::{
    Body, BookTop, DurationNs, Instrument, InstrumentKey, RefusalReason as Why, Sequencer,
    SessionId, Timestamp,
};
use remora_risk_gate_core::Control;
use remora_testkit::{book, bps, instrument, request};
use std::sync::Arc;

pub(super) fn age_of_the_book() {
    let mut gate = gate(|_| {});
    gate.wait_ms(3_000);
    gate.approved(&request("a-1"));
    gate.wait_ns(1);
    denied(&mut gate, &request("a-2"), Control::G31, Why::BookStale);
}

pub(super) fn state_of_the_book() {
    let mut gate = gate(|_| {});
    gate.approved(&request("a-1"));
    gate.book(book("BTC-USD", "101", "101"));
    denied(&mut gate, &request("a-2"), Control::G32, Why::BookCrossed);
}

pub(super) fn clocks_agree() {
    let limit = 500_000_000;
    for (venue_ns, is_allowed) in
        [(-limit, true), (limit, true), (-limit - 1, false), (limit + 1, false)]
    {
        let mut gate = gate(|_| {});
        gate.now = gate.now.saturating_add(DurationNs::from_ms(1));
        let venue_time = gate.now.saturating_add(DurationNs::from_ns(venue_ns));
        let mut feed = Sequencer::new("ingestor-sim-9".parse().unwrap(), SessionId::new(1));
        let body = Body::Book(book("BTC-USD", "99", "101"));
        gate.say(Arc::new(feed.from_venue(gate.now, Some(venue_time), gate.now, body)));
        match is_allowed {
            true => gate.approved(&request("a-1")),
            false => drop(denied(&mut gate, &request("a-1"), Control::G33, Why::ClockSkewAboveMax)),
        }
    }
}

#[test]
fn clocks_are_not_compared_where_the_limits_say_so() {
    let mut gate = gate(|c| c.clock_skew_max = remora_domain::DurationNs::ZERO);
    gate.define(instrument("XRP", "USD"));
    let xrp = book("XRP-USD", "99", "101");
    gate.ticker(&xrp.instrument, xrp.mid().unwrap());
    let said = gate.ingestor.wrap(gate.now, Body::Book(xrp));
    gate.say(said);
    let order = remora_domain::OrderRequest {
        instrument: remora_testkit::key("XRP-USD"),
        ..request("a-1")
    };
    gate.approved(&order);
}

#[test]
fn a_pair_whose_venue_never_told_the_time_is_refused() {
    let mut gate = gate(|_| {});
    gate.define(instrument("XRP", "USD"));
    let xrp = book("XRP-USD", "99", "101");
    gate.ticker(&xrp.instrument, xrp.mid().unwrap());
    let said = gate.ingestor.wrap(gate.now, Body::Book(xrp));
    gate.say(said);
    let order = remora_domain::OrderRequest {
        instrument: remora_testkit::key("XRP-USD"),
        ..request("a-1")
    };
    denied(&mut gate, &order, Control::G33, Why::ClockUnknown);
}

fn elsewhere(bid: &str, ask: &str) -> (Instrument, BookTop) {
    let home = instrument("BTC", "USD");
    let key = InstrumentKey::new("other-spot".parse().unwrap(), home.key.instrument.clone());
    let top = BookTop { instrument: key.clone(), ..book("BTC-USD", bid, ask) };
    (Instrument { key, ..home }, top)
}

pub(super) fn venues_agree() {
    let mut gate = gate(|c| c.reference_disagreement_max = bps("100"));
    let (instrument, top) = elsewhere("100", "102");
    gate.define(instrument);
    gate.book(top);
    gate.approved(&request("a-1"));
    gate.book(elsewhere("100.01", "102.01").1);
    let no = denied(&mut gate, &request("a-2"), Control::G34, Why::ReferenceDisagrees);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("1 USD", "1.01 USD"));
}

#[test]
fn a_pair_that_too_few_venues_price_is_refused() {
    let mut gate = gate(|c| c.reference_venues_min = 2);
    denied(&mut gate, &request("a-1"), Control::G34, Why::ReferenceUnknown);
    let (instrument, top) = elsewhere("99", "101");
    gate.define(instrument);
    gate.book(top);
    gate.approved(&request("a-2"));
}

pub(super) fn age_of_the_signal() {
    for (age_ns, is_allowed) in [(100_000_000, true), (100_000_001, false)] {
        let mut gate = gate(|c| c.signal_age_max = DurationNs::from_ms(100));
        let asked = gate.decision.wrap(gate.now, Body::OrderRequest(request("a-1")));
        gate.wait_ns(age_ns);
        let said = gate.say(asked);
        let answer = crate::harness::answer_of(&said[0]).unwrap();
        assert_eq!(answer.is_ok(), is_allowed);
        if let Err(no) = answer {
            assert_eq!(Control::of(no.reason), Some(Control::G35));
            assert_eq!((no.limit.as_str(), no.value.as_str()), ("100 ms", "100.000001 ms"));
        }
    }
    assert!(Timestamp::EPOCH < Timestamp::MAX);
}
