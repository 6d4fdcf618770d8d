//! Random histories: the engine does what a slow model does, and some things hold after every step.

mod model;
mod recorded;
mod watch;

use super::Rig;
use crate::{
    Amend, Condition, EndCause, Event, Lifetime, MarketSpec, NewOrder, OrderNo, OrderState,
    Pricing, Reference, SelfTrade, Size, Trigger,
};
use model::Model;
use proptest::prelude::*;
use remora_domain::{Lots, Side, Ticks, Timestamp};
use watch::Watch;

/// Is one thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Place {
        who: usize,
        order: Wanted,
    },
    /// Amends one of the newest orders.
    Amend {
        which: usize,
        amend: Amend,
    },
    Cancel {
        which: usize,
    },
    Index {
        price: i64,
    },
    Pass {
        ns: i64,
    },
    /// Changes somebody's fee rates.
    Fees {
        who: usize,
        maker_ppm: i64,
        taker_ppm: i64,
    },
    /// Deposits or withdraws.
    Deposit {
        who: usize,
        is_base: bool,
        amount: i64,
    },
}

/// Is an order before it is known whose.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    side: Side,
    pricing: Pricing,
    size: Size,
    lifetime: Lifetime,
    is_post_only: bool,
    self_trade: SelfTrade,
    display: Option<i64>,
    trigger: Option<Trigger>,
    is_fee_in_base: bool,
}

fn sides() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn prices() -> impl Strategy<Value = Ticks> {
    (95_i64..=105).prop_map(Ticks::new)
}

fn triggers() -> impl Strategy<Value = Trigger> {
    let condition = prop_oneof![
        prices().prop_map(Condition::StopLoss),
        prices().prop_map(Condition::TakeProfit),
        (1_i64..5).prop_map(|by| Condition::Trailing(Ticks::new(by))),
    ];
    let reference = prop_oneof![3 => Just(Reference::Last), 1 => Just(Reference::Index)];
    let offset = prop::option::of((-3_i64..4).prop_map(Ticks::new));
    (condition, reference, offset).prop_map(|(condition, reference, offset)| Trigger {
        condition,
        reference,
        limit_offset: offset.filter(|_| condition.is_trailing()),
    })
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let lifetime = prop_oneof![
        6 => Just(Lifetime::Gtc),
        1 => Just(Lifetime::Ioc),
        1 => Just(Lifetime::Fok),
        1 => (0_i64..100).prop_map(|ns| Lifetime::Gtd(Timestamp::from_ns(ns))),
    ];
    let pricing = prop_oneof![5 => prices().prop_map(Pricing::Limit), 1 => Just(Pricing::Market)];
    let self_trade = prop_oneof![
        Just(SelfTrade::CancelNewest),
        Just(SelfTrade::CancelOldest),
        Just(SelfTrade::CancelBoth)
    ];
    let size = prop_oneof![
        9 => (1_i64..20).prop_map(|qty| Size::Base(Lots::new(qty))),
        1 => (1_i128..3_000).prop_map(Size::Quote),
    ];
    let shape = (sides(), pricing, size, lifetime, self_trade);
    let flags = (
        prop::bool::weighted(0.2),
        prop::option::weighted(0.2, 1_i64..6),
        prop::option::weighted(0.25, triggers()),
        prop::bool::weighted(0.2),
    );
    (shape, flags).prop_map(
        |((side, pricing, size, lifetime, self_trade), (post, display, trigger, in_base))| Wanted {
            side,
            pricing,
            size,
            lifetime,
            is_post_only: post,
            self_trade,
            display,
            trigger,
            is_fee_in_base: in_base && side == Side::Buy,
        },
    )
}

fn amends() -> impl Strategy<Value = Amend> {
    let (limit, trigger) = (prop::option::of(prices()), prop::option::weighted(0.3, prices()));
    let qty = prop::option::of((0_i64..25).prop_map(Lots::new));
    let display = prop::option::weighted(0.3, (1_i64..8).prop_map(Lots::new));
    let amend = (limit, qty, display, trigger, any::<bool>());
    amend.prop_map(|(limit, qty, display, trigger, is_post_only)| Amend {
        limit,
        qty,
        display,
        trigger,
        is_post_only,
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0_usize..3, wanted()).prop_map(|(who, order)| Step::Place { who, order }),
        4 => (0_usize..12, amends()).prop_map(|(which, amend)| Step::Amend { which, amend }),
        2 => (0_usize..12).prop_map(|which| Step::Cancel { which }),
        1 => (95_i64..=105).prop_map(|price| Step::Index { price }),
        1 => (0_i64..20).prop_map(|ns| Step::Pass { ns }),
        1 => (0_usize..2, -900_i64..5_000, 0_i64..9_000).prop_map(|(who, maker_ppm, taker_ppm)| {
            Step::Fees { who, maker_ppm, taker_ppm }
        }),
        1 => (0_usize..2, any::<bool>(), -900_i64..900).prop_map(|(who, is_base, amount)| {
            Step::Deposit { who, is_base, amount }
        }),
    ];
    prop::collection::vec(step, 1..120)
}

