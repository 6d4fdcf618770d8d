//! Tests of amends, edits and batches.

use super::*;

fn resting(venue: &mut Venue) -> String {
    venue.add(&AddOrder { cl_ord_id: Some("mine".into()), ..limit(Side::Buy, "60000", "1") })
}

/// Gives the error a change meets.
fn refusal(venue: &mut Venue, change: &AmendOrder) -> String {
    venue.desk.amend(venue.now, venue.maker, change).unwrap_err().to_string()
}

#[test]
fn an_amend_keeps_the_id_and_the_fills() {
    let mut venue = Venue::new();
    let txid = resting(&mut venue);
    venue.add_of(venue.taker, &limit(Side::Sell, "60000", "0.25"));
    let change = AmendOrder {
        order: OrderRef::ClOrdId("mine".into()),
        limit: at_price("60100"),
        qty: Some(dec("2")),
        ..amend(&txid)
    };
    let id = venue.desk.amend(venue.now, venue.maker, &change).unwrap();
    venue.drain();
    assert!(id.as_str().starts_with('T'));
    assert_eq!(venue.story(&txid), ["pending_new", "new", "trade", "amended"]);
    let facts = venue.facts(&txid);
    assert_eq!(
        (facts.qty, facts.limit, facts.cum_qty),
        (Some(dec("2")), Some(dec("60100")), dec("0.25"))
    );
    assert!(facts.is_amended);
    assert_eq!(venue.desk.describe(&facts), "buy 2.00000000 XBTUSD @ limit 60100.0");
    let rows = venue.desk.order_amends(venue.maker, &txid).unwrap();
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.is_by_user, row.order_qty, row.remaining_qty, row.limit_price.unwrap()))
        .collect();
    assert_eq!(
        told,
        [(false, dec("1"), dec("1"), dec("60000")), (true, dec("2"), dec("1.75"), dec("60100"))]
    );
    assert_eq!(rows[1].amend_id, id);
}

#[test]
fn only_a_smaller_quantity_keeps_the_place() {
    let mut venue = Venue::new();
    let mine = venue.add(&limit(Side::Buy, "60000", "1"));
    let other = venue.add_of(venue.taker, &limit(Side::Buy, "60000", "1"));
    let front = |venue: &Venue| {
        let market = MarketIx::new(0);
        let mut queue = venue.desk.exchange().queue(market, Side::Buy, Ticks::new(600_000));
        venue.desk.order_id(queue.next().unwrap().0).to_string()
    };
    let down = AmendOrder { qty: Some(dec("0.5")), ..amend(&mine) };
    venue.desk.amend(venue.now, venue.maker, &down).unwrap();
    assert_eq!(front(&venue), mine);
    let up = AmendOrder { qty: Some(dec("0.6")), ..amend(&mine) };
    venue.desk.amend(venue.now, venue.maker, &up).unwrap();
    assert_eq!(front(&venue), other);
}

#[test]
fn what_is_wrong_with_an_amend_is_told_and_nothing_changes() {
    let mut venue = Venue::new();
    let txid = resting(&mut venue);
    let close = Contingent { kind: OrderKind::Limit, price: at_price("70000"), price2: None };
    let closing =
        venue.add(&AddOrder { contingent: Some(close), ..limit(Side::Buy, "50000", "1") });
    let sell = venue.add_of(venue.taker, &limit(Side::Sell, "61000", "1"));
    let invalid = |what: &str| format!("EGeneral:Invalid arguments:{what}");
    let past = venue.now.saturating_sub(DurationNs::from_ns(1));
    for (change, text) in [
        (amend(&txid), "EGeneral:Invalid arguments".to_owned()),
        (
            AmendOrder { limit: at_price("60000.01"), ..amend(&txid) },
            "EOrder:Invalid price:XXBTZUSD price can only be specified up to 1 decimals.".into(),
        ),
        (
            AmendOrder { qty: Some(dec("0.00001")), ..amend(&txid) },
            "EOrder:Order minimum not met".into(),
        ),
        (AmendOrder { qty: Some(dec("0")), ..amend(&txid) }, "EOrder:Order minimum not met".into()),
        (AmendOrder { qty: Some(dec("-1")), ..amend(&txid) }, invalid("order_qty")),
        (AmendOrder { qty: Some(dec("1000")), ..amend(&txid) }, "EOrder:Insufficient funds".into()),
        (AmendOrder { display_qty: Some(dec("0.5")), ..amend(&txid) }, invalid("displayvol")),
        (AmendOrder { trigger: at_price("1"), ..amend(&txid) }, invalid("trigger_price")),
        (
            AmendOrder { limit: at_price("61000"), is_post_only: true, ..amend(&txid) },
            "EOrder:Post only order".into(),
        ),
        (
            AmendOrder { deadline: Some(past), limit: at_price("1"), ..amend(&txid) },
            "EService:Deadline elapsed".into(),
        ),
        (AmendOrder { limit: at_price("50001"), ..amend(&closing) }, "EOrder:Invalid order".into()),
        (AmendOrder { limit: at_price("62000"), ..amend(&sell) }, "EOrder:Unknown order".into()),
        (
            AmendOrder { limit: at_price("62000"), ..amend("OAAAAA-BBBBB-CCCCCC") },
            "EOrder:Unknown order".into(),
        ),
        (
            AmendOrder { order: OrderRef::ClOrdId("not an id".into()), ..amend("") },
            "EGeneral:Invalid arguments".into(),
        ),
    ] {
        assert_eq!(refusal(&mut venue, &change), text, "{change:?}");
    }
    let facts = venue.facts(&txid);
    assert_eq!(
        (facts.qty, facts.limit, facts.is_amended),
        (Some(dec("1")), Some(dec("60000")), false)
    );
    // Without post-only on the amend itself nothing protects the new price.
    let change = AmendOrder { limit: at_price("61000"), ..amend(&txid) };
    venue.desk.amend(venue.now, venue.maker, &change).unwrap();
    assert_eq!(venue.status(&txid).0, OrderStatus::Filled);
}

