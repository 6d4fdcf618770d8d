//! Generated histories: orders that fill, end, go silent; events that arrive late, twice and out of order; prices
//! that move; gates that restart. Held against two models written without the gate: what is true at the venue,
//! and what was told so far.

use crate::harness::{Gate, config};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use remora_domain::{
    Body, BookState, BookTop, DurationNs, Envelope, Level, Notional, OrderEvent, OrderEventReason,
    OrderRequest, Price, Qty, RefusalReason as Why, Side, Timestamp,
};
use remora_risk_gate_core::{Control, RiskGateConfig};
use remora_testkit::{
    accepted, balances, cancelled, filled, key, rejected, request, router_ready, router_refused,
    sending, submit_unknown,
};
use rust_decimal::Decimal;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const PAIRS: [&str; 2] = ["BTC-USD", "ETH-USD"];

#[derive(Clone, Debug)]
enum Step {
    Ask { pair: usize, side: Side, offset: i64, lots: i64 },
    Order { pick: usize, what: What },
    Deliver { pick: usize, twice: bool },
    Move { pair: usize, mid_ticks: i64 },
    Wait { ms: i64 },
    Restart,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Send,
    Accept,
    Silence,
    Fill { percent: i64 },
    Cancel,
    Reject,
    NeverSend,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let what = prop_oneof![
        2 => Just(What::Send),
        2 => Just(What::Accept),
        1 => Just(What::Silence),
        6 => (1i64..=100).prop_map(|percent| What::Fill { percent }),
        3 => Just(What::Cancel),
        1 => Just(What::Reject),
        1 => Just(What::NeverSend),
    ];
    let step = prop_oneof![
        8 => (0usize..2, remora_testkit::generate::sides(), -90i64..90, 100i64..60_000)
            .prop_map(|(pair, side, offset, lots)| Step::Ask { pair, side, offset, lots }),
        10 => (any::<usize>(), what).prop_map(|(pick, what)| Step::Order { pick, what }),
        8 => (any::<usize>(), any::<bool>()).prop_map(|(pick, twice)| Step::Deliver { pick, twice }),
        2 => (0usize..2, 9_000i64..20_000).prop_map(|(pair, mid_ticks)| Step::Move { pair, mid_ticks }),
        1 => (1i64..5_000).prop_map(|ms| Step::Wait { ms }),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..120)
}

/// Is one order as somebody knows it.
#[derive(Clone, Debug)]
struct Known {
    pair: usize,
    side: Side,
    qty: Decimal,
    filled: Decimal,
    ended_at: Option<Decimal>,
}

impl Known {
    fn remaining(&self) -> Decimal {
        (self.ended_at.unwrap_or(self.qty) - self.filled).max(Decimal::ZERO)
    }
}

type Orders = BTreeMap<String, Known>;

/// Gives the lowest and highest position a pair can end at.
fn ends(orders: &Orders, pair: usize) -> (Decimal, Decimal) {
    let of_pair = || orders.values().filter(|o| o.pair == pair);
    let sign = |o: &Known| if o.side == Side::Buy { Decimal::ONE } else { -Decimal::ONE };
    let position: Decimal = of_pair().map(|o| sign(o) * o.filled).sum();
    let open = |side| of_pair().filter(|o| o.side == side).map(Known::remaining).sum::<Decimal>();
    (position - open(Side::Sell), position + open(Side::Buy))
}

fn worst(orders: &Orders, pair: usize) -> Decimal {
    let (lowest, highest) = ends(orders, pair);
    lowest.abs().max(highest.abs())
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    approved: u32,
    pair_refused: u32,
    total_refused: u32,
    restarts: u32,
}

struct World {
    gate: Gate,
    truth: Orders,
    told: Orders,
    told_execs: BTreeSet<String>,
    requests: BTreeMap<String, OrderRequest>,
    on_the_way: Vec<Arc<Envelope>>,
    mids: [Decimal; 2],
    session: u64,
    counts: Counts,
}

fn limits() -> RiskGateConfig {
    RiskGateConfig { orders_per_window_max: 100_000, ..config() }
}

impl World {
    fn new() -> Self {
        let mut gate = Gate::ready(limits());
        gate.balances(balances(&[("BTC", "9999999"), ("ETH", "9999999"), ("USD", "999999999")]));
        Self {
            gate,
            truth: Orders::new(),
            told: Orders::new(),
            told_execs: BTreeSet::new(),
            requests: BTreeMap::new(),
            on_the_way: Vec::new(),
            mids: [Decimal::ONE_HUNDRED; 2],
            session: 1,
            counts: Counts::default(),
        }
    }

