//! Tests of triggers, icebergs, timed and conditional orders.

use super::*;

fn stop(side: Side, trigger: &str) -> AddOrder {
    AddOrder {
        kind: OrderKind::StopLoss,
        limit: None,
        trigger: at_price(trigger),
        ..limit(side, "1", "0.1")
    }
}

fn crowd(venue: &mut Venue, side: Side, price: &str, tag: u64) {
    let price = Ticks::new(venue.ticks(price));
    venue.flow(Flow::Add { symbol: Arc::from(BTC), side, price, qty: Lots::new(500_000_000), tag });
}

#[test]
fn a_stop_sleeps_until_the_last_trade_reaches_it() {
    let mut venue = Venue::new();
    venue.trade_at("60000");
    crowd(&mut venue, Side::Buy, "58000", 1);
    let txid = venue.add(&stop(Side::Sell, "59000"));
    assert_eq!(venue.story(&txid), ["pending_new", "new"]);
    let trigger = venue.facts(&txid).trigger.unwrap();
    assert_eq!((trigger.price, trigger.is_triggered), (dec("59000.0"), false));
    venue.trade_at("59000.1");
    assert_eq!(venue.status(&txid).0, OrderStatus::Open);
    venue.trade_at("59000");
    assert_eq!(venue.story(&txid), ["pending_new", "new", "status", "trade", "filled"]);
    assert_eq!(venue.facts(&txid).avg_price, dec("58000"));
    assert!(venue.facts(&txid).trigger.unwrap().is_triggered);
}

#[test]
fn a_trigger_may_watch_the_index() {
    let mut venue = Venue::new();
    let index = |venue: &mut Venue, price: &str| {
        let price = Ticks::new(venue.ticks(price));
        venue.flow(Flow::Index { symbol: Arc::from(BTC), price });
    };
    index(&mut venue, "60000");
    crowd(&mut venue, Side::Buy, "58000", 1);
    let order =
        AddOrder { trigger_reference: TriggerReference::Index, ..stop(Side::Sell, "59000") };
    let txid = venue.add(&order);
    index(&mut venue, "59000");
    assert_eq!(venue.status(&txid).0, OrderStatus::Filled);
}

#[test]
fn relative_prices_start_at_the_last_trade_and_never_round_against_the_client() {
    let mut venue = Venue::new();
    let quote = |offset: &str, is_auto| Some(PriceSpec::Quote { offset: dec(offset), is_auto });
    let percent = |offset: &str| Some(PriceSpec::Percent { offset: dec(offset), is_auto: false });
    let none = venue.refusal(&AddOrder { limit: percent("-1"), ..limit(Side::Buy, "1", "0.1") });
    assert_eq!(none, "EOrder:Invalid price", "nothing to be relative to");
    venue.trade_at("60000");
    for (side, written, want) in [
        (Side::Buy, quote("-500", false), "59500.0"),
        (Side::Sell, quote("500", false), "60500.0"),
        (Side::Buy, quote("500", true), "59500.0"),
        (Side::Sell, quote("-500", true), "60500.0"),
        (Side::Buy, percent("-1.2345678"), "59259.2"),
        (Side::Sell, percent("1.2345678"), "60740.8"),
    ] {
        let txid = venue.add(&AddOrder { limit: written, ..limit(side, "1", "0.1") });
        let facts = venue.facts(&txid);
        assert_eq!(facts.limit.unwrap().to_string(), want, "{written:?}");
        assert_eq!(facts.limit_written, written);
    }
    let below_zero = AddOrder { limit: percent("-100"), ..limit(Side::Buy, "1", "0.1") };
    assert_eq!(venue.refusal(&below_zero), "EOrder:Invalid price");
}

#[test]
fn a_relative_trigger_goes_the_way_its_type_means() {
    let mut venue = Venue::new();
    venue.trade_at("60000");
    let auto = Some(PriceSpec::Quote { offset: dec("100"), is_auto: true });
    for (kind, side, want) in [
        (OrderKind::StopLoss, Side::Sell, "59900"),
        (OrderKind::StopLoss, Side::Buy, "60100"),
        (OrderKind::TakeProfit, Side::Sell, "60100"),
        (OrderKind::TakeProfit, Side::Buy, "59900"),
    ] {
        let txid = venue.add(&AddOrder { kind, trigger: auto, ..stop(side, "1") });
        assert_eq!(venue.facts(&txid).trigger.unwrap().price, dec(want), "{kind:?} {side:?}");
    }
}