#[test]
fn an_edit_gives_a_new_order_for_what_is_left() {
    let mut venue = Venue::new();
    let old = venue.add(&AddOrder {
        userref: Some(5),
        is_post_only: true,
        ..limit(Side::Buy, "60000", "1")
    });
    venue.add_of(venue.taker, &limit(Side::Sell, "60000", "0.25"));
    let change = EditOrder { limit: at_price("59000"), userref: Some(6), ..edit(&old) };
    let edited = venue.desk.edit(venue.now, venue.maker, &change).unwrap();
    venue.drain();
    let new = edited.added.txid.unwrap();
    assert_eq!((edited.original_txid.as_str(), edited.old_userref), (old.as_str(), Some(5)));
    assert_eq!([edited.volume, edited.price, edited.price2], ["0.75000000", "59000.0", "0"]);
    assert_eq!(venue.status(&old), (OrderStatus::Canceled, Some("Order replaced")));
    assert_eq!(venue.facts(&old).cum_qty, dec("0.25"));
    let facts = venue.facts(&new);
    assert_eq!(
        (facts.qty, facts.limit, facts.cum_qty),
        (Some(dec("0.75")), Some(dec("59000")), dec("0"))
    );
    assert_eq!((facts.userref, facts.is_post_only), (Some(6), false));
}

#[test]
fn what_cannot_be_edited_stays_as_it_is() {
    let mut venue = Venue::new();
    let txid = resting(&mut venue);
    venue.add_of(venue.taker, &limit(Side::Sell, "60000", "0.5"));
    let close = Contingent { kind: OrderKind::Limit, price: at_price("70000"), price2: None };
    let closing =
        venue.add(&AddOrder { contingent: Some(close), ..limit(Side::Buy, "50000", "1") });
    for (change, text) in [
        (EditOrder { qty: Some(dec("0.5")), ..edit(&txid) }, "EOrder:Invalid order"),
        (EditOrder { limit: at_price("50001"), ..edit(&closing) }, "EOrder:Invalid order"),
        (EditOrder { pair: "ETH/USD".into(), ..edit(&txid) }, "EGeneral:Invalid arguments:pair"),
        (EditOrder { pair: "NOPE".into(), ..edit(&txid) }, "EQuery:Unknown asset pair"),
        (
            EditOrder { order: OrderRef::ClOrdId("mine".into()), ..edit("") },
            "EGeneral:Invalid arguments",
        ),
        (edit("OAAAAA-BBBBB-CCCCCC"), "EOrder:Unknown order"),
        (EditOrder { qty: Some(dec("0.50001")), ..edit(&txid) }, "EOrder:Order minimum not met"),
    ] {
        let error = venue.desk.edit(venue.now, venue.maker, &change).unwrap_err();
        assert_eq!(error.to_string(), text, "{change:?}");
    }
    let check = EditOrder { is_validate_only: true, limit: at_price("59000"), ..edit(&txid) };
    assert_eq!(venue.desk.edit(venue.now, venue.maker, &check).unwrap().added.txid, None);
    assert_eq!((venue.status(&txid).0, venue.open(venue.maker)), (OrderStatus::PartiallyFilled, 2));
}

#[test]
fn an_edit_may_use_the_funds_its_old_order_held() {
    let mut venue = Venue::with(|settings| settings.accounts[0].tier = Tier::Unlimited);
    // 900,000 of a million: two of them are not covered.
    let old = venue.add(&limit(Side::Buy, "60000", "15"));
    let change = EditOrder { limit: at_price("61000"), ..edit(&old) };
    let edited = venue.desk.edit(venue.now, venue.maker, &change).unwrap();
    assert!(edited.added.txid.is_some());
    let change = EditOrder { qty: Some(dec("100")), ..edit(&edited.added.txid.unwrap()) };
    let error = venue.desk.edit(venue.now, venue.maker, &change).unwrap_err();
    assert_eq!(error.to_string(), "EOrder:Insufficient funds");
    assert_eq!(venue.open(venue.maker), 0, "the legacy call cancels first");
}
