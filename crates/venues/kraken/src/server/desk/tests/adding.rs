//! Tests of new orders: what is accepted, and each refusal in the words of the venue.

use super::*;

#[test]
fn a_resting_order_is_told_and_holds_what_it_needs() {
    let mut venue = Venue::new();
    let txid = venue.add(&limit(Side::Buy, "60000", "0.5"));
    assert_eq!(venue.story(&txid), ["pending_new", "new"]);
    // 30000 and the worst fee, 0.40 %.
    let (total, held) = venue.balance(venue.maker, "ZUSD");
    assert_eq!((total.as_str(), held.as_str()), ("1000000.0000", "30120.0000"));
    let facts = venue.facts(&txid);
    assert_eq!(facts.txid.as_str(), txid);
    assert_eq!(venue.desk.describe(&facts), "buy 0.50000000 XBTUSD @ limit 60000.0");
    assert_eq!(facts.limit.unwrap().to_string(), "60000.0");
    assert_eq!(
        (facts.qty.unwrap().to_string(), facts.status),
        ("0.50000000".into(), OrderStatus::Open)
    );
    assert_eq!(
        (facts.cum_cost.to_string(), facts.avg_price.to_string()),
        ("0.00000".into(), "0.0".into())
    );
    let levels: Vec<_> = venue.public.iter().map(|(_, fact)| fact.clone()).collect();
    assert!(levels.contains(&PublicFact::Level {
        market: MarketIx::new(0),
        side: Side::Buy,
        price: 600_000,
        qty: 50_000_000,
    }));
}

#[test]
fn two_orders_trade_and_both_are_told_everything() {
    let mut venue = Venue::new();
    let sell = venue.add(&limit(Side::Sell, "60000", "1"));
    let buy = venue.add_of(venue.taker, &limit(Side::Buy, "60001", "0.4"));
    assert_eq!(venue.story(&sell), ["pending_new", "new", "trade"]);
    assert_eq!(venue.story(&buy), ["pending_new", "new", "trade", "filled"]);
    let (maker, taker) = (venue.facts(&sell), venue.facts(&buy));
    assert_eq!((maker.status, taker.status), (OrderStatus::PartiallyFilled, OrderStatus::Filled));
    assert_eq!(maker.cum_qty.to_string(), "0.40000000");
    assert_eq!(taker.avg_price.to_string(), "60000.0");
    // 24000 at 0.25 % and at 0.40 %.
    assert_eq!(
        (maker.fee.to_string(), taker.fee.to_string()),
        ("60.00000".into(), "96.00000".into())
    );
    assert_eq!(taker.fee_usd, Some(dec("96")));
    let (fill, other) = (&maker.trades[0], &taker.trades[0]);
    assert_eq!((fill.is_maker, other.is_maker), (true, false));
    assert_eq!((fill.trade_id, other.trade_id), (1, 1));
    assert_ne!(fill.exec_id, other.exec_id);
    assert_eq!((&*fill.fee_asset, fill.cost.to_string()), ("USD", "24000.00000".to_owned()));
    assert_eq!(venue.balance(venue.maker, "ZUSD").0, "1023940.0000");
    assert_eq!(venue.balance(venue.taker, "ZUSD").0, "975904.0000");
    assert_eq!(venue.balance(venue.taker, "XXBT").0, "1000000.4000000000");
    assert!(venue.public.iter().any(|(_, fact)| matches!(
        fact,
        PublicFact::Trade {
            trade_id: 1,
            side: Side::Buy,
            price: 600_000,
            qty: 40_000_000,
            is_market_order: false,
            ..
        }
    )));
}

fn buy() -> AddOrder {
    limit(Side::Buy, "60000", "0.5")
}

fn stop() -> AddOrder {
    let (kind, trigger) = (OrderKind::StopLoss, at_price("70000"));
    AddOrder { kind, limit: None, trigger, ..buy() }
}

fn invalid(what: &str) -> String {
    format!("EGeneral:Invalid arguments:{what}")
}

/// Every one of these is refused, and nothing happens.
fn check_refused(wrong: impl IntoIterator<Item = (AddOrder, String)>) {
    let mut venue = Venue::new();
    for (order, text) in wrong {
        assert_eq!(venue.refusal(&order), text, "{order:?}");
    }
    assert_eq!(venue.open(venue.maker), 0);
    assert_eq!(venue.balance(venue.maker, "ZUSD").1, "0.0000");
}

