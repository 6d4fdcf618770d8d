//! Whatever is asked in whatever order: no panic, no order told twice, no money made or lost.

use super::*;
use proptest::option::of as option;
use proptest::prelude::*;
use proptest::sample::select;
use remora_matching::AssetIx;
use std::collections::{BTreeMap, BTreeSet};

fn any_decimal() -> impl Strategy<Value = Decimal> {
    let mantissa =
        prop_oneof![any::<i64>().prop_map(i128::from), -(1i128 << 95)..(1i128 << 95), -10i128..10];
    (mantissa, 0u32..=28)
        .prop_map(|(mantissa, scale)| Decimal::from_i128_with_scale(mantissa, scale))
}

fn any_price() -> impl Strategy<Value = PriceSpec> {
    prop_oneof![
        any_decimal().prop_map(PriceSpec::Static),
        (any_decimal(), any::<bool>())
            .prop_map(|(offset, is_auto)| PriceSpec::Quote { offset, is_auto }),
        (any_decimal(), any::<bool>())
            .prop_map(|(offset, is_auto)| PriceSpec::Percent { offset, is_auto }),
        (59_000i64..61_000).prop_map(|price| PriceSpec::Static(Decimal::from(price))),
    ]
}

fn any_time() -> impl Strategy<Value = TimeSpec> {
    prop_oneof![
        any::<i64>().prop_map(|ns| TimeSpec::At(Timestamp::from_ns(ns))),
        any::<i64>().prop_map(TimeSpec::InSeconds),
        (0i64..100).prop_map(TimeSpec::InSeconds),
    ]
}

fn any_order() -> impl Strategy<Value = AddOrder> {
    let names = ["XBTUSD", "ETH/BTC", "EXA/USD", "USDT/USD", "", "NOPE"].map(str::to_owned);
    let what = (
        select(names.to_vec()),
        select(vec![Side::Buy, Side::Sell]),
        select(OrderKind::ALL.to_vec()),
        prop_oneof![any_decimal(), (1u32..1_000_000).prop_map(|qty| Decimal::new(qty.into(), 4))],
        select(vec![Tif::Gtc, Tif::Ioc, Tif::Fok, Tif::Gtd]),
    );
    let prices = (option(any_decimal()), option(any_price()), option(any_price()));
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let names = (option(any::<i32>()), option("\\PC{0,40}"), option(any::<bool>()), any::<bool>());
    let close = option((select(OrderKind::ALL.to_vec()), option(any_price()), option(any_price())));
    let times = (option(any_time()), option(any_time()), option(any::<i64>()));
    (what, prices, flags, names, close, times).prop_map(
        |(what, prices, flags, names, close, times)| AddOrder {
            pair: what.0,
            side: what.1,
            kind: what.2,
            qty: what.3,
            is_qty_in_quote: flags.0,
            display_qty: prices.0,
            limit: prices.1,
            trigger: prices.2,
            trigger_reference: if flags.4 {
                TriggerReference::Index
            } else {
                TriggerReference::Last
            },
            tif: what.4,
            start: times.0,
            expire: times.1,
            is_post_only: flags.1,
            is_fee_in_base: names.2,
            userref: names.0,
            cl_ord_id: names.1,
            stp: if flags.4 { Stp::CancelBoth } else { Stp::CancelOldest },
            is_reduce_only: flags.2,
            is_margin: flags.3,
            contingent: close.map(|(kind, price, price2)| Contingent { kind, price, price2 }),
            deadline: times.2.map(Timestamp::from_ns),
            is_validate_only: names.3,
        },
    )
}

