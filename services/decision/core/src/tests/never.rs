//! Properties over generated histories: what is never asked for.

use crate::fixture::Scene;
use proptest::prelude::*;
use remora_domain::{
    Body, BookTop, InvalidBook, OrderEventReason, OrderRefusal, OrderRequest, Qty, RefusalReason,
    Side,
};
use remora_testkit::{
    accepted, balances, cancelled, filled, generate, instrument, invalid_book, key, rejected,
    sending,
};

/// Is one thing that happens, with how long it takes.
#[derive(Clone, Debug)]
enum Step {
    Book(BookTop),
    Invalid,
    Accept,
    Refuse,
    Reject,
    Fill(u8),
    Confirm,
    Funds(u16, u16),
}

fn steps() -> impl Strategy<Value = Vec<(i64, Step)>> {
    let step = prop_oneof![
        6 => generate::books(key("BTC-USD")).prop_map(Step::Book),
        1 => Just(Step::Invalid),
        4 => Just(Step::Accept),
        1 => Just(Step::Refuse),
        1 => Just(Step::Reject),
        3 => any::<u8>().prop_map(Step::Fill),
        4 => Just(Step::Confirm),
        1 => (0u16..20, 0u16..2_000).prop_map(|(base, quote)| Step::Funds(base, quote)),
    ];
    proptest::collection::vec((1i64..400, step), 1..120)
}

/// Plays the venue and the gate, and keeps what is open.
struct World {
    scene: Scene,
    open: Vec<OrderRequest>,
    cum: Vec<Qty>,
    asked: Vec<OrderRequest>,
    cancelled: Vec<remora_domain::ClOrdId>,
    book: Option<BookTop>,
    fills: u32,
}

impl World {
    fn check_said(&mut self) -> Result<(), TestCaseError> {
        self.cancelled.extend(self.scene.cancelled_ids());
        for request in self.scene.requests() {
            self.check_request(&request)?;
            self.asked.push(request);
        }
        self.scene.said.clear();
        Ok(())
    }

    fn check_request(&self, request: &OrderRequest) -> Result<(), TestCaseError> {
        let rules = instrument("BTC", "USD");
        let Some(book) = &self.book else { return Err(TestCaseError::fail("no usable book")) };
        prop_assert!(rules.is_on_tick(request.price) && rules.is_on_lot(request.qty));
        prop_assert!(request.qty >= rules.qty_min && request.is_post_only);
        let value = request.price.checked_notional(request.qty, rules.multiplier).unwrap();
        prop_assert!(value >= rules.cost_min.unwrap());
        let touch = match request.side {
            Side::Buy => book.best_ask().unwrap().price,
            Side::Sell => book.best_bid().unwrap().price,
        };
        let is_passive = match request.side {
            Side::Buy => request.price < touch,
            Side::Sell => request.price > touch,
        };
        prop_assert!(is_passive, "{request:?} takes {touch}");
        let others = self.open.iter().chain(&self.asked);
        let others = others.filter(|one| Some(&one.cl_ord_id) != request.orig_cl_ord_id.as_ref());
        for other in others {
            prop_assert!(other.side != request.side, "two orders on one side");
            let crosses = match request.side {
                Side::Buy => request.price >= other.price,
                Side::Sell => request.price <= other.price,
            };
            prop_assert!(!crosses, "{request:?} meets our own {other:?}");
        }
        // Inventory is limited to 50 USD at fair value, which lies within the touch.
        let position = self.scene.driver.machine.orders.position(&key("BTC-USD")).to_est();
        let after = match request.side {
            Side::Buy => position + request.qty.to_est(),
            Side::Sell => request.qty.to_est() - position,
        };
        let lowest = book.best_bid().unwrap().price.to_est();
        prop_assert!(after * lowest <= 50.0 + 1e-6, "inventory {after} at {lowest}");
        Ok(())
    }

    fn end(&mut self, index: usize) -> (OrderRequest, Qty) {
        (self.open.remove(index), self.cum.remove(index))
    }