const PRICE_DECIMALS: &str =
    "EOrder:Invalid price:XXBTZUSD price can only be specified up to 1 decimals.";

#[test]
fn a_wrong_price_is_told_in_the_venues_words() {
    let exa = |price| AddOrder { pair: "EXA/USD".into(), ..limit(Side::Buy, price, "1") };
    let exa_decimals = PRICE_DECIMALS.replace("XXBTZUSD", "EXAUSD").replace('1', "4");
    let below_nothing = Some(PriceSpec::Quote { offset: dec("-5"), is_auto: false });
    let plain = |price| limit(Side::Buy, price, "0.5");
    let index = AddOrder { trigger_reference: TriggerReference::Index, ..stop() };
    check_refused([
        (AddOrder { pair: "NOPE".into(), ..buy() }, "EQuery:Unknown asset pair".into()),
        (plain("60000.01"), PRICE_DECIMALS.into()),
        (plain("0"), "EOrder:Invalid price".into()),
        (plain("-1"), "EOrder:Invalid price".into()),
        (plain("79228162514264337593543950335"), "EOrder:Invalid price".into()),
        (exa("50.0001"), "EOrder:Tick size check failed".into()),
        (exa("50.00001"), exa_decimals),
        (AddOrder { limit: None, ..buy() }, invalid("price")),
        (AddOrder { limit: at_price("60000"), ..market(Side::Buy, "1") }, invalid("price")),
        (AddOrder { trigger: at_price("60000"), ..buy() }, invalid("price")),
        (AddOrder { limit: at_price("60000"), ..stop() }, invalid("price2")),
        (AddOrder { trigger: None, ..stop() }, invalid("price")),
        (AddOrder { limit: below_nothing, ..buy() }, "EOrder:Invalid price".into()),
        (index, "EGeneral:Invalid arguments:Index unavailable".into()),
    ]);
}

#[test]
fn a_wrong_size_is_told_in_the_venues_words() {
    let plain = |qty| limit(Side::Buy, "60000", qty);
    let quote = |order| AddOrder { is_qty_in_quote: true, ..order };
    let iceberg = |display: Option<&str>| AddOrder {
        kind: OrderKind::Iceberg,
        display_qty: display.map(dec),
        ..buy()
    };
    check_refused([
        (plain("0.00004999"), "EOrder:Order minimum not met".into()),
        (plain("0"), "EOrder:Order minimum not met".into()),
        (plain("-1"), invalid("volume")),
        (plain("0.000000001"), invalid("volume")),
        (plain("79228162514264337593543950335"), invalid("volume")),
        (limit(Side::Buy, "4999.9", "0.0001"), "EOrder:Cost minimum not met".into()),
        (plain("20"), "EOrder:Insufficient funds".into()),
        (limit(Side::Sell, "60000", "1000001"), "EOrder:Insufficient funds".into()),
        (quote(buy()), invalid("viqc")),
        (quote(market(Side::Sell, "10")), invalid("viqc")),
        (quote(market(Side::Buy, "0.4")), "EOrder:Cost minimum not met".into()),
        (quote(market(Side::Buy, "10.00001")), invalid("volume")),
        (AddOrder { display_qty: Some(dec("0.1")), ..buy() }, invalid("displayvol")),
        (iceberg(None), invalid("displayvol")),
        (iceberg(Some("0.03")), invalid("displayvol")),
        (iceberg(Some("0.51")), invalid("displayvol")),
    ]);
}