/// Is the exchange with everything that is compared with it.
struct Run {
    rig: Rig,
    /// None where money decides what happens.
    model: Option<Model>,
    watch: Watch,
}

impl Run {
    fn order(&self, who: usize, wanted: &Wanted) -> NewOrder {
        let trader = [self.rig.alice, self.rig.bob, self.rig.crowd][who];
        let Wanted { side, pricing, size, lifetime, is_post_only, self_trade, .. } = *wanted;
        let trigger = wanted.trigger;
        NewOrder {
            trader,
            market: self.rig.market,
            side,
            pricing,
            size,
            lifetime,
            is_post_only,
            self_trade,
            display: wanted.display.map(Lots::new),
            trigger,
            is_fee_in_base: wanted.is_fee_in_base,
        }
    }

    fn step(&mut self, step: &Step) {
        let Rig { exchange, out, now, market, .. } = &mut self.rig;
        out.clear();
        match step {
            Step::Place { who, order } => self.place(*who, order),
            Step::Amend { which, amend } => {
                if let Some((trader, no)) = self.recent(*which) {
                    let Rig { exchange, out, now, .. } = &mut self.rig;
                    let is_done = exchange.amend(*now, trader, no, *amend, out).is_ok();
                    assert!(is_done || out.is_empty(), "a refused amend does nothing");
                    if let Some(model) = self.model.as_mut().filter(|_| is_done) {
                        model.amend(place_of(no), amend);
                    }
                }
            }
            Step::Cancel { which } => {
                if let Some((trader, no)) = self.recent(*which) {
                    let Rig { exchange, out, now, .. } = &mut self.rig;
                    let is_open =
                        exchange.cancel(*now, trader, no, EndCause::Requested, out).is_ok();
                    if let Some(model) = self.model.as_mut() {
                        assert_eq!(is_open, model.is_open(place_of(no)));
                        if is_open {
                            model.end(place_of(no), EndCause::Requested);
                        }
                    }
                }
            }
            Step::Index { price } => {
                exchange.set_index(*now, *market, Ticks::new(*price), out);
                if let Some(model) = self.model.as_mut() {
                    model.index(*price);
                }
            }
            Step::Pass { ns } => {
                *now = Timestamp::from_ns(now.as_ns() + ns);
                exchange.expire(*now, out);
                if let Some(model) = self.model.as_mut() {
                    model.expire(*now);
                }
            }
            Step::Fees { who, maker_ppm, taker_ppm } => {
                let trader = [self.rig.alice, self.rig.bob][*who];
                self.rig.set_fees(trader, *maker_ppm, *taker_ppm);
            }
            Step::Deposit { who, is_base, amount } => {
                let trader = [self.rig.alice, self.rig.bob][*who];
                let asset = if *is_base { self.rig.base } else { self.rig.quote };
                let Rig { exchange, out, .. } = &mut self.rig;
                let available = exchange.balance(trader, asset);
                let is_done = exchange.deposit(trader, asset, (*amount).into(), out).is_ok();
                let left = available.total - available.held + i128::from(*amount);
                assert_eq!(is_done, left >= 0);
            }
        }
    }

    fn place(&mut self, who: usize, wanted: &Wanted) {
        let order = self.order(who, wanted);
        let Rig { exchange, out, now, .. } = &mut self.rig;
        let check = exchange.check(&order);
        let placed = exchange.place(*now, order.clone(), out);
        assert_eq!(placed.as_ref().map(|_| ()).map_err(|&refusal| refusal), check);
        assert!(placed.is_ok() || out.is_empty(), "a refused order does nothing");
        if let Some(model) = self.model.as_mut().filter(|_| placed.is_ok()) {
            model.place(*now, order);
        }
    }

    /// Gives one of the newest orders of the cash traders.
    fn recent(&self, which: usize) -> Option<(crate::TraderIx, OrderNo)> {
        let newest = self.rig.exchange.orders_numbered;
        let no = OrderNo::new(newest.checked_sub(u64::try_from(which).unwrap())?);
        self.rig.exchange.order(no).map(|view| (view.asked.trader, no))
    }