/// Is something sensible that somebody does.
#[derive(Clone, Debug)]
enum Step {
    Limit { is_maker: bool, is_buy: bool, price: i64, qty: i64, flavour: u8 },
    Market { is_maker: bool, is_buy: bool, qty: i64 },
    Stop { is_buy: bool, price: i64, qty: i64 },
    Closing { price: i64, qty: i64 },
    Amend { which: usize, price: Option<i64>, qty: Option<i64> },
    Edit { which: usize, price: i64 },
    Cancel { which: usize },
    Crowd { is_buy: bool, price: i64, qty: i64, tag: u64 },
    Take { is_buy: bool, price: i64, qty: i64 },
    Pass { ms: i64 },
    Switch { seconds: u32 },
    CancelAll,
}

fn any_step() -> impl Strategy<Value = Step> {
    let price = || 59_990i64..60_010;
    let qty = || 1i64..50;
    prop_oneof![
        4 => (any::<bool>(), any::<bool>(), price(), qty(), 0u8..8).prop_map(
            |(is_maker, is_buy, price, qty, flavour)| Step::Limit { is_maker, is_buy, price, qty, flavour }),
        1 => (any::<bool>(), any::<bool>(), qty())
            .prop_map(|(is_maker, is_buy, qty)| Step::Market { is_maker, is_buy, qty }),
        1 => (any::<bool>(), price(), qty()).prop_map(|(is_buy, price, qty)| Step::Stop { is_buy, price, qty }),
        1 => (price(), qty()).prop_map(|(price, qty)| Step::Closing { price, qty }),
        2 => (any::<usize>(), option(price()), option(qty()))
            .prop_map(|(which, price, qty)| Step::Amend { which, price, qty }),
        1 => (any::<usize>(), price()).prop_map(|(which, price)| Step::Edit { which, price }),
        2 => any::<usize>().prop_map(|which| Step::Cancel { which }),
        2 => (any::<bool>(), price(), qty(), 0u64..5)
            .prop_map(|(is_buy, price, qty, tag)| Step::Crowd { is_buy, price, qty, tag }),
        2 => (any::<bool>(), price(), qty()).prop_map(|(is_buy, price, qty)| Step::Take { is_buy, price, qty }),
        2 => (0i64..40_000).prop_map(|ms| Step::Pass { ms }),
        1 => (0u32..60).prop_map(|seconds| Step::Switch { seconds }),
        1 => Just(Step::CancelAll),
    ]
}

const fn side(is_buy: bool) -> Side {
    if is_buy { Side::Buy } else { Side::Sell }
}

fn order(is_buy: bool, price: i64, qty: i64) -> AddOrder {
    let order = limit(side(is_buy), "1", "1");
    AddOrder {
        limit: Some(PriceSpec::Static(Decimal::from(price))),
        qty: Decimal::new(qty, 2),
        ..order
    }
}

fn flavoured(order: AddOrder, flavour: u8) -> AddOrder {
    match flavour {
        0 => AddOrder { is_post_only: true, ..order },
        1 => AddOrder { tif: Tif::Ioc, ..order },
        2 => AddOrder { tif: Tif::Fok, ..order },
        3 => AddOrder { tif: Tif::Gtd, expire: Some(TimeSpec::InSeconds(30)), ..order },
        4 => AddOrder { start: Some(TimeSpec::InSeconds(10)), ..order },
        5 => AddOrder { is_fee_in_base: Some(true), stp: Stp::CancelBoth, ..order },
        6 => AddOrder { kind: OrderKind::Iceberg, display_qty: Some(order.qty), ..order },
        _ => order,
    }
}

fn some_order(venue: &Venue, which: usize) -> Option<String> {
    let all: Vec<OrderNo> = venue.desk.open_orders(venue.maker).collect();
    let order = all.get(which.checked_rem(all.len())?)?;
    Some(venue.desk.order_id(*order).to_string())
}