#[test]
fn contradictory_terms_are_told_in_the_venues_words() {
    let soon = |s: i64| Some(TimeSpec::InSeconds(s));
    let tif = |tif, order| AddOrder { tif, ..order };
    let until = |tif, s| AddOrder { tif, expire: soon(s), ..buy() };
    let from = |s| AddOrder { start: soon(s), ..buy() };
    let post = |order| AddOrder { is_post_only: true, ..order };
    let settle = AddOrder { kind: OrderKind::SettlePosition, ..market(Side::Buy, "1") };
    let id = |id: &str| AddOrder { cl_ord_id: Some(id.to_owned()), ..buy() };
    let short = AddOrder { start: soon(60), ..until(Tif::Gtd, 62) };
    check_refused([
        (settle, "EOrder:Unknown position".into()),
        (
            AddOrder { is_reduce_only: true, ..buy() },
            "EOrder:Reduce only:No position exists".into(),
        ),
        (AddOrder { is_margin: true, ..buy() }, "EOrder:Cannot open position".into()),
        (post(market(Side::Buy, "1")), invalid("oflags")),
        (post(tif(Tif::Ioc, buy())), invalid("timeinforce")),
        (tif(Tif::Fok, stop()), invalid("timeinforce")),
        (tif(Tif::Gtd, buy()), invalid("expiretm")),
        (until(Tif::Gtd, 4), invalid("expiretm")),
        (until(Tif::Gtd, 31 * 86_400 + 1), invalid("expiretm")),
        (until(Tif::Ioc, 60), invalid("expiretm")),
        (until(Tif::Gtc, i64::MIN), invalid("expiretm")),
        (from(-1), invalid("starttm")),
        (from(i64::MAX), invalid("starttm")),
        (short, invalid("expiretm")),
        (AddOrder { userref: Some(1), ..id("a") }, "EGeneral:Invalid arguments".into()),
        (id("1234567890123456789"), "EGeneral:Invalid arguments".into()),
        (id(""), "EGeneral:Invalid arguments".into()),
    ]);
}

#[test]
fn a_wrong_conditional_close_is_told_in_the_venues_words() {
    let close = |kind, price: Option<&str>, price2: Option<&str>| {
        let spec = |price: &str| PriceSpec::Static(dec(price));
        let (price, price2) = (price.map(spec), price2.map(spec));
        AddOrder { contingent: Some(Contingent { kind, price, price2 }), ..buy() }
    };
    check_refused([
        (close(OrderKind::Market, Some("1"), None), invalid("close[ordertype]")),
        (close(OrderKind::Limit, None, None), invalid("close[price]")),
        (close(OrderKind::Limit, Some("1"), Some("1")), invalid("close[price2]")),
        (close(OrderKind::StopLossLimit, Some("50000"), None), invalid("close[price2]")),
        (close(OrderKind::Limit, Some("50000.01"), None), PRICE_DECIMALS.into()),
    ]);
}

#[test]
fn trailing_zeros_are_no_decimals() {
    let mut venue = Venue::new();
    let txid = venue.add(&limit(Side::Buy, "60000.000", "0.500000000000"));
    let facts = venue.facts(&txid);
    assert_eq!(venue.desk.describe(&facts), "buy 0.50000000 XBTUSD @ limit 60000.0");
}

#[test]
fn an_order_that_is_only_checked_leaves_nothing() {
    let mut venue = Venue::with(|_| ());
    // Funds are the engine's business, which never sees it.
    let order = AddOrder { is_validate_only: true, ..limit(Side::Buy, "60000", "1000") };
    let added = venue.desk.add(venue.now, venue.maker, &order).unwrap();
    assert_eq!(added.txid, None);
    assert_eq!(added.descr, "buy 1000.00000000 XBTUSD @ limit 60000.0");
    venue.drain();
    assert_eq!((venue.told.len(), venue.open(venue.maker)), (0, 0));
    assert_eq!(venue.count(venue.maker), "0");
    let bad = AddOrder { is_validate_only: true, ..limit(Side::Buy, "60000.01", "1") };
    assert!(venue.desk.add(venue.now, venue.maker, &bad).is_err());
}

#[test]
fn a_deadline_in_the_past_or_too_far_ahead_is_refused() {
    let mut venue = Venue::new();
    let with = |deadline| AddOrder { deadline: Some(deadline), ..limit(Side::Buy, "60000", "0.1") };
    let in_ms = |ms| venue.now.saturating_add(DurationNs::from_ms(ms));
    let (past, edge, far) = (in_ms(-1), in_ms(60_000), in_ms(60_001));
    assert_eq!(venue.refusal(&with(past)), "EService:Deadline elapsed");
    assert_eq!(venue.refusal(&with(far)), "EGeneral:Invalid arguments:deadline");
    venue.add(&with(edge));
    venue.add(&with(venue.now));
}