    fn compare(&self) {
        let Some(model) = &self.model else { return };
        let exchange = &self.rig.exchange;
        for (at, order) in model.orders.iter().enumerate() {
            let view = exchange.order(number_of(at)).unwrap();
            let (state, cum_qty) = (view.state, view.cum_qty.get());
            assert_eq!((state, cum_qty), (order.state, order.cum_qty), "order {}", at + 1);
            assert_eq!(view.trigger_price.map(Ticks::get), order.trigger_price, "order {}", at + 1);
        }
        for side in [Side::Buy, Side::Sell] {
            for price in 80..=120 {
                let queue = exchange.queue(self.rig.market, side, Ticks::new(price));
                let queue: Vec<_> = queue.map(|(no, qty)| (place_of(no), qty.get())).collect();
                assert_eq!(queue, model.queue(side, price), "{side} {price}");
            }
        }
        assert_eq!(self.watch.trades, model.trades);
    }
}

fn place_of(no: OrderNo) -> usize {
    usize::try_from(no.get() - 1).unwrap()
}

fn number_of(at: usize) -> OrderNo {
    OrderNo::new(u64::try_from(at + 1).unwrap())
}

fn check(steps: &[Step], mut run: Run) {
    for step in steps {
        run.step(step);
        run.watch.look(&run.rig);
        run.compare();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_history_of_rich_traders_is_what_a_slow_model_says(steps in steps()) {
        let is_for_model = |step: &Step| match step {
            Step::Place { order, .. } => matches!(order.size, Size::Base(_)),
            Step::Fees { .. } | Step::Deposit { .. } => false,
            Step::Amend { .. } | Step::Cancel { .. } | Step::Index { .. } | Step::Pass { .. } => true,
        };
        let steps: Vec<Step> = steps.into_iter().filter(is_for_model).collect();
        let rig = Rig::new();
        let (model, watch) = (Some(Model::new(rig.crowd)), Watch::new(&rig));
        check(&steps, Run { rig, model, watch });
    }

    /// Odd decimals, so that every rounding happens; little money, so that every hold matters.
    #[test]
    fn money_is_conserved_and_held_whoever_is_poor(
        steps in steps(),
        (price, qty, cost) in (0_u32..3, 0_u32..3, 0_u32..3),
        (in_base, in_quote) in (0_u32..3, 0_u32..3),
        funds in (0_i64..60, 0_i64..4_000),
    ) {
        let mut rig = Rig::with(in_base, in_quote, |spec: &mut MarketSpec| {
            (spec.price_decimals, spec.qty_decimals, spec.cost_decimals) = (price, qty, cost);
        });
        let (base, quote) = (rig.base, rig.quote);
        for trader in [rig.alice, rig.bob] {
            rig.deposit(trader, base, i128::from(funds.0) - 1_000_000);
            rig.deposit(trader, quote, i128::from(funds.1) - 1_000_000);
            rig.set_fees(trader, 2_000, 4_000);
        }
        let watch = Watch::new(&rig);
        check(&steps, Run { rig, model: None, watch });
    }
}

/// Counts what the generator reaches, so that the properties above are not empty.
#[test]
fn random_histories_reach_every_kind_of_event_and_end() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..60 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let rig = Rig::new();
        let watch = Watch::new(&rig);
        let mut run = Run { rig, model: None, watch };
        for step in &steps {
            run.step(step);
            for event in &run.rig.out {
                let text = format!("{event:?}");
                seen.extend(text.split(' ').next().map(str::to_owned));
                if let Event::Ended { cause, .. } = event {
                    seen.insert(format!("{cause:?}"));
                }
            }
        }
        let states = (1..=run.rig.exchange.orders_numbered).filter_map(|no| {
            run.rig.exchange.order(OrderNo::new(no)).map(|view| view.state == OrderState::Filled)
        });
        seen.extend(states.filter(|is| *is).map(|_| "Filled".to_owned()));
    }
    for kind in [
        "Accepted",
        "Opened",
        "Triggered",
        "TriggerMoved",
        "Traded",
        "Refilled",
        "Amended",
        "LevelChanged",
        "QueueChanged",
        "BalanceChanged",
        "Filled",
        "Requested",
        "PostOnly",
        "SelfTrade",
        "Unfilled",
        "Expired",
        "AmendedBelowFilled",
        "NotExecutable",
    ] {
        assert!(seen.contains(kind), "{kind} never happened");
    }
}
