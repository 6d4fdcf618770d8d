//! Requests and answers as they are on the wire, over a real desk.

mod account;
mod clients;
mod hostile;
mod market;
mod mutated;
mod shapes;
mod trading;

use super::*;
use crate::server::io::Flow;
use crate::server::settings::DeskSettings;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use remora_domain::{DurationNs, Lots, Side, Ticks};
use serde_json::Value;
use sha2::{Digest, Sha256, Sha512};
use std::sync::Arc;

const KEY: &str = "trader-key";
const READ_KEY: &str = "reader-key";
const SECRET: &str = "c3ludGhldGljIHNlY3JldCBvZiBhIHRlc3Q=";
/// 2026-02-16T09:36:07.500000321Z: more digits than are written.
const START: Timestamp = Timestamp::from_ns(1_771_234_567_500_000_321);

const SETTINGS: &str = r#"{
 "seed": 7,
 "assets": [
  {"id":"ZUSD","altname":"USD","v2":"USD","decimals":4,"display_decimals":2,"status":"enabled","usd_rate":"1"},
  {"id":"ZEUR","altname":"EUR","v2":"EUR","decimals":4,"display_decimals":2,"status":"enabled","usd_rate":"1.1"},
  {"id":"XXBT","altname":"XBT","v2":"BTC","decimals":10,"display_decimals":5,"status":"enabled","usd_rate":"60000"},
  {"id":"XXDG","altname":"XDG","v2":"DOGE","decimals":8,"display_decimals":2,"status":"deposit_only","usd_rate":null},
  {"id":"ADA","altname":"ADA","v2":"ADA","decimals":8,"display_decimals":6,"status":"enabled","usd_rate":"0.5"}
 ],
 "pairs": [
  {"id":"XXBTZUSD","altname":"XBTUSD","wsname":"XBT/USD","symbol":"BTC/USD","base":"XXBT","quote":"ZUSD",
   "price_decimals":1,"qty_decimals":8,"cost_decimals":5,"tick_size":"0.1","qty_increment":"0.00000001",
   "qty_min":"0.00005","cost_min":"0.5","status":"online","has_index":false,"fee_schedule":"crypto"},
  {"id":"ADAEUR","altname":"ADAEUR","wsname":"ADA/EUR","symbol":"ADA/EUR","base":"ADA","quote":"ZEUR",
   "price_decimals":6,"qty_decimals":8,"cost_decimals":8,"tick_size":"0.000001","qty_increment":"0.00000001",
   "qty_min":"4","cost_min":"0.45","status":"online","has_index":false,"fee_schedule":"crypto"},
  {"id":"XDGUSD","altname":"XDGUSD","wsname":"XDG/USD","symbol":"DOGE/USD","base":"XXDG","quote":"ZUSD",
   "price_decimals":7,"qty_decimals":8,"cost_decimals":5,"tick_size":"0.0000001","qty_increment":"0.00000001",
   "qty_min":"13","cost_min":"0.5","status":"post_only","has_index":false,"fee_schedule":"crypto"}
 ],
 "fee_schedules": [
  {"name":"crypto","counts_as_volume":true,"tiers":[
   {"volume_usd":"0","maker_percent":"0.25","taker_percent":"0.40"},
   {"volume_usd":"10000","maker_percent":"0.20","taker_percent":"0.35"}]}
 ],
 "accounts": [
  {"name":"maker","tier":"pro","volume_usd":"0",
   "balances":{"ZUSD":"100000","XXBT":"2","ZEUR":"1000"},
   "keys":[
    {"name":"trading","key":"trader-key","secret":"c3ludGhldGljIHNlY3JldCBvZiBhIHRlc3Q=","nonce_window":0,
     "permissions":["query-funds","query-open-trades","query-closed-trades","modify-trades","close-trades",
                    "query-ledger","create-ws-token"]},
    {"name":"reading","key":"reader-key","secret":"c3ludGhldGljIHNlY3JldCBvZiBhIHRlc3Q=","nonce_window":0,
     "permissions":["query-funds","query-closed-trades","modify-trades"]}]}
 ],
 "post_only": "immediate_error",
 "history": {"orders_max":1000,"executions_max":1000,"ledger_max":1000,"amends_per_order_max":100}
}"#;

/// Is the simulated venue without its shell: desk, tape and a clock that a test moves.
struct Venue {
    desk: Desk,
    tape: Tape,
    now: Timestamp,
    nonce: u64,
    key: &'static str,
}

impl Venue {
    fn new() -> Self {
        Self::with(SETTINGS)
    }

    fn with(settings: &str) -> Self {
        let settings: DeskSettings = serde_json::from_str(settings).unwrap();
        let desk = Desk::new(&settings, START).unwrap();
        Self { desk, tape: Tape::default(), now: START, nonce: 1_000, key: KEY }
    }