#[test]
fn a_trailing_stop_follows_the_market_and_its_limit_follows_it() {
    let mut venue = Venue::new();
    venue.trade_at("60000");
    let plus = |offset: &str| Some(PriceSpec::Quote { offset: dec(offset), is_auto: false });
    let order = AddOrder {
        kind: OrderKind::TrailingStopLimit,
        trigger: plus("500"),
        limit: plus("-100"),
        ..limit(Side::Sell, "1", "0.1")
    };
    let txid = venue.add(&order);
    let at = |venue: &Venue| {
        let facts = venue.facts(&txid);
        (facts.trigger.unwrap().price.to_string(), facts.limit.unwrap().to_string())
    };
    assert_eq!(at(&venue), ("59500.0".to_owned(), "59400.0".to_owned()));
    venue.trade_at("61000");
    assert_eq!(at(&venue), ("60500.0".to_owned(), "60400.0".to_owned()));
    assert_eq!(venue.story(&txid), ["pending_new", "new", "status"]);
    venue.trade_at("60500");
    assert!(venue.facts(&txid).trigger.unwrap().is_triggered);
    assert_eq!(venue.facts(&txid).limit, Some(dec("60400")));
    for trigger in [at_price("500"), plus("-500"), plus("0")] {
        let order = AddOrder { trigger, ..order.clone() };
        assert_eq!(venue.refusal(&order), "EOrder:Invalid price");
    }
}

#[test]
fn the_distance_of_a_trailing_stop_can_be_amended() {
    let mut venue = Venue::new();
    venue.trade_at("60000");
    let plus = |offset: &str| Some(PriceSpec::Quote { offset: dec(offset), is_auto: false });
    let trailing = |side, kind, limit_price| AddOrder {
        kind,
        trigger: plus("500"),
        limit: limit_price,
        ..limit(side, "1", "0.1")
    };
    for (side, start, want) in [(Side::Sell, None, "60700"), (Side::Buy, Some(60), "300")] {
        let start = start.map(TimeSpec::InSeconds);
        let order = AddOrder { start, ..trailing(side, OrderKind::TrailingStop, None) };
        let txid = venue.add(&order);
        if start.is_none() {
            venue.trade_at("61000");
        }
        let change = AmendOrder { trigger: plus("300"), ..amend(&txid) };
        venue.desk.amend(venue.now, venue.maker, &change).unwrap();
        assert_eq!(venue.facts(&txid).trigger.unwrap().price, dec(want), "{side:?}");
    }
    let txid = venue.add(&trailing(Side::Sell, OrderKind::TrailingStopLimit, plus("-10")));
    let change = AmendOrder { limit: at_price("60000"), ..amend(&txid) };
    let error = venue.desk.amend(venue.now, venue.maker, &change).unwrap_err();
    assert_eq!(error.to_string(), "EGeneral:Invalid arguments:limit_price");
}

#[test]
fn an_iceberg_shows_a_part_and_fills_it_up_again() {
    let mut venue = Venue::new();
    let order = AddOrder {
        kind: OrderKind::Iceberg,
        display_qty: Some(dec("0.1")),
        ..limit(Side::Sell, "60000", "1")
    };
    let txid = venue.add(&order);
    let shown = |venue: &Venue| venue.desk.exchange().best(MarketIx::new(0), Side::Sell).unwrap().1;
    assert_eq!(shown(&venue), Lots::new(10_000_000));
    venue.add_of(venue.taker, &limit(Side::Buy, "60000", "0.04"));
    assert_eq!(venue.facts(&txid).display_remaining, Some(dec("0.06")));
    venue.add_of(venue.taker, &limit(Side::Buy, "60000", "0.06"));
    assert_eq!(venue.facts(&txid).display_remaining, Some(dec("0.1")));
    assert!(venue.story(&txid).contains(&"iceberg_refill".to_owned()));
    let change = AmendOrder { display_qty: Some(dec("0.2")), ..amend(&txid) };
    venue.desk.amend(venue.now, venue.maker, &change).unwrap();
    assert_eq!(venue.facts(&txid).display_qty, Some(dec("0.2")));
}

#[test]
fn an_order_waits_for_its_start_under_the_id_it_keeps() {
    let mut venue = Venue::new();
    let order = AddOrder {
        start: Some(TimeSpec::InSeconds(60)),
        cl_ord_id: Some("later".into()),
        ..limit(Side::Buy, "60000", "0.1")
    };
    let txid = venue.add(&order);
    assert_eq!(venue.story(&txid), ["pending_new"]);
    assert_eq!(venue.status(&txid).0, OrderStatus::Pending);
    assert_eq!(venue.balance(venue.maker, "ZUSD").1, "0.0000");
    let starts = venue.now.saturating_add(DurationNs::from_s(60));
    assert_eq!(
        (venue.facts(&txid).starts, venue.desk.next_deadline()),
        (Some(starts), Some(starts))
    );
    let change = AmendOrder { limit: at_price("59000"), ..amend(&txid) };
    venue.desk.amend(venue.now, venue.maker, &change).unwrap();
    venue.pass_ms(60_000);
    assert_eq!(venue.story(&txid), ["pending_new", "amended", "new"]);
    let facts = venue.facts(&txid);
    assert_eq!(
        (facts.txid.as_str(), facts.status, facts.limit),
        (txid.as_str(), OrderStatus::Open, Some(dec("59000")))
    );
    let order = facts.order;
    assert_eq!(venue.desk.order_id(order).as_str(), txid);
    assert_eq!(
        venue.desk.cancel(venue.now, venue.maker, &OrderRef::ClOrdId("later".into())),
        Ok(1)
    );
    venue.drain();
    assert_eq!((venue.status(&txid).0, venue.open(venue.maker)), (OrderStatus::Canceled, 0));
}

