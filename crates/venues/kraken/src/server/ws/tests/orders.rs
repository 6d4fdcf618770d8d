//! Trading methods: answers of single, batch, edit, amend and cancel requests, rights, the dead man's switch.

use super::*;

/// Gives BTC/USD a market and an account's connection without subscriptions.
fn trading() -> (Venue, PeerId, String) {
    let mut venue = Venue::new();
    venue.crowd("BTC/USD", Side::Buy, 609_000, 100_000_000);
    venue.crowd("BTC/USD", Side::Sell, 610_100, 100_000_000);
    let peer = venue.connect(WsHost::Private);
    let token = venue.token("maker");
    (venue, peer, token)
}

const LIMIT: &str = r#""order_type":"limit","side":"buy","order_qty":0.05"#;

fn request(method: &str, params: &str, token: &str) -> String {
    format!(r#"{{"method":"{method}","params":{{{params},"token":"{token}"}},"req_id":8}}"#)
}

fn ids(answers: &[String]) -> Vec<String> {
    let result = json(&answers[0])["result"].clone();
    let items = result.as_array().cloned().unwrap_or_else(|| vec![result]);
    items.iter().map(|item| item["order_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_order_of_a_cancel_is_answered_on_its_own_with_one_number() {
    let (mut venue, peer, token) = trading();
    let mut named = Vec::new();
    for (price, id) in [
        (60_000, "\"cl_ord_id\":\"a\""),
        (60_001, "\"order_userref\":7"),
        (60_002, "\"order_userref\":9"),
    ] {
        let params = format!(r#"{LIMIT},"symbol":"BTC/USD","limit_price":{price},{id}"#);
        named.extend(ids(&venue.ask(peer, &request("add_order", &params, &token))));
    }
    let first = &named[2];
    let params = format!(
        r#""order_id":["{first}","OAAAAA-AAAAA-AAAAAA"],"cl_ord_id":["a"],"order_userref":[7]"#
    );
    assert_eq!(
        venue.ask(peer, &request("cancel_order", &params, &token)),
        [
            format!(r#"{{"method":"cancel_order","req_id":8,"result":{{"order_id":"{first}"}},"success":true}}"#),
            r#"{"error":"EOrder:Unknown order","method":"cancel_order","req_id":8,"success":false}"#.to_owned(),
            r#"{"method":"cancel_order","req_id":8,"result":{"cl_ord_id":"a"},"success":true}"#.to_owned(),
            r#"{"method":"cancel_order","req_id":8,"result":{"order_userref":7},"success":true}"#.to_owned(),
        ]
    );
}

#[test]
fn a_batch_is_answered_by_a_list_in_its_order() {
    let (mut venue, peer, token) = trading();
    let params = format!(
        r#""symbol":"BTC/USD","orders":[{{{LIMIT},"limit_price":60000,"order_userref":1}},{{{LIMIT},"limit_price":60001,"cl_ord_id":"b"}}]"#
    );
    let answers = venue.ask(peer, &request("batch_add", &params, &token));
    let [first, second] = ids(&answers).try_into().unwrap();
    assert_eq!(
        answers,
        [format!(
            r#"{{"method":"batch_add","req_id":8,"result":[{{"order_id":"{first}","order_userref":1}},{{"order_id":"{second}","cl_ord_id":"b"}}],"success":true}}"#
        )]
    );
    let params = format!(r#""orders":["{first}","{second}"]"#);
    assert_eq!(
        venue.ask(peer, &request("batch_cancel", &params, &token)),
        [
            r#"{"method":"batch_cancel","req_id":8,"orders_cancelled":2,"result":{"count":2},"success":true}"#
        ]
    );
    let params = format!(
        r#""symbol":"BTC/USD","orders":[{{{LIMIT},"limit_price":60000}},{{{LIMIT},"limit_price":60000.01}}]"#
    );
    let answers = venue.ask(peer, &request("batch_add", &params, &token));
    assert!(answers[0].starts_with(r#"{"error":"EOrder:Invalid price"#), "{answers:?}");
}

#[test]
fn an_order_of_a_batch_that_fails_alone_says_so_in_its_place() {
    let (mut venue, peer, token) = trading();
    let params = format!(
        r#""symbol":"BTC/USD","orders":[{{{LIMIT},"limit_price":60000}},{{"order_type":"limit","side":"buy","order_qty":900,"limit_price":60000,"cl_ord_id":"much"}}]"#
    );
    let answers = venue.ask(peer, &request("batch_add", &params, &token));
    assert!(
        answers[0].contains(
            r#",{"cl_ord_id":"much","error":"EOrder:Insufficient funds","success":false}]"#
        ),
        "{answers:?}"
    );
}

#[test]
fn a_checked_order_has_no_id_and_is_not_placed() {
    let (mut venue, peer, token) = trading();
    let params = format!(
        r#"{LIMIT},"symbol":"BTC/USD","limit_price":60000,"validate":true,"cl_ord_id":"v""#
    );
    assert_eq!(
        venue.ask(peer, &request("add_order", &params, &token)),
        [r#"{"method":"add_order","req_id":8,"result":{"cl_ord_id":"v"},"success":true}"#]
    );
    assert_eq!(
        venue.ask(peer, &format!(r#"{{"method":"cancel_all","params":{{"token":"{token}"}}}}"#)),
        [r#"{"method":"cancel_all","result":{"count":0},"success":true}"#]
    );
}

#[test]
fn an_edit_gives_a_new_id_and_the_old_one() {
    let (mut venue, peer, token) = trading();
    let params = format!(r#"{LIMIT},"symbol":"BTC/USD","limit_price":60000"#);
    let [old] = ids(&venue.ask(peer, &request("add_order", &params, &token))).try_into().unwrap();
    let params = format!(r#""order_id":"{old}","symbol":"BTC/USD","order_qty":0.06"#);
    let answers = venue.ask(peer, &request("edit_order", &params, &token));
    let [new] = ids(&answers).try_into().unwrap();
    assert_ne!(new, old);
    assert_eq!(
        answers,
        [format!(
            r#"{{"method":"edit_order","req_id":8,"result":{{"order_id":"{new}","original_order_id":"{old}"}},"success":true}}"#
        )]
    );
}

#[test]
fn an_amend_echoes_the_name_it_was_given() {
    let (mut venue, peer, token) = trading();
    let params = format!(r#"{LIMIT},"symbol":"BTC/USD","limit_price":60000,"cl_ord_id":"x""#);
    venue.ask(peer, &request("add_order", &params, &token));
    let params = r#""cl_ord_id":"x","order_qty":0.04,"symbol":"BTC/USD""#;
    let answers = venue.ask(peer, &request("amend_order", params, &token));
    assert!(answers[0].ends_with(r#"","cl_ord_id":"x"},"success":true}"#), "{answers:?}");
}

#[test]
fn the_dead_mans_switch_tells_both_times_and_fires() {
    let (mut venue, peer, token) = trading();
    let params = format!(r#"{LIMIT},"symbol":"BTC/USD","limit_price":60000"#);
    venue.ask(peer, &request("add_order", &params, &token));
    venue.send(peer, &request("cancel_all_orders_after", r#""timeout":60"#, &token));
    let answer = venue.heard(peer).remove(0);
    let want =
        r#""result":{"currentTime":"2026-02-16T09:36:07Z","triggerTime":"2026-02-16T09:37:07Z"}"#;
    assert!(answer.contains(want), "{answer}");
    venue.send(peer, &request("subscribe", r#""channel":"executions""#, &token));
    venue.heard(peer);
    venue.pass(DurationNs::from_s(61));
    let heard = venue.heard(peer);
    let canceled = heard.iter().find(|text| text.contains(r#""exec_type":"canceled""#));
    assert!(canceled.is_some(), "{heard:?}");
    venue.send(peer, &request("cancel_all_orders_after", r#""timeout":0"#, &token));
    let answer = venue.heard(peer).remove(0);
    assert!(answer.contains(r#""triggerTime":"0""#), "{answer}");
}

#[test]
fn a_key_without_the_right_to_trade_is_denied() {
    let (mut venue, peer, _) = trading();
    let (trader, now) = (venue.trader("maker"), venue.now);
    let settings = synthetic::settings(7);
    let keys = &settings.accounts[0].keys;
    let reading = keys.iter().find(|key| key.name.ends_with("reading")).unwrap();
    let token = venue.server.desk_mut().issue_token(now, trader, &reading.key).unwrap().0;
    let params = format!(r#"{LIMIT},"symbol":"BTC/USD","limit_price":60000"#);
    let denied = |method: &str| {
        format!(
            r#"{{"error":"EGeneral:Permission denied","method":"{method}","req_id":8,"success":false}}"#
        )
    };
    assert_eq!(venue.ask(peer, &request("add_order", &params, &token)), [denied("add_order")]);
    let params = r#""order_id":["OAAAAA-AAAAA-AAAAAA"]"#;
    assert_eq!(venue.ask(peer, &request("cancel_order", params, &token)), [denied("cancel_order")]);
}

/// What ccxt 4.5.90 (`ccxt/pro/kraken.py`) and python-kraken-sdk 3.5.1 send, member for member.
#[test]
fn the_requests_of_ccxt_and_python_kraken_sdk_are_served() {
    let (mut venue, private, token) = trading();
    let public = venue.connect(WsHost::Public);
    for text in [
        r#"{"method": "ping"}"#,
        r#"{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD"]},"req_id":1}"#,
        r#"{"method":"subscribe","params":{"channel":"ticker","symbol":["ETH/USD"],"event_trigger":"bbo"},"req_id":2}"#,
        r#"{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD","ETH/USD"],"depth":100},"req_id":3}"#,
        r#"{"method":"subscribe","params":{"channel":"ohlc","symbol":["BTC/USD"],"interval":1},"req_id":4}"#,
        r#"{"method": "subscribe", "params": {"channel": "book", "depth": 10, "symbol": ["SOL/USD"]}}"#,
        r#"{"method": "unsubscribe", "params": {"channel": "book", "depth": 10, "symbol": ["SOL/USD"]}}"#,
        r#"{"method": "subscribe", "params": {"channel": "book", "depth": 10, "snapshot": true, "symbol": ["SOL/USD"]}}"#,
        r#"{"method": "subscribe", "params": {"channel": "trade", "snapshot": false, "symbol": ["SOL/USD"]}}"#,
    ] {
        let answers = venue.ask(public, text);
        let is_good = |text: &String| !text.contains(r#""error""#);
        assert!(!answers.is_empty() && answers.iter().all(is_good), "{text}: {answers:?}");
    }
    let mut serve = |text: &str| {
        let text = text.replace("TOKEN", &token);
        let answers = venue.ask(private, &text);
        let is_good = |text: &String| !text.contains(r#""error""#);
        assert!(!answers.is_empty() && answers.iter().all(is_good), "{text}: {answers:?}");
        answers
    };
    serve(
        r#"{"method":"subscribe","params":{"channel":"executions","token":"TOKEN","snap_trades":true},"req_id":1}"#,
    );
    serve(r#"{"method":"subscribe","req_id":2,"params":{"channel":"balances","token":"TOKEN"}}"#);
    let added = serve(
        r#"{"method":"add_order","params":{"order_type":"limit","side":"buy","order_qty":0.01,"symbol":"BTC/USD","token":"TOKEN","limit_price":60000,"post_only":true,"cl_ord_id":"c-1","time_in_force":"gtc"},"req_id":3}"#,
    );
    let id = json(&added[0])["result"]["order_id"].as_str().unwrap().to_owned();
    serve(&format!(
        r#"{{"method":"amend_order","params":{{"order_id":"{id}","order_qty":0.02,"token":"TOKEN","limit_price":60001.0}},"req_id":4}}"#
    ));
    serve(&format!(
        r#"{{"method":"cancel_order","params":{{"order_id":["{id}"],"token":"TOKEN"}},"req_id":5}}"#
    ));
    serve(
        r#"{"method":"add_order","params":{"order_type":"market","side":"sell","order_qty":0.01,"symbol":"BTC/USD","token":"TOKEN"},"req_id":6}"#,
    );
    serve(
        r#"{"method":"add_order","params":{"order_type":"stop-loss","side":"sell","order_qty":0.01,"symbol":"BTC/USD","token":"TOKEN","triggers":{"price":50000.0}},"req_id":7}"#,
    );
    serve(
        r#"{"method":"add_order","params":{"order_type":"limit","side":"buy","order_qty":0.01,"symbol":"BTC/USD","token":"TOKEN","limit_price":60000.0,"conditional":{"order_type":"stop-loss","trigger_price":50000.0}},"req_id":8}"#,
    );
    serve(r#"{"method":"cancel_all","params":{"token":"TOKEN"},"req_id":9}"#);
    serve(
        r#"{"method": "add_order", "params": {"limit_price": 1234.56, "order_type": "limit", "order_userref": 123456789, "order_qty": 1.0, "side": "buy", "symbol": "ETH/USD", "token": "TOKEN"}}"#,
    );
    serve(
        r#"{"method": "batch_add", "params": {"orders": [{"limit_price": 1000.23, "order_qty": 1, "order_type": "limit", "order_userref": 123456789, "side": "buy"}, {"limit_price": 5000.21, "order_qty": 2.12345, "order_type": "limit", "cl_ord_id": "my-client-id", "side": "sell", "stp_type": "cancel_both"}], "symbol": "ETH/USD", "validate": true, "token": "TOKEN"}}"#,
    );
    serve(r#"{"method": "batch_cancel", "params": {"orders": ["123456789"], "token": "TOKEN"}}"#);
    serve(r#"{"method": "cancel_all_orders_after", "params": {"timeout": 60, "token": "TOKEN"}}"#);
    // What the SDK sends after a reconnect: the acknowledgement's own members, without the limit and the warnings.
    serve(r#"{"method":"unsubscribe","params":{"channel":"executions","token":"TOKEN"}}"#);
    serve(
        r#"{"method":"subscribe","params":{"channel":"executions","snap_orders":true,"snap_trades":true,"token":"TOKEN"}}"#,
    );
}
