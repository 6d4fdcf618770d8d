//! Bad requests get the venue's words; any text gets an answer (properties).

use super::*;
use proptest::prelude::*;

fn refused(venue: &mut Venue, peer: PeerId, text: &str) -> String {
    let answers = venue.ask(peer, text);
    let [answer] = answers.as_slice() else { panic!("{text}: {answers:?}") };
    let answer = json(answer);
    assert_eq!(answer["success"], false, "{text}");
    answer["error"].as_str().unwrap().to_owned()
}

#[test]
fn subscriptions_are_refused_in_the_venues_words() {
    let mut venue = Venue::new();
    let peer = venue.connect(WsHost::Public);
    for (params, want) in [
        (
            r#"{"channel":"book","symbol":["BTC/USD"],"depth":27}"#,
            "Subscription depth not supported",
        ),
        (
            r#"{"channel":"book","symbol":["BTC/USD"],"depth":"10"}"#,
            "Subscription book depth must be an integer",
        ),
        (
            r#"{"channel":"ohlc","symbol":["BTC/USD"],"interval":2}"#,
            "Subscription ohlc interval not supported",
        ),
        (r#"{"channel":"book","symbol":["XBT/USD"]}"#, "Currency pair not supported XBT/USD"),
        (r#"{"channel":"book","symbol":["BTCUSD"]}"#, "Currency pair not supported BTCUSD"),
        (r#"{"channel":"book","symbol":"BTC/USD"}"#, "Symbol field must be an array"),
        (r#"{"channel":"book"}"#, "Symbol(s) not found"),
        (r#"{"channel":"book","symbol":[]}"#, "Symbol(s) not found"),
        (r#"{"channel":"spread","symbol":["BTC/USD"]}"#, "Subscription name invalid"),
        (r#"{"symbol":["BTC/USD"]}"#, "Channel(s) not found"),
        (
            r#"{"channel":"trade","symbol":["BTC/USD"],"depth":10}"#,
            "Unsupported field: 'depth' for the given msg type: subscribe",
        ),
        (
            r#"{"channel":"ticker","symbol":["BTC/USD"],"event_trigger":"x"}"#,
            "EGeneral:Invalid arguments:event_trigger",
        ),
        (
            r#"{"channel":"ticker","symbol":["BTC/USD"],"snapshot":1}"#,
            "Snapshot field must be a boolean",
        ),
    ] {
        let text = format!(r#"{{"method":"subscribe","params":{params},"req_id":5}}"#);
        assert_eq!(refused(&mut venue, peer, &text), want, "{params}");
    }
    assert_eq!(refused(&mut venue, peer, r#"{"method":"subscribe"}"#), "Params(s) not found");
    assert_eq!(refused(&mut venue, peer, r#"{"method":"dance"}"#), "Unsupported event");
    assert_eq!(refused(&mut venue, peer, "{}}"), "Malformed request");
}

#[test]
fn the_refused_symbol_is_named_and_the_others_are_served() {
    let mut venue = Venue::new();
    let peer = venue.connect(WsHost::Public);
    let answers = venue.ask(
        peer,
        r#"{"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD","XBT/USD","ETH/USD"],"snapshot":false},"req_id":3}"#,
    );
    assert_eq!(
        answers,
        [
            r#"{"method":"subscribe","req_id":3,"result":{"channel":"trade","snapshot":false,"symbol":"BTC/USD"},"success":true}"#,
            r#"{"error":"Currency pair not supported XBT/USD","method":"subscribe","req_id":3,"success":false,"symbol":"XBT/USD"}"#,
            r#"{"method":"subscribe","req_id":3,"result":{"channel":"trade","snapshot":false,"symbol":"ETH/USD"},"success":true}"#,
        ]
    );
}

#[test]
fn a_second_subscription_to_the_same_thing_is_refused() {
    let mut venue = Venue::new();
    let peer = venue.connect(WsHost::Public);
    let subscribe = |params: &str| format!(r#"{{"method":"subscribe","params":{{{params}}}}}"#);
    let book = r#""channel":"book","symbol":["BTC/USD"],"depth":10"#;
    assert_eq!(venue.ask(peer, &subscribe(book)).len(), 2);
    assert_eq!(refused(&mut venue, peer, &subscribe(book)), "Already subscribed");
    let deeper = r#""channel":"book","symbol":["BTC/USD"],"depth":25"#;
    assert_eq!(refused(&mut venue, peer, &subscribe(deeper)), "Already subscribed");
    let candles = r#""channel":"ohlc","symbol":["BTC/USD"],"interval":5"#;
    assert_eq!(venue.ask(peer, &subscribe(candles)).len(), 2);
    let others = r#""channel":"ohlc","symbol":["BTC/USD"],"interval":1"#;
    let want = "Already subscribed to one ohlc interval on this symbol";
    assert_eq!(refused(&mut venue, peer, &subscribe(others)), want);
}

#[test]
fn unsubscribing_must_repeat_what_was_asked() {
    let mut venue = Venue::new();
    let peer = venue.connect(WsHost::Public);
    let book = r#"{"channel":"book","symbol":["BTC/USD"],"depth":25}"#;
    venue.ask(peer, &format!(r#"{{"method":"subscribe","params":{book}}}"#));
    let other = r#"{"method":"unsubscribe","params":{"channel":"book","symbol":["BTC/USD"]}}"#;
    assert_eq!(refused(&mut venue, peer, other), "Subscription Not Found");
    assert_eq!(
        venue.ask(peer, &format!(r#"{{"method":"unsubscribe","params":{book},"req_id":9}}"#)),
        [
            r#"{"method":"unsubscribe","req_id":9,"result":{"channel":"book","depth":25,"symbol":"BTC/USD"},"success":true}"#
        ]
    );
    venue.crowd("BTC/USD", Side::Buy, 500_000, 100_000_000);
    assert!(venue.heard(peer).is_empty(), "an ended subscription is silent");
    assert_eq!(
        refused(&mut venue, peer, &format!(r#"{{"method":"unsubscribe","params":{book}}}"#)),
        "Subscription Not Found"
    );
}

#[test]
fn trading_is_refused_in_the_venues_words() {
    let mut venue = Venue::new();
    let peer = venue.connect(WsHost::Private);
    let token = venue.token("maker");
    let limit =
        r#""order_type":"limit","side":"buy","symbol":"BTC/USD","order_qty":1,"limit_price":50000"#;
    for (method, params, want) in [
        ("add_order", limit.to_owned(), "Token(s) not found"),
        ("add_order", format!(r#"{limit},"token":"nobody's""#), "ESession:Invalid session"),
        (
            "add_order",
            format!(r#"{limit},"price":5,"token":"{token}""#),
            "Unsupported field: 'price' for the given msg type: add order",
        ),
        (
            "add_order",
            format!(r#"{limit},"triggers":{{"cost":1}},"token":"{token}""#),
            "Unsupported field: 'cost' for the given msg type: add order",
        ),
        (
            "add_order",
            format!(r#"{},"token":"{token}""#, limit.replace("50000", "\"50000\"")),
            "Limit_price field must be a number_float",
        ),
        (
            "add_order",
            format!(r#"{},"token":"{token}""#, limit.replace(":1,", ":2.9e-05,")),
            "EGeneral:Invalid arguments:order_qty",
        ),
        (
            "add_order",
            format!(r#"{},"token":"{token}""#, limit.replace("\"limit\"", "\"limits\"")),
            "EGeneral:Invalid arguments:order_type",
        ),
        (
            "add_order",
            format!(r#""order_type":"limit","symbol":"BTC/USD","order_qty":1,"token":"{token}""#),
            "Side(s) not found",
        ),
        ("amend_order", format!(r#""order_qty":1,"token":"{token}""#), "Order_id(s) not found"),
        ("cancel_order", format!(r#""token":"{token}""#), "EGeneral:Invalid arguments:order_id"),
        (
            "cancel_order",
            format!(r#""order_id":"O1","token":"{token}""#),
            "Order_id field must be an array",
        ),
        (
            "cancel_all_orders_after",
            format!(r#""timeout":-1,"token":"{token}""#),
            "EGeneral:Invalid arguments:timeout",
        ),
        (
            "batch_add",
            format!(r#""symbol":"BTC/USD","orders":[7],"token":"{token}""#),
            "Orders field must be an array",
        ),
        ("edit_order", format!(r#""symbol":"BTC/USD","token":"{token}""#), "Order_id(s) not found"),
    ] {
        let text = format!(r#"{{"method":"{method}","params":{{{params}}},"req_id":1}}"#);
        assert_eq!(refused(&mut venue, peer, &text), want, "{method} {params}");
    }
}

/// Words that steer random requests into every branch.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("method".to_owned()),
        Just("params".to_owned()),
        Just("channel".to_owned()),
        Just("symbol".to_owned()),
        Just("token".to_owned()),
        Just("depth".to_owned()),
        Just("order_id".to_owned()),
        Just("orders".to_owned()),
        Just("order_qty".to_owned()),
        Just("limit_price".to_owned()),
        Just("side".to_owned()),
        Just("order_type".to_owned()),
        Just("triggers".to_owned()),
        Just("conditional".to_owned()),
        Just("timeout".to_owned()),
        "[a-z_]{0,8}",
    ]
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("\"BTC/USD\"".to_owned()),
        Just("\"TOKEN\"".to_owned()),
        Just("\"buy\"".to_owned()),
        Just("\"limit\"".to_owned()),
        Just("\"book\"".to_owned()),
        Just("\"executions\"".to_owned()),
        Just("\"gtd\"".to_owned()),
        Just("\"2026-02-16T09:36:10Z\"".to_owned()),
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| format!("0.{n}")),
        "\"[ -~&&[^\"\\\\]]{0,12}\"",
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        "-?[0-9]{1,40}(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?",
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((word(), inner), 0..6).prop_map(|members| object(&members)),
        ]
    })
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<_> =
        members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

const METHODS: [&str; 12] = [
    "ping",
    "subscribe",
    "unsubscribe",
    "add_order",
    "amend_order",
    "edit_order",
    "cancel_order",
    "cancel_all",
    "cancel_all_orders_after",
    "batch_add",
    "batch_cancel",
    "x",
];

/// Sends a text to every host; each answer is JSON, and whatever is no good is answered exactly once.
fn survives(text: &str) {
    let mut venue = Venue::new();
    let token = venue.token("maker");
    let text = text.replace("TOKEN", &token);
    for host in [WsHost::Public, WsHost::Private, WsHost::Level3] {
        let peer = venue.connect(host);
        venue.send(peer, &text);
        let heard = venue.heard(peer);
        assert!(heard.len() < 400, "{}", heard.len());
        for frame in &heard {
            let frame = json(frame);
            assert!(
                frame.get("success").is_some()
                    || frame["method"] == "pong"
                    || frame.get("channel").is_some()
            );
        }
        // The exchange goes on as before.
        assert_eq!(
            venue.ask(peer, r#"{"method":"ping","req_id":1}"#),
            [r#"{"method":"pong","req_id":1}"#]
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn any_request_is_answered(
        method in prop::sample::select(METHODS.to_vec()),
        params in prop::collection::vec((word(), value()), 0..9),
    ) {
        survives(&format!(r#"{{"method":"{method}","params":{}}}"#, object(&params)));
    }

    #[test]
    fn any_order_is_answered(
        qty in "-?[0-9]{1,20}(\\.[0-9]{0,20})?",
        price in "-?[0-9]{1,20}(\\.[0-9]{0,20})?",
        side in prop::sample::select(vec!["buy", "sell"]),
        kind in prop::sample::select(crate::server::desk::OrderKind::ALL.map(|kind| kind.name()).to_vec()),
        rest in prop::collection::vec((word(), value()), 0..4),
    ) {
        let mut params = vec![
            ("token".to_owned(), "\"TOKEN\"".to_owned()), ("symbol".to_owned(), "\"BTC/USD\"".to_owned()),
            ("order_qty".to_owned(), qty), ("limit_price".to_owned(), price.clone()),
            ("side".to_owned(), format!("\"{side}\"")), ("order_type".to_owned(), format!("\"{kind}\"")),
            ("triggers".to_owned(), format!("{{\"price\":{price}}}")),
        ];
        params.extend(rest);
        survives(&format!(r#"{{"method":"add_order","params":{}}}"#, object(&params)));
    }
}