    fn step(&mut self, number: usize, step: &Step) {
        match step {
            Step::Ask { pair, side, offset, lots } => {
                self.ask(number, *pair, *side, *offset, *lots)
            }
            Step::Order { pick, what } => self.order(number, *pick, *what),
            Step::Deliver { pick, twice } => self.deliver(*pick, *twice),
            Step::Move { pair, mid_ticks } => {
                self.mids[*pair] = Decimal::new(*mid_ticks, 2);
                self.books();
            }
            Step::Wait { ms } => {
                self.gate.wait_ms(*ms);
                self.books();
            }
            Step::Restart => self.restart(),
        }
    }

    fn books(&mut self) {
        for (pair, mid) in PAIRS.iter().zip(self.mids) {
            let level = |price| Level {
                price: Price::from_decimal(price).unwrap(),
                qty: Qty::from_decimal(Decimal::TEN).unwrap(),
            };
            let top = BookTop {
                instrument: key(pair),
                book_sequence: 1,
                state: BookState::Live,
                bids: vec![level(mid - Decimal::ONE)],
                asks: vec![level(mid + Decimal::ONE)],
            };
            self.gate.book(top);
        }
    }

    fn ask(&mut self, number: usize, pair: usize, side: Side, offset: i64, lots: i64) {
        let id = format!("r-{number}");
        let price = self.mids[pair] + Decimal::new(offset, 2);
        let order = OrderRequest {
            instrument: key(PAIRS[pair]),
            side,
            price: Price::from_decimal(price).unwrap(),
            qty: Qty::from_decimal(Decimal::new(lots, 4)).unwrap(),
            deadline: Timestamp::MAX,
            ..request(&id)
        };
        match self.gate.ask(order.clone()) {
            Ok(_) => self.approved(&id, pair, order),
            Err(no) if no.reason == Why::PairPositionAboveMax => self.counts.pair_refused += 1,
            Err(no) if no.reason == Why::TotalPositionAboveMax => self.counts.total_refused += 1,
            Err(_) => {}
        }
    }

    /// The invariant: an approval leaves every worst case within its limit, or where it was.
    fn approved(&mut self, id: &str, pair: usize, order: OrderRequest) {
        self.counts.approved += 1;
        let qty = order.qty.to_decimal();
        let known = Known { pair, side: order.side, qty, filled: Decimal::ZERO, ended_at: None };
        for orders in [&mut self.truth, &mut self.told] {
            let before = worst(orders, pair);
            orders.insert(id.to_owned(), known.clone());
            let after = worst(orders, pair);
            let is_within = after * self.mids[pair] <= Decimal::ONE_THOUSAND;
            assert!(is_within || after <= before, "pair: {before} to {after} by {order:?}");
        }
        let mut before = self.told.clone();
        before.remove(id);
        let total: Decimal = (0..2).map(|p| worst(&self.told, p) * self.mids[p]).sum();
        let is_within = total <= Decimal::from(1_500);
        let is_raised = worst(&self.told, pair) > worst(&before, pair);
        assert!(is_within || !is_raised, "total: {total} by {order:?}");
        self.requests.insert(id.to_owned(), order);
    }

