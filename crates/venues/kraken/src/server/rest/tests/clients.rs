//! Requests with the very bodies that widespread clients send (ccxt 4.5.90, python-kraken-sdk 3.5.1), and what those
//! clients read out of the answers.

use super::*;

/// Sends a body as it is, with the nonce inside it.
fn raw(venue: &mut Venue, method: &str, body: &str, is_json: bool) -> Value {
    venue.nonce += 1;
    let nonce = venue.nonce.to_string();
    let body = body.replace("NONCE", &nonce);
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    let json = "application/json; charset=utf-8";
    result(&venue.signed(method, &body, if is_json { json } else { form }, &nonce))
}

#[test]
fn ccxt_places_edits_and_cancels() {
    let mut venue = Venue::new();
    let body = "nonce=NONCE&pair=XXBTZUSD&type=buy&ordertype=limit&volume=0.1&price=50000&cl_ord_id=00000000000000000000000000000001&oflags=post&close[ordertype]=limit&close[price]=60000";
    let placed = raw(&mut venue, "AddOrder", body, false);
    // ccxt reads side, amount, pair, type and price out of these words.
    assert_eq!(placed["descr"]["order"], "buy 0.10000000 XBTUSD @ limit 50000.0");
    let id = placed["txid"][0].as_str().unwrap().to_owned();
    let orders =
        raw(&mut venue, "QueryOrders", &format!("nonce=NONCE&trades=True&txid={id}"), false);
    assert_eq!(orders[&id]["descr"]["close"], "close position @ limit 60000.0");

    let plain = "nonce=NONCE&pair=XXBTZUSD&type=buy&ordertype=limit&volume=0.1&price=50000";
    let id = raw(&mut venue, "AddOrder", plain, false)["txid"][0].as_str().unwrap().to_owned();
    let body = format!("nonce=NONCE&txid={id}&post_only=true&order_qty=0.2&limit_price=50000.1");
    assert!(raw(&mut venue, "AmendOrder", &body, false)["amend_id"].is_string());
    let body = format!(r#"{{"nonce":"NONCE","orders":["{id}"]}}"#);
    assert_eq!(raw(&mut venue, "CancelOrderBatch", &body, true)["count"], 1);
    assert_eq!(
        raw(&mut venue, "CancelAllOrdersAfter", "nonce=NONCE&timeout=60", false)["currentTime"],
        "2026-02-16T09:36:07Z"
    );
}

#[test]
fn ccxt_sends_json_when_a_price_ends_in_percent() {
    let mut venue = Venue::new();
    venue.level(Side::Buy, 600_000, 100_000_000);
    venue.place("pair=XBTUSD&type=sell&ordertype=limit&volume=0.1&price=60000");
    let body = r#"{"nonce":"NONCE","pair":"XXBTZUSD","type":"sell","ordertype":"trailing-stop","volume":"0.1","trigger":"last","price":"+5%"}"#;
    let placed = raw(&mut venue, "AddOrder", body, true);
    assert_eq!(placed["descr"]["order"], "sell 0.10000000 XBTUSD @ trailing stop +5.0000%");
}

#[test]
fn python_kraken_sdk_places_batches_with_spaces_and_numbers_in_its_json() {
    let mut venue = Venue::new();
    let body = concat!(
        r#"{"orders": [{"close": {"ordertype": "stop-loss-limit", "price": 21000, "price2": 20000}, "ordertype": "limit", "#,
        r#""price": 25000, "timeinforce": "GTC", "type": "buy", "userref": 345, "volume": 1}, "#,
        r#"{"ordertype": "limit", "price": 1000000, "timeinforce": "GTC", "type": "sell", "volume": 2}], "#,
        r#""pair": "BTC/USD", "validate": false, "nonce": "NONCE"}"#
    );
    let orders = raw(&mut venue, "AddOrderBatch", body, true)["orders"].clone();
    assert_eq!(orders[0]["close"], "close position @ stop loss 21000.0 -> limit 20000.0");
    assert!(orders[1]["txid"].is_string());
}

#[test]
fn python_kraken_sdk_sends_every_default() {
    let mut venue = Venue::new();
    let body = "ordertype=limit&type=buy&pair=XBTUSD&volume=0.4&stptype=cancel-newest&starttm=0&validate=False&reduce_only=False&price=23000&nonce=NONCE";
    raw(&mut venue, "AddOrder", body, false);
    for (method, body) in [
        ("OpenOrders", "trades=False&nonce=NONCE"),
        ("ClosedOrders", "trades=False&closetime=both&nonce=NONCE"),
        ("TradesHistory", "type=all&trades=False&ledgers=False&consolidate_taker=True&nonce=NONCE"),
        ("OpenPositions", "docalcs=False&consolidation=market&nonce=NONCE"),
        ("Ledgers", "asset=all&aclass=currency&type=all&nonce=NONCE"),
        ("TradeBalance", "asset=ZUSD&nonce=NONCE"),
        ("CancelAll", "nonce=NONCE"),
    ] {
        raw(&mut venue, method, body, false);
        venue.wait(5);
    }
}