    fn apply(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Book(book) => {
                self.book = Some(book.clone());
                self.scene.top(book);
            }
            Step::Invalid => {
                self.book = None;
                self.scene.top(invalid_book("BTC-USD", InvalidBook::Checksum));
            }
            Step::Accept if !self.asked.is_empty() => {
                let request = self.asked.remove(0);
                self.scene.event(sending(&request));
                self.check_said()?;
                self.accept(request);
            }
            Step::Refuse if !self.asked.is_empty() => {
                let request = self.asked.remove(0);
                self.scene.tell(Body::OrderRefusal(OrderRefusal {
                    cl_ord_id: request.cl_ord_id,
                    account: request.account,
                    instrument: request.instrument,
                    reason: RefusalReason::BookStale,
                    limit: String::new(),
                    value: String::new(),
                }));
            }
            Step::Reject if !self.asked.is_empty() => {
                let request = self.asked.remove(0);
                self.scene.event(rejected(&request, OrderEventReason::RateLimited));
            }
            Step::Fill(share) if !self.open.is_empty() => self.fill(share),
            Step::Confirm => {
                let is_gone = |r: &OrderRequest| self.cancelled.contains(&r.cl_ord_id);
                if let Some(index) = self.open.iter().position(is_gone) {
                    let (request, cum) = self.end(index);
                    self.scene.event(cancelled(&request, cum));
                }
            }
            Step::Funds(base, quote) => {
                let (base, quote) = (base.to_string(), quote.to_string());
                self.scene.tell(Body::Balances(balances(&[("BTC", &base), ("USD", &quote)])));
            }
            Step::Accept | Step::Refuse | Step::Reject | Step::Fill(_) => {}
        }
        self.check_said()
    }

    /// Lets an order stand, in the place of another where it is to; what that one filled unheard of comes off.
    fn accept(&mut self, mut request: OrderRequest) {
        if let Some(orig) = &request.orig_cl_ord_id {
            let index = self.open.iter().position(|open| open.cl_ord_id == *orig);
            let unheard = index.map(|at| self.cum[at].checked_sub(request.orig_cum_qty).unwrap());
            let left = unheard.and_then(|unheard| request.qty.checked_sub(unheard).ok());
            let (Some(index), Some(left)) = (index, left.filter(|left| !left.is_zero())) else {
                return self.scene.event(rejected(&request, OrderEventReason::UnknownOrder));
            };
            let (old, cum) = self.end(index);
            let exec_type = remora_domain::ExecType::Replaced;
            let ended = remora_domain::OrderEvent { exec_type, ..cancelled(&old, cum) };
            self.scene.event(ended);
            request.qty = left;
        }
        self.open.push(request.clone());
        self.cum.push(Qty::ZERO);
        self.scene.event(accepted(&request));
    }

    fn fill(&mut self, share: u8) {
        let index = usize::from(share) % self.open.len();
        let (request, before) = self.end(index);
        let left = request.qty.checked_sub(before).unwrap();
        let lots = left.to_est() / 0.0001 * f64::from(share) / 255.0;
        let part = Qty::parse(&format!("{:.4}", lots.floor() * 0.0001)).unwrap();
        let last = if part.is_zero() { left } else { part };
        self.fills += 1;
        let event = filled(&request, &format!("x-{}", self.fills), before, last);
        if event.leaves_qty > Qty::ZERO {
            self.open.push(request);
            self.cum.push(event.cum_qty);
        }
        self.scene.event(event);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn no_request_takes_crosses_ourselves_leaves_the_grid_or_passes_the_inventory_limit(
        steps in steps(),
    ) {
        let mut world = World {
            scene: Scene::quoting(), open: Vec::new(), cum: Vec::new(), asked: Vec::new(),
            cancelled: Vec::new(), book: None, fills: 0,
        };
        // What was asked for while warming up.
        world.book = Some(remora_testkit::book("BTC-USD", "99.95", "100.05"));
        world.asked = world.scene.asked.clone();
        world.scene.said.clear();
        for (ms, step) in steps {
            world.scene.pass(ms);
            world.check_said()?;
            world.apply(step)?;
        }
    }

    #[test]
    fn nothing_is_said_before_recovery_ends(books in proptest::collection::vec(generate::books(key("BTC-USD")), 1..30)) {
        let mut scene = Scene::new();
        for body in crate::fixture::needs() {
            scene.tell(body);
            prop_assert!(scene.said.is_empty());
        }
        for book in books {
            scene.pass(150);
            scene.top(book);
            prop_assert!(scene.said.is_empty());
            prop_assert_eq!(remora_machine::Machine::next_deadline(&scene.driver.machine), None);
        }
    }
}
