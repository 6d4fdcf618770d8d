//! The contract every core keeps, over a log of a whole day in small.

use crate::fixture::{core, needs};
use remora_domain::{Body, ControlScope, InvalidBook, OrderRequest, Qty, Side, Timestamp};
use remora_machine::{NoLocal, ServiceInput};
use remora_testkit::{
    Producer, accepted, at_ms, balances, book, cancelled, contract, filled, halt, invalid_book, px,
    qty, request, resume, router_refused, sending,
};

struct Log {
    now_ms: i64,
    ingestor: Producer,
    others: Producer,
    inputs: Vec<(Timestamp, ServiceInput<NoLocal>)>,
}

impl Log {
    fn other(&mut self, body: Body) {
        let now = at_ms(self.now_ms);
        self.inputs.push((now, self.others.input(now, body)));
    }

    fn market(&mut self, body: Body) {
        let now = at_ms(self.now_ms);
        self.inputs.push((now, ServiceInput::Message(self.ingestor.market(now, body))));
    }

    fn books(&mut self, count: i64, bid: &str, ask: &str) {
        for _ in 0..count {
            self.now_ms += 100;
            self.market(Body::Book(book("BTC-USD", bid, ask)));
        }
    }
}

fn order(id: &str, side: Side, price: &str) -> OrderRequest {
    OrderRequest { side, price: px(price), qty: qty("0.1"), ..request(id) }
}

#[test]
fn the_core_keeps_the_contract() {
    let mut log = Log {
        now_ms: 1_000,
        ingestor: Producer::new("ingestor-sim-spot-0", 1),
        others: Producer::new("others", 1),
        inputs: Vec::new(),
    };
    let old = order("rmra00000000000001", Side::Buy, "99.9");
    log.other(Body::OrderRequest(old.clone()));
    log.other(Body::OrderEvent(accepted(&old)));
    log.inputs.push((at_ms(1_000), ServiceInput::CaughtUp));
    for body in needs() {
        log.other(body);
    }
    log.books(15, "99.95", "100.05");
    log.other(Body::OrderEvent(filled(&old, "x-1", Qty::ZERO, qty("0.04"))));
    log.other(Body::OrderEvent(cancelled(&old, qty("0.04"))));
    log.books(5, "99.95", "100.06");
    // The core under test numbers its own requests alike in every run.
    for (n, side) in [(1, Side::Buy), (2, Side::Sell)] {
        let own = order(&format!("rmra0000001000000{n}"), side, "100");
        log.other(Body::OrderEvent(sending(&own)));
        log.other(Body::OrderEvent(if n == 1 {
            accepted(&own)
        } else {
            router_refused(&own, remora_domain::OrderEventReason::OldEpoch)
        }));
    }
    log.books(10, "99.85", "99.95");
    log.market(Body::Book(invalid_book("BTC-USD", InvalidBook::SequenceGap)));
    log.books(10, "99.85", "99.95");
    log.other(Body::ControlCommand(halt(ControlScope::Global)));
    log.books(3, "99.85", "99.95");
    log.other(Body::ControlCommand(resume(ControlScope::Global)));
    log.other(Body::Balances(balances(&[("BTC", "10"), ("USD", "1000")])));
    log.books(10, "99.85", "99.95");
    log.now_ms += 10_000;
    log.books(10, "99.85", "99.95");
    contract::check(|| core(1), &log.inputs);
}
