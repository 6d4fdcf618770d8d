//! Our answers have the shape of captured ones: every field of theirs, with the same JSON type.

use super::*;
use std::path::PathBuf;

/// Reads a fixture of the shared folder; none where the folder is absent.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test finds its fixtures through the environment"
)]
fn fixture(name: &str) -> Option<Value> {
    let shared = std::env::var("REMORA_SHARED").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared"),
        PathBuf::from,
    );
    let path = shared.join("fixtures/kraken").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no {}", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// Gives the first member of an object.
fn first(value: &Value) -> &Value {
    value.as_object().unwrap().values().next().unwrap()
}

/// Checks that `ours` has all that `theirs` has; lists are compared by their first items.
fn same_shape(at: &str, ours: &Value, theirs: &Value) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, theirs) in theirs {
                let ours = ours.get(key).unwrap_or_else(|| panic!("{at} lacks {key}"));
                same_shape(&format!("{at}.{key}"), ours, theirs);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            if let (Some(ours), Some(theirs)) = (ours.first(), theirs.first()) {
                same_shape(&format!("{at}[0]"), ours, theirs);
            }
        }
        (ours, theirs) => {
            let is_same = std::mem::discriminant(ours) == std::mem::discriminant(theirs);
            let both_texts = |a: &Value, b: &Value| match (a.as_str(), b.as_str()) {
                (Some(a), Some(b)) => a.parse::<f64>().is_ok() == b.parse::<f64>().is_ok(),
                (_, _) => true,
            };
            assert!(is_same && both_texts(ours, theirs), "{at}: {ours} is not like {theirs}");
        }
    }
}

fn busy() -> Venue {
    let mut venue = Venue::new();
    venue.level(Side::Buy, 609_800, 100_000_000);
    venue.level(Side::Sell, 610_100, 100_000_000);
    venue.place("pair=XBTUSD&type=sell&ordertype=limit&volume=0.5&price=61000");
    venue.take(Side::Buy, 610_000, 20_000_000);
    venue
}

#[test]
fn public_answers_are_shaped_like_captured_ones() {
    for (path, file) in [
        ("Time", "nautilus/http_server_time.json"),
        ("SystemStatus", "nautilus/http_system_status.json"),
        ("AssetPairs?pair=XBTUSD", "nautilus/http_asset_pairs.json"),
        ("Ticker?pair=XBTUSD", "nautilus/http_ticker.json"),
        ("OHLC?pair=XBTUSD", "nautilus/http_ohlc_excerpt.json"),
        ("Depth?pair=XBTUSD", "nautilus/http_order_book.json"),
    ] {
        let Some(theirs) = fixture(file) else { return };
        let ours = result(&busy().get(path));
        let theirs = &theirs["result"];
        match theirs.as_object().unwrap().values().next() {
            Some(Value::Object(_)) => {
                let mut theirs = first(theirs).clone();
                // Only pairs with margin have limits of positions; ours has none.
                let fields = theirs.as_object_mut().unwrap();
                fields.retain(|name, _| !name.ends_with("_position_limit"));
                same_shape(path, first(&ours), &theirs);
            }
            Some(Value::Array(rows)) => same_shape(path, &ours["XXBTZUSD"][0], &rows[0]),
            Some(_) | None => same_shape(path, &ours, theirs),
        }
    }
}

#[test]
fn private_answers_are_shaped_like_known_ones() {
    let mut venue = busy();
    for (method, form, file) in [
        ("OpenOrders", "", "nautilus/http_open_orders.json"),
        ("Balance", "", "nautilus/http_spot_balance.json"),
        ("TradeVolume", "pair=XXBTZUSD", "kraken.net/spot_TradeVolume.json"),
    ] {
        let Some(theirs) = fixture(file) else { return };
        let theirs = theirs.get("response").unwrap_or(&theirs)["result"].clone();
        let ours = venue.ok(method, form);
        match method {
            "OpenOrders" => same_shape(method, first(&ours["open"]), first(&theirs["open"])),
            "Balance" => assert!(first(&ours).is_string()),
            _ => {
                let keys = |value: &Value| -> Vec<String> {
                    first(&value["fees"]).as_object().unwrap().keys().cloned().collect()
                };
                assert_eq!(keys(&ours), keys(&theirs));
            }
        }
    }
    let Some(theirs) = fixture("nautilus/http_trades_history.json") else { return };
    let ours = venue.ok("TradesHistory", "");
    let (ours, mut theirs) =
        (first(&ours["trades"]).clone(), first(&theirs["result"]["trades"]).clone());
    // Only `ledgers=true` gives these, and the fixture was composed with it.
    theirs.as_object_mut().unwrap().remove("ledgers");
    same_shape("TradesHistory", &ours, &theirs);
}

#[test]
fn a_batch_is_answered_like_the_documented_one() {
    let Some(theirs) = fixture("kraken.net/spot_AddOrderBatch.json") else { return };
    let body = Venue::new().post_json(
        "AddOrderBatch",
        concat!(
            r#""pair":"XBTUSD","orders":[{"ordertype":"limit","type":"buy","volume":"0.803","price":"28300","#,
            r#""close":{"ordertype":"stop-loss-limit","price":"27000","price2":"26000"}},"#,
            r#"{"ordertype":"limit","type":"sell","volume":"0.105","price":"36000"}]"#
        ),
    );
    let mut ours = result(&body);
    let mut theirs = theirs["response"]["result"].clone();
    for answer in [&mut ours, &mut theirs] {
        for order in answer["orders"].as_array_mut().unwrap() {
            order["txid"] = "id".into();
        }
    }
    assert_eq!(ours, theirs);
}