fn play(venue: &mut Venue, step: &Step) {
    let (now, maker, taker) = (venue.now, venue.maker, venue.taker);
    let who = |is_maker: bool| if is_maker { maker } else { taker };
    let desk = &mut venue.desk;
    // Refusals are answers too.
    let _ = match *step {
        Step::Limit { is_maker, is_buy, price, qty, flavour } => {
            desk.add(now, who(is_maker), &flavoured(order(is_buy, price, qty), flavour)).map(drop)
        }
        Step::Market { is_maker, is_buy, qty } => {
            let order = AddOrder { kind: OrderKind::Market, limit: None, ..order(is_buy, 1, qty) };
            desk.add(now, who(is_maker), &order).map(drop)
        }
        Step::Stop { is_buy, price, qty } => {
            let plain = order(is_buy, price, qty);
            let kind = OrderKind::StopLoss;
            desk.add(now, maker, &AddOrder { kind, trigger: plain.limit, limit: None, ..plain })
                .map(drop)
        }
        Step::Closing { price, qty } => {
            let close =
                Contingent { kind: OrderKind::Limit, price: at_price("60005"), price2: None };
            desk.add(now, maker, &AddOrder { contingent: Some(close), ..order(true, price, qty) })
                .map(drop)
        }
        Step::Amend { which, price, qty } => some_order(venue, which).map_or(Ok(()), |txid| {
            let limit = price.map(|price| PriceSpec::Static(Decimal::from(price)));
            let qty = qty.map(|qty| Decimal::new(qty, 2));
            venue.desk.amend(now, maker, &AmendOrder { limit, qty, ..amend(&txid) }).map(drop)
        }),
        Step::Edit { which, price } => some_order(venue, which).map_or(Ok(()), |txid| {
            let limit = Some(PriceSpec::Static(Decimal::from(price)));
            venue.desk.edit(now, maker, &EditOrder { limit, ..edit(&txid) }).map(drop)
        }),
        Step::Cancel { which } => some_order(venue, which)
            .map_or(Ok(()), |txid| venue.desk.cancel(now, maker, &OrderRef::Txid(txid)).map(drop)),
        Step::Crowd { is_buy, price, qty, tag } => {
            let (price, qty) = (Ticks::new(price * 10), Lots::new(qty * 1_000_000));
            desk.flow(
                now,
                &Flow::Add { symbol: Arc::from(BTC), side: side(is_buy), price, qty, tag },
            )
        }
        Step::Take { is_buy, price, qty } => {
            let (limit, qty) = (Ticks::new(price * 10), Lots::new(qty * 1_000_000));
            let (symbol, side) = (Arc::from(BTC), side(is_buy));
            desk.flow(now, &Flow::Take { symbol, side, limit, qty, is_market_order: false })
        }
        Step::Pass { ms } => {
            venue.pass_ms(ms);
            Ok(())
        }
        Step::Switch { seconds } => desk.cancel_all_after(now, maker, seconds).map(drop),
        Step::CancelAll => desk.cancel_all(now, maker).map(drop),
    };
    venue.drain();
}

/// Every balance is what was there at first, with every ledger entry told since.
fn check_money(venue: &Venue, first: &BTreeMap<(TraderIx, AssetIx), Decimal>) {
    let mut sums = first.clone();
    for event in &venue.told {
        if let AccountFact::Ledger(entry) = &event.what {
            let asset = venue.desk.catalogue().find_asset(&entry.asset).unwrap().ix;
            *sums.entry((event.trader, asset)).or_default() += entry.amount - entry.fee;
        }
    }
    for trader in [venue.maker, venue.taker] {
        for row in venue.desk.balances(trader) {
            assert_eq!(row.total, sums[&(trader, row.asset.ix)], "{}", row.asset.id);
            assert!(row.held >= Decimal::ZERO && row.held <= row.total);
        }
    }
}