#[test]
fn a_client_id_is_unique_among_open_orders_only_whatever_its_spelling() {
    let mut venue = Venue::new();
    let id = "6d1b345e-2821-40e2-ad83-4ecb18a06876";
    let with =
        |id: &str| AddOrder { cl_ord_id: Some(id.to_owned()), ..limit(Side::Buy, "60000", "0.1") };
    let txid = venue.add(&with(id));
    assert_eq!(venue.refusal(&with(id)), "EGeneral:Invalid arguments:cl_ord_id");
    let bare = id.replace('-', "");
    assert_eq!(venue.refusal(&with(&bare)), "EGeneral:Invalid arguments:cl_ord_id");
    venue.add_of(venue.taker, &with(id));
    assert_eq!(venue.facts(&txid).cl_ord_id, Some(id));
    let by_id = OrderRef::ClOrdId(bare);
    assert_eq!(venue.desk.cancel(venue.now, venue.maker, &by_id), Ok(1));
    let again = venue.add(&with(id));
    assert_ne!(again, txid);
}

#[test]
fn a_post_only_order_that_would_take_is_refused_at_once_or_cancelled_a_moment_later() {
    for mode in [PostOnlyMode::ImmediateError, PostOnlyMode::LateCancel] {
        let mut venue = Venue::with(|settings| settings.post_only = mode);
        venue.add_of(venue.taker, &limit(Side::Sell, "60000", "1"));
        let order = AddOrder { is_post_only: true, ..limit(Side::Buy, "60000", "0.1") };
        match mode {
            PostOnlyMode::ImmediateError => {
                assert_eq!(venue.refusal(&order), "EOrder:Post only order");
            }
            PostOnlyMode::LateCancel => {
                let txid = venue.add(&order);
                assert_eq!(venue.story(&txid), ["pending_new", "canceled: Post only order"]);
                assert_eq!(venue.status(&txid), (OrderStatus::Canceled, Some("Post only order")));
            }
        }
        let rests = AddOrder { is_post_only: true, ..limit(Side::Buy, "59999.9", "0.1") };
        let txid = venue.add(&rests);
        assert_eq!(venue.status(&txid).0, OrderStatus::Open);
    }
}

#[test]
fn what_is_left_of_an_order_that_lives_at_once_expires() {
    let mut venue = Venue::new();
    venue.add_of(venue.taker, &limit(Side::Sell, "60000", "0.3"));
    let fok = venue.add(&AddOrder { tif: Tif::Fok, ..limit(Side::Buy, "60000", "0.4") });
    assert_eq!(venue.story(&fok), ["pending_new", "expired: Unfilled remainder"]);
    let ioc = venue.add(&AddOrder { tif: Tif::Ioc, ..limit(Side::Buy, "60000", "0.4") });
    assert_eq!(venue.story(&ioc), ["pending_new", "new", "trade", "expired: Unfilled remainder"]);
    assert_eq!(venue.facts(&ioc).cum_qty, dec("0.3"));
    let empty = venue.add(&market(Side::Buy, "0.4"));
    assert_eq!(venue.status(&empty).0, OrderStatus::Expired);
    assert_eq!(venue.open(venue.maker), 0);
}

#[test]
fn a_market_order_may_be_given_as_an_amount_of_quote() {
    let mut venue = Venue::new();
    venue.add_of(venue.taker, &limit(Side::Sell, "60000", "1"));
    let order = AddOrder { is_qty_in_quote: true, ..market(Side::Buy, "600") };
    let txid = venue.add(&order);
    let facts = venue.facts(&txid);
    assert_eq!((facts.qty, facts.cash_qty), (None, Some(dec("600"))));
    assert_eq!((facts.status, facts.cum_qty), (OrderStatus::Filled, dec("0.01")));
    assert!(
        venue
            .public
            .iter()
            .any(|(_, fact)| matches!(fact, PublicFact::Trade { is_market_order: true, .. }))
    );
}

#[test]
fn own_orders_never_meet_and_the_mode_says_which_goes() {
    for (stp, newest, oldest) in [
        (Stp::CancelNewest, OrderStatus::Expired, OrderStatus::Open),
        (Stp::CancelOldest, OrderStatus::Open, OrderStatus::Expired),
        (Stp::CancelBoth, OrderStatus::Expired, OrderStatus::Expired),
    ] {
        let mut venue = Venue::new();
        let old = venue.add(&limit(Side::Sell, "60000", "1"));
        let new = venue.add(&AddOrder { stp, ..limit(Side::Buy, "60000", "1") });
        assert_eq!((venue.status(&new).0, venue.status(&old).0), (newest, oldest), "{stp:?}");
    }
}

fn batch(orders: Vec<AddOrder>) -> AddBatch {
    AddBatch { pair: "XBTUSD".to_owned(), orders, deadline: None, is_validate_only: false }
}

