//! One good request of every method and channel; however it is spoilt, it is answered in the venue's form.

use super::*;
use crate::server::ws::names;
use proptest::prelude::*;
use serde_json::Map;
use std::collections::BTreeSet;

/// Good requests. `TOKEN` is a session, `OPEN` an open order.
const GOOD: [(&str, &str); 18] = [
    ("ping", "{}"),
    ("subscribe", r#"{"channel":"instrument","snapshot":true}"#),
    ("subscribe", r#"{"channel":"ticker","symbol":["BTC/USD"],"event_trigger":"bbo"}"#),
    ("subscribe", r#"{"channel":"book","symbol":["BTC/USD","ETH/USD"],"depth":25}"#),
    ("subscribe", r#"{"channel":"trade","symbol":["BTC/USD"],"snapshot":true}"#),
    ("subscribe", r#"{"channel":"ohlc","symbol":["BTC/USD"],"interval":5}"#),
    ("subscribe", r#"{"channel":"level3","symbol":["BTC/USD"],"depth":10,"token":"TOKEN"}"#),
    (
        "subscribe",
        r#"{"channel":"executions","snap_orders":true,"snap_trades":true,"token":"TOKEN"}"#,
    ),
    ("subscribe", r#"{"channel":"balances","snapshot":true,"token":"TOKEN"}"#),
    ("unsubscribe", r#"{"channel":"trade","symbol":["ETH/USD"]}"#),
    (
        "add_order",
        r#"{"order_type":"limit","side":"buy","symbol":"BTC/USD","order_qty":0.01,"limit_price":50000.5,"time_in_force":"gtd","expire_time":"2026-02-16T10:36:10Z","post_only":true,"cl_ord_id":"mm-1","token":"TOKEN"}"#,
    ),
    (
        "batch_add",
        r#"{"symbol":"BTC/USD","orders":[{"order_type":"limit","side":"buy","order_qty":0.01,"limit_price":50000,"order_userref":3},{"order_type":"limit","side":"buy","order_qty":0.02,"limit_price":49000}],"token":"TOKEN"}"#,
    ),
    (
        "amend_order",
        r#"{"order_id":"OPEN","order_qty":0.02,"limit_price":40000.5,"token":"TOKEN"}"#,
    ),
    ("edit_order", r#"{"order_id":"OPEN","symbol":"BTC/USD","order_qty":0.02,"token":"TOKEN"}"#),
    ("cancel_order", r#"{"order_id":["OPEN"],"token":"TOKEN"}"#),
    ("batch_cancel", r#"{"orders":["OPEN","7"],"token":"TOKEN"}"#),
    ("cancel_all", r#"{"token":"TOKEN"}"#),
    ("cancel_all_orders_after", r#"{"timeout":60,"token":"TOKEN"}"#),
];

/// Values of every JSON type, some of which are good in some places.
const VALUES: [&str; 16] = [
    "null",
    "true",
    "\"\"",
    "\"BTC/USD\"",
    "\"buy\"",
    "\"TOKEN\"",
    "\"OPEN\"",
    "[]",
    "{}",
    "[\"BTC/USD\"]",
    "[null]",
    "0",
    "-1",
    "1e400",
    "0.000000000000000000000001",
    "99999999999999999999",
];

fn request(method: &str, params: &str) -> String {
    if method == "ping" {
        return r#"{"method":"ping","req_id":7}"#.to_owned();
    }
    format!(r#"{{"method":"{method}","params":{params},"req_id":7}}"#)
}

/// Is a venue with an open order, and a connection that trades on it.
struct Busy {
    venue: Venue,
    token: String,
    open: String,
}

impl Busy {
    fn new() -> Self {
        let mut venue = Venue::new();
        let (peer, token) = (venue.connect(WsHost::Private), venue.token("maker"));
        let params = format!(
            r#"{{"order_type":"limit","side":"buy","symbol":"BTC/USD","order_qty":0.01,"limit_price":40000,"token":"{token}"}}"#
        );
        let placed = venue.ask(peer, &request("add_order", &params));
        let open = json(&placed[0])["result"]["order_id"].as_str().unwrap().to_owned();
        Self { venue, token, open }
    }

    /// Sends a request on a connection of its own and gives the answers to it, without data.
    fn ask(&mut self, host: WsHost, text: &str) -> Vec<Value> {
        let peer = self.venue.connect(host);
        if text.contains("unsubscribe") {
            self.venue
                .ask(peer, &request("subscribe", r#"{"channel":"trade","symbol":["ETH/USD"]}"#));
        }
        let text = text.replace("TOKEN", &self.token).replace("OPEN", &self.open);
        self.venue.heard(peer);
        self.venue.send(peer, &text);
        let heard = self.venue.heard(peer);
        let is_answer = |frame: &Value| frame.get("success").or(frame.get("method")).is_some();
        heard.iter().map(|text| json(text)).filter(is_answer).collect()
    }
}

fn hosts(text: &str) -> WsHost {
    if text.contains("level3") { WsHost::Level3 } else { WsHost::Private }
}

/// The members that an answer may have.
const MEMBERS: [&str; 12] = [
    "method",
    "req_id",
    "result",
    "success",
    "error",
    "symbol",
    "time_in",
    "time_out",
    "warnings",
    "channel",
    "status",
    "orders_cancelled",
];

/// Checks answers: at least one, each a pong, a result, or an error in words.
fn check(sent: &str, answers: &[Value]) {
    assert!(!answers.is_empty(), "no answer to {sent}");
    for answer in answers {
        let members = answer.as_object().unwrap();
        assert!(members.keys().all(|name| MEMBERS.contains(&name.as_str())), "{sent}: {answer}");
        match answer["success"].as_bool() {
            Some(true) => assert!(answer.get("error").is_none(), "{sent}: {answer}"),
            Some(false) => {
                let words = answer["error"].as_str().unwrap();
                assert!(
                    words.starts_with(char::is_uppercase) && words.len() < 300,
                    "{sent}: {answer}"
                );
                assert!(answer.get("result").is_none(), "{sent}: {answer}");
            }
            None => assert_eq!(answer["method"], "pong", "{sent}: {answer}"),
        }
    }
}

#[test]
fn there_is_a_good_request_of_every_method_and_channel() {
    let (channels, methods) = names();
    let good: BTreeSet<&str> = GOOD.iter().map(|(method, _)| *method).collect();
    assert_eq!(good, methods.into_iter().collect());
    for channel in channels {
        assert!(
            GOOD.iter().any(|(_, params)| params.contains(&format!("\"{channel}\""))),
            "{channel}"
        );
    }
    for (method, params) in GOOD {
        let text = request(method, params);
        let answers = Busy::new().ask(hosts(&text), &text);
        check(&text, &answers);
        assert!(answers.iter().all(|answer| answer["success"] != false), "{text}: {answers:?}");
    }
}

/// Replaces, drops, doubles or renames one member, at any depth.
fn spoil(value: &mut Value, at: &mut usize, how: &How) -> bool {
    match value {
        Value::Object(members) => {
            let names: Vec<String> = members.keys().cloned().collect();
            for name in names {
                if *at == 0 {
                    spoil_member(members, &name, how);
                    return true;
                }
                *at -= 1;
                if spoil(&mut members[&name], at, how) {
                    return true;
                }
            }
            false
        }
        Value::Array(items) => items.iter_mut().any(|item| spoil(item, at, how)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn spoil_member(members: &mut Map<String, Value>, name: &str, how: &How) {
    match how {
        How::Drop => drop(members.remove(name)),
        How::Rename(to) => {
            let value = members.remove(name).unwrap();
            members.insert(to.clone(), value);
        }
        // A number too large for serde_json's own values is put in as text afterwards.
        How::Value(text) => {
            drop(members.insert(name.to_owned(), Value::String(format!("<{text}>"))))
        }
    }
}

/// Says how a member is spoilt.
#[derive(Clone, Debug)]
enum How {
    Drop,
    Rename(String),
    Value(String),
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        1 => Just(How::Drop),
        1 => "[a-z_]{0,12}".prop_map(How::Rename),
        4 => prop::sample::select(&VALUES[..]).prop_map(|value| How::Value(value.to_owned())),
    ]
}

/// Writes a request with the values that were put in as they are.
fn written(value: &Value) -> String {
    let mut text = value.to_string();
    for value in VALUES {
        let put_in = Value::String(format!("<{value}>")).to_string();
        text = text.replace(&put_in, value);
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_spoilt_request_of_any_method_is_answered_in_the_venues_form(
        spoils in prop::collection::vec((0usize..16, how()), 1..4), any_host: bool
    ) {
        for (method, params) in GOOD {
            let mut value = json(&request(method, params));
            for (at, how) in &spoils {
                spoil(&mut value, &mut at.clone(), how);
            }
            let text = written(&value);
            let host = if any_host { WsHost::Public } else { hosts(&text) };
            check(&text, &Busy::new().ask(host, &text));
        }
    }

    #[test]
    fn a_damaged_text_of_any_method_is_answered_in_the_venues_form(
        damage in prop::collection::vec((any::<prop::sample::Index>(), "\\PC", 0..3), 1..4)
    ) {
        for (method, params) in GOOD {
            let mut text: Vec<char> = request(method, params).chars().collect();
            for (at, with, kind) in &damage {
                let (at, with) = (at.index(text.len()), with.chars().next().unwrap());
                match kind {
                    0 => text[at] = with,
                    1 => drop(text.remove(at)),
                    _ => text.insert(at, with),
                }
            }
            let text: String = text.into_iter().collect();
            check(&text, &Busy::new().ask(hosts(&text), &text));
        }
    }
}
