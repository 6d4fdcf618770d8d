//! Private answers about an account, byte for byte.

use super::*;

#[test]
fn balances_include_what_orders_hold() {
    let mut venue = Venue::new();
    venue.place("pair=XBTUSD&type=sell&ordertype=limit&volume=0.5&price=61000");
    let want =
        r#"{"error":[],"result":{"ZUSD":"100000.0000","ZEUR":"1000.0000","XXBT":"2.0000000000"}}"#;
    assert_eq!(venue.post("Balance", ""), want);
    let extended = venue.ok("BalanceEx", "");
    let row = r#"{"balance":"2.0000000000","credit":"0.0","credit_used":"0.0","hold_trade":"0.5000000000"}"#;
    assert_eq!(extended["XXBT"].to_string(), row);
}

#[test]
fn a_trade_balance_is_valued_in_any_rated_asset() {
    let mut venue = Venue::new();
    venue.place("pair=XBTUSD&type=buy&ordertype=limit&volume=0.1&price=50000");
    // 100000 USD + 1000 EUR at 1.1 + 2 BTC at 60000.
    let want = concat!(
        r#"{"error":[],"result":{"eb":"221100.0000","tb":"221100.0000","m":"0.0000","uv":"5000.0000","n":"0.0000","#,
        r#""c":"0.0000","v":"0.0000","e":"221100.0000","mf":"221100.0000"}}"#
    );
    assert_eq!(venue.post("TradeBalance", "asset=ZUSD"), want);
    assert_eq!(venue.ok("TradeBalance", "asset=XBT")["eb"], "3.6850");
    assert_eq!(error(&venue.post("TradeBalance", "asset=NOPE")), "EQuery:Unknown asset");
}