    /// Puts a level of the crowd into the book of BTC/USD: price in tenths, quantity in 1e-8.
    fn level(&mut self, side: Side, price: i64, qty: i64) {
        let symbol: Arc<str> = Arc::from("BTC/USD");
        let flow = Flow::Level { symbol, side, price: Ticks::new(price), qty: Lots::new(qty) };
        self.desk.flow(self.now, &flow).unwrap();
        self.record();
    }

    /// Lets the crowd take from BTC/USD.
    fn take(&mut self, side: Side, limit: i64, qty: i64) {
        let symbol: Arc<str> = Arc::from("BTC/USD");
        let (limit, qty) = (Ticks::new(limit), Lots::new(qty));
        let flow = Flow::Take { symbol, side, limit, qty, is_market_order: true };
        self.desk.flow(self.now, &flow).unwrap();
        self.record();
    }

    fn wait(&mut self, seconds: i64) {
        self.now = self.now.saturating_add(DurationNs::from_s(seconds));
        self.desk.tick(self.now);
        self.record();
    }

    fn record(&mut self) {
        let (mut account, mut public) = (Vec::new(), Vec::new());
        self.desk.drain(&mut account, &mut public);
        for (time, fact) in &public {
            self.tape.record(*time, fact, self.desk.exchange());
        }
    }

    fn call(&mut self, call: &HttpCall) -> String {
        let answer = answer(&mut self.desk, &self.tape, self.now, call);
        assert_eq!((answer.status, answer.content_type), (200, CONTENT_TYPE));
        self.record();
        answer.body
    }

    fn get(&mut self, path: &str) -> String {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let path = format!("/0/public/{path}");
        self.call(&HttpCall { query: query.to_owned(), ..request("GET", &path, "", "") })
    }

    /// Calls a private method with a form; the nonce is added.
    fn post(&mut self, method: &str, form: &str) -> String {
        self.nonce += 1;
        let nonce = self.nonce;
        let body = if form.is_empty() {
            format!("nonce={nonce}")
        } else {
            format!("nonce={nonce}&{form}")
        };
        self.signed(method, &body, "application/x-www-form-urlencoded", &nonce.to_string())
    }

    /// Calls a private method with the members of a JSON object; the nonce is added.
    fn post_json(&mut self, method: &str, members: &str) -> String {
        self.nonce += 1;
        let nonce = self.nonce;
        let body = format!("{{\"nonce\":\"{nonce}\",{members}}}");
        self.signed(method, &body, "application/json", &nonce.to_string())
    }

    fn signed(&mut self, method: &str, body: &str, content_type: &str, nonce: &str) -> String {
        let path = format!("/0/private/{method}");
        let mut call = request("POST", &path, body, content_type);
        call.api_key = Some(self.key.to_owned());
        call.api_sign = Some(signature(&path, nonce, body.as_bytes()));
        self.call(&call)
    }

    /// Gives the result of a call that must succeed.
    fn ok(&mut self, method: &str, form: &str) -> Value {
        result(&self.post(method, form))
    }

    /// Places an order and gives its id.
    fn place(&mut self, form: &str) -> String {
        self.ok("AddOrder", form)["txid"][0].as_str().unwrap().to_owned()
    }
}

fn request(method: &str, path: &str, body: &str, content_type: &str) -> HttpCall {
    HttpCall {
        method: method.to_owned(),
        path: path.to_owned(),
        query: String::new(),
        content_type: Some(content_type.to_owned()).filter(|text| !text.is_empty()),
        api_key: None,
        api_sign: None,
        body: body.as_bytes().to_vec(),
        address: "127.0.0.1".to_owned(),
    }
}

fn signature(path: &str, nonce: &str, body: &[u8]) -> String {
    let digest = Sha256::new().chain_update(nonce).chain_update(body).finalize();
    let mut mac = Hmac::<Sha512>::new_from_slice(&STANDARD.decode(SECRET).unwrap()).unwrap();
    mac.update(path.as_bytes());
    mac.update(&digest);
    STANDARD.encode(mac.finalize().into_bytes())
}

fn result(body: &str) -> Value {
    let envelope: Value = serde_json::from_str(body).unwrap();
    assert_eq!(envelope["error"], serde_json::json!([]), "{body}");
    envelope["result"].clone()
}

fn error(body: &str) -> String {
    let envelope: Value = serde_json::from_str(body).unwrap();
    assert!(envelope.get("result").is_none(), "{body}");
    envelope["error"][0].as_str().unwrap().to_owned()
}

#[test]
fn signatures_of_tests_are_the_venues() {
    // The published vector: Spot REST authentication guide.
    let secret =
        "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg==";
    let body = "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25";
    let digest = Sha256::new().chain_update("1616492376594").chain_update(body).finalize();
    let mut mac = Hmac::<Sha512>::new_from_slice(&STANDARD.decode(secret).unwrap()).unwrap();
    mac.update(b"/0/private/AddOrder");
    mac.update(&digest);
    let want =
        "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ==";
    assert_eq!(STANDARD.encode(mac.finalize().into_bytes()), want);
}