/// Every order was told once from `pending_new` to its end, and its fills sum up.
fn check_orders(venue: &Venue) {
    let mut ended = BTreeSet::new();
    let mut fills: BTreeMap<OrderNo, Decimal> = BTreeMap::new();
    let mut execs = BTreeSet::new();
    for event in &venue.told {
        match &event.what {
            AccountFact::Trade(order, fill) => {
                assert!(execs.insert(fill.exec_id.clone()), "told twice");
                let sum = fills.entry(*order).or_default();
                *sum += fill.qty;
                assert_eq!(*sum, fill.cum_qty);
            }
            AccountFact::Filled(order)
            | AccountFact::Canceled(order, _)
            | AccountFact::Expired(order, _) => assert!(ended.insert(*order), "ended twice"),
            AccountFact::PendingNew(_)
            | AccountFact::New(_)
            | AccountFact::IcebergRefill(_)
            | AccountFact::Amended(_)
            | AccountFact::Restated(..)
            | AccountFact::Status(_)
            | AccountFact::Ledger(_) => (),
        }
    }
    for trader in [venue.maker, venue.taker] {
        for order in venue.desk.open_orders(trader) {
            let facts = venue.desk.order(order).unwrap();
            assert!(!ended.contains(&order));
            assert_eq!(facts.cum_qty, fills.get(&order).copied().unwrap_or_default());
            assert!(facts.qty.is_none_or(|qty| facts.cum_qty < qty));
            assert_eq!(facts.closed, None);
        }
        let exchange = venue.desk.exchange().open_orders(trader, None);
        let own = venue.desk.open_orders(trader).filter(|&order| !record::is_own(order));
        let (mut left, mut right): (Vec<_>, Vec<_>) = (exchange.collect(), own.collect());
        left.sort_unstable();
        right.sort_unstable();
        assert_eq!(left, right, "the exchange and the desk agree on what is open");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_order_whatever_it_says_makes_the_desk_panic(orders in prop::collection::vec(any_order(), 1..6)) {
        let mut venue = Venue::new();
        venue.trade_at("60000");
        for order in &orders {
            let _ = venue.desk.add(venue.now, venue.maker, order);
            let batch = AddBatch {
                pair: order.pair.clone(),
                orders: vec![order.clone(), order.clone()],
                deadline: order.deadline,
                is_validate_only: order.is_validate_only,
            };
            let _ = venue.desk.add_batch(venue.now, venue.maker, &batch);
            let change = AmendOrder {
                qty: Some(order.qty),
                display_qty: order.display_qty,
                limit: order.limit,
                trigger: order.trigger,
                ..amend("")
            };
            let open: Vec<OrderNo> = venue.desk.open_orders(venue.maker).collect();
            for number in open {
                let txid = venue.desk.order_id(number).to_string();
                let change = AmendOrder { order: OrderRef::Txid(txid.clone()), ..change.clone() };
                let _ = venue.desk.amend(venue.now, venue.maker, &change);
                let change = EditOrder { qty: change.qty, limit: change.limit, trigger: change.trigger, ..edit(&txid) };
                let _ = venue.desk.edit(venue.now, venue.maker, &change);
            }
            venue.drain();
            venue.pass_ms(1_000);
        }
        check_orders(&venue);
    }

    #[test]
    fn money_and_orders_add_up_after_any_history(steps in prop::collection::vec(any_step(), 1..120)) {
        let mut venue = Venue::new();
        let mut first = BTreeMap::new();
        for trader in [venue.maker, venue.taker] {
            for row in venue.desk.balances(trader) {
                first.insert((trader, row.asset.ix), row.total);
            }
        }
        for step in &steps {
            play(&mut venue, step);
        }
        check_money(&venue, &first);
        check_orders(&venue);
        venue.desk.cancel_all(venue.now, venue.maker).unwrap();
        venue.desk.cancel_all(venue.now, venue.taker).unwrap();
        for trader in [venue.maker, venue.taker] {
            prop_assert!(venue.desk.balances(trader).iter().all(|row| row.held.is_zero()));
        }
    }

    #[test]
    fn equal_histories_tell_the_same(steps in prop::collection::vec(any_step(), 1..40)) {
        let (mut a, mut b) = (Venue::new(), Venue::new());
        for step in &steps {
            play(&mut a, step);
            play(&mut b, step);
        }
        prop_assert_eq!(&a.told, &b.told);
        prop_assert_eq!(&a.public, &b.public);
    }
}