#[test]
fn fees_come_with_the_pairs_asked_for() {
    let mut venue = Venue::new();
    let want = r#"{"error":[],"result":{"currency":"ZUSD","volume":"0.0000"}}"#;
    assert_eq!(venue.post("TradeVolume", ""), want);
    let want = concat!(
        r#"{"error":[],"result":{"currency":"ZUSD","volume":"0.0000","fees":{"XXBTZUSD":{"fee":"0.4000","minfee":"0.3500","#,
        r#""maxfee":"0.4000","nextfee":"0.3500","nextvolume":"10000.0000","tiervolume":"0.0000"}},"#,
        r#""fees_maker":{"XXBTZUSD":{"fee":"0.2500","minfee":"0.2000","maxfee":"0.2500","nextfee":"0.2000","#,
        r#""nextvolume":"10000.0000","tiervolume":"0.0000"}}}}"#
    );
    assert_eq!(venue.post("TradeVolume", "pair=XXBTZUSD&fee-info=True"), want);
    let listed = venue.post_json(
        "TradeVolume",
        r#""pair":[{"asset":"ADAEUR","aclass":"forex"}],"fee_schedule":true"#,
    );
    let schedules = result(&listed)["schedules"].to_string();
    let want = concat!(
        r#"[{"class":"forex","pair":"ADAEUR","tiers":[{"active":true,"maker_fee":"0.2500","taker_fee":"0.4000"},"#,
        r#"{"maker_fee":"0.2000","min_spot_volume":"10000.0000","taker_fee":"0.3500"}]}]"#
    );
    assert_eq!(schedules, want);
    let futures =
        venue.post_json("TradeVolume", r#""pair":[{"asset":"PF_XBTUSD","aclass":"derivatives"}]"#);
    assert_eq!(error(&futures), "EQuery:Unknown asset pair");
}

#[test]
fn a_key_tells_what_it_is() {
    let mut venue = Venue::new();
    venue.key = READ_KEY;
    let want = concat!(
        r#"{"error":[],"result":{"apiKeyName":"reading","apiKey":"reader-key","nonce":"1001","nonceWindow":0,"#,
        r#""permissions":["query-funds","query-closed-trades","modify-trades"],"iban":"","validUntil":"0","queryFrom":"0","#,
        r#""queryTo":"0","createdTime":"1771234567","modifiedTime":"1771234567","ipAllowlist":[],"lastUsed":"1771234567"}}"#
    );
    assert_eq!(venue.post("GetApiKeyInfo", ""), want);
}

#[test]
fn a_token_lives_fifteen_minutes() {
    let mut venue = Venue::new();
    let token = venue.ok("GetWebSocketsToken", "");
    assert_eq!(token["expires"], 900);
    assert!(!token["token"].as_str().unwrap().is_empty());
    venue.key = READ_KEY;
    assert_eq!(error(&venue.post("GetWebSocketsToken", "")), "EGeneral:Permission denied");
}

#[test]
fn rights_are_asked_for_one_any_or_all() {
    let mut venue = Venue::new();
    let id = venue.place("pair=XBTUSD&type=sell&ordertype=limit&volume=0.5&price=61000");
    venue.key = READ_KEY;
    assert!(venue.ok("QueryOrders", &format!("txid={id}")).is_object(), "closed trades suffice");
    let denied = "EGeneral:Permission denied";
    assert_eq!(error(&venue.post("OpenOrders", "")), denied);
    assert_eq!(error(&venue.post("Ledgers", "")), denied);
    let edit = format!("pair=XBTUSD&txid={id}&price=62000");
    assert_eq!(error(&venue.post("EditOrder", &edit)), denied, "replacing needs both rights");
    assert_eq!(venue.ok("CancelOrder", &format!("txid={id}"))["count"], 1, "either right cancels");
}

#[test]
fn wrong_keys_signatures_and_nonces_have_their_errors() {
    let mut venue = Venue::new();
    let path = "/0/private/Balance";
    let mut call = request("POST", path, "nonce=5", "application/x-www-form-urlencoded");
    assert_eq!(error(&venue.call(&call)), "EAPI:Invalid key");
    call.api_key = Some("nobody".to_owned());
    call.api_sign = Some(signature(path, "5", b"nonce=5"));
    assert_eq!(error(&venue.call(&call)), "EAPI:Invalid key");
    call.api_key = Some(KEY.to_owned());
    call.api_sign = Some("bm90aGluZw==".to_owned());
    assert_eq!(error(&venue.call(&call)), "EAPI:Invalid signature");
    call.api_sign = Some(signature(path, "5", b"nonce=5"));
    result(&venue.call(&call));
    assert_eq!(error(&venue.call(&call)), "EAPI:Invalid nonce", "the same one again");
    call.method = "GET".to_owned();
    assert_eq!(error(&venue.call(&call)), "EGeneral:Unknown method");
}

#[test]
fn fills_and_ledger_entries_are_listed_newest_first() {
    let mut venue = Venue::new();
    let id = venue.place("pair=XBTUSD&type=sell&ordertype=limit&volume=0.5&price=61000");
    venue.take(Side::Buy, 610_000, 20_000_000);
    venue.wait(1);
    venue.take(Side::Buy, 610_000, 30_000_000);
    let history = venue.ok("TradesHistory", "");
    assert_eq!(history["count"], 2);
    let trades = history["trades"].as_object().unwrap();
    let (exec_id, trade) = trades.iter().find(|(_, trade)| trade["trade_id"] == 1).unwrap();
    let want = serde_json::json!({
        "ordertxid": id, "postxid": "TKH2SE-M7IF5-CFI7LT", "pair": "XXBTZUSD", "time": 1_771_234_567.5,
        "type": "sell", "ordertype": "limit", "price": "61000.00000", "cost": "12200.00000", "fee": "30.50000",
        "vol": "0.20000000", "margin": "0.00000", "leverage": "0", "misc": "", "trade_id": 1, "maker": true,
    });
    assert_eq!(*trade, want);
    let queried = venue.ok("QueryTrades", &format!("txid={exec_id}"));
    assert_eq!(queried[exec_id], want);
    assert_eq!(venue.ok("TradesHistory", "type=closed position")["count"], 0);
    venue.wait(20); // The counter of REST calls falls by one a second.
    let after = venue.ok("TradesHistory", &format!("start={}", want["time"]));
    assert_eq!(after["count"], 1, "going on from a time that was seen gives nothing twice");
    let until = venue.ok("TradesHistory", &format!("end={}", want["time"]));
    assert_eq!(until["count"], 1);
    assert!(venue.ok("TradesHistory", "without_count=true").get("count").is_none());

    let ledger = venue.ok("Ledgers", "asset=ZUSD&type=trade");
    assert_eq!(ledger["count"], 2);
    let (entry_id, entry) = ledger["ledger"].as_object().unwrap().iter().next().unwrap();
    for (field, want) in
        [("type", "trade"), ("asset", "ZUSD"), ("aclass", "currency"), ("subtype", "")]
    {
        assert_eq!(entry[field], want);
    }
    assert_eq!(venue.ok("QueryLedgers", &format!("id={entry_id}"))[entry_id], *entry);
    assert_eq!(
        error(&venue.post("QueryLedgers", "id=LXXXXX-XXXXX-XXXXXX")),
        "EGeneral:Invalid arguments"
    );
    assert_eq!(error(&venue.post("QueryTrades", "txid=")), "EGeneral:Invalid arguments");
}

#[test]
fn there_are_no_positions() {
    let mut venue = Venue::new();
    assert_eq!(venue.post("OpenPositions", ""), r#"{"error":[],"result":{}}"#);
    let want = r#"{"error":[],"result":[]}"#;
    assert_eq!(venue.post("OpenPositions", "docalcs=true&consolidation=market"), want);
}
