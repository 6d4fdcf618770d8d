//! Orders over REST, byte for byte where ids allow it.

use super::*;

const SELL: &str = "pair=XBTUSD&type=sell&ordertype=limit&volume=0.5&price=61000";

#[test]
fn an_order_is_placed_shown_and_cancelled() {
    let mut venue = Venue::new();
    let placed = venue.ok("AddOrder", &format!("{SELL}&cl_ord_id=mm-7f3a-000123&oflags=post"));
    assert_eq!(
        placed["descr"],
        serde_json::json!({"order": "sell 0.50000000 XBTUSD @ limit 61000.0"})
    );
    let id = placed["txid"][0].as_str().unwrap().to_owned();
    let shown = concat!(
        r#""refid":null,"userref":0,"cl_ord_id":"mm-7f3a-000123","status":"open","opentm":1771234567.5,"starttm":0,"#,
        r#""expiretm":0,"descr":{"pair":"XBTUSD","aclass":"forex","type":"sell","ordertype":"limit","price":"61000.0","#,
        r#""price2":"0","leverage":"none","order":"sell 0.50000000 XBTUSD @ limit 61000.0","close":""},"#,
        r#""vol":"0.50000000","vol_exec":"0.00000000","cost":"0.00000","fee":"0.00000","price":"0.00000","#,
        r#""stopprice":"0.00000","limitprice":"0.00000","trigger":"last","margin":false,"misc":"","oflags":"post,fciq""#
    );
    let open = format!(r#"{{"error":[],"result":{{"open":{{"{id}":{{{shown}}}}}}}}}"#);
    assert_eq!(venue.post("OpenOrders", ""), open);
    assert_eq!(venue.post("OpenOrders", "cl_ord_id=mm-7f3a-000123"), open);
    assert_eq!(venue.post("OpenOrders", "cl_ord_id=other"), r#"{"error":[],"result":{"open":{}}}"#);
    let queried = format!(r#"{{"error":[],"result":{{"{id}":{{{shown},"trades":[]}}}}}}"#);
    assert_eq!(venue.post("QueryOrders", &format!("txid={id}&trades=True")), queried);

    venue.wait(3);
    let cancelled = venue.post("CancelOrder", "cl_ord_id=mm-7f3a-000123");
    assert_eq!(cancelled, r#"{"error":[],"result":{"count":1}}"#);
    assert_eq!(error(&venue.post("CancelOrder", &format!("txid={id}"))), "EOrder:Unknown order");
    let closed = venue.ok("ClosedOrders", "");
    let order = &closed["closed"][&id];
    assert_eq!((&closed["count"], &order["status"]), (&1.into(), &"canceled".into()));
    assert_eq!(
        (&order["reason"], &order["closetm"]),
        (&"User requested".into(), &1_771_234_570.5.into())
    );
}

#[test]
fn a_partly_filled_order_shows_its_average_price_and_trades() {
    let mut venue = Venue::new();
    let id = venue.place(&format!("{SELL}&userref=42"));
    venue.take(Side::Buy, 610_000, 20_000_000);
    let order = venue.ok("OpenOrders", "userref=42&trades=true")["open"][&id].clone();
    for (field, want) in [
        ("vol_exec", "0.20000000"),
        ("cost", "12200.00000"),
        ("fee", "30.50000"),
        ("price", "61000.0"),
        ("misc", "partial"),
        ("status", "open"),
    ] {
        assert_eq!(order[field], want, "{field}");
    }
    assert_eq!(order["userref"], 42);
    assert_eq!(order["trades"].as_array().unwrap().len(), 1);
    assert_eq!(venue.ok("CancelOrder", "txid=42")["count"], 1, "by number");
}

#[test]
fn validation_places_nothing() {
    let mut venue = Venue::new();
    let want =
        r#"{"error":[],"result":{"descr":{"order":"sell 0.50000000 XBTUSD @ limit 61000.0"}}}"#;
    assert_eq!(venue.post("AddOrder", &format!("{SELL}&validate=true")), want);
    assert_eq!(venue.post("OpenOrders", ""), r#"{"error":[],"result":{"open":{}}}"#);
}

#[test]
fn a_trailing_stop_keeps_the_price_as_written() {
    let mut venue = Venue::new();
    venue.level(Side::Buy, 600_000, 100_000_000);
    venue.place("pair=XBTUSD&type=sell&ordertype=limit&volume=0.1&price=60000");
    let id = venue.place("pair=XBTUSD&type=sell&ordertype=trailing-stop&volume=0.1&price=%2B50%25");
    let order = venue.ok("OpenOrders", "")["open"][&id].clone();
    assert_eq!(order["descr"]["price"], "+50.0000%");
    assert_eq!(order["descr"]["order"], "sell 0.10000000 XBTUSD @ trailing stop +50.0000%");
    assert_eq!(order["stopprice"], "30000.0");
}

#[test]
fn a_batch_is_answered_in_its_order() {
    let mut venue = Venue::new();
    let body = venue.post_json(
        "AddOrderBatch",
        concat!(
            r#""pair":"XBTUSD","validate":false,"orders":[{"ordertype":"limit","type":"buy","volume":"1","price":"40000"},"#,
            r#"{"ordertype":"limit","type":"buy","volume":1.5,"price":50000,"userref":7},"#,
            r#"{"ordertype":"limit","type":"sell","volume":"0.1","price":"70000.1","close":{"ordertype":"limit","price":"60000"}}]"#
        ),
    );
    let orders = result(&body)["orders"].clone();
    assert_eq!(orders[0]["descr"]["order"], "buy 1.00000000 XBTUSD @ limit 40000.0");
    assert_eq!(orders[1]["error"], "EOrder:Insufficient funds");
    assert_eq!(orders[2]["close"], "close position @ limit 60000.0");
    assert!(orders[0]["txid"].is_string() && orders[1].get("txid").is_none());

    let wrong = venue.post_json(
        "AddOrderBatch",
        r#""pair":"XBTUSD","orders":[{"ordertype":"limit","type":"buy","volume":"1","price":"40000"},{"ordertype":"lmt","type":"buy","volume":"1"}]"#,
    );
    assert_eq!(error(&wrong), "EGeneral:Invalid arguments:ordertype", "one wrong order fails all");
    let one =
        r#""pair":"XBTUSD","orders":[{"ordertype":"limit","type":"buy","volume":"1","price":"1"}]"#;
    assert_eq!(error(&venue.post_json("AddOrderBatch", one)), "EGeneral:Invalid arguments:orders");
}

#[test]
fn an_amended_order_keeps_its_id_and_its_history() {
    let mut venue = Venue::new();
    let id = venue.place(SELL);
    venue.take(Side::Buy, 610_000, 10_000_000);
    venue.wait(1);
    let amended = venue.ok("AmendOrder", &format!("txid={id}&limit_price=61500.5&order_qty=0.4"));
    assert!(amended["amend_id"].as_str().unwrap().starts_with('T'));
    let order = venue.ok("OpenOrders", "")["open"][&id].clone();
    assert_eq!(
        (&order["vol"], &order["descr"]["price"]),
        (&"0.40000000".into(), &"61500.5".into())
    );
    assert_eq!(order["misc"], "partial,amended");
    let history = venue.ok("OrderAmends", &format!("order_id={id}"));
    assert_eq!(history["count"], 2);
    let rows = history["amends"].as_array().unwrap();
    let open: Vec<_> = rows.iter().map(|row| row["remaining_qty"].as_str().unwrap()).collect();
    assert_eq!(open, ["0.50000000", "0.30000000"], "nothing was filled when it was placed");
    assert_eq!(
        (&rows[0]["amend_type"], &rows[0]["order_qty"]),
        (&"original".into(), &"0.50000000".into())
    );
    assert_eq!(
        (&rows[1]["amend_type"], &rows[1]["limit_price"]),
        (&"user".into(), &"61500.5".into())
    );
    assert_eq!(
        error(&venue.post("AmendOrder", "cl_ord_id=nobody&order_qty=1")),
        "EOrder:Unknown order"
    );
}

#[test]
fn an_edited_order_is_another_one() {
    let mut venue = Venue::new();
    let id = venue.place(SELL);
    let edited = venue.ok("EditOrder", &format!("txid={id}&pair=XXBTZUSD&volume=0.25&price=62000"));
    assert_eq!(edited["originaltxid"], id);
    for (field, want) in [("status", "ok"), ("volume", "0.25000000"), ("price", "62000.0")] {
        assert_eq!(edited[field], want);
    }
    assert_eq!(edited["descr"]["order"], "sell 0.25000000 XBTUSD @ limit 62000.0");
    assert_eq!(edited["orders_cancelled"], 1);
    let open = venue.ok("OpenOrders", "")["open"].clone();
    assert_eq!(
        open.as_object().unwrap().keys().collect::<Vec<_>>(),
        [edited["txid"].as_str().unwrap()]
    );
    let gone = format!("txid={id}&pair=XBTUSD&price=1");
    assert_eq!(error(&venue.post("EditOrder", &gone)), "EOrder:Unknown order");
}

#[test]
fn several_orders_are_cancelled_by_any_of_their_names() {
    let mut venue = Venue::new();
    let small = "pair=XBTUSD&type=sell&ordertype=limit&volume=0.1&price=61000";
    let mut ids: Vec<String> = (0..4).map(|_| venue.place(small)).collect();
    venue.place(&format!("{small}&userref=9"));
    venue.place(&format!("{small}&cl_ord_id=mine"));
    let last = ids.pop().unwrap();
    let body = venue.post_json(
        "CancelOrderBatch",
        &format!(
            r#""orders":["{}",{{"txid":"{}"}},9],"cl_ord_ids":[{{"cl_ord_id":"mine"}}]"#,
            ids[0], ids[1]
        ),
    );
    assert_eq!(result(&body)["count"], 4);
    let form = venue.ok("CancelOrderBatch", &format!("orders={},{}", ids[2], ids[2]));
    assert_eq!(form["count"], 1, "a name twice counts once");
    assert_eq!(error(&venue.post("CancelOrderBatch", "")), "EGeneral:Invalid arguments");
    let many: Vec<String> = (1..=51).map(|n| n.to_string()).collect();
    let body = venue.post_json("CancelOrderBatch", &format!(r#""orders":[{}]"#, many.join(",")));
    assert_eq!(error(&body), "EGeneral:Invalid arguments");
    assert_eq!(venue.ok("CancelAll", "")["count"], 1);
    assert_eq!(venue.ok("QueryOrders", &format!("txid={last}"))[&last]["status"], "canceled");
}

#[test]
fn the_dead_mans_switch_tells_when_it_fires() {
    let mut venue = Venue::new();
    venue.place(SELL);
    let want = r#"{"error":[],"result":{"currentTime":"2026-02-16T09:36:07Z","triggerTime":"2026-02-16T09:37:07Z"}}"#;
    assert_eq!(venue.post("CancelAllOrdersAfter", "timeout=60"), want);
    let want = r#"{"error":[],"result":{"currentTime":"2026-02-16T09:36:07Z","triggerTime":"0"}}"#;
    assert_eq!(venue.post("CancelAllOrdersAfter", "timeout=0"), want);
    venue.ok("CancelAllOrdersAfter", "timeout=60");
    venue.wait(61);
    assert_eq!(venue.post("OpenOrders", ""), r#"{"error":[],"result":{"open":{}}}"#);
    for timeout in ["86400", "-1", "soon", ""] {
        let body = venue.post("CancelAllOrdersAfter", &format!("timeout={timeout}"));
        assert_eq!(error(&body), "EGeneral:Invalid arguments:timeout");
    }
}

#[test]
fn refused_orders_have_the_venues_reasons() {
    let mut venue = Venue::new();
    venue.level(Side::Sell, 610_000, 100_000_000);
    for (form, want) in [
        ("pair=NOPE&type=buy&ordertype=limit&volume=1&price=1", "EQuery:Unknown asset pair"),
        ("type=buy&ordertype=limit&volume=1&price=1", "EGeneral:Invalid arguments:pair"),
        ("pair=XBTUSD&type=buy&ordertype=limit&volume=9&price=60000", "EOrder:Insufficient funds"),
        (
            "pair=XBTUSD&type=buy&ordertype=limit&volume=0.00001&price=60000",
            "EOrder:Order minimum not met",
        ),
        (
            "pair=XBTUSD&type=buy&ordertype=limit&volume=1&price=60000.55",
            "EOrder:Invalid price:XXBTZUSD price can only be specified up to 1 decimals.",
        ),
        (
            "pair=XBTUSD&type=buy&ordertype=limit&volume=0.1&price=61000&oflags=post",
            "EOrder:Post only order",
        ),
        (
            "pair=XBTUSD&type=buy&ordertype=limit&volume=0.1&price=60000&cl_ord_id=ten&userref=10",
            "EGeneral:Invalid arguments",
        ),
        (
            "pair=AAPLxUSD&type=buy&ordertype=market&volume=1&asset_class=tokenized_asset",
            "EQuery:Unknown asset pair",
        ),
        (
            "pair=XBTUSD&type=buy&ordertype=limit&volume=0.1&price=60000&deadline=2026-02-16T09:36:00Z",
            "EService:Deadline elapsed",
        ),
    ] {
        let got = error(&venue.post("AddOrder", form));
        assert!(got.starts_with(want), "{form}: {got}");
    }
    assert_eq!(error(&venue.post("QueryOrders", "txid=nonsense")), "EOrder:Invalid order");
    assert_eq!(
        error(&venue.post("QueryOrders", "txid=OAAAAA-AAAAA-AAAAAA")),
        "EOrder:Unknown order"
    );
}