    /// Lets something happen at the router or the venue; the event of it is on its way.
    fn order(&mut self, number: usize, pick: usize, what: What) {
        let live: Vec<String> = self
            .truth
            .iter()
            .filter(|(_, order)| order.ended_at.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        if live.is_empty() {
            return;
        }
        let id = &live[pick % live.len()];
        let was_told = self.was_told(id);
        let order = &self.requests[id];
        let known = self.truth.get_mut(id).unwrap();
        let cum = Qty::from_decimal(known.filled).unwrap();
        let event = match what {
            What::Send => sending(order),
            What::Accept => accepted(order),
            What::Silence => submit_unknown(order),
            What::Fill { percent } => {
                let part = known.remaining() * Decimal::new(percent, 2);
                let last = part.round_dp(4).max(Decimal::new(1, 4));
                known.filled += last;
                if known.remaining().is_zero() {
                    known.ended_at = Some(known.filled);
                }
                filled(order, &format!("x-{number}"), cum, Qty::from_decimal(last).unwrap())
            }
            What::Cancel => {
                known.ended_at = Some(known.filled);
                cancelled(order, cum)
            }
            What::Reject | What::NeverSend if !cum.is_zero() => return,
            What::Reject => {
                known.ended_at = Some(known.filled);
                rejected(order, OrderEventReason::VenueOther)
            }
            What::NeverSend if was_told => return,
            What::NeverSend => {
                known.ended_at = Some(known.filled);
                router_refused(order, OrderEventReason::ApprovalExpired)
            }
        };
        let envelope = self.gate.router.wrap(self.gate.now, Body::OrderEvent(event));
        self.on_the_way.push(envelope);
    }

    /// Tells whether anything about an order was said already: then it was not "never sent".
    fn was_told(&self, id: &str) -> bool {
        let all = self.on_the_way.iter().chain(&self.gate.log);
        all.filter_map(|e| event_of(e)).any(|event| event.cl_ord_id.as_str() == id)
    }

    fn deliver(&mut self, pick: usize, twice: bool) {
        if self.on_the_way.is_empty() {
            return;
        }
        let envelope = self.on_the_way.remove(pick % self.on_the_way.len().min(4));
        self.tell(event_of(&envelope).unwrap());
        for _ in 0..=u8::from(twice) {
            assert!(self.gate.say(Arc::clone(&envelope)).is_empty());
        }
        self.compare(&self.told.clone());
    }

    fn tell(&mut self, event: &OrderEvent) {
        let known = self.told.get_mut(event.cl_ord_id.as_str()).unwrap();
        if let Some(fill) = &event.fill
            && self.told_execs.insert(fill.exec_id.to_string())
        {
            known.filled += fill.last_qty.to_decimal();
        }
        if event.ord_status.is_terminal() {
            known.ended_at = known.ended_at.max(Some(event.cum_qty.to_decimal()));
        }
    }

    /// The gate's own account must equal the model's.
    fn compare(&self, model: &Orders) {
        let exposure = self.gate.driver.machine.exposure();
        for (number, name) in PAIRS.iter().enumerate() {
            let found = exposure.pairs.iter().find(|pair| pair.instrument == key(name));
            let value = found.map_or(Notional::ZERO, |pair| pair.worst.unwrap());
            assert_eq!(value.to_decimal(), worst(model, number) * self.mids[number], "{name}");
        }
        // What decisions add up is kept ready; it must equal what is computed from the start.
        let gross = self.gate.driver.machine.explain(self.gate.now).swap_remove(14);
        assert_eq!(gross.control, Control::G15);
        if gross.refuses.is_none() {
            let total = exposure.total.unwrap().to_decimal().normalize();
            assert_eq!(gross.value, format!("{total} USD"));
        }
    }

    fn restart(&mut self) {
        self.counts.restarts += 1;
        self.session += 1;
        let before = self.gate.driver.machine.exposure();
        let mut next = self.gate.restarted(limits(), self.session);
        next.caught_up();
        let epoch = next.driver.machine.status().epoch;
        assert_eq!(epoch, self.session);
        next.control_state(router_ready(epoch));
        self.gate = next;
        assert_eq!(self.gate.driver.machine.exposure(), before);
    }

    fn finish(mut self) -> Counts {
        while !self.on_the_way.is_empty() {
            self.deliver(0, false);
        }
        self.compare(&self.truth);
        self.gate.now = self.gate.now.saturating_add(DurationNs::from_s(1));
        self.counts
    }
}

fn event_of(envelope: &Envelope) -> Option<&OrderEvent> {
    if let Body::OrderEvent(event) = &envelope.body { Some(event) } else { None }
}

#[test]
fn no_approval_raises_a_worst_case_above_its_limit() {
    let sum = RefCell::new(Counts::default());
    let cases = ProptestConfig { cases: 40, ..ProptestConfig::default() };
    let run = |all: Vec<Step>| {
        let mut world = World::new();
        for (number, step) in all.iter().enumerate() {
            world.step(number, step);
        }
        let counts = world.finish();
        let mut sum = sum.borrow_mut();
        sum.approved += counts.approved;
        sum.pair_refused += counts.pair_refused;
        sum.total_refused += counts.total_refused;
        sum.restarts += counts.restarts;
        Ok(())
    };
    TestRunner::new(cases).run(&steps(), run).unwrap();
    let sum = sum.into_inner();
    let is_telling =
        sum.approved > 100 && sum.pair_refused > 20 && sum.total_refused > 5 && sum.restarts > 20;
    assert!(is_telling, "the histories exercise too little: {sum:?}");
}
