//! Whatever is asked, the answer is one JSON envelope.

use super::*;
use proptest::prelude::*;

const METHODS: [&str; 33] = [
    "Time",
    "SystemStatus",
    "Assets",
    "AssetPairs",
    "Ticker",
    "OHLC",
    "Depth",
    "GroupedBook",
    "Trades",
    "Spread",
    "Balance",
    "BalanceEx",
    "TradeBalance",
    "TradeVolume",
    "GetApiKeyInfo",
    "GetWebSocketsToken",
    "OpenOrders",
    "ClosedOrders",
    "QueryOrders",
    "OrderAmends",
    "OpenPositions",
    "TradesHistory",
    "QueryTrades",
    "Ledgers",
    "QueryLedgers",
    "AddOrder",
    "AddOrderBatch",
    "AmendOrder",
    "EditOrder",
    "CancelOrder",
    "CancelOrderBatch",
    "CancelAll",
    "CancelAllOrdersAfter",
];

const NAMES: [&str; 40] = [
    "pair",
    "asset",
    "txid",
    "id",
    "type",
    "ordertype",
    "volume",
    "price",
    "price2",
    "oflags",
    "timeinforce",
    "expiretm",
    "starttm",
    "userref",
    "cl_ord_id",
    "close[ordertype]",
    "close[price]",
    "orders",
    "orders[0]",
    "orders[0][ordertype]",
    "orders[1][volume]",
    "cl_ord_ids",
    "deadline",
    "validate",
    "since",
    "count",
    "interval",
    "depth",
    "grouping",
    "start",
    "end",
    "ofs",
    "timeout",
    "trades",
    "order_id",
    "order_qty",
    "limit_price",
    "displayvol",
    "leverage",
    "stptype",
];

pub(super) const VALUES: [&str; 34] = [
    "",
    "0",
    "1",
    "-1",
    "0.5",
    "61000",
    "61000.1",
    "99999999999999999999",
    "79228162514264337593543950335",
    "1e5",
    "+5",
    "-2%",
    "#1%",
    "%2B60",
    "buy",
    "sell",
    "limit",
    "market",
    "stop-loss",
    "trailing-stop-limit",
    "iceberg",
    "XBTUSD",
    "BTC/USD",
    "XXBTZUSD,ADAEUR",
    "ZUSD",
    "true",
    "False",
    "post,viqc",
    "GTD",
    "FOK",
    "2026-02-16T09:36:10Z",
    "OAAAAA-AAAAA-AAAAAA",
    "\u{fffd}\u{0}",
    "GTC",
];

/// The kinds of errors that the venue documents.
const KINDS: [&str; 6] = ["EAPI:", "EGeneral:", "EQuery:", "EOrder:", "EService:", "ESession:"];

/// Checks the envelope: JSON with either errors of the venue's kinds, in words, or a result.
pub(super) fn check(body: &str) {
    let envelope: Value = serde_json::from_str(body).unwrap_or_else(|why| panic!("{why}: {body}"));
    let errors = envelope["error"].as_array().unwrap();
    assert_eq!(errors.is_empty(), envelope.get("result").is_some(), "{body}");
    for error in errors.iter().map(|error| error.as_str().unwrap()) {
        let words = KINDS.iter().find_map(|kind| error.strip_prefix(kind));
        assert!(words.is_some_and(|words| words.starts_with(char::is_uppercase)), "{body}");
        assert!(error.len() < 200, "{body}");
    }
}

#[test]
fn unknown_paths_and_methods_are_unknown_methods() {
    let mut venue = Venue::new();
    for (method, path) in [
        ("GET", "/"),
        ("GET", ""),
        ("GET", "/0/public/"),
        ("GET", "/0/public/time"),
        ("GET", "/0/public/AddOrder"),
        ("POST", "/0/private/Time"),
        ("POST", "/0/private/Withdraw"),
        ("GET", "/0/private/Balance"),
        ("DELETE", "/0/public/Time"),
        ("HEAD", "/0/public/Time"),
        ("post", "/0/private/Balance"),
    ] {
        let body = venue.call(&request(method, path, "", ""));
        assert_eq!(error(&body), "EGeneral:Unknown method", "{method} {path}");
    }
    result(&venue.call(&request("POST", "/0/public/Ticker", "pair=XBTUSD", "")));
}

#[test]
fn bodies_that_cannot_be_read_are_invalid_arguments() {
    let mut venue = Venue::new();
    for (body, content_type) in [
        ("{\"nonce\":1", "application/json"),
        ("[1]", "application/json; charset=utf-8"),
        ("nonce=1", "Application/JSON"),
        ("nonce=%zz", "application/x-www-form-urlencoded"),
        ("nonce=1&a=%ff", ""),
    ] {
        let mut call = request("POST", "/0/private/Balance", body, content_type);
        call.api_key = Some(KEY.to_owned());
        assert_eq!(error(&venue.call(&call)), "EGeneral:Invalid arguments", "{body}");
    }
    let many: String = (0..600).map(|n| format!("f{n}=1&")).collect();
    assert_eq!(error(&venue.get(&format!("Time?{many}"))), "EGeneral:Invalid arguments");
}

#[test]
fn an_error_never_repeats_what_breaks_json() {
    let mut venue = Venue::new();
    check(&venue.get("Ticker?pair=%22%5C%0A"));
    check(&venue.post("AddOrder", "pair=%22&type=%22&ordertype=%5C"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_request_gets_an_envelope(
        method in prop_oneof![Just("GET".to_owned()), Just("POST".to_owned()), "\\PC{0,6}"],
        path in prop_oneof![
            prop::sample::select(&METHODS[..]).prop_map(|name| format!("/0/public/{name}")),
            prop::sample::select(&METHODS[..]).prop_map(|name| format!("/0/private/{name}")),
            "\\PC{0,30}",
        ],
        query in "\\PC{0,40}",
        json in any::<bool>(),
        body in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let mut venue = Venue::new();
        let mut call = request(&method, &path, "", if json { "application/json" } else { "" });
        (call.query, call.body, call.api_key) = (query, body, Some(KEY.to_owned()));
        call.api_sign = Some("AAAA".to_owned());
        check(&venue.call(&call));
    }

    #[test]
    fn any_fields_of_any_method_get_an_envelope(
        calls in prop::collection::vec(
            (
                prop::sample::select(&METHODS[..]),
                prop::collection::vec(
                    (prop::sample::select(&NAMES[..]), prop::sample::select(&VALUES[..])),
                    0..9,
                ),
                any::<bool>(),
            ),
            1..12,
        )
    ) {
        let mut venue = Venue::new();
        venue.level(Side::Buy, 609_000, 100_000_000);
        venue.level(Side::Sell, 611_000, 100_000_000);
        venue.place("pair=XBTUSD&type=sell&ordertype=limit&volume=0.5&price=61000");
        for (method, fields, is_json) in calls {
            let form: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}={}", value.replace('+', "%2B"))).collect();
            check(&venue.get(&format!("{method}?{}", form.join("&"))));
            if is_json {
                let members: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| format!("{}:{}", serde_json::json!(name), serde_json::json!(value)))
                    .chain(["\"x\":0".to_owned()])
                    .collect();
                check(&venue.post_json(method, &members.join(",")));
            } else {
                check(&venue.post(method, &form.join("&")));
            }
            venue.wait(1);
        }
    }
}
