//! What goes wrong in a fault run: every kind that the exchange knows, the same script again and again.

use super::exchange::Exchange;
use remora_kraken::server::faults::FaultKind;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Is how dense the faults are.
pub(crate) struct Round {
    /// How long a round lasts, milliseconds: connections end twice in each, and phases change.
    pub(crate) ms: i64,
    /// What the chances below are divided by.
    pub(crate) divisor: u32,
}

/// Gives the exchange's names of everything that it can do wrong; each has to have happened.
pub(crate) fn kinds() -> Vec<String> {
    let name = |kind| serde_json::to_value(kind).unwrap().as_str().unwrap().to_owned();
    FaultKind::ALL.into_iter().map(name).collect()
}

/// Puts one round of the script in force.
pub(crate) fn play(exchange: &Exchange, round: &Round) {
    exchange.post("faults", &Value::Array(faults(round, &exchange.injected())));
}

/// Ends everything; what is held back still comes.
pub(crate) fn end(exchange: &Exchange) {
    exchange.post("faults/clear", &json!({}));
}

fn faults(round: &Round, injected: &BTreeMap<String, u64>) -> Vec<Value> {
    let ours = json!({ "account": "maker" });
    let chance = |kind: &str, ppm: u32| json!({"kind": kind, "scope": ours, "probability_ppm": ppm / round.divisor, "duration_ms": round.ms});
    let with = |mut fault: Value, more: Value| {
        let fields = fault.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        fault
    };
    let place = json!({"scope": {"account": "maker", "method": "add_order"}});
    let phase = |mode: &str, after_ms: i64, duration_ms: i64| json!({"kind": "phase", "mode": mode, "after_ms": after_ms, "duration_ms": duration_ms});
    let of_pair = |pair: &str| json!({"scope": {"pair": pair}});
    // Chance may spare a kind; each happens once for certain, one after the other. Not in each round: to a router that
    // starts and asks one thing in seconds they would happen all in a row.
    let kinds = kinds();
    let missing = kinds.iter().filter(|kind| !injected.contains_key(*kind));
    let certain = missing.zip(1_i64..).filter_map(|(kind, number)| {
        let after_ms = number * 1_500;
        let delay = json!({"delay_ms": 500});
        let fault =
            |scope: &Value| json!({"kind": kind, "scope": scope, "count": 1, "after_ms": after_ms});
        match kind.as_str() {
            "disconnected" | "stalled" | "phase" | "clock_offset" => None,
            "corrupt_checksum" => Some(fault(&json!({}))),
            "reply_delayed" | "delayed" => Some(with(fault(&ours), delay)),
            _ => Some(fault(&ours)),
        }
    });
    let mut faults: Vec<Value> = certain.collect();
    faults.extend([
        // Requests and their answers.
        chance("reply_lost", 3_000),
        with(chance("reply_lost", 10_000), place.clone()),
        chance("request_lost", 2_000),
        chance("error_page", 20_000),
        with(chance("error_page", 10_000), json!({"status": 503})),
        with(chance("unavailable", 5_000), json!({"is_executed": true})),
        with(chance("unavailable", 5_000), json!({"error": "EService:Busy"})),
        chance("invalid_nonce", 10_000),
        chance("throttled", 3_000),
        with(chance("reply_delayed", 10_000), json!({"delay_ms": 700})),
        // The executions channel.
        with(chance("delayed", 20_000), json!({"delay_ms": 400})),
        chance("duplicated", 30_000),
        chance("reordered", 20_000),
        chance("lost", 5_000),
        // Books; the feed has no account.
        json!({"kind": "corrupt_checksum", "probability_ppm": 500 / round.divisor, "duration_ms": round.ms}),
        // Connections.
        json!({"kind": "disconnected", "scope": ours, "after_ms": 9_000, "duration_ms": 100}),
        json!({"kind": "disconnected", "after_ms": 21_000, "duration_ms": 100, "code": 1012}),
        json!({"kind": "stalled", "scope": ours, "after_ms": 5_000, "duration_ms": 100, "delay_ms": 1_500}),
        // Phases and the clock.
        phase("maintenance", 13_000, 2_000),
        phase("post_only", 16_000, 4_000),
        with(phase("cancel_only", 24_000, 3_000), of_pair("SIM0001/USD")),
        with(phase("maintenance", 2_000, 5_000), of_pair("SIM0002/USD")),
        json!({"kind": "clock_offset", "offset_ms": 1_200, "after_ms": 18_000, "duration_ms": 5_000}),
    ]);
    faults
}