#[test]
fn a_waiting_order_can_be_cancelled_and_may_find_no_funds_when_it_starts() {
    let mut venue = Venue::new();
    let later = |qty: &str| AddOrder {
        start: Some(TimeSpec::InSeconds(60)),
        ..limit(Side::Buy, "60000", qty)
    };
    let gone = venue.add(&later("0.1"));
    assert_eq!(venue.desk.cancel(venue.now, venue.maker, &OrderRef::Txid(gone.clone())), Ok(1));
    let poor = venue.add(&later("100"));
    venue.pass_ms(60_000);
    assert_eq!(venue.status(&gone), (OrderStatus::Canceled, Some("User requested")));
    assert_eq!(venue.status(&poor), (OrderStatus::Canceled, Some("Insufficient funds")));
    assert_eq!((venue.open(venue.maker), venue.desk.next_deadline()), (0, None));
}

#[test]
fn an_order_with_an_end_expires_then() {
    let mut venue = Venue::new();
    let order = AddOrder {
        tif: Tif::Gtd,
        expire: Some(TimeSpec::InSeconds(5)),
        ..limit(Side::Buy, "60000", "0.1")
    };
    let txid = venue.add(&order);
    let older = venue.add(&AddOrder { tif: Tif::Gtc, ..order });
    let facts = venue.facts(&older);
    assert!(facts.expires.is_some() && facts.tif == Tif::Gtd, "an end alone is enough");
    venue.pass_ms(4_999);
    assert_eq!(venue.status(&txid).0, OrderStatus::Open);
    venue.pass_ms(1);
    assert_eq!(venue.status(&txid), (OrderStatus::Expired, Some("Expired")));
    assert_eq!(venue.facts(&txid).closed, Some(venue.now));
}

fn with_close(qty: &str) -> AddOrder {
    let close = Contingent { kind: OrderKind::Limit, price: at_price("61000"), price2: None };
    AddOrder { contingent: Some(close), userref: Some(4), ..limit(Side::Buy, "60000", qty) }
}

#[test]
fn a_conditional_close_is_placed_for_what_was_filled() {
    let mut venue = Venue::new();
    let txid = venue.add(&with_close("1"));
    venue.add_of(venue.taker, &limit(Side::Sell, "60000", "0.25"));
    venue.add_of(venue.taker, &limit(Side::Sell, "60000", "0.75"));
    assert_eq!(venue.status(&txid).0, OrderStatus::Filled);
    let closes: Vec<_> = venue
        .desk
        .open_orders(venue.maker)
        .map(|order| {
            let facts = venue.desk.order(order).unwrap();
            assert_eq!(facts.parent.unwrap().as_str(), txid);
            assert_eq!(facts.userref, Some(4));
            (facts.side, facts.qty.unwrap(), facts.limit.unwrap())
        })
        .collect();
    assert_eq!(
        closes,
        [(Side::Sell, dec("0.25"), dec("61000")), (Side::Sell, dec("0.75"), dec("61000"))]
    );
}

#[test]
fn a_conditional_close_that_is_not_covered_is_told_as_cancelled() {
    let mut venue = Venue::with(|settings| {
        for account in &mut settings.accounts {
            account.tier = Tier::Unlimited;
        }
        let balances = &mut settings.accounts[0].balances;
        balances.insert("XXBT".to_owned(), crate::server::settings::Amount(dec("1")));
    });
    // The bought bitcoin pays the fee, so less comes in than the close wants to sell.
    let order = AddOrder { is_fee_in_base: Some(true), ..with_close("1") };
    let txid = venue.add(&order);
    let held = venue.add(&limit(Side::Sell, "70000", "1"));
    venue.add_of(venue.taker, &limit(Side::Sell, "60000", "1"));
    assert_eq!((venue.status(&txid).0, venue.open(venue.maker)), (OrderStatus::Filled, 1));
    assert_eq!(venue.status(&held).0, OrderStatus::Open);
    let query = ClosedQuery::default();
    let page = venue.desk.closed_orders(venue.maker, &query);
    let close = venue.desk.order(page.rows[0]).unwrap();
    assert_eq!(
        (close.parent.unwrap().as_str(), close.reason),
        (txid.as_str(), Some("Insufficient funds"))
    );
    let fill = &venue.facts(&txid).trades[0];
    assert_eq!((&*fill.fee_asset, fill.fee), ("BTC", dec("0.0025")));
    assert_eq!(venue.balance(venue.maker, "XXBT").0, "1.9975000000");
}