#[test]
fn one_bad_order_refuses_a_whole_batch() {
    let mut venue = Venue::new();
    let good = || limit(Side::Buy, "60000", "0.1");
    for (bad, text) in [
        (limit(Side::Buy, "60000", "0.00001"), "EOrder:Order minimum not met"),
        (
            limit(Side::Buy, "60000.01", "1"),
            "EOrder:Invalid price:XXBTZUSD price can only be specified up to 1 decimals.",
        ),
        (
            AddOrder { cl_ord_id: Some("x".into()), ..good() },
            "EGeneral:Invalid arguments:cl_ord_id",
        ),
    ] {
        let first = AddOrder { cl_ord_id: Some("x".into()), ..good() };
        let asked = batch(vec![first, bad]);
        let error = venue.desk.add_batch(venue.now, venue.maker, &asked).unwrap_err();
        assert_eq!(error.to_string(), text);
        assert_eq!(venue.open(venue.maker), 0);
    }
    for count in [0, 1, 16] {
        let asked = batch(vec![good(); count]);
        let error = venue.desk.add_batch(venue.now, venue.maker, &asked).unwrap_err();
        assert_eq!(error.to_string(), "EGeneral:Invalid arguments:orders");
    }
}

#[test]
fn an_order_of_a_good_batch_can_fail_alone() {
    let mut venue = Venue::new();
    let orders = vec![
        limit(Side::Buy, "60000", "0.1"),
        limit(Side::Buy, "60000", "1000"),
        AddOrder { pair: "ignored".into(), ..limit(Side::Sell, "61000", "0.1") },
    ];
    let answers = venue.desk.add_batch(venue.now, venue.maker, &batch(orders.clone())).unwrap();
    let texts: Vec<String> = answers
        .iter()
        .map(|answer| answer.as_ref().map_or_else(ToString::to_string, |added| added.descr.clone()))
        .collect();
    assert_eq!(
        texts,
        [
            "buy 0.10000000 XBTUSD @ limit 60000.0",
            "EOrder:Insufficient funds",
            "sell 0.10000000 XBTUSD @ limit 61000.0"
        ]
    );
    assert_eq!(venue.open(venue.maker), 2);
    let check = AddBatch { is_validate_only: true, ..batch(orders) };
    let answers = venue.desk.add_batch(venue.now, venue.maker, &check).unwrap();
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|added| added.txid.is_none())));
    assert_eq!(venue.open(venue.maker), 2);
}

#[test]
fn the_words_for_an_order_are_those_of_the_venue() {
    let mut venue = Venue::new();
    venue.trade_at("60000");
    let percent = |offset: &str| Some(PriceSpec::Percent { offset: dec(offset), is_auto: false });
    let base = || limit(Side::Sell, "61000", "0.1");
    let close = Contingent {
        kind: OrderKind::StopLossLimit,
        price: at_price("27000"),
        price2: at_price("26000"),
    };
    for (order, words, close) in [
        (market(Side::Buy, "1.5"), "buy 1.50000000 XBTUSD @ market", ""),
        (
            AddOrder { contingent: Some(close), ..base() },
            "sell 0.10000000 XBTUSD @ limit 61000.0",
            "close position @ stop loss 27000.0 -> limit 26000.0",
        ),
        (
            AddOrder { kind: OrderKind::StopLoss, limit: None, trigger: percent("-5"), ..base() },
            "sell 0.10000000 XBTUSD @ stop loss -5.0000%",
            "",
        ),
        (
            AddOrder {
                kind: OrderKind::TakeProfitLimit,
                trigger: at_price("65000"),
                limit: Some(PriceSpec::Quote { offset: dec("10"), is_auto: true }),
                ..base()
            },
            "sell 0.10000000 XBTUSD @ take profit 65000.0 -> limit #10.0",
            "",
        ),
        (
            AddOrder {
                kind: OrderKind::TrailingStop,
                limit: None,
                trigger: Some(PriceSpec::Quote { offset: dec("500"), is_auto: false }),
                ..base()
            },
            "sell 0.10000000 XBTUSD @ trailing stop +500.0",
            "",
        ),
    ] {
        let order = AddOrder { is_validate_only: true, ..order };
        let added = venue.desk.add(venue.now, venue.maker, &order).unwrap();
        assert_eq!((added.descr.as_str(), added.close.as_str()), (words, close));
    }
}
